"""From files on disk to what a network sees, and back.

Comes in: a folder of scans in any layout of `formats/`, or the synthetic abdomen of `phantom.py`.
Goes out: cases, checked voxels in (z, y, x) with their geometry, splits by patient, training slices.
May import: runs, config, overrides, registry, atomic, records, errors, types; never models, losses or anything above.
"""
