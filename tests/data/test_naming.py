import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg.data.naming import read_pattern
from seg.errors import UsageError


@pytest.mark.parametrize(
    ("pattern", "stem", "expected"),
    [
        ("{patient}_{slice}", "a_b_7", ("a_b", "7")),
        ("{patient}_{slice}", "a7", None),
        ("{patient}_{slice}", "_7", None),
        ("{patient}-z{slice}", "p-1-z22", ("p-1", "22")),
        ("{slice}_{patient}", "7_a_b", ("a_b", "7")),
        ("{patient}", "anything", ("anything", "")),
        ("{patient}/{slice}", "p/7", ("p", "7")),
        ("{patient}/{slice}", "p/q/7", None),
        ("scan.{patient}.{slice}", "scanXp.7", None),
        ("scan.{patient}.{slice}", "scan.p.7", ("p", "7")),
        ("{patient}_{slice}", "肝\n1_2", ("肝\n1", "2")),
    ],
)
def test_a_pattern_splits_names(pattern, stem, expected):
    assert read_pattern(pattern).parse(stem) == expected


@pytest.mark.parametrize(
    "text", ["", "{slice}", "{patient}{patient}", "{patient}_{slcie}", "a/{patient}/b/{slice}/c", "{}"]
)
def test_a_pattern_that_cannot_be_meant_is_refused(text):
    with pytest.raises(UsageError) as caught:
        read_pattern(text)
    assert caught.value.code == "patient-pattern"


@given(st.text("ab_1", min_size=1, max_size=8), st.text("ab1", min_size=1, max_size=4))
def test_patient_and_slice_come_back_from_the_name_they_make(patient, slice_name):
    assert read_pattern("{patient}_{slice}").parse(f"{patient}_{slice_name}") == (patient, slice_name)
