"""The page of an advice."""
