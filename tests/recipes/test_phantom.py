from pathlib import Path

import pytest

from seg.errors import UsageError
from seg.recipes.phantom import phantom


def test_phantoms_are_written_where_asked(tmp_path: Path) -> None:
    root = phantom(tmp_path / "data", "nifti", labelled=1, unlabelled=1, seed=3, scanner="b")
    assert root == tmp_path / "data"
    assert len(list((root / "images").iterdir())) == 2
    assert len(list((root / "labels").iterdir())) == 1


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert phantom(tmp_path / "data", "pictures", labelled=1, unlabelled=0, seed=0, scanner="a").is_dir()


def test_files_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="already there"):
        phantom(tmp_path, "nifti", labelled=1, unlabelled=0, seed=0, scanner="a")
    with pytest.raises(UsageError, match="already there"):
        phantom(tmp_path / "mine.txt", "nifti", labelled=1, unlabelled=0, seed=0, scanner="a")
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(("labelled", "unlabelled"), [(0, 0), (-1, 2), (2, -1)])
def test_counts_that_cannot_be_meant_are_refused(tmp_path: Path, labelled: int, unlabelled: int) -> None:
    with pytest.raises(UsageError, match="at least one patient"):
        phantom(tmp_path / "data", "nifti", labelled=labelled, unlabelled=unlabelled, seed=0, scanner="a")
