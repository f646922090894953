"""`seg pretrain`: learn from scans without labels."""

from seg import api
from seg.app import Config, Debug, DryRun, New, Words, app
from seg.command import ExplainsSettings
from seg.console import print_run


@app.command(cls=ExplainsSettings)
def pretrain(
    words: Words = None,
    config: Config = None,
    dry_run: DryRun = False,
    new: New = False,
    debug: Debug = False,
) -> None:
    """Learn from scans without labels, as a start for transfers.

    Damaged scans are restored. `seg transfer --from RUN` goes on with the result, `seg train --resume` with a run that
    was interrupted.
    """
    run = api.pretrain(words or (), config=config or (), dry_run=dry_run, new=new)
    if run is not None:
        print_run(run)
