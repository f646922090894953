"""Data sets with exactly one thing wrong each: the check finds it, names the file and says what to do.

Every entry damages a sound data set of one of the five layouts. Where the finding is a warning or a note and no error,
the entry says so: such data can be trained on.
"""

import gzip
import json
import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from seg.config import Data, Organ
from seg.data.checks.check import check_root

LIVER = Organ(name="liver", label_names=("liver",))
SHAPE = (40, 36, 6)
CASES = ("p1", "p2", "p3", "p4")
STRAIGHT = np.diag([1.0, 1.0, 2.0, 1.0])


class Kit:
    """Makes the files of sound data sets and replaces single ones."""

    def __init__(self, root, nifti_bytes):
        self.root = root
        self.bytes = nifti_bytes

    def volume(self, seed, shape=SHAPE):
        return np.random.default_rng(seed).integers(-1000, 400, shape).astype(np.int16)

    def label(self, shape=SHAPE):
        label = np.zeros(shape, np.uint8)
        label[8:20, 8:20, 1:4] = 1
        return label

    def put(self, path, content):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def nifti(self, path, voxels, affine=STRAIGHT, **fields):
        self.put(path, self.bytes(voxels, affine, packed=path.endswith(".gz"), **fields))

    def cut(self, path, count):
        self.put(path, (self.root / path).read_bytes()[:-count])

    def flip(self, path, place):
        content = bytearray((self.root / path).read_bytes())
        content[place] ^= 16
        self.put(path, bytes(content))

    def picture(self, path, array):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(self.root / path)

    def grey(self, seed, shape=(48, 40)):
        return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)

    def mask(self, shape=(48, 40), value=1):
        mask = np.zeros(shape, np.uint8)
        mask[10:20, 10:20] = value
        return mask

    def remove(self, path):
        target = self.root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def declare(self, **changes):
        tree = json.loads((self.root / "dataset.json").read_text())
        self.put("dataset.json", json.dumps({**tree, **changes}).encode())

    def each_case(self, make):
        for case in CASES:
            make(case)


def sound_nifti(kit):
    for seed, case in enumerate(CASES):
        kit.nifti(f"images/{case}.nii.gz", kit.volume(seed))
        kit.nifti(f"labels/{case}.nii.gz", kit.label())


def sound_pictures(kit):
    for seed, case in enumerate(CASES):
        for number in (1, 2):
            kit.picture(f"images/{case}_{number}.png", kit.grey(10 * seed + number))
            kit.picture(f"labels/{case}_{number}.png", kit.mask())


def sound_nnunet(kit):
    for seed, case in enumerate(CASES):
        for channel in (0, 1):
            kit.nifti(f"imagesTr/{case}_{channel:04d}.nii.gz", kit.volume(10 * seed + channel))
        kit.nifti(f"labelsTr/{case}.nii.gz", kit.label())
    tree = {"channel_names": {"0": "CT", "1": "T2"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    kit.put("dataset.json", json.dumps({**tree, "numTraining": 4}).encode())


def sound_decathlon(kit):
    for seed, case in enumerate(CASES):
        kit.nifti(f"imagesTr/{case}.nii.gz", kit.volume(seed))
        kit.nifti(f"labelsTr/{case}.nii.gz", kit.label())
    entries = [{"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"} for case in CASES]
    tree = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}, "training": entries, "test": []}
    kit.put("dataset.json", json.dumps(tree).encode())


def sound_totalsegmentator(kit):
    for seed, case in enumerate(CASES):
        kit.nifti(f"{case}/ct.nii.gz", kit.volume(seed))
        for mask in ("liver", "spleen"):
            kit.nifti(f"{case}/segmentations/{mask}.nii.gz", kit.label())


SOUND = {
    "nifti": sound_nifti,
    "pictures": sound_pictures,
    "nnunet": sound_nnunet,
    "decathlon": sound_decathlon,
    "totalsegmentator": sound_totalsegmentator,
}


@dataclass(frozen=True)
class Bad:
    """One damaged data set."""

    name: str
    layout: str
    damage: object
    code: str
    path: str
    """What the finding's path must contain."""
    severity: str = "error"
    settings: Data = field(default_factory=Data)


IMAGE, LABEL = "images/p1.nii.gz", "labels/p1.nii.gz"
CT, DRAWN = "p1/ct.nii.gz", "p1/segmentations/liver.nii.gz"
SLICE, MASK = "images/p1_1.png", "labels/p1_1.png"


def header(**fields):
    return lambda kit: kit.nifti(IMAGE, kit.volume(0), **fields)


def image(make):
    return lambda kit: kit.nifti(IMAGE, make(kit.volume(0)))


