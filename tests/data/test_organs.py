import numpy as np
import pytest

from seg.config import Data, Organ
from seg.data.organs import (
    OrganSource,
    label_files,
    mask_names,
    normalise,
    organ_mask,
    organ_sources,
    prediction_values,
    sources_without_labels,
    value_of,
)
from seg.errors import DataError, UsageError
from seg.records import Case, DataSet

LIVER = Organ(name="liver", label_names=("liver",), joined_names=("tumor", "cancer", "liver_vessels"))
KIDNEYS = Organ(name="kidneys", label_names=("kidney", "kidney_left", "kidney_right"), joined_names=("kidney_cyst",))
SPLEEN = Organ(name="spleen", label_names=("spleen",))


def table(ignore_value: int | None = None, **label_values: tuple[int, ...]) -> DataSet:
    case = Case("a", "a", "volume", (("/a.nii.gz",),), {"": ("/a_seg.nii.gz",)})
    return DataSet("/data", "nnunet", (case,), label_values=label_values, ignore_value=ignore_value)


def masks(*cases: tuple[str, ...]) -> DataSet:
    return DataSet(
        "/data",
        "totalsegmentator",
        tuple(
            Case(
                f"s{i}",
                f"s{i}",
                "volume",
                ((f"/s{i}/ct.nii.gz",),),
                {name: (f"/s{i}/{name}.nii.gz",) for name in names},
            )
            for i, names in enumerate(cases)
        ),
    )


def sources(data_set, *organs, found_values=(), **labels):
    return organ_sources(data_set, organs, Data(labels=labels), found_values)


def refusal(data_set, *organs, **arguments):
    with pytest.raises((DataError, UsageError)) as caught:
        sources(data_set, *organs, **arguments)
    return caught.value


def test_a_declared_name_gives_its_value():
    assert sources(table(liver=(1,), spleen=(5,)), SPLEEN, LIVER) == (
        OrganSource("spleen", (5,), ()),
        OrganSource("liver", (1,), ()),
    )


@pytest.mark.parametrize("name", ["Left Kidney", "kidney-left", "KIDNEY_LEFT", " kidney (left) "])
def test_names_are_compared_without_case_and_signs(name):
    assert normalise("Left  Kidney!") == "left_kidney"
    organ = Organ(name="kidneys", label_names=("kidney_left", "left kidney"))
    assert sources(table(**{name: (3,)}), organ)[0].values == (3,)


def test_letters_beyond_ascii_stay_letters():
    assert normalise("Bauchspeicheldrüse 肝") == "bauchspeicheldrüse_肝"


def test_all_names_that_form_an_organ_are_united():
    assert sources(table(kidney_right=(4,), kidney_left=(2,), spleen=(1,)), KIDNEYS)[0].values == (2, 4)


def test_a_region_gives_all_its_values():
    assert sources(table(liver=(1, 2), vessels=(2,)), LIVER)[0].values == (1, 2)


def test_a_tumour_joins_its_organ_where_there_is_no_other():
    assert sources(table(liver=(1,), cancer=(2,)), LIVER)[0].values == (1, 2)


def test_a_joined_name_that_says_where_it_is_joins_beside_other_organs():
    assert sources(table(liver=(1,), liver_vessels=(7,), spleen=(2,)), LIVER)[0].values == (1, 7)


def test_a_joined_name_alone_is_no_organ():
    assert refusal(table(liver_vessels=(1,)), LIVER).code == "organ-not-found"


def test_a_tumour_beside_other_organs_asks_for_a_decision():
    error = refusal(table(liver=(1,), spleen=(2,), tumor=(14,)), LIVER)
    assert error.code == "joined-unclear"
    assert "data.labels={liver:[1,14]}" in error.fix
    assert "data.labels={liver:[1]}" in error.fix
    assert sources(table(liver=(1,), spleen=(2,), tumor=(14,)), LIVER, liver=(1,))[0].values == (1,)


def test_data_labels_come_before_declared_names():
    assert sources(table(liver=(1,)), LIVER, liver=(3, 2, 3))[0].values == (2, 3)


