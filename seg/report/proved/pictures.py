"""The section of the pictures: the same slices with the outlines of every arm, where the arms differ most."""

from collections.abc import Sequence

from seg.report.names import Names
from seg.report.page import Picture
from seg.report.pictures import outlines
from seg.report.proved.page import ArmPicture, ProofPage
from seg.report.proved.words import dice_text
from seg.report.section import Section


def pictures(page: ProofPage, names: Names) -> Section | None:
    """A row per patient, with a picture per arm; nothing where no pictures were kept."""
    if not page.pictures:
        return None
    by_patient: dict[str, list[ArmPicture]] = {}
    for picture in page.pictures:
        by_patient.setdefault(picture.patient, []).append(picture)
    rows = [_row(names.patients[patient], several, page, names) for patient, several in by_patient.items()]
    return Section("pictures", "Where the arms differ most", {"rows": rows})


def _row(patient: str, several: Sequence[ArmPicture], page: ProofPage, names: Names) -> dict[str, object]:
    title = names.masked(next((picture.title for picture in several if picture.title), ""))
    return {"patient": patient, "title": title, "pictures": [_shown(picture, page, names) for picture in several]}


def _shown(picture: ArmPicture, page: ProofPage, names: Names) -> dict[str, object]:
    drawn = Picture(
        picture.title, page.organ_title, picture.patient, picture.dice,
        picture.image, picture.reference, picture.prediction,
    )  # fmt: skip
    return {"arm": names.masked(picture.arm), "dice": dice_text(picture.dice), "outlines": outlines(drawn)}
