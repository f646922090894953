from pathlib import Path

import pytest

from seg.config import Data
from seg.errors import DataError
from seg.evaluate.label_folder import LabelFolder
from seg.evaluate.pairs import pair_up
from seg.records import Case, DataSet


def volume(name, **labels):
    return Case(name, name, "volume", (), {key or "": (f"/r/{file}",) for key, file in labels.items()})


def volume_map(name, file):
    return Case(name, name, "volume", ((f"/i/{name}_0000.nii.gz",),), {"": (f"/r/{file}",)})


def folder(maps=(), masks=None, pictures=()):
    return LabelFolder(
        Path("/p"),
        maps={name: Path(f"/p/{name}.nii.gz") for name in maps},
        masks={
            case: {mask: Path(f"/p/{case}/{mask}.nii.gz") for mask in names} for case, names in (masks or {}).items()
        },
        pictures={name: Path(f"/p/{name}.png") for name in pictures},
    )


@pytest.mark.parametrize("name", ["a", "scan1", "a_0000"])
def test_a_case_is_found_by_its_own_name_its_label_file_or_its_image(name):
    found = pair_up(folder([name]), DataSet("/r", "x", (volume_map("a", "scan1_seg.nii.gz"),)), Data())
    assert found.pairs[0].prediction == {"": (Path(f"/p/{name}.nii.gz"),)}
    assert not found.pairs[0].missing
    assert found.notes == ()


def test_masks_per_structure_are_found_by_their_folder():
    data = DataSet("/r", "x", (volume("s1", liver="s1/liver.nii.gz"),))
    found = pair_up(folder(masks={"s1": ["liver", "spleen"]}), data, Data())
    assert set(found.pairs[0].prediction) == {"liver", "spleen"}


def test_what_is_missing_on_either_side_is_listed():
    data = DataSet("/r", "x", tuple(volume_map(name, f"{name}.nii.gz") for name in "abcde"))
    found = pair_up(folder(["a", "y", "z"]), data, Data())
    assert [pair.case.name for pair in found.pairs if pair.missing] == list("bcde")
    assert found.without_reference == ("y", "z")
    assert found.notes == (
        "4 cases have no prediction and count with the worst value: b, c, d and 1 more",
        "2 predictions have no reference and were left out: y, z",
    )


def test_slices_are_found_one_by_one():
    case = Case("p", "p", "slices", (), {"": ("/r/p_1.png", "/r/p_2_mask.png", "/r/p_3.tif")}, ("1", "2", "3"))
    found = pair_up(folder(pictures=["p_1", "p_2", "q_1"]), DataSet("/r", "x", (case,)), Data())
    assert found.pairs[0].prediction == {"": (Path("/p/p_1.png"), Path("/p/p_2.png"), None)}
    assert found.pairs[0].of_pictures
    assert not found.pairs[0].missing
    assert found.notes[0] == "1 slices have no prediction and count as empty predictions"
    assert found.without_reference == ("q_1",)


@pytest.mark.parametrize("predicted", ["p/1", "1"])
def test_slices_in_patient_folders_are_found_by_folder_and_name_or_by_name(predicted):
    case = Case("p", "p", "slices", (("/i/p/1.png",),), {"": ("/r/p/1.png",)}, ("1",))
    settings = Data(patient_pattern="{patient}/{slice}")
    found = pair_up(folder(pictures=[predicted]), DataSet("/r", "x", (case,)), settings)
    assert found.pairs[0].prediction == {"": (Path(f"/p/{predicted}.png"),)}


def test_a_slice_may_be_named_after_its_image():
    case = Case("p_1", "p", "slices", (("/i/p_1_0000.png",),), {"": ("/r/p_1.png",)}, ("1",))
    assert not pair_up(folder(pictures=["p_1_0000"]), DataSet("/r", "x", (case,)), Data()).pairs[0].missing


def test_two_single_files_belong_together_whatever_their_names():
    data = DataSet("/r", "x", (volume_map("truth", "truth.nii.gz"),))
    assert not pair_up(folder(["mine"]), data, Data(), same=True).pairs[0].missing
    with pytest.raises(DataError):
        pair_up(folder(["mine"]), data, Data())


def test_nothing_in_common_is_refused_with_names_of_both_sides():
    data = DataSet("/r", "x", (volume_map("a", "a.nii.gz"),))
    with pytest.raises(DataError, match=r"named x, y, z and 1 more, references a") as caught:
        pair_up(folder(["x", "y", "z", "w"]), data, Data())
    assert caught.value.code == "no-pairs"
    with pytest.raises(DataError, match="named nothing"):
        pair_up(folder(), data, Data())
