"""Everything that can be wrong with a data set, found before training."""
