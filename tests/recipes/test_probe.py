from pathlib import Path

import pytest
from rich.console import Console

from seg.config import Settings
from seg.data.checks.check import CheckReport
from seg.data.splits import SplitPlan
from seg.errors import TrainingError, UsageError
from seg.recipes import probe, via
from seg.recipes.components import with_knobs
from seg.recipes.prepare import Checked
from seg.recipes.probe import probe_folds
from seg.records import DataSet
from seg.runs import Run, create_run, new_manifest


@pytest.mark.parametrize(("count", "sizes"), [(1, []), (2, [1, 1]), (3, [1, 1, 1]), (4, [2, 2]), (5, [3, 2])])
def test_without_validation_patients_training_patients_are_held_out_in_turn(count, sizes):
    names = tuple("abcde"[:count])
    checked = _checked(SplitPlan(names, (), ("t",), ("u",), 0, "by hand"))
    folds = [fold.split for fold in probe_folds(checked)]
    assert [len(fold.validation) for fold in folds] == sizes
    for fold in folds:
        assert sorted({*fold.train, *fold.validation}) == list(names)
        assert not set(fold.train) & set(fold.validation)
        assert (fold.test, fold.unlabelled) == ((), ("u",))
    assert sorted(name for fold in folds for name in fold.validation) == (list(names) if count > 1 else [])


def test_validation_patients_are_the_only_fold_where_there_are_any():
    split = SplitPlan(("a", "b"), ("v",), ("t",), (), 0, "by hand")
    (fold,) = probe_folds(_checked(split))
    assert (fold.split.train, fold.split.validation, fold.split.test) == (("a", "b"), ("v",), ())


def _checked(split: SplitPlan) -> Checked:
    return Checked(DataSet("root", "nifti", ()), (), (), CheckReport((), ()), split)


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ((), (2, None, None)),
        (("transfer.probe_steps=null",), (1, None, None)),
        (("transfer.probe_steps=null", "train.steps=null", "train.time_budget_min=8"), (250, None, 2.0)),
        (("transfer.probe_steps=null", "train.epochs=2"), (4, 0.5, None)),
        (("train.epochs=2", "train.time_budget_min=8"), (2, None, None)),
    ],
)
def test_a_probe_takes_a_quarter_of_the_target_or_what_it_is_told(stepwise, words, length):
    train = probe.probe_settings(stepwise(*words), ("none",), "name", None).train
    assert (train.steps, train.epochs, train.time_budget_min) == length
    assert probe.probe_settings(stepwise(*words), ("none",), "name", 7).train.steps == 7


def test_the_first_probe_decides_the_strategy_of_all(stepwise, monkeypatch):
    made = []

    def fake(wished: Settings, *_: object) -> Run:
        if "l2sp" in wished.components:
            raise UsageError(found="l2sp from none", expected="weights", fix="", code="nothing-transferred")
        made.append((wished.strategy, wished.train.steps))
        run = create_run(wished)
        run.write_settings(wished)
        run.write_manifest(new_manifest(run, "probe", wished))
        run.change_manifest(results={"steps": 9, "validation_dice": 0.25 * len(made)})
        return run

    monkeypatch.setattr(probe, "train_probe", fake)
    resolved = stepwise("transfer.via=spleen", "strategy=l2sp", "split.validation_fraction=0")
    way = via.plan_way(with_knobs(resolved), Console(quiet=True))
    assert len(way.probes.folds) == 2
    assert "Probes of 2 steps (l2sp) are judged on 6 labelled training patients in 2 folds" in way.probes.judged()
    assert [way.probes.score((start,)) for start in ("none", "imagenet", "none")] == [0.375, 0.875, 0.375]
    assert made == [(("finetune",), 2), (("finetune",), 9), (("finetune",), 9), (("finetune",), 9)]
    assert way.probes.remark == "Probes are trained with finetune, as l2sp cannot run (l2sp from none)."
    assert "Probes of 9 steps (finetune) are judged on" in way.probes.judged()


def test_a_probe_that_fails_says_so_and_goes_on_later(stepwise, monkeypatch):
    settings = with_knobs(stepwise("transfer.via=spleen", "runs.name=t"))
    probes = via.plan_way(settings, Console(quiet=True)).probes

    def fails(*_: object) -> None:
        raise TrainingError(found="a loss that is not finite", expected="", fix="", code="not-finite")

    with monkeypatch.context() as patched:
        patched.setattr(probe, "run_loop", fails)
        with pytest.raises(TrainingError):
            probes.score(("none",))
    (folder,) = (Path(settings.runs.folder) / ".probes").iterdir()
    assert (folder.name, Run(folder).manifest().state) == ("t-from-none", "failed")
    score = probes.score(("none",))
    assert score == Run(folder).manifest().results["validation_dice"]
    assert len(list(folder.parent.iterdir())) == 1
