import pytest
import torch

from seg.config import Model
from seg.models.network import SegNetwork, build_network
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.transfer.finetune import COMPONENT, Finetune, FinetuneSettings
from seg.transfer.supervised import Supervised

PARTS = ("encoder.conv1.", "encoder.bn1.", "encoder.layer1.", "encoder.layer2.", "encoder.layer3.", "encoder.layer4.",
         "decoder.", "mask_head.", "edge_head.")  # fmt: skip


def _network(encoder: str = "resnet18") -> SegNetwork:
    model = Model(encoder=encoder, weights="none", decoder_channels=(16, 16, 8, 8, 8))
    return build_network(model, 1, 3)[0]


def _factors(start: WeightReport, settings: FinetuneSettings, network: SegNetwork) -> dict[str, float]:
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = Finetune(settings).groups(network, start)
    listed = [(named[id(p)], group.lr_factor) for group in groups for p in group.parameters]
    assert len(listed) == len(named), "every parameter is in one group and in one only"
    return dict(listed)


def _by_part(factors: dict[str, float]) -> list[set[float]]:
    return [{factor for name, factor in factors.items() if name.startswith(part)} for part in PARTS]


def test_a_stage_learns_by_a_constant_factor_more_slowly_than_the_next_deeper_one(loaded) -> None:
    factors = _factors(loaded(), FinetuneSettings(layer_decay=0.5), _network())
    assert _by_part(factors) == [{0.03125}, {0.03125}, {0.0625}, {0.125}, {0.25}, {0.5}, {1.0}, {1.0}, {1.0}]


def test_new_parts_have_a_rate_of_their_own_wherever_they_are(loaded) -> None:
    new = ("encoder.layer2.0.conv1.weight", "mask_head.", "edge_head.")
    settings = FinetuneSettings(layer_decay=0.5, new_lr_factor=10, decoder_lr_factor=0.3)
    factors = _factors(loaded(*new), settings, _network())
    assert factors.pop("encoder.layer2.0.conv1.weight") == 10
    assert _by_part(factors) == [{0.03125}, {0.03125}, {0.0625}, {0.125}, {0.25}, {0.5}, {0.3}, {10.0}, {10.0}]


def test_a_start_from_the_encoder_alone_leaves_decoder_and_heads_new(loaded) -> None:
    whole = loaded()
    encoder = WeightReport("imagenet", rows=tuple(row for row in whole.rows if row.name.startswith("encoder.")))
    factors = _factors(encoder, FinetuneSettings(decoder_lr_factor=0.3, new_lr_factor=2), _network())
    assert _by_part(factors)[5:] == [{0.75}, {2.0}, {2.0}, {2.0}]


def test_a_start_from_nothing_learns_at_one_rate() -> None:
    assert set(_factors(WeightReport("none"), FinetuneSettings(), _network()).values()) == {1.0}


def test_a_plain_transformer_has_five_rates_and_that_of_the_rest(loaded) -> None:
    name = "tu-vit_tiny_patch16_224"
    model = Model(encoder=name, weights="none", decoder_channels=(16, 16, 8, 8, 8))
    factors = _factors(loaded(model=model), FinetuneSettings(layer_decay=0.5), _network(name))
    assert factors["encoder.model.pos_embed"] == factors["encoder.model.patch_embed.proj.weight"] == 0.5**5
    assert [factors[f"encoder.model.blocks.{block}.norm1.weight"] for block in (0, 3, 6, 9)] == [
        0.5**n for n in (4, 3, 2, 1)
    ]


def test_only_matrices_decay_and_groups_are_named(loaded) -> None:
    groups = Finetune(FinetuneSettings()).groups(_network(), loaded("mask_head."))
    assert all((p.ndim > 1) == group.weight_decay for group in groups for p in group.parameters)
    assert [group.name for group in groups if group.weight_decay] == [
        "stage4", "stage3", "stage2", "stage1", "stem", "decoder and heads", "new"
    ]  # fmt: skip


def test_what_is_frozen_is_in_no_group(loaded) -> None:
    network = _network()
    network.decoder.requires_grad_(False)
    network.encoder.get_submodule("layer1").requires_grad_(False)
    groups = Finetune(FinetuneSettings()).groups(network, loaded())
    assert all(p.requires_grad for group in groups for p in group.parameters)
    assert "stage1" not in [group.name for group in groups]


def test_the_first_step_moves_each_stage_by_its_own_learning_rate(in_loop, step, loaded) -> None:
    """The first step of Adam is the learning rate in the direction of the sign (Kingma & Ba 2015, algorithm 1)."""
    components = [Supervised(resolve([])), Finetune(FinetuneSettings(layer_decay=0.5, new_lr_factor=4))]
    training = in_loop(components, loaded("mask_head."), "optim.lr=1e-3", "optim.weight_decay=0")
    before = {name: parameter.detach().clone() for name, parameter in training.network.named_parameters()}
    step(training, 0)
    for part, factor in zip(PARTS, (1 / 32, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 4, 1), strict=True):
        largest = max(
            float((parameter.detach() - before[name]).abs().max())
            for name, parameter in training.network.named_parameters()
            if name.startswith(part)
        )
        assert largest == pytest.approx(1e-3 * factor, rel=0.01)


@pytest.mark.parametrize(
    ("strategy", "parts"), [("finetune", "all"), ("encoder", "encoder"), ("encoder_decoder", "encoder_decoder")]
)
def test_presets_say_which_parts_are_taken_over_and_words_come_first(strategy, parts) -> None:
    settings = resolve([f"strategy={strategy}", "finetune.layer_decay=0.9"])
    assert list(settings.components) == ["supervised", "finetune"]
    assert settings.transfer.parts == parts
    knobs = COMPONENT.settings.model_validate(settings.components["finetune"])
    assert knobs == FinetuneSettings(layer_decay=0.9)
    assert isinstance(COMPONENT.make(None, knobs), Finetune)
    assert resolve([f"strategy={strategy}", "transfer.parts=all"]).transfer.parts == "all"


def test_a_rate_that_freezes_or_explodes_is_refused() -> None:
    for wrong in ({"layer_decay": 0}, {"layer_decay": 1.1}, {"new_lr_factor": 0}, {"decoder_lr_factor": 101}):
        with pytest.raises(ValueError, match=r"greater than|less than"):
            FinetuneSettings(**wrong)


def test_numbers_of_the_default_are_those_its_reason_names() -> None:
    steps = torch.arange(1000, dtype=torch.float64)
    most = float((5e-4 * 0.5 * (1 + torch.cos(torch.pi * steps / 1000))).sum())
    assert most == pytest.approx(0.25, rel=0.01)
    assert most * FinetuneSettings().layer_decay ** 5 == pytest.approx(0.06, rel=0.02)
