"""A batch of slices becomes masks and edges.

Comes in: images (batch, channel, y, x) in [0, 1]. Goes out: logits of organ masks and boundary bands, and features.
May import: runs, config, overrides, registry, errors; never data, losses or anything above.
"""
