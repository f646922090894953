from pathlib import Path

import numpy as np
import pytest

from seg.data.cache import PreparedCase
from seg.errors import ResourceError
from seg.transfer import _feature_cache
from seg.transfer._feature_cache import Entry

VALUES, SLICES = 7, 5


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    place = tmp_path / "case"
    place.mkdir()
    np.save(place / "image.npy", np.zeros((SLICES, 1, 4, 4), dtype=np.float16))
    case = PreparedCase("case", "case", place, True, False, ())
    return Entry(tmp_path / "features" / "key", case, 0)


def _content(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((SLICES, VALUES)).astype(np.float16)
    return rows, random.integers(0, 2, (SLICES, 1, 4, 4)).astype(np.uint8)


def _write(entry: Entry, seed: int = 0) -> None:
    rows, masks = _content(seed)
    entry.write(VALUES, [(rows[:3], masks[:3]), (rows[3:], masks[3:])])


def test_what_was_written_is_read_slice_by_slice_from_a_memory_map(entry):
    assert not entry.is_intact()
    _write(entry)
    assert entry.is_intact()
    rows, masks = _content()
    for z in range(SLICES):
        row, marked = entry.read(z)
        assert isinstance(row, np.memmap)
        assert np.array_equal(row, rows[z])
        assert np.array_equal(marked, masks[z])


@pytest.mark.parametrize("name", ["maps.npy", "masks.npy", "entry.json"])
def test_a_changed_byte_is_noticed_and_made_good_by_writing_again(entry, name):
    _write(entry, seed=1)
    entry.read(0)
    path = entry.folder / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert not entry.is_intact()
    _write(entry)
    assert entry.is_intact()
    assert np.array_equal(entry.read(0)[0], _content()[0][0])


def test_an_interrupted_entry_leaves_nothing_behind(entry):
    def interrupted():
        rows, masks = _content()
        yield rows[:3], masks[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entry.write(VALUES, interrupted())
    assert list(entry.folder.parent.iterdir()) == []


def test_a_full_disk_is_an_error_with_a_sentence(entry, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_feature_cache, "_write_header", full)
    with pytest.raises(ResourceError, match="No space left"):
        _write(entry)
    assert list(entry.folder.parent.iterdir()) == []
