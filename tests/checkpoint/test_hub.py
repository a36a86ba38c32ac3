"""Downloads from a local server that speaks the protocol of the hub."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from ocr_trainer_dbnet.resnet import ResNet

from ocr_trainer.checkpoint.hub import fetch
from ocr_trainer.checkpoint.pretrained import load_pretrained
from ocr_trainer.errors import CheckpointError

NAME = "timm/resnet18.tv_in1k"


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(ResNet("resnet18"), NAME)
    assert str(caught.value) == (
        f"model.backbone.weights={NAME} is on the Hugging Face hub, which needs a package that is not installed\n"
        "  pip install 'ocr-trainer[hub]'"
    )


class Hub(BaseHTTPRequestHandler):
    """One repository with weights, one without; for any other it answers as the hub does."""

    content = b""

    def do_HEAD(self):
        known = {"timm/resnet18.tv_in1k": None, "timm/no_safetensors": "EntryNotFound"}
        repository = "/".join(self.path.split("/")[1:3])
        error = known.get(repository, "RepoNotFound")
        if self.path != f"/{repository}/resolve/main/model.safetensors":
            error = error or "EntryNotFound"
        self.send_response(404 if error else 200)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"1234"')
        self.send_header("Content-Length", "0" if error else str(len(self.content)))
        self.end_headers()
        return error

    def do_GET(self):
        if not self.do_HEAD():
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Run a hub with the weights of a ResNet-18; yield the weights and the server."""
    constants = pytest.importorskip("huggingface_hub.constants")
    safetensors = pytest.importorskip("safetensors.torch")
    torch.manual_seed(3)
    tensors = ResNet("resnet18").state_dict() | {"fc.bias": torch.zeros(1000)}
    monkeypatch.setattr(Hub, "content", safetensors.save(tensors))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield tensors, server
    server.shutdown()
    server.server_close()


def test_weights_are_downloaded_loaded_and_cached(hub):
    tensors, server = hub
    net = ResNet("resnet18")
    message = load_pretrained(net, NAME)
    assert message == f"120 of 120 tensors loaded from {NAME}, not used: fc.bias"
    assert all(torch.equal(value, tensors[name]) for name, value in net.state_dict().items())
    server.shutdown()
    server.server_close()
    assert fetch(NAME).is_file()  # without the hub, the downloaded file is still used


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "timm/resnet18.no_such",
            "no such local file, and the hub has no such repository, or it is private",
        ),
        ("timm/no_safetensors", "the repository has no model.safetensors"),
        ("timm/bad..name", "this is not a valid repository name"),
    ],
)
def test_missing_weights_are_reported(hub, name, reason):
    with pytest.raises(CheckpointError) as caught:
        fetch(name)
    assert str(caught.value) == f"model.backbone.weights={name}: {reason}"


def test_an_unreachable_hub_is_reported(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        CheckpointError, match="the hub cannot be reached, and the weights are not in its local cache"
    ):
        fetch(NAME)
    hub[1].shutdown()
    hub[1].server_close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "time.sleep", lambda seconds: None
    )  # the library waits longer before each new attempt
    with pytest.raises(
        CheckpointError, match="the hub cannot be reached, and the weights are not in its local cache"
    ):
        fetch(NAME)
