"""The verbs as functions. The command line calls these and nothing else; each imports what it needs when it is called.

Settings are given as a mapping of Python values, nested or dotted, or as the words of the command line:
`{"optim": {"lr": 1e-3}}`, `{"optim.lr": 1e-3}` and `["optim.lr=1e-3"]` mean the same.
"""

from seg.api.learning import pretrain, settings, train, transfer, transfer_settings
from seg.api.proving import advise, compare, prove
from seg.api.using import check, evaluate, listing, phantom, predict, prepare, report
from seg.recipes.given import transfer_words

__all__ = [
    "advise",
    "check",
    "compare",
    "evaluate",
    "listing",
    "phantom",
    "predict",
    "prepare",
    "pretrain",
    "prove",
    "report",
    "settings",
    "train",
    "transfer",
    "transfer_settings",
    "transfer_words",
]
