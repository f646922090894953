"""The story of each verb, read from top to bottom: the only place where the stages meet.

Comes in: resolved settings and paths. Goes out: runs, predictions, evaluations, pages, tables.
May import: everything but the command line.
"""
