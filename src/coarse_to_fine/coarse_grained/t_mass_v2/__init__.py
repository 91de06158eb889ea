"""T-MASS-V2: the random texts of T-MASS look at each other and at the frames before they are scored."""
