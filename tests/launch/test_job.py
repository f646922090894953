from pathlib import Path

import pytest

from seg.errors import DataError
from seg.launch.job import Job, why


@pytest.mark.parametrize(
    ("name", "file"),
    [("finetune+edge-5-0", "finetune+edge-5-0.log"), ("spleen:finetune/../x", "spleen_finetune_.._x.log")],
)
def test_what_a_job_prints_goes_to_a_file_of_its_name_in_the_folder(name: str, file: str) -> None:
    assert Job(name, print).log(Path("logs")) == Path("logs") / file


def test_a_reason_is_the_sentence_of_an_error_or_the_kind_of_one_that_nobody_expected() -> None:
    known = DataError(found="a hole", expected="none", fix="fill it.", path="scan.nii")
    assert why(known) == "scan.nii: found a hole; expected none. To do: fill it."
    assert why(ValueError("no number")) == "ValueError: no number"
