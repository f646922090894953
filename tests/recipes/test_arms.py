from pathlib import Path

import pytest

from seg.errors import CheckpointError, UsageError
from seg.recipes import arms
from seg.recipes.arms import Choice, asked_names, read_arms, refuse_unjudged


def _never() -> Choice:
    raise AssertionError("no advice was needed")


def _read(words, source="none", runs=Path("runs"), choose=_never, known=()):
    return read_arms(words, source, runs, choose, known)


@pytest.fixture
def weights(tmp_path) -> Path:
    file = tmp_path / "abdomen.safetensors"
    file.write_bytes(b"weights")
    return file


@pytest.mark.parametrize(
    ("word", "name", "source", "strategy", "transfers"),
    [
        ("scratch", "scratch", "none", ("supervised",), False),
        ("imagenet", "imagenet", "imagenet", ("supervised",), False),
        ("finetune", "finetune", "none", ("finetune",), True),
        ("finetune+edge", "finetune+edge", "none", ("finetune", "edge"), True),
        ("imagenet:l2sp", "imagenet:l2sp", "imagenet", ("l2sp",), True),
    ],
)
def test_a_word_is_an_arm(word, name, source, strategy, transfers):
    (arm,) = _read([word])
    assert (arm.name, arm.source, arm.strategy, arm.transfers) == (name, source, strategy, transfers)
    assert asked_names([word]) == (name,)


def test_a_weight_file_is_a_baseline_named_by_its_stem(weights):
    (arm,) = _read([str(weights)])
    assert (arm.name, arm.source, arm.transfers) == ("abdomen", str(weights), False)


def test_a_weight_file_can_be_the_source_of_an_arm_that_transfers(weights):
    (arm,) = _read([f"{weights}:finetune+l2sp"])
    assert (arm.name, arm.source) == ("abdomen.safetensors:finetune+l2sp", str(weights))
    assert (arm.strategy, arm.transfers, arm.run) == (("finetune", "l2sp"), True, "abdomen.safetensors_finetune_l2sp")


def test_a_run_is_a_source_and_its_files_are_no_baseline(finished, copy_run, tmp_path):
    run = copy_run(finished, tmp_path / "spleen")
    (arm,) = _read([f"{run.folder}:freeze"])
    assert (arm.name, arm.source, arm.meaning) == (
        "spleen:freeze", str(run.folder), "freeze from spleen (liver, spleen)",
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"a file of the run spleen.*spleen:finetune"):
        _read([str(run.model)])


def test_auto_is_what_the_advice_says():
    (arm,) = _read(["auto"], choose=lambda: Choice("imagenet", ("freeze",), ("freeze.stages=2",)))
    assert (arm.name, arm.source, arm.strategy, arm.knobs) == ("auto", "imagenet", ("freeze",), ("freeze.stages=2",))
    assert arm.meaning == "what the advice chose: freeze from imagenet"


def test_an_arm_that_is_the_same_training_as_another_one_has_its_runs():
    found = _read(["finetune", "auto", "scratch"], source="imagenet", choose=lambda: Choice("imagenet", ("finetune",)))
    assert [arm.run for arm in found] == ["finetune", "finetune", "scratch"]


def test_an_earlier_proofs_arms_come_first_and_the_advice_is_not_asked_again():
    earlier = _read(["auto"], choose=lambda: Choice("imagenet", ("freeze",)))
    found = _read(["scratch", "auto", "finetune"], known=earlier)
    assert [arm.name for arm in found] == ["auto", "scratch", "finetune"]
    assert found[0] is earlier[0]


def test_a_file_of_the_same_name_elsewhere_is_not_the_earlier_arm(weights, tmp_path):
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(b"others")
    with pytest.raises(UsageError, match="two arms called abdomen"):
        _read([str(other)], known=_read([str(weights)]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["scrach"], "scrach.*Did you mean 'scratch'"),
        (["finetune+edg"], "edge"),
        (["none:"], "the arm 'none:'"),
        ([":finetune"], "the arm ':finetune'"),
        (["heads_first+finetune"], "every arm begins with it"),
        (["finetune+finetune"], "twice in the arm"),
        (["scratch", "finetune", "scratch"], "'scratch' twice in --arms"),
        (["scratch", ""], "an empty word in --arms"),
        ([], "no word in --arms"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        _read(words)


def test_a_weight_file_or_source_that_is_not_there_is_refused():
    with pytest.raises(CheckpointError, match="no such file"):
        _read(["missing.safetensors"])
    with pytest.raises(CheckpointError, match="no run 'kidney'"):
        _read(["kidney:finetune"])


def test_arms_whose_runs_would_have_one_name_are_refused(weights):
    file = weights.rename(weights.with_name("imagenet_l2sp.safetensors"))
    with pytest.raises(UsageError, match="whose runs would have one name"):
        _read(["imagenet:l2sp", str(file)])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["scratch", "imagenet"], "an arm that transfers"), (["finetune", "freeze"], "an arm without transfer")],
)
def test_a_proof_needs_something_to_judge_and_something_to_judge_it_against(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        refuse_unjudged(_read(words))
    refuse_unjudged(_read(["scratch", "finetune"]))


def test_names_of_runs_are_names_of_files():
    (arm,) = _read(["imagenet:finetune+edge"])
    assert arm.run == "imagenet_finetune_edge"
    assert len(arms._run_prefix("x" * 200)) == 60
