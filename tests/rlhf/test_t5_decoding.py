"""The T5 decoder of few products: step by step what the model itself says."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from rlhf.config import LoraSpec
from rlhf.decoding import Decoder, DecoderOf
from rlhf.inference import inference
from rlhf.models import Policy
from rlhf.t5_decoding import T5Decoder, T5Weights
from rlhf.tensors import PromptState
from tests.rlhf.tiny import WORDS, tiny_tokenizer

TEXTS = ["anna meets bob at the station .", "carla lost the key", "he orders pizza and she calls the doctor , please"]
OWNERS = {
    "one each": [0, 1, 2], "as many each": [0, 0, 1, 1, 2, 2], "uneven": [0, 2, 2, 1, 2], "a prompt without": [2, 0, 2],
}  # fmt: skip


def _policy(feed: str = "gated-gelu", *, tied: bool = False, heads: int = 4) -> Policy:
    t5: Any = T5Config  # takes more than its signature shows
    config = t5(
        vocab_size=len(WORDS) + 3, d_model=32, d_kv=6, d_ff=48, num_layers=2, num_heads=heads,
        decoder_start_token_id=0, feed_forward_proj=feed, tie_word_embeddings=tied,
    )  # fmt: skip
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return Policy(model, tiny_tokenizer(), "seq2seq", max_prompt_tokens=64, max_completion_tokens=90)


def _decode(decoder_of: DecoderOf, state: PromptState, owner: list[int]) -> list[Tensor]:
    """The logits of a start, 40 steps (past the cache's first room), a choice of rows, and 40 steps more."""
    tokens = torch.Generator().manual_seed(1)
    seen = []
    with decoder_of(state) as decoder:
        seen.append(decoder.start(torch.tensor(owner)))
        for step in range(80):
            if step == 40:
                rows = torch.tensor([len(owner) - 1, 0])
                decoder.keep(rows)
                owner = [owner[row] for row in rows.tolist()]
            seen.append(decoder.step(torch.randint(3, 40, (len(owner),), generator=tokens)))
    return seen


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
@pytest.mark.parametrize(("feed", "tied"), [("gated-gelu", False), ("relu", True)])
def test_each_step_is_the_models_own(feed: str, tied: bool, owner: list[int]) -> None:  # noqa: FBT001 - a parameter
    policy = _policy(feed, tied=tied)
    with inference(policy) as quick:
        state = policy.read_prompts(policy.encode_prompts(TEXTS))
        assert isinstance(quick(state), T5Decoder)
        ours = _decode(quick, state, owner)
        theirs = _decode(lambda state: Decoder(policy, state), state, owner)
    assert max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) < 2e-4
    assert max(float(one.std()) for one in theirs) > 0.1


@pytest.mark.parametrize("reference", [False, True])
def test_it_decodes_with_the_adapter_and_without(reference: bool) -> None:  # noqa: FBT001 - a parameter
    policy = _policy()
    policy.add_lora(LoraSpec(rank=2, targets="all-linear", modules_to_save=("decoder.final_layer_norm",)), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    with inference(policy, reference=reference) as quick:
        state = policy.read_prompts(policy.encode_prompts(TEXTS))
        first = quick(state).start(torch.arange(3))
        assert isinstance(quick(state), T5Decoder)
    with policy.reference() if reference else torch.no_grad(), torch.no_grad():
        state = policy.read_prompts(policy.encode_prompts(TEXTS))
        own = policy.read_completions(state, torch.arange(3), policy.encode_completions(["anna"] * 3)).logits[:, 0]
    assert torch.allclose(first, own, atol=2e-4)


def test_what_it_does_not_know_is_left_to_the_model() -> None:
    adapted = _policy()
    assert T5Weights.fit(adapted)
    adapted.add_lora(LoraSpec(rank=2, targets=("wo",)), seed=0)
    assert not T5Weights.fit(adapted), "an adapter that is not folded in"
    half = _policy()
    half.model.to(torch.bfloat16)
    assert not T5Weights.fit(half)
