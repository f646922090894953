"""The loop: batches in, weights and a curve out.

Comes in: a network, strategy components, prepared cases. Goes out: checkpoints, curve rows, the best weights.
May import: transfer, evaluate, data, models, losses.
"""
