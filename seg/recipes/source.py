"""Where knowledge comes from: what `--from` names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.config import Settings
from seg.errors import CheckpointError, UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.weight_files import PICKLED, SAFE
from seg.recipes.source_folder import no_run_in
from seg.recipes.trained import load_run_weights, read_plan
from seg.runs import Run, find_run
from seg.transfer.component import Source

WORDS = ("imagenet", "none")
"""Sources that are no file: `model.weights` of the same name."""


@dataclass(frozen=True)
class Origin:
    """What one word of `--from` means."""

    word: str
    run: Run | None = None
    """The run, where it is one or one of its files."""
    file: Path | None = None
    """The weights: the run's model, or a file of any origin; None for `imagenet` and `none`."""

    @property
    def organs(self) -> tuple[str, ...]:
        """What the source's heads predict."""
        return () if self.run is None else self.run.manifest().organs

    @property
    def place(self) -> str:
        """What finds the same source again: the run's folder where its model is meant, else the file or the word."""
        if self.file is None:
            return self.word
        return str((self.run.folder if self.run is not None and self.file == self.run.model else self.file).absolute())


def find_origin(word: str, runs: Path) -> Origin:
    """The source a person means: imagenet, none, a weight file, a run's folder or name, or an organ's best run.

    Raises CheckpointError where there is no such thing, or a run without a finished model.
    """
    if word in WORDS:
        return Origin(word)
    path = Path(word).expanduser()
    if path.suffix in SAFE + PICKLED and not path.is_dir():
        if not path.is_file():
            raise CheckpointError(
                found="no such file", expected="a file of weights", fix="correct the source's path", path=path,
                code="weights-missing",
            )  # fmt: skip
        return Origin(word, run_of(path), path)
    run = _find_run(word, path, runs)
    state = run.manifest().state
    if state != "finished" or not run.model.is_file():
        raise CheckpointError(
            found=f"a run that is not finished ({state})", expected="a run that was trained to its end",
            fix=f"seg train --resume {run.folder}; or name its file: --from {run.model}", path=run.folder,
            code="source-unfinished",
        )  # fmt: skip
    return Origin(word, run, run.model)


def _find_run(word: str, path: Path, runs: Path) -> Run:
    try:
        return find_run(word, runs)
    except CheckpointError:
        if path.is_dir() and not (path / "manifest.json").exists():
            raise no_run_in(path) from None
        raise


def run_of(file: Path) -> Run | None:
    """The run that wrote a file of weights and still holds it, finished or not; None for a file of any other origin."""
    run = Run(file.parent)
    if file.name not in {own.name for own in (run.model, run.last, run.student)}:
        return None
    try:
        run.manifest()
    except CheckpointError:
        return None
    return run


def find_origins(settings: Settings) -> tuple[Origin, ...]:
    """Every source of the settings; UsageError where several cannot be used together."""
    origins = tuple(find_origin(word, Path(settings.runs.folder)) for word in settings.transfer.source)
    if len(origins) > 1:
        alone = [origin.word for origin in origins if origin.run is None]
        if alone or len({origin.organs for origin in origins}) > 1:
            raise UsageError(
                found=f"the sources {', '.join(settings.transfer.source)}",
                expected="one source, or several runs that were trained for the same organs",
                fix="name one source, or go through an organ with --via", code="several-sources",
            )  # fmt: skip
    return origins


def source_model(origins: Sequence[Origin]) -> Source | None:
    """The first source as a model that segments; None where it is not one of our runs."""
    run, file = (origins[0].run, origins[0].file) if origins else (None, None)
    if run is None or file is None:
        return None

    def load() -> SegNetwork:
        plan, model = read_plan(run), run.settings().model.model_copy(update={"weights": "none"})
        network, _ = build_network(model, max(1, len(plan.organs)), plan.input_channels)
        load_run_weights(network, run, file)
        return network.eval().requires_grad_(False)

    return Source(run.manifest().organs, load)
