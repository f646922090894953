"""Per-case scores become verdicts: measures of learning curves, intervals, helped, hurt or no evidence. No torch.

Comes in: one Dice per arm, seed, size, evaluation and case. Goes out: verdicts, a sentence, rows of a table. Everything
is a pure function of the scores, so that every number can be computed again from the saved ones.
May import: runs, config, registry, records, errors; never train, recipes or report.
"""