def labelled(make):
    return lambda kit: kit.nifti(LABEL, make(kit.label()))


def content(path, data):
    return lambda kit: kit.put(path, data)


def moved(millimetres):
    affine = STRAIGHT.copy()
    affine[0, 3] = millimetres
    return lambda kit: kit.nifti(LABEL, kit.label(), affine)


def filled(array, where, value):
    array = array.copy()
    array[where] = value
    return array


def sheared(kit):
    affine = STRAIGHT.copy()
    affine[0, 1] = 0.2
    kit.nifti(IMAGE, kit.volume(0), affine)


def all_labels(make):
    return lambda kit: kit.each_case(lambda case: kit.nifti(f"labels/{case}.nii.gz", make(kit.label())))


def all_images(make):
    return lambda kit: [kit.nifti(f"images/{case}.nii.gz", make(kit.volume(seed))) for seed, case in enumerate(CASES)]


def several_pages(kit):
    page = Image.fromarray(kit.grey(1))
    kit.remove(SLICE)
    page.save(kit.root / "images/p1_1.tif", save_all=True, append_images=[page])


def turned(kit):
    page = Image.fromarray(kit.grey(1))
    exif = page.getexif()
    exif[274] = 6
    kit.remove(SLICE)
    page.save(kit.root / "images/p1_1.jpg", exif=exif)


def jpeg_label(kit):
    kit.remove(MASK)
    kit.picture("labels/p1_1.jpg", kit.mask())


def coloured(kit):
    colour = np.stack([kit.grey(1), kit.grey(2), kit.grey(3)], axis=-1)
    kit.picture(SLICE, colour)


def see_through(kit):
    kit.picture(SLICE, np.stack([kit.grey(1)] * 4, axis=-1))


def smooth_labels(kit):
    for case in CASES:
        ramp = np.zeros(SHAPE, np.uint16)
        ramp[:] = np.arange(SHAPE[0] * SHAPE[1]).reshape(*SHAPE[:2], 1)
        kit.nifti(f"labels/{case}.nii.gz", ramp)


def other_spacing(kit):
    affine = np.diag([9.0, 9.0, 2.0, 1.0])
    kit.nifti(IMAGE, kit.volume(0), affine)
    kit.nifti(LABEL, kit.label(), affine)


def thin(kit):
    kit.nifti(IMAGE, kit.volume(0, (20, 36, 6)))
    kit.nifti(LABEL, kit.label((20, 36, 6)))


def case_clash(kit):
    kit.nifti("images/P1.nii.gz", kit.volume(99))
    kit.nifti("labels/P1.nii.gz", kit.label())


def only_two_labelled(kit):
    for case in CASES[2:]:
        kit.remove(f"labels/{case}.nii.gz")


HTML = b"<!DOCTYPE html><html><body>404</body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n"
TRUE_CT = Data(modality="ct")

