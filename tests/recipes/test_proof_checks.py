from types import SimpleNamespace

import pytest

from seg.errors import CheckpointError
from seg.proof.sign_flip import smallest_p
from seg.proof.verdict import LEVEL
from seg.recipes import prove
from seg.recipes.proof_checks import too_few_to_tell
from seg.recipes.proof_folder import ProofFolder, write_asked


def _tested(patients):
    return SimpleNamespace(split=SimpleNamespace(test=tuple(f"p{number}" for number in range(patients))))


def test_it_is_said_before_training_that_so_few_patients_can_show_nothing():
    assert smallest_p(6) * 3 >= LEVEL > smallest_p(7) * 3
    assert "6 test patients cannot show whether anything helped" in too_few_to_tell(_tested(6))
    assert "1 test patient cannot" in too_few_to_tell(_tested(1))
    assert too_few_to_tell(_tested(7)) == ""


def test_a_proof_that_is_not_finished_says_how_far_it_is(tmp_path, make_asked):
    folder = ProofFolder(tmp_path / "liver-to-pancreas")
    asked = make_asked(["scratch", "finetune"])
    write_asked(folder, asked)
    of = len(asked.arms) * len(asked.sizes) * asked.seeds
    with pytest.raises(CheckpointError, match=f"0 of {of} trainings have ended") as unfinished:
        prove.recompute(folder)
    assert unfinished.value.code == "proof-unfinished"
