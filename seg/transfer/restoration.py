"""Restoration: the network learns to undo damage to scans that nobody labelled, as a start or beside other terms."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seg.config import Section
from seg.data.dataset import Batch
from seg.errors import UsageError
from seg.models.heads import Head
from seg.models.network import Output, SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._corruption import Damaged, Rates, damaged
from seg.transfer._groups import by_decay
from seg.transfer._views import WEAK
from seg.transfer.component import Component, ComponentInfo, Forward, ParameterGroup, Task
from seg.values import Fraction, NotNegative

CLEAN = "clean"
"""The undamaged slices."""
DAMAGED = "damaged"
"""The damaged slices, where `unlabelled` stays as it is for other components."""
_STREAM = 0x67656E
"""Sets these random numbers apart from those of the augmentation, whose seeds are (seed, position)."""


class RestorationSettings(Section):
    """Knobs; the defaults are those of the authors' released code (Zhou et al. 2021, pytorch/config.py)."""

    weight: NotNegative = 1.0
    """Weight of the restoration error, which has no published value beside a supervised loss."""
    intensity: Fraction = 0.9
    """Probability that a slice's intensities go through a random monotone curve."""
    shuffling: Fraction = 0.5
    """Probability that pixels are shuffled within small windows."""
    painting: Fraction = 0.9
    """Probability that parts of the slice are painted over with noise."""
    inpainting: Fraction = 0.2
    """Share of the painted slices that are painted inside; in the others all but a few windows is painted over."""


class Restoration(Component):
    """Damages unlabelled slices of the target and learns to restore them, by a head of its own that nothing else uses.

    Alone (`seg pretrain`), the damaged slices are the target's stream, and norms follow them. Beside other components
    they are a stream of their own, so that the others see undamaged slices, and norms are held. Only the target's
    scans are restored: no domains are aligned and no labels used, so disjoint organs are no concern. The whole slice
    counts: that a pixel is not `valid` says that it has no label, and every pixel has an intensity.

    Source: Zhou et al. 2021, Models Genesis, Med. Image Anal. 67:101840: L2 distance between the original and a
    sigmoid of the network's output.
    """

    _head: Head

    def __init__(self, task: Task, settings: RestorationSettings) -> None:
        """Raises UsageError where nothing would learn the organs of the labelled slices."""
        self._settings = task.settings
        self._weight = settings.weight
        self._rates = Rates(settings.intensity, settings.shuffling, settings.painting, settings.inpainting)
        self._alone = set(task.settings.components) == {"restoration"}
        if self._alone and task.cases.get("labelled"):
            raise UsageError(
                found="restoration alone, which learns no organ", expected="a strategy that learns from the labels too",
                fix="combine it (--strategy finetune,restoration), or start with `seg pretrain`", code="learns-nothing",
            )  # fmt: skip

    def streams(self) -> tuple[str, ...]:
        """Unlabelled slices of the target."""
        return ("unlabelled",)

    def change(self, batches: dict[str, Batch], step: int) -> dict[str, Batch]:
        """Damage of its own for every slice; another one at every step."""
        clean = batches.get(WEAK, batches["unlabelled"])
        images = [self.damage(image.cpu().numpy(), step, number).image for number, image in enumerate(clean.images)]
        changed = dataclasses.replace(clean, images=torch.from_numpy(np.stack(images)).to(clean.images), features=None)
        return {**batches, CLEAN: clean, "unlabelled" if self._alone else DAMAGED: changed}

    def damage(self, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], step: int, number: int) -> Damaged:
        """The damage of the slice of that number in that step; a function of these, the image and `train.seed`."""
        random = np.random.default_rng((self._settings.train.seed, step, number, _STREAM))
        return damaged(image, self._rates, random)

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Makes the restoration head, the same for the same seed."""
        weight = network.mask_head.out.weight
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self._settings.train.seed)
            head = Head(weight.shape[1], len(network.input_mean), scale=network.mask_head.scale)
        self._head = head.to(weight.device)

    def groups(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup] | None:
        """Alone: encoder and decoder, a pretrained encoder more slowly; the organs' heads stay as they are."""
        if not self._alone:
            return None
        factor = self._settings.optim.encoder_lr_factor if start.rows else 1.0
        encoder, decoder = list(network.encoder.parameters()), list(network.decoder.parameters())
        return [*by_decay("encoder", encoder, factor), *by_decay("decoder", decoder, 1.0)]

    def own_groups(self) -> list[ParameterGroup]:
        """The restoration head."""
        return by_decay("restoration head", list(self._head.parameters()), 1.0)

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """`restoration`: mean squared difference between restored and undamaged slices, over all pixels."""
        output = forward.output("unlabelled" if self._alone else DAMAGED)
        clean = forward.batches[CLEAN].images
        with torch.autocast(clean.device.type, enabled=False):
            return {"restoration": self._weight * F.mse_loss(self.restored(output), clean.float())}

    def restored(self, output: Output) -> Tensor:
        """(b, channel, y, x) restored images in single precision, 0 to 1."""
        with torch.autocast(output.decoded.device.type, enabled=False):
            image: Tensor = self._head(output.decoded.float())
            return image.sigmoid()

    def state_dict(self) -> dict[str, Tensor]:
        """The head."""
        return {f"head.{name}": tensor for name, tensor in self._head.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The head."""
        self._head.load_state_dict({name.removeprefix("head."): tensor for name, tensor in state.items()})


COMPONENT = ComponentInfo(
    title="Restoration of damaged scans",
    level="structure",
    moves="nothing by itself; its result is a source: encoder and decoder that have seen many scans",
    learns="encoder, decoder and a restoration head, from scans without labels",
    needs=("unlabelled",),
    paper="Zhou et al. 2021, Models Genesis",
    make=Restoration,
    settings=RestorationSettings,
)
