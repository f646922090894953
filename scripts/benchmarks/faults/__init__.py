"""What can go wrong with a training, done on purpose: forked trainings, and faults that strike them."""
