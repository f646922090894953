"""Sources whose order is known, on phantoms: what the combined rank says of them, and each measure alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from seg.advice_settings import FeatureSettings
from seg.advise.evidence import Evidence
from seg.advise.features import see
from seg.advise.rank import Values, patient_draws, rank_sources, votes_of
from seg.config import Model
from seg.data.cache import PreparedCase
from seg.data.phantom.abdomen import PHANTOM_LABELS, make_phantom
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork, build_network
from seg.registry import MEASURES

SIZE = (16, 32, 32)
MODEL = Model(encoder="tu-test_resnet", weights="none", decoder_channels=(32, 16, 16))
ORDER = ("same organ", "neighbouring organ", "noise", "random weights")
CaseOf = Callable[[str, NDArray, NDArray], PreparedCase]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> CaseOf:
    def made(name: str, image: NDArray, mask: NDArray) -> PreparedCase:
        folder = tmp_path_factory.mktemp("cases") / name
        folder.mkdir()
        np.save(folder / "image.npy", image[:, None].astype(np.float16))
        np.save(folder / "masks.npy", mask[:, None].astype(np.uint8))
        shown = np.flatnonzero(mask.any(axis=(1, 2)))
        return PreparedCase(name, name.split("-")[0], folder, True, True, tuple(int(z) for z in shown))

    return made


def _scans(kept: CaseOf, seed: int, scanner: str, patients: int, organs: Sequence[str]) -> list[list[PreparedCase]]:
    """Per organ the same scans with that organ's masks."""
    found: list[list[PreparedCase]] = [[] for _ in organs]
    for number in range(patients):
        phantom = make_phantom(number, seed=seed, scanner=scanner, size=SIZE)
        image = np.clip((phantom.hu.astype(np.float32) + 160) / 400, 0, 1)
        for cases, organ in zip(found, organs, strict=True):
            cases.append(kept(f"{scanner}{number}-{organ}", image, phantom.labels == PHANTOM_LABELS[organ]))
    return found


def _noise(kept: CaseOf, count: int) -> list[PreparedCase]:
    """Noise at four scales; the organ is where the two coarse ones are bright."""
    cases = []
    for number in range(count):
        random = np.random.default_rng(number)
        fields = [gaussian_filter(random.normal(size=SIZE), (0, scale, scale)) for scale in (0.5, 1, 2, 4)]
        fields = [field / field.std() for field in fields]
        image = np.clip(0.5 + 0.12 * sum(fields), 0, 1)
        cases.append(kept(f"noise{number}", image, fields[3] + 0.5 * fields[2] > 1.4))
    return cases


def _network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 1)[0].eval()


def _trained(cases: Sequence[PreparedCase], steps: int = 60) -> SegNetwork:
    images = torch.from_numpy(np.concatenate([case.image[list(case.organ_slices)] for case in cases]))
    masks = torch.from_numpy(np.concatenate([case.masks[list(case.organ_slices)] for case in cases]))
    network, random = _network().train(), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    for _ in range(steps):
        chosen = torch.from_numpy(random.choice(len(images), 8, replace=False))
        output, wanted = network(images[chosen].float()), masks[chosen].float()
        inside = output.masks.sigmoid()
        dice = (2 * (inside * wanted).sum() + 1) / (inside.sum() + wanted.sum() + 1)
        bands = F.binary_cross_entropy_with_logits(output.edges, boundary_band(wanted, 1))
        loss = F.binary_cross_entropy_with_logits(output.masks, wanted) + bands - dice
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def target(kept: CaseOf) -> list[PreparedCase]:
    return _scans(kept, 7, "b", 6, ["liver"])[0]


@pytest.fixture(scope="module")
def measured(kept: CaseOf, target: list[PreparedCase], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Values]:
    """Every measure of the four sources for the liver on scanner b, over all patients and draws of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cache = tmp_path_factory.mktemp("cache")
    liver, spleen = _scans(kept, 1, "a", 8, ["liver", "spleen"])
    sources = dict(zip(ORDER, (liver, spleen, _noise(kept, 8)), strict=False))
    draws = patient_draws([case.patient for case in target], 40, 0)
    found: dict[str, Values] = {}
    for name in ORDER:
        network = _trained(sources[name]) if name in sources else _network()
        seen = [see(network, cases, 0, 1, cache, FeatureSettings(pixels=32))
                for cases in (target, sources.get(name)) if cases]  # fmt: skip
        found[name] = votes_of(Evidence(*seen, heads=name in sources), draws)
    torch.set_num_threads(threads)
    return found


def test_the_combined_rank_puts_planted_sources_in_their_order(measured: dict[str, Values]) -> None:
    ranking = rank_sources(measured, 6)
    assert tuple(standing.source for standing in ranking.standings) == ORDER
    assert ranking.told_apart
    assert ranking.sentence().startswith("same organ promises most: it stands before neighbouring organ in ")


def _in_order(measured: dict[str, Values], measure: str, place: str) -> bool:
    sign = 1 if MEASURES.load(measure).MEASURE.better == "higher" else -1
    values = [sign * float(measured[name][measure, place][0]) for name in ORDER if (measure, place) in measured[name]]
    return values == sorted(values, reverse=True)


@pytest.mark.parametrize("measure", ["log_me", "h_score"])
@pytest.mark.parametrize("place", ["whole", "boundary"])
def test_these_measures_find_the_whole_order_alone(measured: dict[str, Values], measure: str, place: str) -> None:
    assert _in_order(measured, measure, place)


@pytest.mark.parametrize(("measure", "place"), [("mmd", "whole"), ("mmd", "boundary"), ("a_distance", "whole")])
def test_distances_of_scans_find_the_order_of_sources_that_have_scans(
    measured: dict[str, Values], measure: str, place: str
) -> None:
    assert ("random weights", (measure, place)) not in [(name, vote) for name in measured for vote in measured[name]]
    assert _in_order(measured, measure, place)


def test_heads_of_the_same_organ_alone_know_the_target(measured: dict[str, Values]) -> None:
    best, *others = (float(measured[name]["leep", "whole"][0]) for name in ORDER[:3])
    assert best > max(others) + 0.1


def test_no_single_measure_is_to_be_trusted_alone(measured: dict[str, Values]) -> None:
    # Random weights give features that differ little between cases, which CC-FV takes for consistency.
    assert not _in_order(measured, "cc_fv", "whole")


def test_the_same_source_gets_the_same_values(
    measured: dict[str, Values], target: list[PreparedCase], tmp_path: Path
) -> None:
    again = votes_of(Evidence(see(_network(), target, 0, 1, tmp_path, FeatureSettings(pixels=32))), [np.arange(6)])
    for vote, values in again.items():
        assert values[0] == pytest.approx(measured["random weights"][vote][0], abs=1e-6)
