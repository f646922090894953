"""What changes when knowledge moves: one strategy component per file.

Comes in: the network and the batches of a step. Goes out: parameter groups and named loss terms.
May import: data, models, losses.
"""
