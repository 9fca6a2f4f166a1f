"""The invariants of step 0 for an adapter on every set of layers: one that any forward leaves out would show here."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from rlhf.config import LoraSpec
from rlhf.inference import inference
from rlhf.models import Policy
from rlhf.policy_gradient import Experience, collect, minibatch_loss
from rlhf.policy_gradient_config import PPOConfig
from rlhf.ppo import Critic
from rlhf.reading import read_tokens
from rlhf.rollout import select
from rlhf.sampling import sample_rows
from rlhf.tensors import TokenBatch, full_kl
from rlhf.types import Prompt, Silent
from tests.rlhf.learning import WordReward
from tests.rlhf.tiny import WORDS, tiny_tokenizer

PROMPTS = [Prompt("a", "anna meets bob at the station ."), Prompt("b", "carla lost the key")]
CONFIG = PPOConfig(samples_per_prompt=3, minibatch=4, max_new_tokens=5, temperature=0.7)
ATTENTION, RELU, GATED = ("q", "k", "v", "o"), ("wi", "wo"), ("wi_0", "wi_1", "wo")
GPT2 = ("c_attn", "c_proj", "c_fc")


def t5(*, gated: bool, tied: bool) -> Any:
    """The feed-forward of T5 1.0 (relu) or of Flan-T5 (gated); ``tied`` scales the states before the head."""
    made: Any = T5Config  # takes more than its signature shows
    model = T5ForConditionalGeneration(made(
        vocab_size=len(WORDS) + 3, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4, decoder_start_token_id=0,
        feed_forward_proj="gated-gelu" if gated else "relu", tie_word_embeddings=tied, eos_token_id=1, pad_token_id=0,
    ))  # fmt: skip
    if not tied:  # transformers 5 ties every T5 that it makes
        model.lm_head.weight = torch.nn.Parameter(0.2 * torch.randn_like(model.lm_head.weight))
    return model


def gpt2(*, tied: bool) -> Any:
    """Learnt positions, and layers that keep their weights transposed."""
    config = GPT2Config(
        vocab_size=len(WORDS) + 3, n_embd=32, n_layer=1, n_head=4, n_positions=96, bos_token_id=1, eos_token_id=1,
        tie_word_embeddings=tied,
    )  # fmt: skip
    config.initializer_range = 0.2
    return GPT2LMHeadModel(config)


MODELS = {
    "t5-relu-tied": lambda: t5(gated=False, tied=True),
    "t5-relu-untied": lambda: t5(gated=False, tied=False),
    "t5-gated-tied": lambda: t5(gated=True, tied=True),
    "t5-gated-untied": lambda: t5(gated=True, tied=False),
    "gpt2-tied": lambda: gpt2(tied=True),
    "gpt2-untied": lambda: gpt2(tied=False),
}
LAST_NORM = {"t5": "decoder.final_layer_norm", "gpt2": "ln_f"}


def specs(name: str) -> dict[str, dict[str, Any]]:
    """Every kind of linear layer by itself, all of them, the decoder's, and with layers that are trained whole."""
    kind = name.split("-")[0]
    own = GPT2 if kind == "gpt2" else ATTENTION + (GATED if "gated" in name else RELU)
    norm, words = (LAST_NORM[kind],), "wte" if kind == "gpt2" else "embed_tokens"
    found: dict[str, dict[str, Any]] = {layer: {"targets": (layer,)} for layer in (*own, "lm_head")}
    found |= {
        "words": {"targets": (words,)},
        "all-linear": {"targets": "all-linear"},
        "all-and-head": {"targets": (*own, "lm_head")},
        "norm-whole": {"targets": (own[0],), "modules_to_save": norm},
        "head-whole": {"targets": (own[0],), "modules_to_save": ("lm_head",)},
    }
    if kind == "t5":
        found["decoder"] = {"targets": "all-linear", "decoder_only": True}
        found["decoder-norm-whole"] = {"targets": "all-linear", "decoder_only": True, "modules_to_save": norm}
    return found


WHOLE = ("t5-relu-tied", "t5-gated-untied", "gpt2-tied")  # T5 1.0, Flan-T5 and GPT-2 as they are published
CASES = [
    (name, key)
    for name in MODELS
    for key in specs(name)
    if name in WHOLE or "head" in key or key in ("wo", "all-linear", "words")  # what a tied head can change
]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, make in MODELS.items():
        torch.manual_seed(4)
        found[name] = make().eval()
    return found


def policy_of(model: Any) -> Policy:
    kind: Any = "seq2seq" if model.config.is_encoder_decoder else "causal"
    tokenizer = tiny_tokenizer(appends_eos=kind == "seq2seq")
    return Policy(model, tokenizer, kind, max_prompt_tokens=64, max_completion_tokens=24)


