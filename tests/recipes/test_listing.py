import pytest

from seg.errors import UsageError
from seg.recipes.listing import KINDS, listing
from seg.records import Manifest
from seg.runs import Run


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "encoders"])
def test_every_kind_is_a_table_with_full_rows(kind, tmp_path):
    table = listing(kind, tmp_path)
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all(row[0] and row[-1] for row in table.rows)
    assert bool(table.rows) == (kind != "runs")


def test_the_encoders_are_those_of_both_libraries():
    rows = dict(listing("encoders").rows)
    assert rows["resnet50"] == "segmentation-models-pytorch"
    assert rows["tu-convnext_nano"] == "timm"


def test_runs_are_shown_with_their_state_and_an_unreadable_one_does_not_hide_the_others(tmp_path):
    manifest = Manifest(
        run="a", verb="train", organs=("liver",), state="finished", created="2026-01-02T03:04:05.678", versions={},
        seed=0, data={}, lineage={}, results={"validation_dice": 0.91234},
    )  # fmt: skip
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Run(tmp_path / name).write_manifest(manifest)
    (tmp_path / "b" / "manifest.json").write_text("{")
    rows = {row[0]: row[1:] for row in listing("runs", tmp_path).rows}
    assert rows["a"] == ("liver", "finished", "2026-01-02T03:04:05", "0.912")
    assert rows["b"][1] == "unreadable"


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'metrics'"):
        listing("metric")
