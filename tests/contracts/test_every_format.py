"""What every layout on disk keeps: phantoms written in it are found by it alone and read back equal."""

from pathlib import Path

import numpy as np
import pytest

from seg.config import Data
from seg.data.discover import find_data, layouts
from seg.data.files.nifti import read_nifti
from seg.data.files.picture import read_picture
from seg.data.formats.layout import Layout
from seg.data.organs import label_files, organ_mask, organ_sources
from seg.data.phantom.abdomen import PHANTOM_LABELS, Phantom, make_phantom
from seg.data.phantom.files import WINDOW_HU
from seg.data.phantom.layouts import write_phantoms
from seg.overrides import load_organ
from seg.records import Case, DataSet
from seg.registry import FORMATS

SIZE = (12, 24, 20)
LABELLED, UNLABELLED = 2, 1
every_format = pytest.mark.parametrize("name", FORMATS.names())
volume_formats = pytest.mark.parametrize("name", [name for name in FORMATS.names() if name != "pictures"])


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("phantoms")
    return {
        name: write_phantoms(base / name, name, labelled=LABELLED, unlabelled=UNLABELLED, size=SIZE)
        for name in FORMATS.names()
    }


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(patient, size=SIZE) for patient in range(LABELLED + UNLABELLED)]


@every_format
def test_a_layout_offers_its_contract(name):
    layout = FORMATS.load(name).LAYOUT
    assert isinstance(layout, Layout)
    assert layout.title
    assert layout.looks_like
    assert "\n" not in layout.looks_like


@every_format
def test_a_phantom_is_recognised_by_its_own_layout_alone(name, roots):
    assert [other for other, layout in layouts().items() if layout.recognise(roots[name])] == [name]


@every_format
@pytest.mark.parametrize("chosen", ["auto", "named"])
def test_labelled_and_unlabelled_patients_are_told_apart(name, chosen, roots):
    data_set = find_data(roots[name], Data(format=name if chosen == "named" else "auto"))
    assert data_set.format == name
    assert [case.patient for case in data_set.labelled] == ["phantom000", "phantom001"]
    assert [case.patient for case in data_set.unlabelled] == ["phantom002"]
    assert (data_set.orphans, data_set.misnamed, data_set.tolerated) == ((), (), ())
    assert all(Path(file).is_file() for case in data_set.cases for files in case.channels for file in files)


@every_format
@pytest.mark.parametrize(("labelled", "unlabelled"), [(0, 1), (1, 0)])
def test_a_data_set_may_be_all_labelled_or_all_unlabelled(name, labelled, unlabelled, tmp_path):
    root = write_phantoms(tmp_path / "data", name, labelled=labelled, unlabelled=unlabelled, size=SIZE)
    data_set = find_data(root, Data())
    assert data_set.format == name
    assert (len(data_set.labelled), len(data_set.unlabelled)) == (labelled, unlabelled)


@every_format
def test_hidden_files_change_nothing(name, tmp_path):
    root = write_phantoms(tmp_path / "data", name, labelled=1, unlabelled=1, size=SIZE)
    before = find_data(root, Data())
    for file in list(root.rglob("*.*")):
        if file.is_file():
            file.with_name(f"._{file.name}").write_bytes(b"\0\5\26\7")
            file.with_name(f".tmp-{file.name}").write_bytes(b"half")
    after = find_data(root, Data())
    assert after.cases == before.cases
    assert after.orphans == before.orphans


@every_format
def test_nothing_in_a_format_reads_voxels(name, roots, tmp_path):
    """The files are emptied: the cases stay as they were."""
    root = write_phantoms(tmp_path / "data", name, labelled=1, unlabelled=1, size=SIZE)
    before = find_data(root, Data()).cases
    for file in root.rglob("*.*"):
        if file.is_file() and file.suffix != ".json":
            file.write_bytes(b"")
    assert find_data(root, Data()).cases == before


@volume_formats
@pytest.mark.parametrize(("orientation", "oblique_deg"), [("LPS", 0.0), ("RAS", 0.0), ("PIR", 0.0), ("LAS", 12.0)])
def test_volumes_come_back_with_their_voxels_labels_and_geometry(name, orientation, oblique_deg, phantoms, tmp_path):
    root = write_phantoms(
        tmp_path / "data", name, labelled=1, unlabelled=0, size=SIZE, orientation=orientation, oblique_deg=oblique_deg
    )
    (case,) = find_data(root, Data()).cases
    phantom = phantoms[0]
    scan = read_nifti(Path(case.channels[0][0]))
    np.testing.assert_array_equal(scan.grid.to_canonical(scan.voxels), phantom.hu)
    np.testing.assert_allclose(scan.grid.spacing_mm, phantom.spacing_mm, rtol=1e-5)
    if oblique_deg == 0.0:
        xyz_to_zyx = [2, 1, 0, 3]
        np.testing.assert_allclose(scan.grid.canonical_affine, phantom.affine[:, xyz_to_zyx], atol=1e-3)
    for organ, value in PHANTOM_LABELS.items():
        np.testing.assert_array_equal(_structure(case, organ, value), phantom.labels == value)


def _structure(case: Case, organ: str, value: int) -> np.ndarray:
    whole = "" in case.labels
    scan = read_nifti(Path(case.labels["" if whole else organ][0]), labels=True)
    canonical = scan.grid.to_canonical(scan.voxels)
    return canonical == value if whole else canonical != 0


def test_pictures_come_back_with_their_pixels_and_labels(roots, phantoms):
    low, high = WINDOW_HU
    for case, phantom in zip(find_data(roots["pictures"], Data()).cases, phantoms, strict=True):
        assert len(case.slice_names) == len(case.channels[0]) > 1
        for place, name in enumerate(case.slice_names):
            grey = np.clip((phantom.hu[int(name)] - low) / (high - low), 0, 1) * 255
            np.testing.assert_array_equal(read_picture(Path(case.channels[0][place])), grey.round())
            if case.labelled:
                labels = read_picture(Path(case.labels[""][place]), labels=True)
                np.testing.assert_array_equal(labels, phantom.labels[int(name)])


@every_format
def test_an_organ_is_found_and_its_mask_is_the_phantoms(name, phantoms, tmp_path):
    root = write_phantoms(tmp_path / "data", name, labelled=1, unlabelled=0, size=SIZE, organ="liver")
    data_set = find_data(root, Data())
    (source,) = organ_sources(data_set, [load_organ("liver")], Data(), found_values=(0, 1))
    (case,) = data_set.cases
    expected = phantoms[0].labels == PHANTOM_LABELS["liver"]
    assert expected.any()
    if case.kind == "slices":
        expected = expected[[int(slice_name) for slice_name in case.slice_names]]
    np.testing.assert_array_equal(organ_mask(_read_labels(data_set, case, source), source), expected)


def _read_labels(data_set: DataSet, case: Case, source) -> dict[str, np.ndarray]:
    read = {}
    for name, files in label_files(case, source).items():
        if case.kind == "slices":
            read[name] = np.stack([read_picture(Path(file), labels=True) for file in files])
        else:
            scan = read_nifti(Path(files[0]), labels=True)
            read[name] = scan.grid.to_canonical(scan.voxels)
    return read
