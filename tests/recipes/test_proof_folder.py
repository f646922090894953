import json

import pytest

from seg.errors import CheckpointError, UsageError
from seg.recipes.proof_folder import ProofFolder, read_asked, refuse_other_proof, write_asked


@pytest.fixture
def folder(tmp_path):
    return ProofFolder(tmp_path / "proofs" / "liver-to-pancreas")


def test_what_was_asked_is_read_back(folder, make_asked):
    asked = make_asked(["scratch", "finetune"], advice={"why": "few labels"}, failed={"finetune-5-0": "no memory"})
    write_asked(folder, asked)
    assert read_asked(folder) == asked


@pytest.mark.parametrize(("text", "found"), [("{", "not whole"), ('{"arms": []}', "not whole"), (None, "No such file")])
def test_what_is_no_proof_is_said(folder, text, found):
    folder.folder.mkdir(parents=True)
    if text is not None:
        folder.asked.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=found):
        read_asked(folder)


def test_a_proof_of_another_layout_is_refused(folder, make_asked):
    write_asked(folder, make_asked(["scratch"]))
    folder.asked.write_text(json.dumps({**json.loads(folder.asked.read_text()), "schema": 99}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="layout 99"):
        read_asked(folder)


def test_later_commands_join_what_was_asked_before(make_asked):
    first = make_asked(["scratch", "finetune"], sizes=(5,), seeds=3, advice={"why": "few"})
    both = first.joined(make_asked(["scratch", "freeze"], sizes=(2, 5), seeds=1, versions={"seg": "2"}))
    assert [arm.name for arm in both.arms] == ["scratch", "finetune", "freeze"]
    assert (both.sizes, both.seeds, both.advice, both.versions) == ((2, 5), 3, {"why": "few"}, {"seg": "2"})


def test_differences_are_listed_up_to_a_number(folder, make_asked):
    then, now = make_asked(["scratch"]), make_asked(["scratch"])
    refuse_other_proof(folder, then, now)
    many = {f"loss{number}": {"weight": number} for number in range(10)}
    now.settings.update(many)
    with pytest.raises(UsageError, match=r"loss7\.weight=null, now 7 and 2 more"):
        refuse_other_proof(folder, then, now)


def test_of_arms_that_are_one_training_a_baseline_has_the_runs(make_asked):
    asked = make_asked(["auto", "finetune", "scratch"], same={"auto": "scratch"})
    assert [arm.name for arm in asked.trained] == ["finetune", "scratch"]
    assert [(arm.name, own.name) for arm, own in asked.twins] == [("auto", "scratch")]
