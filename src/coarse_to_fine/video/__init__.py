"""Probing, decoding and frame sampling of video files; the only place that knows containers and codecs."""
