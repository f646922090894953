import pytest

from seg.recipes.report import computed_in


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ({"precision": "fp32", "device": "cpu"}, "fp32 on cpu"),
        ({"precision": "fp32", "device": "cuda", "tf32": True}, "fp32 with TF32 on cuda"),
        ({"precision": "bf16", "device": "cuda", "tf32": False, "compiled": True}, "bf16 on cuda, compiled"),
    ],
)
def test_the_report_says_what_numbers_were_computed_in(results, text) -> None:
    assert computed_in(results) == text
