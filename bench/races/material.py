"""Weights, tokenizer, adapters, prompts and rankings of a race, written to a folder once for both sides.

Run as `python -m bench.races.material FOLDER`, where FOLDER holds work.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from bench.races.work import SHAPES, Shape, Work
from rlhf.config import LoraSpec
from rlhf.examples import epoch_batches
from rlhf.models import Policy

EOS, PAD = 1, 0
SPECIALS = {"<pad>": PAD, "</s>": EOS, "<unk>": 2}


def make(folder: Path) -> None:
    """Everything that the race in ``folder`` needs."""
    work = Work.read(folder)
    policy = Policy(made_model(SHAPES[work.shape], work.seed), made_tokenizer(SHAPES[work.shape]), "seq2seq")
    policy.save(folder / "model")
    policy.add_lora(LoraSpec(rank=work.rank, alpha=work.rank, decoder_only=work.decoder_only), seed=work.seed)
    policy.save_adapter(folder / "adapter")
    _save_trained(folder)
    data = made_data(work) | {"trainable": policy.count_parameters()[0], "parameters": policy.count_parameters()[1]}
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")


def made_model(shape: Shape, seed: int) -> Any:
    """A random T5 that never writes EOS or padding, so that every completion has all its tokens on both sides.

    The first coordinate of the residual stream is kept at a positive constant (no layer writes to it), and the heads of
    the two tokens read it with a large negative weight: the suppression is in the weights, and costs nobody a step.
    """
    torch.manual_seed(seed)
    config: Any = T5Config
    model: Any = T5ForConditionalGeneration(
        config(
            vocab_size=shape.vocabulary, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
            num_layers=shape.layers, num_heads=shape.heads, feed_forward_proj="gated-gelu", dropout_rate=0.0,
            decoder_start_token_id=PAD, tie_word_embeddings=False,
        )
    )  # fmt: skip
    with torch.no_grad():
        head = torch.randn(shape.vocabulary, shape.d_model) * 2 / shape.d_model**0.5
        head[[PAD, EOS]] = 0
        head[[PAD, EOS], 0] = -200.0
        model.lm_head.weight = torch.nn.Parameter(head)
        model.shared.weight[:, 0] = 2.0
        for name, weight in model.named_parameters():
            if name.endswith((".o.weight", ".wo.weight")):
                weight[0] = 0
    return model


def made_tokenizer(shape: Shape) -> Any:
    """A word for each id: ``w17`` is 17."""
    vocabulary = SPECIALS | {f"w{index}": index for index in range(len(SPECIALS), shape.vocabulary)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=core, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def made_data(work: Work) -> dict[str, Any]:
    """Prompts of equal length, and rankings in the order in which the product's loop meets them."""
    rng = np.random.default_rng(work.seed)
    size = SHAPES[work.shape].vocabulary

    def words(tokens: int) -> list[int]:
        return [*rng.integers(len(SPECIALS), size, tokens - 1).tolist(), EOS]

    prompts = [words(work.prompt_tokens) for _ in range(work.dataset_prompts)]
    rankings = [
        {
            "prompt": words(work.prompt_tokens),
            "completions": [words(work.completion_tokens) for _ in range(work.completions)],
        }
        for _ in range(work.dataset_rankings)
    ]
    # The first epoch of rlhf.examples; equal losses step by step say that the two sides kept to it.
    generator = torch.Generator().manual_seed(1_000_003 * work.seed)
    lengths = [work.prompt_tokens] * len(rankings)
    order = [row for batch in epoch_batches(len(rankings), work.rankings, generator, lengths) for row in batch]
    return {"prompts": prompts, "rankings": rankings, "order": order}


def _save_trained(folder: Path) -> None:
    """The adapter as if it had been trained (B is not 0), for generation."""
    state = load_file(folder / "adapter" / "adapter_model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for name, value in state.items():
        if "lora_B" in name:
            state[name] = torch.randn(value.shape, generator=generator) * 0.05
    target = folder / "trained"
    target.mkdir(exist_ok=True)
    save_file(state, target / "adapter_model.safetensors", metadata={"format": "pt"})
    (target / "adapter_config.json").write_bytes((folder / "adapter" / "adapter_config.json").read_bytes())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
