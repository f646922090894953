"""The way of a step-by-step transfer: which organs it went through, which of them were kept, and why."""

from dataclasses import asdict, dataclass

from seg.runs import Run


@dataclass(frozen=True)
class Hop:
    """One organ on the way, trained and, where possible, tested on the target."""

    organ: str
    run: str
    """Name of its run."""
    strategy: tuple[str, ...]
    kept: bool
    before: float | None = None
    """Validation Dice of the target's probe from the start before this hop; None where nothing could be tested."""
    after: float | None = None
    """The same from this hop's model."""

    def sentence(self) -> str:
        """The decision and the scores behind it."""
        if self.before is None or self.after is None:
            return f"{self.organ.capitalize()} was kept on the way without a test."
        scores = f"probes of the target reach a validation Dice of {self.after:.4f} after it, {self.before:.4f} before"
        if self.before == self.after == 0:
            scores += "; they found nothing, so transfer.probe_steps should be raised"
        return f"{self.organ.capitalize()} was {'kept' if self.kept else 'left out'} on the way: {scores}."


@dataclass(frozen=True)
class Route:
    """Start, target, and what was decided between them."""

    start: str
    """Organs of the first source, or its name without folders."""
    target: tuple[str, ...]
    hops: tuple[Hop, ...]
    judged: str
    """How the probes were judged, or why nothing could be."""
    remarks: tuple[str, ...] = ()
    """What could not be done as it was asked for."""
    left: bool = False
    """Whether the guard of the transfer left the way, so that the model starts from nothing of it."""

    @property
    def path(self) -> str:
        """The models that were gone through, such as `liver > spleen > pancreas`."""
        return " > ".join([self.start, *(hop.organ for hop in self.hops if hop.kept), ", ".join(self.target)])

    def sentences(self) -> tuple[str, ...]:
        """What a reader of the model must know of the way to it."""
        decisions = [hop.sentence() for hop in self.hops]
        way = "The way that was tried, and that the guard left" if self.left else "The way to this model"
        return (f"{way}: {self.path}.", *decisions, self.judged, *self.remarks)


def note_route(run: Run, route: Route) -> None:
    """Keep the way in the manifest of the target's run, in words for the report and as numbers."""
    manifest = run.manifest()
    lineage = {**manifest.lineage, "route": {"path": "" if route.left else route.path, **asdict(route)}}
    run.change_manifest(lineage=lineage, notes=(*route.sentences(), *manifest.notes))
