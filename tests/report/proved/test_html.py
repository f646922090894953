import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seg.errors import ResourceError
from seg.proof.scores import ScoreTable
from seg.report.numbers import MINUS
from seg.report.proved.html import SECTIONS, render, write_proof
from seg.report.proved.page import ProofPage
from tests.report.conftest import Outline
from tests.report.proved.conftest import ARMS, NAMES, picture, scores

HOSTILE = (
    '<script>alert(1)</script></style><style>*{background:url(//x.invalid)} "><img src=x onerror=alert(1)> '
    r"{{ 7 * 7 }}{% raw %} $\frac{1}{$ _x </title> --> &lt; "
)
MakePage = Callable[..., ProofPage]


def _sections(outline: Outline) -> list[str]:
    return [str(attributes["id"]) for tag, attributes in outline.tags if tag == "section"]


def test_a_page_opens_with_its_sentences_and_shows_every_section(page: ProofPage, rendered: str) -> None:
    found = Outline(rendered)
    assert len(_sections(found)) == len(SECTIONS)
    assert found.text.index(page.sentences[0]) < found.text.index("Each point is a difference")
    for told in ("Proof of transfer", "from the liver", "A training of P04 was left out.", "steps: 800", "seg 0.1.0"):
        assert told in found.text


def test_nothing_is_loaded_from_elsewhere(rendered: str) -> None:
    found = Outline(rendered)
    assert not re.search(r"https?://|url\((?!#)|@import", rendered)
    references = [value for _, attributes in found.tags for name, value in attributes.items()
                  if name in ("src", "href", "xlink:href", "srcset", "action")]  # fmt: skip
    assert references
    assert all((value or "").startswith(("#", "data:image/png")) for value in references)
    assert "default-src 'none'" in found.policy


def test_every_anchor_inside_a_plot_is_its_own(rendered: str) -> None:
    anchors = [attributes["id"] for _, attributes in Outline(rendered).tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))


def _hostile(text: str, make_page: MakePage) -> ProofPage:
    """That text wherever a page can hold one."""
    arms = {f"{text}{number}": ends for number, ends in enumerate(ARMS.values())}
    names = tuple(f"{text}{number}" for number in range(8))
    baseline = f"{text}0"
    return make_page(
        scores(arms, names=names), (baseline,), title=text, organ_title=text, sentences=(text,) * 5,
        arms=dict.fromkeys(arms, text), notes=(text,) * 9, facts=((text, text),), settings_yaml=text, kind=text,
        versions={text: text}, pictures=(picture(baseline, names[0], 2, text),), scored_on=text, show_names=True,
    )  # fmt: skip


def test_texts_cannot_become_tags(make_page: MakePage) -> None:
    harmless, attacked = (Outline(render(_hostile(text, make_page))) for text in ("plain", HOSTILE))
    # An underscore and a plus may be followed by a place to break the line.
    tags = [[tag for tag, _ in found.tags if tag != "wbr"] for found in (attacked, harmless)]
    assert tags[0] == tags[1]
    assert attacked.script == harmless.script
    assert " ".join(HOSTILE.split()) in attacked.text


def test_patients_are_pseudonyms_unless_names_are_asked_for(page: ProofPage, rendered: str) -> None:
    shown = render(replace(page, show_names=True))
    assert not any(name in rendered for name in NAMES)
    assert all(name in shown for name in NAMES)


def test_empty_sections_are_left_out(make_page: MakePage) -> None:
    table = scores({"a": (0.5, 0.5), "b": (0.6, 0.6)}, sizes=(0,), seeds=1, steps=(0,))
    plain = make_page(
        table, ("a",), pictures=(), facts=(), notes=(), settings_yaml="", versions=None, arms={}, transfer=False
    )
    found = Outline(render(plain))
    assert _sections(found) == ["headline", "attention", "forest", "paired", "table"]
    assert "labelled patient" not in found.text


def test_a_page_without_verdicts_says_so() -> None:
    found = Outline(render(ProofPage("Nothing", "Liver", (), (), ScoreTable((), ()))))
    assert _sections(found) == ["headline"]
    assert "Nothing has been compared yet." in found.text


def test_models_that_are_no_transfers_are_better_or_worse(make_page: MakePage) -> None:
    table = scores({"one": (0.3, 0.3), "two": (0.6, 0.6)}, sizes=(0,), seeds=3, steps=(0,))
    found = Outline(render(make_page(table, ("one",), transfer=False, sentences=("two is better.",), pictures=())))
    assert "▲ better" in found.text
    assert "Better or worse where" in found.text
    assert "▲ helped" not in found.text


def test_negative_transfer_is_told_at_the_top(make_page: MakePage) -> None:
    found = Outline(render(make_page(scores({"scratch": (0.3, 0.6), "finetune": (0.1, 0.3)}, seeds=3))))
    told = "Negative transfer: finetune hurt beside scratch with 2 labelled patients, with 10 labelled patients."
    assert told in found.text
    assert "▼ hurt" in found.text
    assert found.text.index(told) < found.text.index("Each point is a difference")


def test_a_page_is_written_completely_and_always_the_same_or_an_error_says_why(
    page: ProofPage, rendered: str, tmp_path: Path
) -> None:
    write_proof(tmp_path / "report.html", page)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == rendered
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError):
        write_proof(tmp_path / "file" / "report.html", page)


def test_numbers_carry_the_minus_of_print(make_page: MakePage) -> None:
    found = Outline(render(make_page(scores({"scratch": (0.3, 0.6), "finetune": (0.1, 0.3)}))))
    assert f"{MINUS}3" in found.text
