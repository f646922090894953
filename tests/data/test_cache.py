import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seg.config import Data, Organ
from seg.data import cache
from seg.data.cache import PreparedCase, case_key, prepare_case
from seg.data.discover import find_data
from seg.data.organs import OrganSource, organ_sources
from seg.data.plan import Intensity, Plan
from seg.data.volume import IGNORE
from seg.records import Case, DataSet

PLAN = Plan(("liver",), (1,), 6.0, "mm", 64, 1, (Intensity("window", -160.0, 240.0),))


@pytest.fixture
def scans(phantoms: Path) -> tuple[DataSet, tuple[OrganSource, ...]]:
    data_set = find_data(phantoms, Data())
    return data_set, organ_sources(data_set, [Organ(name="liver", label_names=("liver",))], Data())


def _prepared(scans: tuple[DataSet, tuple[OrganSource, ...]], folder: Path, case: Case | None = None) -> PreparedCase:
    data_set, sources = scans
    return prepare_case(case or data_set.labelled[0], data_set, sources, PLAN, Data(), folder)


def test_a_prepared_case_lies_on_the_planned_grid_between_zero_and_one(scans, tmp_path: Path) -> None:
    case = _prepared(scans, tmp_path)
    assert case.image.shape[:2] == (10, 1)
    assert 0.0 <= float(case.image.min()) <= float(case.image.max()) <= 1.0
    assert case.masks.shape == case.image.shape
    assert case.contiguous


def test_organ_slices_are_those_that_show_the_organ(scans, tmp_path: Path) -> None:
    case = _prepared(scans, tmp_path)
    shown = [z for z in range(len(case)) if (case.masks[z] == 1).any()]
    assert list(case.organ_slices) == shown
    assert shown


def test_a_case_goes_to_another_process_without_its_voxels(scans, tmp_path: Path) -> None:
    case = _prepared(scans, tmp_path)
    assert case.image.size + case.masks.size > 10_000
    sent = pickle.dumps(case)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).image, case.image)


def test_an_unlabelled_case_is_ignored_everywhere(scans, tmp_path: Path) -> None:
    case = _prepared(scans, tmp_path, scans[0].unlabelled[0])
    assert not case.labelled
    assert np.all(np.asarray(case.masks) == IGNORE)


def test_the_second_time_nothing_is_read_again(scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _prepared(scans, tmp_path)
    monkeypatch.setattr(cache, "read_image", lambda *_: pytest.fail("the scan was read again"))
    assert _prepared(scans, tmp_path) == first


@pytest.mark.parametrize("name", ["image.npy", "masks.npy", "entry.json"])
def test_a_changed_byte_makes_the_case_anew(scans, tmp_path: Path, name: str) -> None:
    case = _prepared(scans, tmp_path)
    intact = np.array(case.image), case.organ_slices
    content = bytearray((case.folder / name).read_bytes())
    for place in np.random.default_rng(0).integers(len(content), size=6):
        broken = bytearray(content)
        broken[place] ^= 4
        (case.folder / name).write_bytes(broken)
        mended = _prepared(scans, tmp_path)
        assert np.array_equal(mended.image, intact[0])
        assert mended.organ_slices == intact[1]


def test_a_half_written_entry_is_made_anew(scans, tmp_path: Path) -> None:
    case = _prepared(scans, tmp_path)
    (case.folder / "entry.json").write_text(json.dumps({"entry": {}}))
    assert len(_prepared(scans, tmp_path)) == 10


def test_the_key_changes_with_content_labels_and_plan(scans, tmp_path: Path) -> None:
    data_set, sources = scans
    first, second = data_set.labelled[:2]
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(Path(first.channels[0][0]).read_bytes())
    same = replace(first, channels=((str(copy),),))
    key = case_key(first, data_set, sources, PLAN, Data())
    assert case_key(same, data_set, sources, PLAN, Data()) == key
    others = [
        case_key(second, data_set, sources, PLAN, Data()),
        case_key(replace(first, labels={}), data_set, sources, PLAN, Data()),
        case_key(first, data_set, sources, replace(PLAN, spacing=5.0), Data()),
        case_key(first, data_set, sources, PLAN, Data(nan_to=0.0)),
    ]
    assert len({key, *others}) == 5
