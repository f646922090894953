import base64
import dataclasses
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seg.errors import ResourceError
from seg.records import Evaluation
from seg.report.html import SECTIONS, render, write_report
from seg.report.numbers import MINUS
from seg.report.page import Page
from tests.report.conftest import NAMES, Outline

MakeOutline = Callable[[str], Outline]
PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "</style><style>*{background:url(//x.invalid)}",
    "]]><!--<b>",
    "--><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "</title><h1>gone</h1>",
    "&lt;script&gt;",
    r"$\frac{1}{$ \unknown _^",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
)
ODD_TEXTS = (
    "nul \x00 bell \x07",
    "surrogate \udc80",
    "turned \u202egnp.exe",
    "line\nbreak\ttab",
    "肝臓 печень",
    "x" * 500,
    "_",
)


def test_a_page_opens_with_the_finding_in_plain_words(page: Page, outline: MakeOutline) -> None:
    text = outline(render(page)).text
    assert (
        "On 3 patients never used for training, the liver model reaches a mean Dice of 0.407 "
        "(95 % interval 0.100 to 0.900)." in text
    )


def test_a_page_shows_every_section(page: Page, outline: MakeOutline) -> None:
    found = outline(render(page))
    sections = [attributes["id"] for tag, attributes in found.tags if tag == "section"]
    assert len(sections) == len(SECTIONS)
    for expected in ("Spacing", "0.8 mm", "Started from", "resnet50", "torch 2.15.0", "organ:", "weights of step 15"):
        assert expected in found.text


def test_masks_of_unknown_origin_are_not_called_a_model(page: Page, outline: MakeOutline) -> None:
    plain = Page("Two folders", {}, page.evaluation)
    found = outline(render(plain))
    assert "On 3 patients, the liver prediction reaches" in found.text
    assert {"curves", "pictures", "data", "origin"}.isdisjoint(attributes.get("id") for _, attributes in found.tags)


def test_a_page_without_an_evaluation_says_so(page: Page, outline: MakeOutline) -> None:
    stopped = dataclasses.replace(page, evaluation=None, pictures=(), restoration=None)
    assert "No predictions have been evaluated yet." in outline(render(stopped)).text


def test_an_evaluation_without_a_case_says_so(outline: MakeOutline) -> None:
    nothing = Page("Nothing", {}, Evaluation((), {}, {}, "mm"))
    assert "No predictions have been evaluated yet." in outline(render(nothing)).text


@pytest.mark.parametrize("group", range(4))
def test_no_field_can_bring_a_tag_or_handler_into_the_page(
    group: int, everywhere: Callable[[str], Page], outline: MakeOutline
) -> None:
    payload = " ".join(PAYLOADS[group::4])
    harmless, attacked = outline(render(everywhere("plain word"))), outline(render(everywhere(payload)))
    assert [tag for tag, _ in attacked.tags] == [tag for tag, _ in harmless.tags]
    names, expected = ([list(attributes) for _, attributes in page.tags] for page in (attacked, harmless))
    assert names == expected
    assert attacked.script == harmless.script
    assert payload in "".join(attacked.texts)


