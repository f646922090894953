import shutil
from pathlib import Path

import numpy as np
import pytest

from seg.data.volume import IGNORE
from seg.errors import DataError, UsageError
from seg.overrides import resolve
from seg.recipes.prepare import check_and_split, prepare, prepare_checked


@pytest.fixture
def bare(phantoms: Path, tmp_path: Path) -> Path:
    """A folder of synthetic scans without labels."""
    root = tmp_path / "bare"
    shutil.copytree(phantoms / "imagesTr", root / "images")
    return root


def test_scans_without_any_label_are_prepared_where_labels_come_from_elsewhere(bare, small_words) -> None:
    prepared = prepare(resolve([*small_words, f"data.root={bare}"]), labels_elsewhere=True)
    assert prepared.train == prepared.validation == ()
    assert len(prepared.unlabelled) == 8
    assert not any(case.labelled or case.organ_slices for case in prepared.unlabelled)
    assert (np.asarray(prepared.unlabelled[0].masks[0]) == IGNORE).all()
    assert prepared.plan.organ_values == (1,)
    assert prepared.plan.intensities[0].kind == "window"


def test_scans_without_any_label_are_refused_where_none_come_from_elsewhere(bare, small_words) -> None:
    with pytest.raises(DataError) as refused:
        prepare(resolve([*small_words, f"data.root={bare}"]))
    assert refused.value.code == "no-labels"


def test_a_broken_scan_is_refused_wherever_labels_come_from(bare, small_words) -> None:
    file = sorted((bare / "images").iterdir())[0]
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError) as refused:
        prepare(resolve([*small_words, f"data.root={bare}"]), labels_elsewhere=True)
    assert refused.value.code != "no-labels"


def test_labels_that_are_not_used_are_not_looked_at(small_words) -> None:
    words = [*small_words, "data.labelled=0"]
    checked = check_and_split(resolve(words), labels_elsewhere=True)
    prepared = prepare_checked(checked, resolve(words))
    whole = check_and_split(resolve(small_words))
    assert checked.split.test == whole.split.test != ()
    assert {case.patient for case in prepared.unlabelled} == set(checked.split.unlabelled)
    assert not any(case.labelled for case in prepared.unlabelled)
    assert prepared.fingerprint.organ_sizes == {}
    assert [case.patient for case in checked.cases(checked.split.test)] == list(checked.split.test)


def test_no_labels_used_is_refused_where_none_come_from_elsewhere(small_words) -> None:
    with pytest.raises(DataError, match=r"data\.labelled=0") as refused:
        check_and_split(resolve([*small_words, "data.labelled=0"]))
    assert refused.value.code == "no-labels"


def test_intensities_of_the_inside_of_organs_need_labels(small_words) -> None:
    settings = resolve([*small_words, "data.labelled=0", "prepare.intensity=percentiles"])
    with pytest.raises(UsageError, match="percentiles without a labelled") as refused:
        prepare(settings, labels_elsewhere=True)
    assert refused.value.code == "no-labels"
    assert prepare(resolve([*small_words, "prepare.intensity=percentiles"])).plan.intensities[0].kind == "percentiles"
