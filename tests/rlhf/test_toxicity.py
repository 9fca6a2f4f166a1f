"""Backends, their names, and the process behind the proxy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # has no stubs here
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from rlhf import hub, toxicity
from rlhf.exceptions import ModelError
from rlhf.toxicity import ClassifierToxicity, choose_backend, toxic_label
from rlhf.toxicity_proxy import ProfanityProxy
from tests.rlhf.reporters import Told

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "you", "are", "kind", "stupid", "idiot", "a", "friend", "."]


@pytest.fixture(scope="module")
def proxy() -> Iterator[ProfanityProxy]:
    with ProfanityProxy() as running:
        yield running


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa in the hub's format, trained here to find two rude words; "hate" is label 0 on purpose."""
    folder = tmp_path_factory.mktemp("classifier")
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers has no types here
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", cls_token="<s>"
    )
    config = RobertaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=18,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label={0: "hate", 1: "nothate"},
        label2id={"hate": 0, "nothate": 1},
    )
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(config)
    texts = ["you are kind .", "you are a friend .", "you are stupid .", "you are a idiot .", "idiot .", "friend ."]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    labels = torch.tensor([1, 1, 0, 0, 0, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_proxy_knows_rude_from_plain(proxy: ProfanityProxy) -> None:
    rude, plain = proxy.score(["You are a stupid idiot.", "Anna moves the meeting to Friday."])
    assert rude > 0.9
    assert plain < 0.1


def test_the_proxy_says_what_it_is(proxy: ProfanityProxy) -> None:
    assert proxy.name == "profanity-proxy"
    assert proxy.version.startswith("alt-profanity-check 1.")
    assert "scikit-learn" in proxy.version


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\r\n\x0b\u2028", "\ud800 lone", "\x00", '{"texts": []}', "ärger 😀 見", "word " * 200_000],
    ids=["empty", "blank", "lines", "surrogate", "nul", "json", "unicode", "long"],
)
def test_the_proxy_survives_odd_text(proxy: ProfanityProxy, text: str) -> None:
    odd, rude = proxy.score([text, "You are a stupid idiot."])
    assert 0 <= odd <= 1
    assert rude > 0.9, "the answer belongs to the right text"


@given(st.lists(st.text(), max_size=5))
@settings(deadline=None, max_examples=30)
def test_the_proxy_gives_one_score_for_each_text(texts: list[str]) -> None:
    scores = SHARED_PROXY.score(texts)
    assert len(scores) == len(texts)
    assert all(0 <= score <= 1 for score in scores)


SHARED_PROXY = ProfanityProxy()  # hypothesis takes no fixture of module scope; ends with the process


def test_a_score_does_not_depend_on_its_batch(proxy: ProfanityProxy) -> None:
    texts = [f"You are number {index} of the idiots." for index in range(1201)]
    assert proxy.score(texts)[700] == pytest.approx(proxy.score(texts[700:701])[0])


def child_of(proxy: ProfanityProxy) -> psutil.Process:
    proxy.score([""])
    assert proxy._child is not None
    return psutil.Process(proxy._child.pid)


def test_the_process_starts_once_and_close_ends_it() -> None:
    proxy = ProfanityProxy()
    child = child_of(proxy)
    assert child_of(proxy).pid == child.pid
    proxy.close()
    assert not child.is_running()
    proxy.close()


def test_the_process_imports_no_torch_and_gets_no_secret(
    proxy: ProfanityProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do-not-pass-on")
    with ProfanityProxy() as fresh:
        child = child_of(fresh)
        assert "SECRET_KEY" not in child.environ()
        assert not any("torch" in mapped.path for mapped in child.memory_maps())


def test_a_killed_process_is_an_error_or_is_started_again_never_a_wrong_score() -> None:
    with ProfanityProxy() as proxy:
        child = child_of(proxy)
        child.kill()
        child.wait()
        assert proxy.score(["You are a stupid idiot."])[0] > 0.9


def test_a_process_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlhf.toxicity_proxy.sys.executable", "/bin/false")
    with ProfanityProxy() as proxy, pytest.raises(ModelError, match="profanity proxy's process"):
        proxy.score(["text"])


def test_the_process_dies_with_a_killed_parent() -> None:
    code = (
        "import time; from rlhf.toxicity_proxy import ProfanityProxy as P; p = P(); p.score(['']);"
        "print(p._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_a_classifier_from_a_folder_scores_the_named_label(classifier_folder: Path) -> None:
    backend = ClassifierToxicity(classifier_folder)
    rude, plain, other = backend.score(["you are stupid .", "you are kind .", "a idiot ."])
    assert rude > 0.8
    assert plain < 0.2
    assert other > 0.5
    assert backend.name.endswith(":hate")
    assert backend.version.startswith("sha256:")


def test_a_rude_word_after_the_limit_is_still_found(classifier_folder: Path) -> None:
    """16 tokens fit; the rude end would be cut by plain truncation."""
    backend = ClassifierToxicity(classifier_folder)
    long = "you are a friend . " * 12 + "stupid idiot " * 10
    plain, rude = backend.score(["you are a friend . " * 12, long])
    assert plain < 0.3
    assert rude > 0.7


def test_a_classifier_survives_odd_text_and_no_text(classifier_folder: Path) -> None:
    backend = ClassifierToxicity(classifier_folder)
    assert backend.score([]) == []
    assert all(0 <= score <= 1 for score in backend.score(["", "\ud800", "\n", "x" * 10_000]))


@pytest.mark.parametrize(
    ("labels", "index"),
    [({0: "nothate", 1: "hate"}, 1), ({0: "HATE", 1: "NOT"}, 0), ({0: "severe_toxic", 1: "toxic"}, 1)],
)
def test_the_label_is_found_by_name(labels: dict[int, str], index: int) -> None:
    assert toxic_label(labels, None, "m") == index


def test_labels_without_a_clear_name_are_refused_unless_named() -> None:
    labels = {0: "LABEL_0", 1: "LABEL_1"}
    with pytest.raises(ModelError, match="LABEL_0, LABEL_1"):
        toxic_label(labels, None, "m")
    assert toxic_label(labels, "label_1", "m") == 1
    with pytest.raises(ModelError, match="no label 'rude'"):
        toxic_label(labels, "rude", "m")


def test_pickled_weights_are_refused(classifier_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((classifier_folder / name).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors.*pickled weights are never"):
        ClassifierToxicity(tmp_path)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        choose_backend(str(tmp_path / "nothing"))


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub._has_safetensors_on_hub.cache_clear()


@pytest.mark.usefixtures("unreachable")
def test_auto_without_the_hub_is_the_proxy_at_once_and_is_told() -> None:
    told, begun = Told(), time.monotonic()
    backend = choose_backend("auto", told)
    assert time.monotonic() - begun < 20, "retries would take half a minute"
    assert backend.name == "profanity-proxy"
    assert any(kind == "warning" and "profanity proxy" in message for kind, message in told.events)


@pytest.mark.usefixtures("unreachable")
def test_a_classifier_asked_for_by_name_is_never_replaced_by_the_proxy() -> None:
    with pytest.raises(ModelError, match="not in the local cache"):
        choose_backend(toxicity.DEFAULT_MODEL)


def test_a_hub_that_does_not_answer_costs_seconds_not_minutes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    hub._has_safetensors_on_hub.cache_clear()
    begun = time.monotonic()
    assert not hub.available("someone/never-cached")
    assert time.monotonic() - begun < 20, "retries would take half a minute"
    hub._has_safetensors_on_hub.cache_clear()
