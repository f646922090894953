"""The section of a pretraining: how well damaged scans are restored."""

from seg.report.names import Names
from seg.report.numbers import Look, count_text, interval_text, number_text, range_text
from seg.report.page import Page
from seg.report.pictures import image_uri
from seg.report.restoration import RestorationOutcome, RestoredSlice
from seg.report.section import Section

_ERROR = Look("Error", "", decimals=4)
_SHARE = Look("Removed", "", kind="share")
_FEW_PATIENTS = 10


def restored_sentence(found: RestorationOutcome) -> str:
    """What a reader should take away from a pretraining."""
    if found.removed.mean is None:
        why = "No slice was damaged" if found.slices else "No patient was held back"
        return f"{why}, so nothing says how well scans are restored."
    share = interval_text(found.removed, _SHARE).replace(" %", "\N{NO-BREAK SPACE}%")
    patients = count_text(found.removed.n, "patient")
    return f"On {patients} never used for training, restoration removes {share} of the squared error of damaged slices."


def restored(page: Page, names: Names) -> Section | None:
    """Errors before and after, and slices damaged, restored and as they were."""
    found = page.restoration
    if found is None or not found.slices:
        return None
    rows = [
        (title, number_text(interval.mean, look), range_text(interval, look) or "no interval")
        for title, interval, look in (
            ("Error of damaged slices", found.before, _ERROR),
            ("Error of restored slices", found.after, _ERROR),
            ("Error of plain grey slices", found.grey, _ERROR),
            ("Share of the squared error removed", found.removed, _SHARE),
        )
    ]
    content = {
        "rows": rows,
        "slices": count_text(found.slices, "slice"),
        "patients": count_text(found.before.n, "patient"),
        "few": found.before.n < _FEW_PATIENTS,
        "pictures": [_shown(picture, names) for picture in found.pictures],
    }
    return Section("restored", "What was restored", content)


def _shown(picture: RestoredSlice, names: Names) -> dict[str, object]:
    planes = (("damaged", picture.damaged), ("restored", picture.restored), ("original", picture.original))
    return {
        "title": picture.title,
        "patient": names.patients[picture.patient],
        "done": picture.done,
        "before": number_text(picture.before**0.5, _ERROR),
        "after": number_text(picture.after**0.5, _ERROR),
        "planes": [(what, image_uri(plane)) for what, plane in planes],
    }
