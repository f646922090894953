"""One file per launcher, named after it, with a LAUNCHER."""
