import math

import numpy as np
import pytest
import torch

from seg.transfer.component import Forward, Taught
from seg.transfer.uncertainty import COMPONENT, UncertaintySettings, allowed_entropy, binary_entropy


class _Looks(Forward):
    """A step in which the teacher's looks are these, one after the other."""

    def __init__(self, looks, progress):
        super().__init__(torch.nn.Identity(), {}, progress)
        self.asked = []

        def again(number):
            self.asked.append(number)
            return looks[number]

        self._taught["unlabelled"] = Taught(looks[0], torch.ones(1, 1, 1, 1, dtype=torch.bool), again)


def _looks(*columns):
    """Each argument holds one pixel's answers, look after look."""
    return list(torch.tensor(columns).T.reshape(-1, 1, 1, 1, len(columns)))


def test_looks_that_agree_are_trusted_and_looks_that_differ_are_not():
    looks = _looks([1.0, 1.0, 1.0, 1.0], [0.02, 0.0, 0.01, 0.05], [1.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5])
    step = _Looks(looks, progress=0.0)
    trust = COMPONENT.make(None, UncertaintySettings()).trust(step, "unlabelled")
    assert trust.flatten().tolist() == [1, 1, 0, 0]
    assert step.asked == [0, 1, 2, 3]


def test_the_entropy_of_the_mean_decides_not_the_mean_of_entropies():
    """Every look is certain, but they contradict one another."""
    step = _Looks(_looks([1.0, 1.0, 0.0, 0.0]), progress=0.5)
    assert COMPONENT.make(None, UncertaintySettings()).trust(step, "unlabelled").item() == 0


def test_the_entropy_is_that_of_organ_or_not():
    probabilities = np.linspace(0.01, 0.99, 50)
    expected = -probabilities * np.log(probabilities) - (1 - probabilities) * np.log(1 - probabilities)
    found = binary_entropy(torch.tensor(probabilities))
    assert np.allclose(found.numpy(), expected, rtol=0, atol=1e-12)
    assert binary_entropy(torch.tensor([0.0, 1.0])).tolist() == [0, 0]
    assert float(binary_entropy(torch.tensor(0.5))) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.75 + 0.25 * math.exp(-5)), (1.0, 1.0)])
def test_what_is_allowed_rises_to_the_greatest_entropy_over_the_run(progress, share):
    assert allowed_entropy(progress) == pytest.approx(share * math.log(2))


def test_in_the_end_all_but_one_half_is_trusted():
    step = _Looks(_looks([0.45] * 4, [0.5] * 4, [0.55] * 4), progress=1.0)
    trust = COMPONENT.make(None, UncertaintySettings()).trust(step, "unlabelled")
    assert trust.flatten().tolist() == [1, 0, 1]


def test_where_nobody_teaches_there_is_nothing_to_trust():
    component = COMPONENT.make(None, UncertaintySettings())
    assert component.trust(Forward(torch.nn.Identity(), {}), "unlabelled") is None
