"""Before a training: what a source's network already knows of a target, measured without training.

Comes in: a network and prepared cases of target and source. Goes out: measures, a rank of sources, a strategy and why.
May import: transfer, data, models.
"""
