import huggingface_hub
import pytest

from seg.config import Model
from seg.errors import CheckpointError
from seg.models import published
from seg.models.published import published_encoder, require_published


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("encoder", "reason"), [("resnet18", "HF_HUB_OFFLINE"), ("tu-test_vit4", "none are published")]
)
def test_what_cannot_be_had_is_refused_before_anything_is_built(encoder, reason):
    with pytest.raises(CheckpointError, match=reason) as refusal:
        require_published(encoder)
    assert refusal.value.code == "weights-offline"


def test_what_can_be_downloaded_is_required_without_complaint_and_built_over_the_network(monkeypatch):
    monkeypatch.setattr(published, "why_unreachable", lambda _: "")
    require_published("resnet18")
    monkeypatch.setattr(published, "build_parts", lambda *_, pretrained: pytest.fail(f"asked for {pretrained}"))
    with pytest.raises(pytest.fail.Exception, match="asked for imagenet"):
        published_encoder(Model(encoder="resnet18"), 3)
