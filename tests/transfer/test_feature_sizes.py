import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from seg.errors import ResourceError, UsageError
from seg.transfer._feature_layout import Layout
from seg.transfer._feature_sizes import Sizes, size_text

# 64 x 64 pixels: 12288 + 0 + 8192 numbers, and as many again of the image.
LAYOUT = Layout((3, 64, 64), ((3, 64, 64), (0, 32, 32), (512, 4, 4)))
PER_SLICE = 2 * (12288 + 8192 + 12288) + 4096


@pytest.fixture
def sizes(tmp_path: Path) -> Sizes:
    return Sizes(LAYOUT, 4096, 1000, 4, 4000, 64, tmp_path / "not" / "there")


def test_every_level_is_listed_with_its_size_the_deepest_first(sizes):
    assert sizes.total == 4000 * PER_SLICE
    first, *levels, last = sizes.lines
    assert "1000 slices in 4 views" in first
    assert [line.strip() for line in levels] == [
        "level 2 (512 x 4 x 4) 66 MB", "level 0 (3 x 64 x 64) 98 MB", "images and masks 115 MB",
    ]  # fmt: skip
    assert "in all 279 MB, nothing of it there yet; " in last
    assert str(sizes.folder) in last


def test_what_is_there_already_is_said(sizes):
    assert "in all 279 MB, 209 MB of it there already; " in replace(sizes, missing=1000).lines[-1]


def test_a_single_view_is_called_so(sizes):
    assert "1000 slices in one view, " in replace(sizes, views=1, missing=1000).lines[0]


def test_what_fits_is_accepted(sizes):
    sizes.check(0.28)


@pytest.mark.parametrize(
    ("limit_gb", "advice"),
    [
        (0.15, "use feature_extract.views=2, which needs 139 MB"),
        (0.05, "use feature_extract.views=1 with prepare.size_px=32"),
        (0.001, "use fewer patients (data.labelled)"),
    ],
)
def test_more_than_the_limit_is_refused_with_the_sizes_and_what_would_fit(sizes, limit_gb, advice):
    with pytest.raises(UsageError) as refused:
        sizes.check(limit_gb)
    assert refused.value.code == "feature-cache-size"
    assert "279 MB" in refused.value.found
    assert "level 2 (512 x 4 x 4) 66 MB; level 0" in refused.value.found
    assert "feature_extract.limit_gb" in refused.value.expected
    assert advice in refused.value.fix
    assert "freeze" in refused.value.fix


def test_more_than_the_disk_has_is_refused_but_not_what_lies_on_it_already(sizes, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=80_000_000))
    replace(sizes, missing=1000).check(20)
    with pytest.raises(ResourceError) as refused:
        replace(sizes, missing=2000).check(20)
    assert "at most 80 MB more" in refused.value.expected
    assert "feature_extract.views=3" in refused.value.fix


def test_sizes_are_written_for_people():
    assert [size_text(count) for count in (2.4e3, 41.2e6, 3.44e9)] == ["2 kB", "41 MB", "3.4 GB"]
