"""Feature files of published releases, read as they are: npz, npy, pt and HDF5."""
