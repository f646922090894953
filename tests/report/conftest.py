import dataclasses
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from seg.records import CaseScore, CurveRow, Evaluation, Interval, PartRow
from seg.report.page import Ancestor, Page, Picture, SourceCurve
from seg.report.restoration import RestorationOutcome, RestoredSlice

DEFINITIONS = {
    "dice": "Twice the shared voxels by all voxels; both empty: undefined.",
    "hd95": "Larger directed 95th percentile in mm; one empty: undefined.",
    "nsd": "Share of surface within 2 mm.",
    "volume_difference": "Prediction minus reference in ml.",
}
PARTS = (
    PartRow("stem", 6, 9_536, 0, 5, 1, 0, 6),
    PartRow("stage1", 54, 215_808, 215_808, 54, 0, 0, 0, (0.1, 0.25, 0.5)),
    PartRow("decoder", 60, 9_010_224, 9_010_224, 58, 0, 2, 0, (1.0,)),
    PartRow("edge head", 4, 2_465, 2_465, 0, 0, 4, 0, (0.5, 1.0)),
)
CHAIN = (
    Ancestor("imagenet (smp-hub/resnet50.imagenet)", sha256="9" * 64),
    Ancestor("spleen-1", ("spleen",), ("supervised",), 0.8765, (("spleen", 0.8712),), "a" * 64),
    Ancestor("liver-2", ("liver",), ("finetune", "l2sp"), 0.5, (("liver", 0.40744),), "b" * 64),
)
DICE = {"val/teacher/dice": 0.5, "val/student/dice": 0.44}
NAMES = ("Jane_Doe", "MeierKarl", "Zoe_Quinn")


@pytest.fixture
def evaluation() -> Evaluation:
    values = (
        {"dice": 0.912345, "hd95": 3.0, "nsd": 0.95, "volume_difference": -12.34},
        {"dice": 0.31, "hd95": 41.5, "nsd": 0.2, "volume_difference": 80.0},
        {"dice": 0.0, "hd95": None, "nsd": 0.0, "volume_difference": -900.0},
    )
    notes = ("", "", "prediction missing")
    cases = tuple(
        CaseScore(name, name, "liver", dict(value), note)
        for name, value, note in zip(NAMES, values, notes, strict=True)
    )
    summary = {
        "dice": Interval(0.40744, 0.1, 0.9, 3, 0),
        "hd95": Interval(22.25, None, None, 2, 1),
        "nsd": Interval(0.38333, 0.0, 0.95, 3, 0),
        "volume_difference": Interval(-277.446, -900.0, 80.0, 3, 0),
    }
    return Evaluation(cases, {"liver": summary}, DEFINITIONS, "mm", {"liver": {"prediction missing": 1}})


@pytest.fixture
def picture() -> Picture:
    rows, columns = np.mgrid[:48, :64]
    reference = (rows - 24) ** 2 + (columns - 30) ** 2 < 150
    image = (rows + columns).astype(np.uint8)
    return Picture("Worst patient", "liver", "MeierKarl", 0.31, image, reference, np.roll(reference, 6, axis=1))


@pytest.fixture
def restoration() -> RestorationOutcome:
    original = np.arange(32 * 48, dtype=np.uint8).reshape(32, 48)
    planes = original, np.roll(original, 9, axis=0), np.roll(original, 2, axis=0)
    slices = RestoredSlice("Worst restored", "Zoe_Quinn", "shuffled, painted outside", 0.04, 0.01, *planes)
    before, after, grey = (Interval(mean, mean - 0.02, mean + 0.02, 4, 0) for mean in (0.2123, 0.0912, 0.1534))
    return RestorationOutcome(96, before, after, grey, Interval(0.8154, 0.78, 0.84, 4, 0), (slices,))


@pytest.fixture
def page(evaluation: Evaluation, picture: Picture, restoration: RestorationOutcome) -> Page:
    curve = tuple(
        CurveRow(step, {"loss": 1 / step, "loss/edge": 0.4 / step, "lr": 1e-3, **taught, **scores})
        for step in range(1, 21)
        for taught in [{"teacher/weight": step / 20, "teacher/distance": 0.1 / step, "loss/consistency": 0.3}]
        for scores in [{"val/dice/mean": 0.5, "val/dice/liver": 0.5, **DICE} if step % 5 == 0 else {}]
    )
    return Page(
        title="Liver from slices",
        organ_titles={"liver": "Liver"},
        evaluation=evaluation,
        curve=curve,
        best_step=15,
        best_of="teacher",
        pictures=(picture,),
        restoration=restoration,
        data_facts=(("Spacing", "0.8 mm"),),
        notes=("A file of Jane_Doe_0012.png was left out.",),
        settings_yaml="organ:\n- liver\n",
        lineage=(("Started from", "resnet50"),),
        versions={"torch": "2.15.0"},
        split_words="never used for training",
        parts=PARTS,
        chain=CHAIN,
        source_curves=(SourceCurve("spleen-1", ("spleen",), ((10, 0.2), (30, 0.8765))),),
    )


class Outline(HTMLParser):
    """The tags, attributes and texts that a browser's parser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.policy = ""
        self.script = ""
        self._in_script = False
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.script += data
        else:
            self.texts.append(data)


@pytest.fixture
def outline() -> Callable[[str], Outline]:
    return Outline


@pytest.fixture
def everywhere(page: Page) -> Callable[[str], Page]:
    """Puts one text into every field of a page that can hold text."""

    def fill(text: str) -> Page:
        assert page.evaluation is not None
        cases = tuple(
            dataclasses.replace(score, case=f"{text}{number}", patient=f"{text}{number}", organ=text, note=text)
            for number, score in enumerate(page.evaluation.cases)
        )
        values = {text: 0.5, "dice": 0.5}
        cases = tuple(dataclasses.replace(score, values=values) for score in cases)
        interval = Interval(0.5, 0.4, 0.6, 3, 1)
        evaluation = Evaluation(cases, {text: {text: interval, "dice": interval}}, {text: text, "dice": text}, "mm")
        curve = tuple(
            CurveRow(step, {f"loss/{text}": 1.0, f"val/dice/{text}": 0.5, "val/dice/mean": 0.5}) for step in (1, 2)
        )
        picture = dataclasses.replace(page.pictures[0], title=text, organ=text, patient=text)
        assert page.restoration is not None
        restored = dataclasses.replace(page.restoration.pictures[0], title=text, patient=text, done=text)
        return Page(
            text, {text: text}, evaluation, curve, 1, (picture,), ((text, text),), (text,) * 10, text, ((text, text),),
            {text: text}, True, text, restoration=dataclasses.replace(page.restoration, pictures=(restored,)),
            parts=(dataclasses.replace(PARTS[0], part=text),),
            chain=(Ancestor(text, (text,), (text,), 0.5, ((text, 0.5), (text, 0.4)), text),) * 2,
            source_curves=(SourceCurve(text, (text,), ((1, 0.5),)), SourceCurve(text, (), ((1, 0.5),))),
        )  # fmt: skip

    return fill