def test_an_organ_that_is_not_declared_lists_the_names_and_proposes_a_mapping():
    error = refusal(table(aorta=(1,), splen=(4,)), SPLEEN)
    assert error.code == "organ-not-found"
    assert error.found == "labels aorta, splen"
    assert "data.labels={spleen:[4]}" in error.fix
    assert "Did you mean 'splen'?" in error.fix


@pytest.mark.parametrize("value", [1, 255])
def test_the_only_value_is_the_only_organ_where_nothing_is_declared(value):
    assert sources(table(), LIVER, found_values=(0, value))[0].values == (value,)


def test_the_ignored_value_is_not_taken_for_an_organ():
    assert sources(table(ignore_value=9), LIVER, found_values=(0, 1, 9))[0].values == (1,)


@pytest.mark.parametrize(
    ("organs", "found", "proposal"),
    [
        ((LIVER,), (0, 1, 2), "data.labels={liver:[1]}"),
        ((LIVER, SPLEEN), (0, 3, 7), "data.labels={liver:[3],spleen:[7]}"),
        ((LIVER, SPLEEN), (0, 1), "data.labels={liver:[1],spleen:[2]}"),
        ((LIVER,), (0,), "data.labels={liver:[1]}"),
        ((LIVER,), (), "data.labels={liver:[1]}"),
    ],
)
def test_values_without_names_propose_a_mapping(organs, found, proposal):
    error = refusal(table(), *organs, found_values=found)
    assert error.code == "labels-unnamed"
    assert proposal in error.fix


def test_data_labels_name_values_where_nothing_is_declared():
    found = sources(table(), LIVER, SPLEEN, found_values=(0, 1, 2), liver=(1,), spleen=(2,))
    assert [source.values for source in found] == [(1,), (2,)]


def test_data_labels_for_an_unknown_organ_get_the_nearest():
    error = refusal(table(liver=(1,)), LIVER, livr=(1,))
    assert error.code == "labels-organ"
    assert "Did you mean 'liver'?" in error.fix


def test_data_labels_may_name_other_known_organs():
    assert sources(table(), LIVER, liver=(1,), pancreas=(2,), found_values=(1, 2))[0].values == (1,)


@pytest.mark.parametrize("values", [(), (0,), (1, -1), (1, 9)])
def test_data_labels_with_impossible_values_are_refused(values):
    assert refusal(table(ignore_value=9), LIVER, liver=values).code == "labels-value"


def test_mask_files_make_organs():
    data_set = masks(
        ("liver", "kidney_left", "kidney_right"), ("liver", "kidney_left", "kidney_right", "kidney_cyst"), ()
    )
    assert mask_names(data_set) == ("kidney_cyst", "kidney_left", "kidney_right", "liver")
    kidneys, liver = sources(data_set, KIDNEYS, LIVER)
    assert (kidneys.values, kidneys.files, kidneys.joined_files) == (
        (),
        ("kidney_left", "kidney_right"),
        ("kidney_cyst",),
    )
    assert (liver.files, liver.joined_files) == (("liver",), ())


def test_a_mask_of_any_tumour_joins_only_where_there_is_no_other_organ():
    assert sources(masks(("liver", "tumor")), LIVER)[0].joined_files == ("tumor",)
    assert sources(masks(("liver", "tumor", "spleen")), LIVER)[0].joined_files == ()


def test_an_organ_without_mask_files_is_refused():
    error = refusal(masks(("liver",)), SPLEEN)
    assert error.code == "organ-not-found"
    assert "label_names" in error.fix


def test_data_labels_make_no_sense_for_mask_files():
    assert refusal(masks(("liver",)), LIVER, liver=(1,)).code == "labels-masks"


def test_a_mask_from_values_unites_them():
    labels = np.array([[0, 1, 2], [3, 255, 1]], dtype=np.uint8)
    mask = organ_mask({"": labels}, OrganSource("liver", (1, 255), ()))
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, [[False, True, False], [False, True, True]])


