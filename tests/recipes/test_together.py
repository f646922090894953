from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seg.config import Settings
from seg.errors import DataError, UsageError
from seg.overrides import resolve
from seg.processes import leads, process_number, several
from seg.recipes.together import (
    by_first,
    each_case,
    in_turn,
    own_console,
    refuse_for_several,
    the_first_ones,
    wait_for_end,
)
from seg.records import Case
from seg.runs import Run

SideBySide = Callable[..., list[Any]]


def _cases(count: int) -> list[Case]:
    return [Case(f"case-{number}", f"patient-{number}", "volume", (), {}, ()) for number in range(count)]


def _work(folder: Path) -> dict[str, Any]:
    told: list[str] = []

    @by_first("looking")
    def look(what: str) -> str:
        return f"{what} by {process_number()}"

    @by_first("failing")
    def fail() -> None:
        raise DataError(found="a broken scan", expected="a sound one", fix="mend it", code="gzip-crc")

    @in_turn("caching")
    def cache() -> str:
        found = (folder / "cache").exists()
        (folder / "cache").write_text("kept")
        return "from the cache" if found else "made"

    try:
        fail()
    except DataError as error:
        told.append(error.code)
    _, resume = the_first_ones(Settings(), Run(Path(f"run-{process_number()}")))
    scores = each_case("judging", _cases(5), lambda case: f"{case.name} by {process_number()}",
                       lambda done, total, what: told.append(f"{done} of {total}"))  # fmt: skip
    quiet = own_console(None).quiet
    wait_for_end()
    return {"looked": look("seen"), "told": told, "cache": cache(), "resume": resume, "scores": scores, "quiet": quiet}


def test_the_first_process_works_for_all(side_by_side: SideBySide, tmp_path: Path):
    first, second = side_by_side(2, _work, tmp_path)
    assert first["looked"] == second["looked"] == "seen by 0"
    assert (first["cache"], second["cache"]) == ("made", "from the cache")
    assert first["resume"] == second["resume"] == Run(Path("run-0"))
    assert first["scores"] == second["scores"] == [f"case-{number} by {number % 2}" for number in range(5)]
    assert first["told"] == ["gzip-crc", "1 of 3", "2 of 3", "3 of 3"]
    assert second["told"] == ["gzip-crc", "1 of 2", "2 of 2"]
    assert (first["quiet"], second["quiet"]) == (False, True)


def test_alone_everything_is_called_straight_through(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (several(), leads()) == (False, True)
    assert by_first("looking")(lambda: 5)() == 5
    assert in_turn("caching")(lambda: 6)() == 6
    assert each_case("judging", _cases(2), lambda case: case.name) == ["case-0", "case-1"]
    console = Console()
    assert own_console(console) is console
    wait_for_end()
    refuse_for_several(resolve(["train.batch_size=7", "train.compile=true"]))


@pytest.mark.parametrize(
    ("words", "code", "fix"),
    [
        (["train.batch_size=8"], "uneven-batch", "train.batch_size=9"),
        (["train.batch_size=1"], "uneven-batch", "train.batch_size=3"),
        (["train.batch_size=6", "train.source_batch_size=4"], "uneven-batch", "train.source_batch_size=3"),
        (["train.batch_size=6", "train.compile=true"], "compiled-ranks", "train.compile=false"),
    ],
)
def test_what_several_cannot_do_is_refused_with_what_they_can(monkeypatch, words, code, fix):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError) as refused:
        refuse_for_several(resolve(words))
    assert refused.value.code == code
    assert fix in refused.value.fix
    refuse_for_several(resolve(["train.batch_size=6", "train.unlabelled_batch_size=3"]))
