"""The on-disk library: catalogue, segments, features, fingerprints."""
