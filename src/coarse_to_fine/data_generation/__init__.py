"""Made data: procedural videos with exact truth, coarse captions."""