BAD = (
    # A file that is no scan.
    Bad("empty file", "nifti", content(IMAGE, b""), "empty-file", IMAGE),
    Bad("web page instead of a scan", "nifti", content(IMAGE, HTML), "html", IMAGE),
    Bad("git-lfs pointer instead of a scan", "nifti", content(IMAGE, LFS), "git-lfs", IMAGE),
    Bad("git-annex pointer instead of a scan", "nifti", content(IMAGE, b"/annex/objects/X"), "git-annex", IMAGE),
    Bad("zip named .nii.gz", "nifti", content(IMAGE, b"PK\x03\x04" + bytes(99)), "wrong-extension", IMAGE),
    Bad("unpacked file named .nii.gz", "nifti", content(IMAGE, b"\x5c\1\0\0" + bytes(600)), "not-gzip", IMAGE),
    Bad("text in gzip", "nifti", content(IMAGE, gzip.compress(b"hello" * 200)), "not-nifti", IMAGE),
    Bad("header of a .hdr/.img pair", "nifti", header(magic=b"ni1"), "nifti-pair", IMAGE),
    Bad("empty picture", "pictures", content(SLICE, b""), "empty-file", SLICE),
    Bad("web page instead of a picture", "pictures", content(SLICE, HTML), "html", SLICE),
    Bad("text instead of a picture", "pictures", content(SLICE, b"hello"), "not-a-picture", SLICE),
    # A file that is damaged.
    Bad("truncated gzip", "nifti", lambda kit: kit.cut(IMAGE, 500), "gzip-truncated", IMAGE),
    Bad("gzip without its trailer", "nifti", lambda kit: kit.cut(IMAGE, 8), "gzip-truncated", IMAGE),
    Bad("wrong gzip CRC", "nifti", lambda kit: kit.flip(IMAGE, -6), "gzip-crc", IMAGE),
    Bad("wrong gzip length", "nifti", lambda kit: kit.flip(IMAGE, -2), "gzip-crc", IMAGE),
    Bad("bytes behind the gzip stream", "nifti",
        lambda kit: kit.put(IMAGE, (kit.root / IMAGE).read_bytes() + b"tail"), "gzip-trailing", IMAGE),
    Bad("fewer voxels than announced", "nifti", header(dim=[3, 40, 36, 9, 1, 1, 1, 1]), "too-short", IMAGE),
    Bad("more voxels than announced", "nifti", header(dim=[3, 40, 36, 5, 1, 1, 1, 1]), "too-long", IMAGE),
    Bad("gzip bomb", "nifti", lambda kit: kit.put(
        IMAGE, gzip.compress(kit.bytes(kit.volume(0), packed=False) + bytes(20_000_000), 1)), "too-long", IMAGE),
    Bad("truncated PNG", "pictures", lambda kit: kit.cut(SLICE, 30), "png-truncated", SLICE),
    Bad("flipped bit in a PNG", "pictures", lambda kit: kit.flip(SLICE, 60), "png-crc", SLICE),
    Bad("bytes behind a PNG", "pictures",
        lambda kit: kit.put(SLICE, (kit.root / SLICE).read_bytes() + b"tail"), "png-trailing", SLICE),
    # A header that cannot be true.
    Bad("header bomb", "nifti", header(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), "too-large", IMAGE),
    Bad("no voxels along an axis", "nifti", header(dim=[3, 40, 0, 6, 1, 1, 1, 1]), "dimensions", IMAGE),
    Bad("four dimensions", "nifti", header(dim=[4, 40, 36, 2, 3, 1, 1, 1]), "not-3d", IMAGE),
    Bad("colour voxels", "nifti", header(datatype=128, bitpix=24), "voxel-type", IMAGE),
    Bad("complex voxels", "nifti", header(datatype=32, bitpix=64), "voxel-type", IMAGE),
    Bad("unknown data type", "nifti", header(datatype=77), "data-type", IMAGE),
    Bad("bits that do not fit the type", "nifti", header(bitpix=8), "data-type", IMAGE),
    Bad("voxels inside the header", "nifti", header(vox_offset=100), "offset", IMAGE),
    Bad("infinite slope", "nifti", header(scl_slope=np.inf), "scaling", IMAGE),
    Bad("sizes in metres", "nifti", header(xyzt_units=1), "units", IMAGE),
    Bad("zero spacing", "nifti", header(pixdim=[1, 1, 0, 2, 1, 1, 1, 1]), "spacing", IMAGE),
    Bad("negative spacing", "nifti", header(pixdim=[1, 1, -1, 2, 1, 1, 1, 1]), "spacing", IMAGE),
    Bad("NaN in the sform", "nifti", header(srow_z=[np.nan, 0, 2, 0]), "spacing", IMAGE),
    Bad("no orientation", "nifti", header(codes=(0, 0)), "no-orientation", IMAGE),
    Bad("unknown orientation code", "nifti", header(sform_code=77), "form-code", IMAGE),
    Bad("sform and qform disagree", "nifti", header(qoffset_x=5.0), "forms-disagree", IMAGE),
    Bad("quaternion that is no rotation", "nifti", header(quatern_b=0.9, quatern_c=0.9), "qform", IMAGE),
    Bad("sheared grid", "nifti", sheared, "shear", IMAGE),
    # Voxels that cannot be used.
    Bad("NaN voxels", "nifti", image(lambda v: filled(v.astype("f4"), (1, 2, 3), np.nan)), "not-finite", IMAGE),
    Bad("infinite voxels", "nifti", image(lambda v: filled(v.astype("f4"), (1, 2, 3), np.inf)), "not-finite", IMAGE),
    Bad("constant scan", "nifti", image(lambda v: np.zeros_like(v)), "constant-image", IMAGE),
    Bad("black slice among others", "pictures",
        lambda kit: kit.picture(SLICE, np.zeros((48, 40), np.uint8)), "constant-slice", SLICE, "warning"),
    Bad("scan of 20 pixels", "nifti", thin, "tiny-image", IMAGE),
    Bad("CT that starts at 0", "nifti", image(lambda v: v + 1024), "ct-not-rescaled", IMAGE, "warning", TRUE_CT),
    Bad("CT whose negative numbers wrapped around", "nifti", image(lambda v: v.astype("u2")), "ct-wrapped", IMAGE,
        settings=TRUE_CT),
    Bad("colour picture", "pictures", coloured, "colour", SLICE),
    Bad("transparent picture", "pictures", see_through, "transparent", SLICE),
    Bad("picture with several pages", "pictures", several_pages, "many-pages", "images/p1_1.tif"),
    Bad("picture that viewers turn", "pictures", turned, "orientation-tag", "images/p1_1.jpg"),
    Bad("one picture of 16 bits", "pictures",
        lambda kit: kit.picture(SLICE, kit.grey(1).astype(np.uint16) * 250), "mixed-depth", SLICE),
    Bad("pictures of two sizes", "pictures", lambda kit: (
        kit.picture(SLICE, kit.grey(1, (64, 64))), kit.picture(MASK, kit.mask((64, 64)))), "mixed-sizes", ".", "note"),
    # Labels that do not belong to their image.
    Bad("label two slices shorter", "nifti",
        lambda kit: kit.nifti(LABEL, kit.label((40, 36, 4))), "shape-differs", LABEL),
    Bad("label picture of another size", "pictures",
        lambda kit: kit.picture(MASK, kit.mask((40, 48))), "shape-differs", MASK),
    Bad("label shifted by 20 mm", "nifti", moved(20.0), "affine-differs", LABEL),
    Bad("label shifted by 0.3 voxels", "nifti", moved(0.3), "affine-offset", LABEL, "warning"),
    Bad("label shifted by 0.02 voxels", "nifti", moved(0.02), "grid-rounding", ".", "note"),
    Bad("second channel on another grid", "nnunet", lambda kit: kit.nifti(
        "imagesTr/p1_0001.nii.gz", kit.volume(1), np.diag([1.0, 1.0, 3.0, 1.0])), "affine-differs", "p1_0001"),
    Bad("second channel of another shape", "nnunet", lambda kit: kit.nifti(
        "imagesTr/p1_0001.nii.gz", kit.volume(1, (40, 36, 5))), "shape-differs", "p1_0001"),
    Bad("mask on another grid", "totalsegmentator",
        lambda kit: kit.nifti(DRAWN, kit.label((40, 36, 5))), "shape-differs", DRAWN),
    Bad("second channel missing", "nnunet",
        lambda kit: kit.remove("imagesTr/p1_0001.nii.gz"), "missing-image", "p1_0001"),
    Bad("declared image missing", "decathlon",
        lambda kit: kit.remove("imagesTr/p1.nii.gz"), "missing-image", "imagesTr/p1"),
    Bad("declared label missing", "decathlon",
        lambda kit: kit.remove("labelsTr/p1.nii.gz"), "missing-label", "labelsTr/p1"),
    Bad("one slice without its label", "pictures", lambda kit: kit.remove(MASK), "missing-label", MASK),
    Bad("label without an image", "pictures", lambda kit: kit.remove(SLICE), "orphan-label", MASK),
    Bad("mask file missing in one case", "totalsegmentator", lambda kit: kit.remove(DRAWN), "mask-missing", "p1"),
    Bad("name that the pattern does not fit", "pictures",
        lambda kit: kit.picture("images/localiser.png", kit.grey(77)), "misnamed", "localiser"),
    # Labels that do not mean what is needed.
    Bad("fractional labels", "nifti", labelled(lambda v: v * np.float32(0.5)), "fractional-label", LABEL),
    Bad("labels spoiled by scaling", "nifti",
        lambda kit: kit.nifti(LABEL, kit.label(), scl_slope=0.0039), "fractional-label", LABEL),
    Bad("negative label", "nifti", labelled(lambda v: v.astype("i1") * -1), "negative-label", LABEL),
    Bad("label beyond 16 bits", "nifti", labelled(lambda v: v.astype("i4") * 100_000), "label-range", LABEL),
    Bad("label above 255", "nifti", all_labels(lambda v: v.astype("i2") * 300), "large-label", LABEL, "note"),
    Bad("labels in a JPEG", "pictures", jpeg_label, "lossy-label", "labels/p1_1.jpg"),
    Bad("undeclared label value", "nnunet",
        lambda kit: kit.nifti("labelsTr/p1.nii.gz", kit.label() * 7), "unexpected-label", "labelsTr/p1"),
    Bad("value beside those of data.labels", "nifti", labelled(lambda v: filled(v, (30, 30, 3), 9)), "other-label",
        LABEL, "note", Data(labels={"liver": (1,)})),
    Bad("smoothed labels", "nifti", smooth_labels, "too-many-labels", LABEL),
    Bad("two values without names", "nifti", labelled(lambda v: filled(v, (30, 30, 3), 9)), "labels-unnamed", "."),
    Bad("organ that nobody declared", "nnunet",
        lambda kit: kit.declare(labels={"background": 0, "heart": 1}), "organ-not-found", "."),
    Bad("empty label in one case", "nifti", labelled(np.zeros_like), "empty-label", LABEL, "warning"),
    Bad("empty labels in all cases", "nifti", all_labels(np.zeros_like), "organ-empty", "."),
    Bad("declared organ that no label shows", "nnunet",
        lambda kit: kit.declare(labels={"background": 0, "spleen": 1, "liver": 2}), "organ-empty", "."),
    # Cases that do not belong together.
    Bad("same scan under two patients", "nifti",
        lambda kit: kit.nifti("images/p2.nii.gz", kit.volume(0)), "duplicate-voxels", "images/p2"),
    Bad("same scan in another orientation", "nifti", lambda kit: (
        kit.nifti("images/p2.nii.gz", kit.volume(0)[::-1], np.diag([-1.0, 1.0, 2.0, 1.0])),
        kit.nifti("labels/p2.nii.gz", kit.label()[::-1], np.diag([-1.0, 1.0, 2.0, 1.0]))),
        "duplicate-voxels", "images/p2"),
    Bad("same slice twice in one patient", "pictures",
        lambda kit: kit.picture("images/p1_2.png", kit.grey(1)), "duplicate-voxels", "images/p1_2", "warning"),
    Bad("voxels nine times as large", "nifti", other_spacing, "spacing-outlier", IMAGE, "warning"),
    Bad("names that differ by case alone", "nifti", case_clash, "case-clash", "images/", "warning"),
    Bad("no labels at all", "nifti", lambda kit: kit.remove("labels"), "no-labels", "."),
    Bad("two labelled patients", "nifti", only_two_labelled, "few-labels", ".", "warning"),
    # A folder that is no data set.
    Bad("label table that is no JSON", "nnunet", content("dataset.json", b"{broken"), "json-broken", "dataset.json"),
    Bad("folder of something else", "nifti", lambda kit: (
        kit.remove("images"), kit.remove("labels"), kit.put("notes.txt", b"x")), "format-unknown", ""),
    Bad("two files of one name", "pictures",
        lambda kit: kit.picture("images/p1_1.jpg", kit.grey(5)), "two-files-one-name", "images"),
)  # fmt: skip


