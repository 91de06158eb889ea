"""Metrics of both stages; imports no model."""
