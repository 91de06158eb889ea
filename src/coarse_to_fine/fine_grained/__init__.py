"""Stage two: locate the moments of a sentence in a segment."""
