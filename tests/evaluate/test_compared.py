import numpy as np
import pytest

from seg.config import Data, Settings
from seg.errors import DataError
from seg.evaluate.compared import what_is_compared
from seg.evaluate.label_folder import read_label_folder, reference_data
from seg.evaluate.pairs import pair_up
from seg.overrides import validate


@pytest.fixture
def compare(tmp_path, write_labels):
    """Write {name below the folder: label values} on both sides and say what is compared."""

    def compare(predicted, referred, organs=(), table="", names=None, **settings):
        for side, files in (("p", predicted), ("r", referred)):
            for name, values in files.items():
                write_labels(tmp_path / side / f"{name}.nii.gz", np.array([[[0, *values, 0]] * 2] * 2))
        if table:
            (tmp_path / "p" / "labels.json").write_text(table)
        if names:
            (tmp_path / "r" / "labels.json").write_text(names)
        chosen = validate({"organ": list(organs) or ["liver"], **settings}) if organs or settings else Settings()
        prediction = read_label_folder(tmp_path / "p", Data())
        reference = reference_data(tmp_path / "r", Data())
        pairs = pair_up(prediction, reference, Data()).pairs
        found, notes = what_is_compared(prediction, reference, pairs, chosen, organs_given=bool(organs))
        return {item.organ: (item.prediction.values or item.prediction.files,
                             item.reference.values or item.reference.files) for item in found}, notes  # fmt: skip

    return compare


def test_without_any_names_every_label_value_is_compared(compare):
    found, notes = compare({"a": [1, 4]}, {"a": [1, 2]})
    assert found == {f"label {value}": ((value,), (value,)) for value in (1, 2, 4)}
    assert notes == ()


def test_the_table_of_the_predictions_names_the_organs(compare):
    found, notes = compare({"a": [5, 6]}, {"a": [5, 6]}, table='{"liver": 5, "gallbladder": 6}')
    assert found == {"liver": ((5,), (5,)), "gallbladder": ((6,), (6,))}
    assert "does not name its label values" in notes[0]


def test_a_single_value_of_the_reference_is_the_one_organ(compare):
    found, notes = compare({"a": [5]}, {"a": [1]}, table='{"liver": 5}')
    assert found == {"liver": ((5,), (1,))}
    assert notes == ()


def test_names_of_the_reference_are_used_where_the_predictions_have_none(compare):
    found, notes = compare({"a": [1, 2]}, {"a": [1, 2]}, names='{"Left Kidney": 1, "spleen": 2}')
    assert found == {"Left Kidney": ((1,), (1,)), "spleen": ((2,), (2,))}
    assert notes == (
        "The predictions do not name their label values; 1 was read as Left Kidney.",
        "The predictions do not name their label values; 2 was read as spleen.",
    )


def test_an_organ_that_was_asked_for_unites_its_labels(compare):
    names = '{"liver": 2, "liver_tumour": 3, "spleen": 1}'
    found, notes = compare({"a": [2]}, {"a": [1, 2, 3]}, organs=["liver"], names=names)
    assert found == {"liver": ((2, 3), (2, 3))}
    assert "2, 3 was read as liver" in notes[0]


def test_the_only_value_of_the_predictions_stands_for_the_one_organ(compare):
    found, notes = compare({"a": [1]}, {"a": [255]}, organs=["liver"])
    assert found == {"liver": ((1,), (255,))}
    assert "1 was read as liver" in notes[0]


def test_settings_say_which_values_are_meant_on_both_sides(compare):
    found, _ = compare({"a": [1, 2]}, {"a": [1, 2]}, organs=["liver"], data={"labels": {"liver": [2]}})
    assert found == {"liver": ((2,), (2,))}


def test_values_without_names_are_refused_for_an_organ(compare):
    with pytest.raises(DataError) as caught:
        compare({"a": [1, 2]}, {"a": [1, 2]}, organs=["liver"])
    assert caught.value.code == "labels-unnamed"


def test_predicted_values_that_could_be_anything_are_refused(compare):
    with pytest.raises(DataError) as caught:
        compare({"a": [1, 2]}, {"a/liver": [1], "a/spleen": [1]}, organs=["liver"])
    assert caught.value.code == "labels-unnamed"


def test_mask_files_are_compared_where_both_sides_have_them(compare):
    found, notes = compare({"a/liver": [1], "a/heart": [1]}, {"a/liver": [1], "a/spleen": [1]})
    assert found == {"liver": (("liver",), ("liver",))}
    assert notes == ()


def test_a_label_map_is_compared_with_mask_files(compare):
    found, _ = compare({"a": [5]}, {"a/liver": [1], "a/spleen": [1]}, table='{"liver": 5}')
    assert found == {"liver": ((5,), ("liver",))}


def test_mask_files_are_compared_with_a_named_label_map(compare):
    found, _ = compare({"a/liver": [1]}, {"a": [1, 2]}, names='{"liver": 1, "spleen": 2}')
    assert found == {"liver": (("liver",), (1,))}


def test_an_organ_nobody_predicted_is_refused(compare):
    with pytest.raises(DataError) as caught:
        compare({"a/heart": [1]}, {"a/liver": [1]}, organs=["liver"])
    assert caught.value.code == "organ-not-found"


def test_a_broken_file_does_not_hide_the_values_of_the_others(compare, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "b.nii.gz").write_bytes(b"broken")
    found, _ = compare({"a": [1]}, {"a": [1], "b": [3]})
    assert set(found) == {"label 1", "label 3"}


def test_tolerances_come_from_the_organ_or_from_the_settings(tmp_path, write_labels):
    for side in ("p", "r"):
        write_labels(tmp_path / side / "a.nii.gz", np.array([[[1, 2]] * 2] * 2))
    (tmp_path / "r" / "labels.json").write_text('{"Liver": 1, "thing": 2}')
    prediction, reference = read_label_folder(tmp_path / "p", Data()), reference_data(tmp_path / "r", Data())
    pairs = pair_up(prediction, reference, Data()).pairs
    found, _ = what_is_compared(prediction, reference, pairs, Settings(), organs_given=False)
    assert [item.tolerance_mm for item in found] == [3.0, 2.0]
    own = validate({"evaluate": {"nsd_tolerance_mm": 1.5}})
    found, _ = what_is_compared(prediction, reference, pairs, own, organs_given=False)
    assert [item.tolerance_mm for item in found] == [1.5, 1.5]
