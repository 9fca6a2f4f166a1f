"""Whether a name can be a model, against a hub of our own on the loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rlhf import hub
from rlhf.exceptions import ModelError

KNOWN = {"lab/safe": ["config.json", "model.safetensors"], "lab/pickled": ["config.json", "pytorch_model.bin"]}


class _Hub(BaseHTTPRequestHandler):
    """Answers what a hub answers to `model_info`."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/models/").partition("?")[0]
        self.send_response(200 if name in KNOWN else 404)
        if name not in KNOWN:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        siblings = [{"rfilename": file} for file in KNOWN.get(name, [])]
        self.wfile.write(json.dumps({"id": name, "siblings": siblings}).encode())

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    hub._has_safetensors_on_hub.cache_clear()
    yield
    hub._has_safetensors_on_hub.cache_clear()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("answering")
def test_a_model_on_the_hub_can_be_chosen() -> None:
    hub.model_check("lab/safe")
    assert hub.available("lab/safe")


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(("name", "why"), [("lab/sfae", "knows no model"), ("lab/pickled", "no safetensors weights")])
def test_what_the_hub_does_not_have_is_refused(name: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        hub.model_check(name)


def test_a_hub_that_is_silent_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    hub.model_check("lab/sfae")
    with pytest.raises(hub.HubSilent, match="cannot be reached"):
        hub.model_folder("lab/sfae")


def test_a_folder_needs_safetensors(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        hub.model_check(str(tmp_path))
    (tmp_path / "model.safetensors").touch()
    hub.model_check(str(tmp_path))
