import numpy as np
import pytest
from PIL import Image

from seg.config import Data, Settings
from seg.errors import UsageError
from seg.recipes.check import check


def test_the_check_looks_at_the_root_of_the_settings(tmp_path):
    for folder, low in (("images", 50), ("labels", 0)):
        (tmp_path / folder).mkdir()
        picture = np.random.default_rng(low).integers(low, low + 2, (40, 40)).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / folder / "a_1.png")
    heard = []
    report = check(Settings(data=Data(root=str(tmp_path))), lambda *said: heard.append(said))
    assert report.errors == ()
    assert report.facts[0].organ_voxels["liver"] > 0
    assert heard == [(1, 1, "a")]


def test_a_missing_root_is_reported_not_raised(tmp_path):
    report = check(Settings(data=Data(root=str(tmp_path / "nowhere"))))
    assert [error.code for error in report.errors] == ["root-missing"]


def test_an_unknown_organ_is_refused():
    with pytest.raises(UsageError, match="liver"):
        check(Settings(organ=("livr",)))
