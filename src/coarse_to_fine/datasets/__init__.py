"""Readers of annotation files into one record type."""
