"""What the network of one source makes of the target's scans and of its own, for an advice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from seg.advise.evidence import Evidence, Numbers, Seen
from seg.advise.facts import DataFacts, differences, take_facts
from seg.advise.features import see
from seg.advise.rank import Values, patient_draws, votes_of
from seg.config import Settings
from seg.data.cache import PreparedCase
from seg.data.fingerprint import take_fingerprint
from seg.errors import SegError, UsageError
from seg.models.network import SegNetwork
from seg.progress import Progress, silent
from seg.recipes.advised_sources import Candidate
from seg.recipes.earlier import changed
from seg.recipes.prepare import Prepared, Stage, cache_folder
from seg.recipes.source import Origin
from seg.recipes.source_sample import SourceSample, source_sample
from seg.recipes.start import refuse_bad_start, start_network
from seg.train.precision import choose_device


@dataclass(frozen=True)
class Target:
    """The labelled training patients of a target, prepared."""

    settings: Settings
    prepared: Prepared
    facts: DataFacts
    stages: Stage


@dataclass(frozen=True)
class Looked:
    """What one source's network saw."""

    candidate: Candidate
    settings: Settings
    """The target's, with what the network shares with its source."""
    votes: Values
    target: Seen
    scans: SourceSample | None
    seen_scans: Seen | None
    """Of the source's scans; None where they are not there."""
    no_scans: str
    facts: tuple[str, ...]


def with_network_of(settings: Settings, origin: Origin) -> Settings:
    """The target's settings with the network of a source, as a transfer from it has them."""
    if origin.run is None:
        return settings
    theirs = origin.run.settings()
    shared = ("encoder", "decoder_channels", "edge_head", "edge_width_px")
    model = {name: vars(theirs.model)[name] for name in shared}
    return changed(settings, model=model, prepare={"neighbours": theirs.prepare.neighbours})


def source_network(settings: Settings, target: Target, origin: Origin) -> SegNetwork:
    """The network that a transfer would start from, with the heads of the source's own organs.

    What starts from nothing, such as all of `none`, is drawn by `train.seed`, as the training would draw it.
    """
    refuse_bad_start(settings, [origin])
    own_heads = settings.model_copy(update={"organ": origin.organs or settings.organ})
    plan = replace(target.prepared.plan, neighbours=settings.prepare.neighbours)
    torch.manual_seed(settings.train.seed)
    network, _ = start_network(own_heads, plan, [origin])
    layout = torch.channels_last if settings.train.channels_last else torch.contiguous_format
    return network.to(choose_device(settings.train.device)).to(memory_format=layout)


def look(candidate: Candidate, target: Target) -> Looked:
    """Features, measures and facts of one source; SegError where its network cannot be had."""
    origin = candidate.origin
    settings = with_network_of(target.settings, origin)
    network = source_network(settings, target, origin)
    seen = see_cases(network, settings, target.prepared.train)
    scans, no_scans = _own_scans(origin, settings, target)
    seen_scans = None if scans is None else see_cases(network, settings, scans.cases)
    heads = bool(origin.organs) and settings.transfer.parts == "all"
    votes = votes_of(Evidence(seen, seen_scans, heads), draws_of(seen, settings))
    facts = () if scans is None else differences(_facts(scans, settings), target.facts)
    return Looked(candidate, settings, votes, seen, scans, seen_scans, no_scans, facts)


def see_cases(
    network: SegNetwork, settings: Settings, cases: Sequence[PreparedCase], progress: Progress = silent
) -> Seen:
    """The cases as a network of these settings sees them; kept in the cache folder."""
    neighbours, edge_width = settings.prepare.neighbours, settings.model.edge_width_px
    return see(network, cases, neighbours, edge_width, cache_folder(settings), settings.advise, progress)


def draws_of(seen: Seen, settings: Settings) -> tuple[Numbers, ...]:
    """The draws of target patients; every source is measured over the same ones."""
    return patient_draws(seen.patients, settings.advise.draws, settings.advise.seed)


def _own_scans(origin: Origin, settings: Settings, target: Target) -> tuple[SourceSample | None, str]:
    """A few of the scans that a source learned from, or why they cannot be looked at."""
    if origin.run is None:
        return None, "it comes without scans" if origin.file or origin.word != "none" else "it starts from nothing"
    if not origin.organs:
        return None, "it learned without labels"
    plan = replace(target.prepared.plan, neighbours=settings.prepare.neighbours)
    try:
        found = source_sample(origin.run, plan, settings, target.stages)
    except SegError as error:
        return None, error.found
    if not any(case.organ_slices for case in found.cases):
        return None, "none of those that were drawn shows its organ"
    return found, ""


def _facts(scans: SourceSample, settings: Settings) -> DataFacts:
    checked = scans.checked
    fingerprint = take_fingerprint(checked.data_set, checked.data_set.cases, checked.sources, settings.data)
    return take_facts(fingerprint, scans.plan, scans.cases)


def refuse_nothing_looked_at(looked: Sequence[Looked], why: Sequence[str]) -> None:
    """Raise UsageError where no source could be looked at."""
    if not looked:
        raise UsageError(
            found="no source that could be looked at" + "".join(f"; {reason}" for reason in why),
            expected="a finished run, weights, or none", fix="name one: seg advise --from liver,none --to pancreas",
            code="nothing-to-advise",
        )  # fmt: skip
