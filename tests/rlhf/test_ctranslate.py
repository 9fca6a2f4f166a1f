"""The CTranslate2 backend: the policy's own texts, from a conversion that is checked."""

import importlib.util
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from rlhf import ctranslate
from rlhf.backends import TransformersBackend, open_backend
from rlhf.choice import _filtered
from rlhf.config import BackendChoice, LoraSpec, SamplingConfig
from rlhf.exceptions import BackendError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.types import Prompt, Silent
from tests.rlhf.tiny import KINDS, WORDS, tiny_policy, tiny_tokenizer

PROMPTS = [
    Prompt("a", "anna meets bob at the station ."),
    Prompt("b", "carla lost the key"),
    Prompt("c", "he orders pizza and she calls the doctor on monday , please"),
]
SAMPLING = SamplingConfig(max_new_tokens=12)
GREEDY = SamplingConfig(max_new_tokens=12, strategy="greedy")
needs_package = pytest.mark.skipif(importlib.util.find_spec("ctranslate2") is None, reason="needs ctranslate2")


@dataclass
class Notes(Silent):
    events: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def event(self, kind: str, message: str, **data: object) -> None:
        self.events.append((kind, message, data))


def _adapted(policy: Policy, scale: float = 0.1) -> Policy:
    policy.add_lora(LoraSpec(rank=2, alpha=8, targets="all-linear"), seed=0)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(scale * torch.randn(parameter.shape, generator=noise))
    return policy


