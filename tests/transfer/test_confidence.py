import pytest
import torch

from seg.transfer.component import Forward, Taught
from seg.transfer.confidence import COMPONENT, ConfidenceSettings


class _Teaches(Forward):
    """A step in which the teacher says this of the unlabelled slices."""

    def __init__(self, probabilities):
        super().__init__(torch.nn.Identity(), {})
        self._taught["unlabelled"] = Taught(probabilities, torch.ones(1, 1, 1, 1, dtype=torch.bool), lambda _: None)


def _trust(probabilities, **knobs):
    component = COMPONENT.make(None, ConfidenceSettings(**knobs))
    return component.trust(_Teaches(probabilities), "unlabelled")


def test_a_pixel_is_trusted_where_the_teacher_is_sure_of_the_organ_or_of_its_absence():
    probabilities = torch.tensor([0.0, 0.05, 0.06, 0.5, 0.94, 0.95, 1.0]).reshape(1, 1, 1, 7)
    assert _trust(probabilities).flatten().tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_organs_are_trusted_one_by_one():
    probabilities = torch.tensor([0.99, 0.6]).reshape(1, 2, 1, 1)
    assert _trust(probabilities, threshold=0.9).flatten().tolist() == [1, 0]


def test_half_trusts_everything():
    assert bool((_trust(torch.rand(2, 1, 4, 4), threshold=0.5) == 1).all())


def test_where_nobody_teaches_there_is_nothing_to_trust():
    component = COMPONENT.make(None, ConfidenceSettings())
    assert component.trust(Forward(torch.nn.Identity(), {}), "unlabelled") is None


@pytest.mark.parametrize("threshold", [0.4, 1.0])
def test_a_threshold_that_trusts_both_answers_or_none_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        ConfidenceSettings(threshold=threshold)