def test_a_mask_from_files_unites_them_and_the_joined_ones_that_are_there():
    source = OrganSource("kidneys", (), ("left", "right"), ("cyst", "stone"))
    arrays = {"left": np.array([1, 0, 0, 0]), "right": np.array([0, 255, 0, 0]), "cyst": np.array([0, 0, 1, 0])}
    np.testing.assert_array_equal(organ_mask(arrays, source), [True, True, True, False])
    assert arrays["left"].tolist() == [1, 0, 0, 0]


def test_half_a_pair_is_not_taken_for_the_organ():
    source = OrganSource("kidneys", (), ("kidney_left", "kidney_right"))
    (case,) = masks(("kidney_left",)).cases
    with pytest.raises(DataError, match="no mask kidney_right") as caught:
        label_files(case, source)
    assert caught.value.code == "mask-missing"
    with pytest.raises(DataError):
        organ_mask({"kidney_left": np.ones(3)}, source)


def test_only_the_organs_own_files_are_to_be_read():
    (case,) = masks(("liver", "spleen", "tumor")).cases
    assert label_files(case, OrganSource("liver", (), ("liver",), ("tumor", "cyst"))) == {
        "liver": ("/s0/liver.nii.gz",),
        "tumor": ("/s0/tumor.nii.gz",),
    }
    (mapped,) = table(liver=(1,)).cases
    assert label_files(mapped, OrganSource("liver", (1,), ())) == {"": ("/a_seg.nii.gz",)}


def test_predictions_carry_the_organs_value_else_the_datas_else_a_number():
    assert value_of(Organ(value=7), OrganSource("liver", (1, 2), ()), 0) == 7
    assert value_of(Organ(), OrganSource("liver", (2, 3), ()), 0) == 2
    assert value_of(Organ(), OrganSource("liver", (), ("liver",)), 2) == 3


@pytest.mark.parametrize(
    ("values", "expected"), [(((5,), (2,)), (5, 2)), (((1, 2), (1,)), (1, 2)), (((), ()), (1, 2)), (((2,), ()), (1, 2))]
)
def test_organs_never_share_a_value_in_predictions(values, expected):
    found = [OrganSource(f"organ{i}", one, ()) for i, one in enumerate(values)]
    assert prediction_values([Organ()] * 2, found) == expected


def test_organs_that_share_labels_are_told() -> None:
    from seg.data.organs import OrganSource, overlapping

    liver, spleen = OrganSource("liver", (1, 2), ()), OrganSource("spleen", (2,), ())
    (sentence,) = overlapping((liver, spleen))
    assert "liver and spleen share labels" in sentence
    assert overlapping((liver, OrganSource("spleen", (3,), ()))) == ()
    assert overlapping((OrganSource("a", (), ("x",)), OrganSource("b", (), ("x", "y"))))


def unlabelled(**label_values: tuple[int, ...]) -> DataSet:
    case = Case("a", "a", "volume", (("/a.nii.gz",),), {})
    return DataSet("/data", "nnunet", (case,), label_values=label_values)


@pytest.mark.parametrize(
    ("declared", "labels", "expected"),
    [
        ({}, {}, [(1,), (2,)]),
        ({"liver": (3,), "spleen": (5, 4)}, {}, [(3,), (4, 5)]),
        ({"liver": (3,), "spleen": (4,)}, {"liver": (7,)}, [(7,), (4,)]),
        ({"liver": (2,)}, {}, [(1,), (2,)]),
    ],
)
def test_without_labels_organs_have_the_values_that_are_named_or_are_numbered(declared, labels, expected):
    found = sources_without_labels(unlabelled(**declared), [LIVER, SPLEEN], Data(labels=labels))
    assert [source.values for source in found] == expected
    assert [source.organ for source in found] == ["liver", "spleen"]
    assert not any(source.files for source in found)


def test_without_labels_a_wrong_name_or_value_is_refused_all_the_same():
    for labels, code in (({"livr": (1,)}, "labels-organ"), ({"liver": (0,)}, "labels-value")):
        with pytest.raises(UsageError) as caught:
            sources_without_labels(unlabelled(), [LIVER], Data(labels=labels))
        assert caught.value.code == code
