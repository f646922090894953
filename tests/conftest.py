"""What every test needs: no network, one thread, and no results outside the test's own folder."""

import os

import pytest

# Before torch or albumentations are imported, because they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths such as `runs` end in a folder of the test, never in the checkout."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
