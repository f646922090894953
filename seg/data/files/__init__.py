"""Reading and writing single files: NIfTI and pictures, each along one path with every check."""