@pytest.mark.parametrize("odd", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_odd_texts_become_a_page_that_can_be_written(
    odd: str, everywhere: Callable[[str], Page], tmp_path: Path
) -> None:
    write_report(tmp_path / "report.html", everywhere(odd))
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", written)


def test_nothing_on_the_page_points_outside_it(page: Page, outline: MakeOutline) -> None:
    html = render(page)
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    for tag, attributes in outline(html).tags:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith("#") or (tag in ("image", "img") and value.startswith("data:image/png;base64,"))
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_the_policy_admits_this_script_and_nothing_else(page: Page, outline: MakeOutline) -> None:
    found = outline(render(page))
    rules = dict(rule.strip().split(" ", 1) for rule in found.policy.split(";"))
    digest = base64.b64encode(hashlib.sha256(found.script.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["style-src"] == "'unsafe-inline'"
    assert rules["img-src"] == "data:"
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]


def test_the_patients_can_be_sorted_and_stand_worst_first(page: Page, outline: MakeOutline) -> None:
    html = render(page)
    found = outline(html)
    assert "table.sortable" in found.script
    assert any(tag == "table" and attributes.get("class") == "sortable" for tag, attributes in found.tags)
    body = html[html.index('class="sortable"') :]
    assert re.findall(r'<th scope="row" data-value="(P\d+)">', body) == ["P03", "P02", "P01"]
    assert 'data-value="0.912345"' in body
    assert [attributes["aria-sort"] for _, attributes in found.tags if "aria-sort" in attributes] == ["ascending"]


def test_names_are_hidden_unless_asked_for(page: Page) -> None:
    hidden, shown = render(page), render(dataclasses.replace(page, show_names=True))
    assert not any(name in hidden for name in NAMES)
    assert "A file of P01_0012.png was left out." in hidden
    assert all(name in shown for name in NAMES)
    assert "P01" not in shown


def test_a_name_is_hidden_in_every_text(page: Page) -> None:
    name = "Zoe_Quinn"
    gossip = dataclasses.replace(
        page,
        title=f"Of {name}",
        data_facts=(("Largest", name), (name, "smallest")),
        settings_yaml=f"root: /scans/{name}/ct",
        lineage=(("Split", f"without {name}"), (name, "first")),
        split_words=f"such as {name}",
        pictures=(dataclasses.replace(page.pictures[0], title=f"Worst: {name}"),),
    )
    assert name not in render(gossip)


def test_the_numbers_are_rounded_and_carry_their_unit(page: Page, outline: MakeOutline) -> None:
    text = outline(render(page)).text
    for expected in (
        "0.407",
        "22.25 mm",
        f"{MINUS}277.4 ml",
        f"{MINUS}900.0 to +80.0",
        "2 patients, 1 undefined",
        "no interval",
    ):
        assert expected in text


def test_tables_say_what_their_headings_head(page: Page, outline: MakeOutline) -> None:
    headings = [attributes for tag, attributes in outline(render(page)).tags if tag == "th"]
    assert headings
    assert all(heading.get("scope") in ("row", "col") for heading in headings)


def test_pictures_and_plots_have_a_text_alternative(page: Page, outline: MakeOutline) -> None:
    labels = [
        attributes.get("aria-label") or ""
        for _, attributes in outline(render(page)).tags
        if attributes.get("role") == "img"
    ]
    assert "Worst patient, P02, Liver: outlines of reference and prediction on one slice, Dice 0.310" in labels
    assert "Liver: Dice of 3 patients from 0.000 to 0.912, median 0.310." in labels


def test_the_same_page_gives_the_same_text(page: Page) -> None:
    assert render(page) == render(page)


def test_ids_stand_once(page: Page, outline: MakeOutline) -> None:
    ids = [attributes["id"] for _, attributes in outline(render(page)).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_several_organs_each_get_their_sentence(page: Page, outline: MakeOutline) -> None:
    assert page.evaluation is not None
    other = tuple(dataclasses.replace(score, organ="kidney_left") for score in page.evaluation.cases)
    both = dataclasses.replace(
        page.evaluation,
        cases=page.evaluation.cases + other,
        summary={**page.evaluation.summary, "kidney_left": page.evaluation.summary["liver"]},
    )
    titles = {"liver": "Liver", "kidney_left": "Left kidney"}
    text = outline(render(dataclasses.replace(page, evaluation=both, organ_titles=titles))).text
    assert "the liver model reaches" in text
    assert "the left kidney model reaches" in text


def test_an_organ_without_a_value_is_not_given_one(page: Page, outline: MakeOutline) -> None:
    assert page.evaluation is not None
    empty = {metric: dataclasses.replace(interval, mean=None, low=None, high=None, n=0, n_undefined=3)
             for metric, interval in page.evaluation.summary["liver"].items()}  # fmt: skip
    cases = tuple(dataclasses.replace(score, values=dict.fromkeys(score.values)) for score in page.evaluation.cases)
    blank = dataclasses.replace(page.evaluation, cases=cases, summary={"liver": empty})
    found = outline(render(dataclasses.replace(page, evaluation=blank)))
    assert "no quality can be stated for the liver" in found.text
    assert "undefined" in found.text
    assert "distribution" not in [attributes.get("id") for _, attributes in found.tags]


def test_metrics_without_dice_are_led_by_the_first(page: Page, outline: MakeOutline) -> None:
    assert page.evaluation is not None
    cases = tuple(dataclasses.replace(score, values={"hd95": score.values["hd95"]}) for score in page.evaluation.cases)
    distances = Evaluation(cases, {"liver": {"hd95": page.evaluation.summary["liver"]["hd95"]}}, {"hd95": "x"}, "px")
    found = outline(render(Page("Distances", {}, distances)))
    assert "a mean HD95 of 22.25 px." in found.text
    assert 'aria-sort="descending"' in render(Page("Distances", {}, distances))


def test_a_long_list_of_notes_is_folded(page: Page, outline: MakeOutline) -> None:
    text = outline(render(dataclasses.replace(page, notes=tuple(f"note {number}." for number in range(11))))).text
    assert "3 more" in text
    assert "note 10." in text


def test_a_page_that_cannot_be_written_leaves_nothing_behind(page: Page, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError):
        write_report(tmp_path / "file" / "report.html", page)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_page_of_three_large_pictures_stays_small(page: Page, tmp_path: Path) -> None:
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024), dtype=np.uint8)
    mask = np.zeros((1024, 1024), dtype=bool)
    mask[300:700, 200:600] = True
    large = dataclasses.replace(page.pictures[0], image=noise, reference=mask, prediction=mask)
    write_report(tmp_path / "report.html", dataclasses.replace(page, pictures=(large,) * 3))
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_a_report_needs_neither_torch_nor_matplotlib_to_start() -> None:
    code = "import sys, seg.report.html, seg.report.tables; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
