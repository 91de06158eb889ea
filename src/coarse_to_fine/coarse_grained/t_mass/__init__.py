"""T-MASS: a sentence as a region around its embedding, sized by how well it matches each video."""
