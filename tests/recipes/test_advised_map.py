from types import SimpleNamespace
from typing import Any

import pytest

from seg.advise.distance_map import DistanceMap
from seg.advise.strategy import Choice
from seg.overrides import resolve
from seg.recipes.advised_map import way_to
from seg.recipes.source import Origin

CHOICE = Choice(("finetune",), (), "")
NAMES = ("liver", "spleen", "pancreas (target)")


def _looked(name: str, root: str) -> Any:
    scans = SimpleNamespace(checked=SimpleNamespace(data_set=SimpleNamespace(root=root)))
    candidate = SimpleNamespace(name=name, origin=Origin(name))
    return SimpleNamespace(candidate=candidate, no_scans="", scans=scans)


def _map(to_spleen: float) -> DistanceMap:
    distances = ((0.0, to_spleen, 1.0), (to_spleen, 0.0, 0.5), (1.0, 0.5, 0.0))
    organs, sources = (("liver",), ("spleen",), ("pancreas",)), (("liver-1",), ("spleen-1",), ())
    return DistanceMap("imagenet", NAMES, organs, sources, distances, ((0.0, 0.0),) * 3, 1.0)


LOOKED = [_looked("liver-1", "/livers"), _looked("spleen-1", "/spleens")]


@pytest.mark.parametrize(("root", "named"), [("/scans", True), ("/spleens", False)])
def test_an_organ_on_the_way_comes_with_its_hops_its_command_and_its_scans(root: str, named: bool) -> None:
    settings = resolve(["organ=pancreas", f"data.root={root}"])
    way = way_to(_map(0.6), LOOKED[0], LOOKED, settings, CHOICE)
    assert way.organs == ("spleen",)
    assert "0.60 from liver, 0.50 from pancreas (target), which are 1.00 apart" in way.why
    assert way.command.startswith("seg transfer --from liver-1 --via spleen --to pancreas --strategy finetune ")
    assert ("transfer.via_roots={spleen: /spleens}" in way.command) is named


def test_a_longer_hop_is_no_way_and_the_organ_that_was_considered_is_named() -> None:
    way = way_to(_map(1.2), LOOKED[0], LOOKED, resolve(["organ=pancreas"]), CHOICE)
    assert (way.organs, way.command) == ((), "")
    assert way.why.endswith("1.00 apart: spleen: not nearer to both.")


def test_a_source_without_scans_has_no_way_that_is_known() -> None:
    bare = SimpleNamespace(candidate=SimpleNamespace(name="imagenet"), no_scans="it comes without scans")
    found: Any = bare
    way = way_to(_map(0.6), found, LOOKED, resolve(["organ=pancreas"]), CHOICE)
    assert way.why == "Whether an organ lies on the way from imagenet cannot be known: it comes without scans."
