"""Cross-attention over one copy of a prompt: the same texts, and no copies."""

from typing import Any

import pytest
import torch
import transformers

from rlhf.config import SamplingConfig
from rlhf.decoding import Decoder
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.sampling import sample_rows
from rlhf.shared_attention import can_share
from rlhf.types import Prompt
from tests.rlhf.tiny import WORDS, tiny_tokenizer

PROMPTS = [
    Prompt("a", "anna meets bob at the station ."),
    Prompt("b", "carla lost the key"),
    Prompt("c", "he orders pizza and she calls the doctor on monday , please"),
]
T5 = {"d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
BART = {
    "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 96, "dropout": 0.0, "bos_token_id": 0,
    "forced_eos_token_id": None,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = dict.fromkeys(("T5", "MT5", "UMT5"), T5) | dict.fromkeys(
    ("Bart", "MBart", "PLBart", "Pegasus", "PegasusX", "Marian", "M2M100", "Blenderbot", "BlenderbotSmall"), BART
)
FAMILIES["LongT5"] = T5 | {"encoder_attention_type": "local"}
OTHERS: dict[str, dict[str, Any]] = {"Mvp": BART}


def _policy(family: str) -> Policy:
    """A tiny random model of ``family``."""
    settings = {**FAMILIES, **OTHERS}[family]
    ids = {"eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 0}
    config = getattr(transformers, f"{family}Config")(vocab_size=len(WORDS) + 3, d_model=32, **ids, **settings)
    name = "MTModel" if family == "Marian" else "ForConditionalGeneration"
    torch.manual_seed(0)
    model = getattr(transformers, family + name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return Policy(model, tiny_tokenizer(), "seq2seq", max_prompt_tokens=64, max_completion_tokens=24)


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_every_family_writes_what_transformers_writes(family: str) -> None:
    policy = _policy(family)
    assert can_share(policy.base) == (family in FAMILIES)
    ours = generate(policy, PROMPTS, 2, SamplingConfig(10, strategy="greedy"), seed=0).completions
    for prompt, row in zip(PROMPTS, ours, strict=True):
        ids = policy.encode_prompts([prompt.text])
        theirs = policy.model.generate(
            input_ids=ids.ids, attention_mask=ids.mask.long(), max_new_tokens=10, do_sample=False, pad_token_id=0,
            eos_token_id=1,
        )[0, 1:].tolist()  # fmt: skip
        expected = theirs[: theirs.index(1) + 1] if 1 in theirs else theirs
        assert [list(one.token_ids) for one in row] == [expected, expected]
    # Most have a fused attention, which `generate` leaves aside on a CPU.
    state, owner = policy.read_prompts(policy.encode_prompts([one.text for one in PROMPTS])), torch.tensor([0, 1, 1, 2])
    with torch.no_grad():
        rows = sample_rows(policy, state, owner, torch.zeros(4, 10), SamplingConfig(10, strategy="greedy")).tokens
    lengths = rows.lengths.tolist()
    fused = [ids[:length] for ids, length in zip(rows.ids.tolist(), lengths, strict=True)]
    assert fused == [list(ours[prompt][0].token_ids) for prompt in owner.tolist()]
    sampled = generate(policy, PROMPTS, 5, SamplingConfig(10), seed=0).completions
    assert sampled == generate(policy, PROMPTS, 5, SamplingConfig(10), seed=0, batch_size=1).completions


def test_the_prompts_keys_are_kept_once_and_dropped_with_their_last_row() -> None:
    policy = _policy("T5")
    state = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in PROMPTS]))
    with torch.no_grad(), Decoder(policy, state) as decoder:
        decoder.start(torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2]))
        (layer, _) = decoder._cache.cross_attention_cache.layers
        assert len(layer.keys) == 3
        decoder.keep(torch.tensor([8, 1, 2]))
        assert len(layer.keys) == 2
        assert decoder.step(torch.tensor([5, 6, 7])).shape[0] == 3


def test_rows_in_any_order_and_prompts_without_rows() -> None:
    policy = _policy("T5")
    state = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in PROMPTS]))
    owner, token = torch.tensor([2, 0, 2, 2]), torch.tensor([5, 6, 7, 8])
    with torch.no_grad():
        with Decoder(policy, state) as decoder:
            decoder.start(owner)
            together = decoder.step(token)
        for row in range(4):
            with Decoder(policy, state) as decoder:
                decoder.start(owner[row : row + 1])
                assert torch.allclose(decoder.step(token[row : row + 1])[0], together[row], atol=1e-5)


def test_the_models_layers_are_their_own_again_after_a_failure() -> None:
    policy = _policy("T5")
    layers = [module for name, module in policy.base.named_modules() if name.endswith("EncDecAttention")]
    state = policy.read_prompts(policy.encode_prompts([PROMPTS[0].text]))
    with pytest.raises(IndexError), torch.no_grad(), Decoder(policy, state) as decoder:
        decoder.start(torch.tensor([0, 7]))
    assert layers
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)
