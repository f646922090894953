from collections.abc import Callable

import pytest

from seg.config import Settings
from seg.data.checks.check import CaseFacts, CheckReport
from seg.data.phantom.layouts import write_phantoms
from seg.data.splits import SplitPlan
from seg.errors import DataError, UsageError
from seg.overrides import resolve, to_words
from seg.recipes.components import with_knobs
from seg.recipes.hop import START_CODES, finetuned, keep_apart, or_finetuned, plan_hops
from seg.recipes.prepare import Checked, _quiet, check_and_split
from seg.records import Case, DataSet
from seg.schema import expected


def _checked(split: SplitPlan, contents: dict[str, str], labelled: str) -> Checked:
    facts = tuple(CaseFacts(name, name, (1, 1, 1), None, 0, 1, content, {}) for name, content in contents.items())
    cases = tuple(Case(name, name, "volume", (), {"": ()} if name in labelled else {}) for name in contents)
    return Checked(DataSet("root", "nifti", cases), (), (), CheckReport((), facts), split)


def test_a_hop_does_not_learn_from_scans_that_test_or_validate_the_target():
    target = _checked(SplitPlan(("a",), ("v",), ("t",), (), 0, ""), {"a": "1", "v": "2", "t": "3"}, "avt")
    contents = {"p": "1", "q": "2", "r": "3", "s": "3", "v": "9", "w": "2", "x": "3", "y": "8"}
    hop = _checked(SplitPlan(("p", "q", "r"), ("v", "w", "x"), ("y",), ("s",), 0, "by hand"), contents, "pqrvwxy")
    apart = keep_apart(hop, target).split
    assert (apart.train, apart.validation, apart.unlabelled) == (("p",), ("v", "w"), ())
    assert apart.test == ("q", "r", "x", "y")
    assert "4 patients set aside" in apart.how
    assert keep_apart(target, target) is target


def test_a_hop_with_nothing_but_the_targets_test_patients_is_refused():
    target = _checked(SplitPlan(("a",), (), ("t",), (), 0, ""), {"a": "1", "t": "3"}, "at")
    with pytest.raises(DataError) as refused:
        keep_apart(_checked(SplitPlan(("r",), (), (), (), 0, ""), {"r": "3"}, "r"), target)
    assert refused.value.code == "leak-voxels"


def test_a_folder_of_its_own_is_read_for_its_own_organ(stepwise, tmp_path):
    root = write_phantoms(
        tmp_path / "spleens", "nifti", labelled=3, unlabelled=0, seed=5, size=(8, 32, 32), organ="spleen"
    )
    target = stepwise(
        "transfer.via=spleen,kidneys", f"transfer.via_roots={{spleen:{root}}}", "data.format=decathlon",
        "data.labelled=2", "split.folds=4", "data.labels={spleen:[1],pancreas:[2],kidneys:[4,5]}", "train.epochs=2",
    )  # fmt: skip
    spleen, kidneys = plan_hops(target, check_and_split(target), _quiet)
    settings = spleen.settings
    assert (settings.data.root, settings.data.format, settings.data.labelled) == (str(root), "auto", None)
    assert (settings.data.labels, settings.split.folds, settings.train.epochs) == ({"spleen": (1,)}, None, 2)
    assert (settings.organ, settings.runs.name) == (("spleen",), "pancreas-via-spleen")
    assert len(spleen.checked.split.train) == 1
    other = kidneys.settings
    assert (other.data.root, other.data.format, other.data.labelled) == (target.data.root, "decathlon", None)
    assert (other.split, other.data.labels) == (target.split, target.data.labels)
    for one in (settings, other):
        assert (one.transfer.source, one.transfer.via, one.transfer.via_roots) == ((), (), {})


@pytest.mark.parametrize(("words", "code"), [((), "labels-shared"), (("data.labels={spleen:[9]}",), "organ-empty")])
def test_an_organ_without_labels_is_refused_with_the_setting_that_helps(stepwise, tmp_path, words, code):
    root = write_phantoms(tmp_path / "one", "nifti", labelled=3, unlabelled=0, size=(8, 32, 32), organ="pancreas")
    settings = stepwise("transfer.via=spleen", f"data.root={root}", *words)
    with pytest.raises(DataError) as refused:
        plan_hops(settings, check_and_split(settings), _quiet)
    assert "transfer.via_roots={spleen:folder}" in refused.value.fix
    assert "for spleen on the way" in refused.value.found
    assert refused.value.code == code


@pytest.mark.parametrize(
    "words",
    [
        ["transfer.via_roots={spleen:/a b/c,kidneys:x}"],
        ["transfer.via_roots.spleen=/a b/c", "transfer.via_roots.kidneys=x"],
        to_words({"transfer.via_roots": {"spleen": "/a b/c", "kidneys": "x"}}),
    ],
)
def test_folders_of_hops_are_a_table(words):
    assert resolve(words).transfer.via_roots == {"spleen": "/a b/c", "kidneys": "x"}


def test_a_folder_may_hold_commas():
    assert resolve(["transfer.via_roots.spleen=/a,b"]).transfer.via_roots == {"spleen": "/a,b"}
    assert "{spleen:folder}" in expected("transfer.via_roots")


def _refusing(code: str) -> Callable[[Settings], tuple[str, ...]]:
    def attempt(settings: Settings) -> tuple[str, ...]:
        if settings.strategy == ("l2sp",):
            raise UsageError(found="nothing to pull back to", expected="", fix="", code=code)
        return settings.strategy

    return attempt


@pytest.mark.parametrize("code", START_CODES)
def test_a_start_that_a_strategy_cannot_work_with_is_answered_with_finetune(stepwise, code):
    settings, refused = with_knobs(stepwise("strategy=l2sp")), "l2sp cannot run (nothing to pull back to)"
    assert or_finetuned(settings, _refusing(code)) == (("finetune",), refused)
    assert or_finetuned(finetuned(settings), _refusing(code)) == (("finetune",), "")


def test_any_other_mistake_is_told(stepwise):
    with pytest.raises(UsageError):
        or_finetuned(with_knobs(stepwise("strategy=l2sp")), _refusing("bad-value"))
