"""Stage one: rank the segments of a library for a sentence."""
