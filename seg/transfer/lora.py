"""LoRA: the source's layers stay as they are, and each learns a low-rank addition."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seg.config import Section, Settings
from seg.errors import UsageError
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._adapters import can_be_adapted, insert_adapters, is_factor, merged
from seg.transfer._groups import by_decay
from seg.transfer._transferred import transferred_names
from seg.transfer.component import Component, ComponentInfo, ParameterGroup, Task
from seg.values import AboveZero

_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
_PARTS = {"encoder": ("encoder.",), "encoder_decoder": ("encoder.", "decoder.")}


class LoraSettings(Section):
    """Which layers get adapters, and how large these are."""

    rank: Annotated[int, Field(ge=1, le=256)] = 8
    """Rank of every addition. Source: peft's default; Hu et al. 2022, section 7.2: 64 is hardly better."""
    alpha: AboveZero = 16.0
    """The addition is alpha / rank * B A; twice the rank is the habit.

    The product of a learning rate and this scale is what counts, so `lr_factor` alone need be searched.
    """
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of an adapter's inputs that is dropped; few hundred steps on augmented slices need none."""
    targets: Literal["encoder", "encoder_decoder"] = "encoder"
    """Which parts are held and adapted; the others learn fully."""
    norms: Literal["frozen", "learned"] = "frozen"
    """Norms of the adapted parts: as in the source, statistics included, or learning and following the target's scans.

    Frozen, the first step computes exactly what the source does, whatever the batch. Learned suits a start from
    other kinds of pictures, such as ImageNet's.
    """
    lr_factor: AboveZero = 5.0
    """Learning rate of the adapters relative to `optim.lr`.

    Source: Schulman et al. 2025, LoRA without regret: 10 times that of full fine-tuning, which is half of `optim.lr`
    for an encoder. A first step moves W by lr * alpha / rank * sqrt(rank / (3 inputs)): a tenth of lr at 1000 inputs.
    """


class Lora(Component):
    """What was transferred is frozen; its convolutions and linear layers each learn a product of two thin matrices.

    Source: Hu et al. 2022, LoRA: low-rank adaptation of large language models; on convolutions as peft does it: A has
    the layer's kernel and `rank` output channels, B is 1 x 1.

    What the source lacked learns fully, inside the adapted parts too. Grouped (depthwise) and dilated convolutions, and
    layers that a component listed before froze, get no adapter and stay as in the source. So do, in effect, layers
    whose weight a network reads without calling them, such as the first of SwinV2's attention.

    During training the adapted layers' tensors have names of their own, in checkpoints as well; the model that is kept
    has the additions merged in and is a plain network. Averaged weights average A and B; the product of the averages
    is what predicts and what is kept.
    """

    def __init__(self, settings: LoraSettings, training: Settings) -> None:
        """Knows its layers after `prepare`."""
        self._settings = settings
        self._training = training
        self._layers: tuple[str, ...] = ()
        self._held_norms: list[nn.Module] = []

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Freeze what was transferred and insert adapters; UsageError where no layer can have one."""
        names, parts = transferred_names(start), _PARTS[self._settings.targets]
        frozen = any(not p.requires_grad for name, p in network.named_parameters() if name.startswith(parts))
        self._layers = tuple(
            name
            for name, module in network.named_modules()
            if name.startswith(parts) and f"{name}.weight" in names and can_be_adapted(module)
        )
        if not self._layers:
            raise _all_frozen() if frozen else self._nothing_to_adapt(start)
        self._hold(network, names)
        self._adapt(network)

    def groups(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup]:
        """Adapters, and the rest of what learns; UsageError where a component listed later froze every adapter."""
        parameters = dict(network.named_parameters())
        adapters = [parameter for name, parameter in parameters.items() if is_factor(name)]
        if not any(parameter.requires_grad for parameter in adapters):
            raise _all_frozen()
        rest = [parameter for name, parameter in parameters.items() if not is_factor(name)]
        return [*by_decay("adapters", adapters, self._settings.lr_factor), *by_decay("rest", rest, 1.0)]

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Statistics of the source's norms neither move nor give way to the batch's."""
        for norm in self._held_norms:
            norm.eval()

    def exported(self, network: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copies with the additions merged in; the network keeps its own."""
        return merged(tensors, self._layers, self._settings.alpha / self._settings.rank)

    def _hold(self, network: SegNetwork, names: frozenset[str]) -> None:
        parts, learned = _PARTS[self._settings.targets], self._settings.norms == "learned"
        norms = {name: module for name, module in network.named_modules() if isinstance(module, _NORMS)}
        for name, parameter in network.named_parameters():
            if name.startswith(parts) and name in names and not (learned and name.rpartition(".")[0] in norms):
                parameter.requires_grad_(False)
        self._held_norms = [
            norm
            for name, norm in norms.items()
            if name.startswith(parts) and f"{name}.running_mean" in names and not learned
        ]

    def _adapt(self, network: SegNetwork) -> None:
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        knobs, train = self._settings, self._training.train
        # A draw of its own, so that other components draw what they would without this one.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(train.seed)
            insert_adapters(network, self._layers, rank=knobs.rank, alpha=knobs.alpha, dropout=knobs.dropout)
        for parameter in learning:
            parameter.requires_grad_(True)
        if train.channels_last:
            network.to(memory_format=torch.channels_last)

    def _nothing_to_adapt(self, start: WeightReport) -> UsageError:
        return UsageError(
            found=f"no layer that lora could adapt in {self._training.model.encoder} with weights from {start.source}",
            expected="transferred nn.Linear or ungrouped nn.Conv2d layers that nothing froze",
            fix="name a source such as --from liver, or another encoder such as resnet50, timm-efficientnet-b0, mit_b0",
            code="nothing-transferred",
        )


def _all_frozen() -> UsageError:
    return UsageError(
        found="lora beside a strategy that freezes every layer which lora would adapt",
        expected="layers that learn: lora itself holds what it adapts",
        fix="leave that strategy (freeze, feature_extract) out; or freeze fewer stages, such as freeze.stages=2; "
        "or adapt the decoder too, with lora.targets=encoder_decoder", code="nothing-to-adapt",
    )  # fmt: skip


def _make(task: Task, settings: LoraSettings) -> Lora:
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise UsageError(
            found=f"lora without the package peft ({error})", expected="peft 0.18 or newer",
            fix='pip install "seg[lora]"', code="missing-package",
        ) from None  # fmt: skip
    return Lora(settings, task.settings)


COMPONENT = ComponentInfo(
    title="LoRA: low-rank additions to frozen layers",
    level="parameter",
    moves="the source's layers, frozen",
    learns="a low-rank addition to every layer, and fully what the source lacks",
    needs=("weights",),
    paper="Hu et al. 2022, LoRA: Low-rank adaptation of large language models",
    make=_make,
    settings=LoraSettings,
)
