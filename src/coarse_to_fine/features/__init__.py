"""Feature files: extraction, our sharded format, published formats."""
