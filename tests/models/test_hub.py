import http.server
import socket
import threading
import time
import urllib.request

import huggingface_hub
import pytest

from seg.models import hub
from seg.models.hub import Published, cache_only, cached_file, published_weights, why_unreachable

A_URL = Published(True, "http://127.0.0.1:1/weights.pth")


@pytest.fixture
def online(monkeypatch):
    """Nothing but the probe decides."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "getproxies", dict)


@pytest.fixture
def server():
    """A server that answers HEAD with the code in its address."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_):
            return

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize(("code", "reachable"), [(200, True), (404, True), (407, False), (502, False)])
def test_a_host_that_answers_is_there_and_a_failing_gateway_is_not(online, server, code, reachable):
    reason = why_unreachable(Published(True, f"{server}/{code}"))
    assert (reason == "") == reachable
    assert reachable or str(code) in reason


def test_a_closed_port_is_named_at_once(online):
    assert "127.0.0.1" in why_unreachable(A_URL)


def test_a_host_that_never_answers_costs_no_more_than_the_limit(online, monkeypatch):
    monkeypatch.setattr(hub, "PROBE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        reason = why_unreachable(Published(True, f"http://127.0.0.1:{silent.getsockname()[1]}/x"))
        assert time.monotonic() - start < 2
    assert "127.0.0.1" in reason


def test_a_name_server_that_never_answers_costs_no_more_than_the_limit(online, monkeypatch):
    monkeypatch.setattr(hub, "PROBE_S", 0.2)
    monkeypatch.setattr(hub, "_probe", lambda address: time.sleep(1) or "")
    start = time.monotonic()
    assert "did not answer within" in why_unreachable(A_URL)
    assert time.monotonic() - start < 0.9


def test_the_endpoint_of_a_mirror_is_asked(online, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1/mirror")
    published = published_weights("resnet50")
    assert published is not None
    assert "mirror" in why_unreachable(published)


def test_the_offline_switch_is_believed_without_asking(monkeypatch):
    monkeypatch.setattr(hub, "_probe", lambda address: pytest.fail("asked"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert why_unreachable(A_URL) == "HF_HUB_OFFLINE is set"


def test_looking_into_the_cache_alone_ends_with_the_block(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with cache_only():
        assert huggingface_hub.constants.is_offline_mode()
    assert not huggingface_hub.constants.is_offline_mode()


def test_published_weights_are_known_by_repository():
    assert published_weights("resnet50").place == "smp-hub/resnet50.imagenet"
    assert published_weights("resnet50").argument == "imagenet"
    assert published_weights("dpn68b").argument == "imagenet+5k"
    assert published_weights("tu-convnext_nano").place.startswith("timm/convnext_nano")
    assert published_weights("tu-convnext_nano").argument is True
    assert published_weights("tu-resnet18.tv_in1k").place == "timm/resnet18.tv_in1k"
    assert published_weights("tu-test_vit4") is None


def test_a_download_by_address_is_found_in_torchs_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert cached_file(A_URL) is None
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "weights.pth").write_bytes(b"x")
    assert cached_file(A_URL) == folder / "weights.pth"