@pytest.fixture
def kit(tmp_path, nifti_bytes):
    return Kit(tmp_path / "data", nifti_bytes)


@pytest.mark.parametrize("layout", SOUND)
def test_a_sound_data_set_gives_nothing_to_mend(kit, layout):
    SOUND[layout](kit)
    report = check_root(kit.root, [LIVER], Data())
    assert report.findings == ()
    assert [facts.patient for facts in report.facts] == list(CASES)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_the_check_finds_it_and_says_what_to_do(kit, bad):
    SOUND[bad.layout](kit)
    bad.damage(kit)
    report = check_root(kit.root, [LIVER], bad.settings)
    found = [finding for finding in report.findings if finding.code == bad.code]
    assert found, [(finding.code, finding.path, finding.found) for finding in report.findings]
    assert found[0].severity == bad.severity
    assert bad.path in found[0].path
    assert all((found[0].path, found[0].found, found[0].expected, found[0].fix))
    assert (found[0] in report.errors) == (bad.severity == "error")


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.severity != "error"], ids=lambda bad: bad.name)
def test_what_can_be_trained_on_is_no_error(kit, bad):
    SOUND[bad.layout](kit)
    bad.damage(kit)
    assert check_root(kit.root, [LIVER], bad.settings if bad.code != "labels-unnamed" else Data()).errors == ()


def test_there_are_at_least_sixty_named_kinds():
    assert len({bad.name for bad in BAD}) == len(BAD) >= 60
    assert len({bad.code for bad in BAD}) >= 55


def test_all_problems_of_all_files_are_in_one_list(kit):
    sound_nifti(kit)
    kit.put("images/p1.nii.gz", b"")
    kit.put("images/p2.nii.gz", HTML)
    kit.nifti("labels/p3.nii.gz", kit.label((40, 36, 4)))
    kit.nifti("labels/p4.nii.gz", kit.label(), np.diag([1.0, 1.0, 4.0, 1.0]))
    found = {(finding.code, finding.path) for finding in check_root(kit.root, [LIVER], Data()).errors}
    assert found == {
        ("empty-file", "images/p1.nii.gz"),
        ("html", "images/p2.nii.gz"),
        ("shape-differs", "labels/p3.nii.gz"),
        ("affine-differs", "labels/p4.nii.gz"),
    }
