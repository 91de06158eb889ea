"""Procedural videos with exact truth."""