def _flan() -> Policy:
    """The layers of flan-t5-small (gated GELU, an untied head, more ids than tokens), narrower and fewer."""
    made: Any = T5Config
    config = made(
        vocab_size=len(WORDS) + 31, d_model=64, d_kv=16, d_ff=160, num_layers=3, num_heads=4,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(4)
    model: Any = T5ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.lm_head.weight = torch.nn.Parameter(torch.randn(len(WORDS) + 31, 64) * 0.5)
    return Policy(model.eval(), tiny_tokenizer(), "seq2seq", max_prompt_tokens=64, max_completion_tokens=24)


def _both(policy: Policy, sampling: SamplingConfig, n: int = 2, **options: Any) -> tuple[Any, Any]:
    """What transformers and what CTranslate2 write, as tokens."""
    written = []
    for choice in ("transformers", "ctranslate2"):
        with open_backend(policy, choice, sampling) as backend:
            result = generate(policy, PROMPTS, n, sampling, seed=0, backend=backend, **options)
        assert {one.backend for row in result.completions for one in row} == {choice}
        written.append([[one.token_ids for one in row] for row in result.completions])
    return written[0], written[1]


@needs_package
@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_texts_equal_those_of_transformers_row_for_row(tmp_path: Path, kind: str, *, reference: bool) -> None:
    ours, theirs = _both(_adapted(tiny_policy(tmp_path, kind, scale=2)), GREEDY, reference=reference)
    assert ours == theirs


@needs_package
def test_greedy_texts_of_a_flan_t5_shape_equal_those_of_transformers() -> None:
    policy = _adapted(_flan())
    ours, theirs = _both(policy, replace(GREEDY, max_new_tokens=24), n=1)
    assert ours == theirs
    assert any(one[-1] == policy.eos_id for row in ours for one in row)


@needs_package
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_beams_equal_those_of_transformers_where_no_text_ends_early(tmp_path: Path, length_penalty: float) -> None:
    policy = _adapted(tiny_policy(tmp_path, "gpt2", scale=2))
    sampling = SamplingConfig(12, strategy="beam", beams=4, length_penalty=length_penalty)
    ours, theirs = _both(policy, sampling, n=4)
    assert ours == theirs


@needs_package
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize(
    "sampling",
    [SamplingConfig(1, temperature=0.6), SamplingConfig(1, top_k=5), SamplingConfig(1, temperature=1.5, top_p=0.5)],
)
def test_samples_follow_the_policys_distribution(tmp_path: Path, kind: str, sampling: SamplingConfig) -> None:
    policy = _adapted(tiny_policy(tmp_path, kind))
    count = 4000
    with open_backend(policy, "ctranslate2", sampling) as backend:
        result = generate(policy, PROMPTS[:1], count, sampling, seed=0, batch_size=count, backend=backend)
    seen = torch.tensor([one.token_ids[0] for one in result.completions[0]])
    state = policy.read_prompts(policy.encode_prompts([PROMPTS[0].text]))
    with torch.no_grad():
        logits = policy.read_completions(state, torch.tensor([0]), policy.encode_completions(["anna"])).logits[0, :1]
    expected = _filtered((logits / sampling.temperature).softmax(-1), sampling)[0]
    expected = expected / expected.sum()
    shares = torch.bincount(seen, minlength=policy.vocab_size) / count
    assert float(shares[expected == 0].sum()) == 0
    # Four standard errors of the likeliest token's share.
    assert float((shares - expected).abs().max()) < 4 * float((expected * (1 - expected) / count).sqrt().max())


@needs_package
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_the_same_batch_and_seed_give_the_same_samples(tmp_path: Path, kind: str) -> None:
    policy = _adapted(tiny_policy(tmp_path, kind))
    with open_backend(policy, "ctranslate2", SAMPLING) as backend:
        first = generate(policy, PROMPTS, 3, SAMPLING, seed=0, backend=backend).completions
        generate(policy, PROMPTS[:1], 2, SAMPLING, seed=7, backend=backend)
        assert generate(policy, PROMPTS, 3, SAMPLING, seed=0, backend=backend).completions == first
        assert generate(policy, PROMPTS, 3, SAMPLING, seed=1, backend=backend).completions != first
    with open_backend(policy, "ctranslate2", SAMPLING) as backend:
        assert generate(policy, PROMPTS, 3, SAMPLING, seed=0, backend=backend).completions == first
    assert len({one.text for row in first for one in row}) == 9


@needs_package
def test_distinct_samples_are_drawn_again(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    short = SamplingConfig(max_new_tokens=1)
    with open_backend(policy, "ctranslate2", short) as backend:
        usual = generate(policy, PROMPTS[:1], 8, short, seed=0, backend=backend).completions[0]
        distinct = generate(policy, PROMPTS[:1], 8, short, seed=0, backend=backend, distinct=True).completions[0]
    assert len({one.text for one in usual}) < 8
    assert len({one.text for one in distinct}) == 8


@needs_package
def test_nothing_is_left_of_the_conversion_and_the_policy_is_as_it_was(tmp_path: Path, monkeypatch: Any) -> None:
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(places))
    policy = _adapted(tiny_policy(tmp_path / "model", "llama"))
    weights = {name: value.clone() for name, value in policy.model.state_dict().items()}
    with open_backend(policy, "ctranslate2", SAMPLING, anchor=True):
        (folder,) = places.iterdir()
        assert {path.name for path in folder.iterdir()} >= {"policy", "anchor"}
    assert not list(places.iterdir())
    after = policy.model.state_dict()
    assert list(after) == list(weights)
    assert all(torch.equal(value, weights[name]) for name, value in after.items())


@needs_package
def test_a_conversion_that_says_something_else_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    def wrong(model: Any) -> Any:
        view = right(model)
        view.config.tie_word_embeddings = not view.config.tie_word_embeddings  # the logits are divided, or not
        return view

    right = ctranslate._as_converted
    monkeypatch.setattr(ctranslate, "_as_converted", wrong)
    with (
        pytest.raises(BackendError, match="reads this model otherwise: a log-probability is off by"),
        open_backend(tiny_policy(tmp_path, "t5-untied"), "ctranslate2", SAMPLING),
    ):
        pass


@needs_package
def test_auto_takes_it_and_says_so(tmp_path: Path) -> None:
    notes = Notes()
    with open_backend(tiny_policy(tmp_path), "auto", SAMPLING, notes) as backend:
        assert backend.name == "ctranslate2"
    assert notes.events == [("log", "ctranslate2 writes the completions, in fp32.", {"backend": "ctranslate2"})]


def _refused(policy: Policy, choice: BackendChoice, sampling: SamplingConfig, reason: str) -> None:
    """``auto`` goes on with transformers and names the reason; asked for, it is an error that names it."""
    notes = Notes()
    with open_backend(policy, "auto", sampling, notes) as backend:
        assert isinstance(backend, TransformersBackend)
    ((kind, message, data),) = notes.events
    assert (kind, data) == ("log", {"backend": "transformers"})
    assert message.startswith(f"transformers writes the completions. {reason}")
    with pytest.raises(BackendError, match=reason), open_backend(policy, choice, sampling):
        pass


def test_without_the_package_transformers_writes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(ctranslate, "find_spec", lambda name: None)
    _refused(tiny_policy(tmp_path), "ctranslate2", SAMPLING, "The package ctranslate2 is not installed")


@needs_package
def test_diverse_beams_are_left_to_transformers(tmp_path: Path) -> None:
    diverse = SamplingConfig(12, strategy="diverse")
    _refused(tiny_policy(tmp_path), "ctranslate2", diverse, "CTranslate2 has no diverse beam search")


@needs_package
def test_a_model_that_it_does_not_know_is_left_to_transformers(tmp_path: Path) -> None:
    from transformers import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM

    made: Any = GPTNeoXJapaneseConfig
    config = made(
        vocab_size=len(WORDS) + 3, hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=96, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    model: Any = GPTNeoXJapaneseForCausalLM(config)
    policy = Policy(model.eval(), tiny_tokenizer(), "causal", max_prompt_tokens=64, max_completion_tokens=24)
    _refused(policy, "ctranslate2", SAMPLING, "CTranslate2 cannot convert this gpt_neox_japanese model: No conversion")