def move(policy: Policy) -> None:
    """All that is trained, so that each layer's adapter counts."""
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=noise))


def roll(policy: Policy) -> Experience:
    critic = Critic(CONFIG, policy.hidden_size, policy.device)
    return collect(CONFIG, policy, critic, WordReward(), PROMPTS, beta=0.1, seed=3, reporter=Silent())


def minibatch_log_probabilities(policy: Policy, experience: Experience, rows: Tensor) -> Tensor:
    """With gradients, as the first update reads it."""
    part = select(experience.samples, rows)
    state = policy.read_prompts(part.prompts) if part.state is None else part.state
    reading = read_tokens(policy, state, part.owner, part.completions, temperature=CONFIG.temperature)
    return reading.log_probabilities()


@pytest.mark.parametrize(("name", "key"), CASES)
def test_ratio_and_kl_at_step_zero(models: dict[str, Any], name: str, key: str) -> None:
    policy = policy_of(deepcopy(models[name]))
    policy.add_lora(LoraSpec(rank=2, alpha=8, **specs(name)[key]), seed=1)

    # 1. Fresh: the policy is the reference.
    fresh = roll(policy)
    assert fresh.kl.abs().max() < 1e-5
    assert abs(fresh.metrics()["k3"]) < 1e-5

    # 2. Moved: it is another one, and its first ratio is 1 all the same.
    move(policy)
    experience, rows = roll(policy), torch.arange(CONFIG.minibatch)
    mask = experience.samples.completions.mask
    assert (experience.kl > 1e-3).all()
    ours = minibatch_log_probabilities(policy, experience, rows)
    width = ours.shape[1]
    ratio = torch.exp(ours - experience.readings.log_probabilities[rows, :width])[mask[rows, :width]]
    assert (ratio - 1).abs().max() < 1e-4
    critic = Critic(CONFIG, policy.hidden_size, policy.device)
    _loss, sums = minibatch_loss(CONFIG, policy, critic, experience, rows)
    assert sums["clip_fraction"][0] == 0

    # 3. The sampler, which folds the adapter into the weights and keeps a cache, drew from that very distribution.
    state = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in PROMPTS]))
    owner = torch.tensor([0, 0, 1, 1, 1])
    uniforms = torch.rand(5, 5, generator=torch.Generator().manual_seed(5))
    with inference(policy):
        inside = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in PROMPTS]))
        drawn = sample_rows(policy, inside, owner, uniforms, CONFIG.sampling)
    tokens = TokenBatch(drawn.tokens.ids.clone(), drawn.tokens.mask.clone())  # no longer tensors of inference
    read = read_tokens(policy, state, owner, tokens, temperature=CONFIG.temperature).log_probabilities()
    assert (torch.exp(drawn.log_probabilities - read)[tokens.mask] - 1).abs().max() < 1e-4

    # 4. Both are those of plain transformers: the merged model and the one without an adapter.
    policy.merge()
    part, anchor = experience.samples, policy_of(models[name])
    logits = [plain_logits(one, part.prompts, part.owner, part.completions) for one in (policy, anchor)]
    expected = torch.log_softmax(logits[0], -1).gather(-1, part.completions.ids[..., None])[..., 0]
    assert torch.allclose(experience.readings.log_probabilities[mask], expected[mask], atol=1e-4)
    assert torch.allclose(
        experience.kl, (full_kl(*(one.log_softmax(dim=-1) for one in logits)) * mask).sum(dim=1), atol=1e-3
    )


@torch.no_grad()
def plain_logits(policy: Policy, prompts: Any, owner: Tensor, completions: Any) -> Tensor:
    """[B, T, V] at the temperature, by a call of the transformers model: one prompt for each row, none shared."""
    ids, mask, texts = prompts.ids[owner], prompts.mask[owner].long(), completions.ids
    if policy.kind == "seq2seq":
        before = torch.cat([torch.zeros_like(texts[:, :1]), texts[:, :-1]], dim=1)  # T5 starts with its padding, 0
        logits = policy.model(input_ids=ids, attention_mask=mask, decoder_input_ids=before).logits
    else:
        whole = torch.cat([mask, completions.mask.long()], dim=1)
        places = (whole.cumsum(1) - 1).clamp(min=0)
        logits = policy.model(
            input_ids=torch.cat([ids, texts], dim=1), attention_mask=whole, position_ids=places
        ).logits[:, ids.shape[1] - 1 : -1]
    return logits / CONFIG.temperature
