"""Medical image segmentation that moves what it learned from one organ to the next, and proves it.

The verbs of the command line as functions, each with examples in its docstring:

    import seg

    run = seg.train("liver", {"data.root": "scans", "train.steps": 800})
    run = seg.transfer("liver", "pancreas", {"data.root": "scans"})
    seg.predict(run, "new-scans", "predictions")

Importing this costs next to nothing: torch is imported by the verb that needs it.
"""

import importlib

# Five verbs have a package of their own name. Python binds a package to this name when it is first imported, which
# would replace the function; imported here, before the functions, they are bound once and for all.
for _package in ("advise", "evaluate", "report", "train", "transfer"):
    importlib.import_module(f"seg.{_package}")

from seg.api import (  # noqa: E402
    advise,
    check,
    compare,
    evaluate,
    listing,
    phantom,
    predict,
    prepare,
    pretrain,
    prove,
    report,
    settings,
    train,
    transfer,
)
from seg.errors import SegError  # noqa: E402

__all__ = [
    "SegError",
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
]
