"""Masks become evidence: metrics, intervals over patients, whole scans through a network.

Comes in: predicted and reference masks in (z, y, x), or a network and a case. Goes out: scores and evaluations.
May import: data, models, losses, runs, config, registry, records, errors; never train, recipes or report.
"""
