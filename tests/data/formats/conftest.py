from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def touch(tmp_path: Path) -> Callable[..., Path]:
    """Make empty files below the test's folder; formats look at names only."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make
