"""Tiny random models in the hub's own format: every test of the library stands on these."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from rlhf.models import Policy

WORDS = """
    anna bob carla dan meets will meet at the station on monday tuesday friday noon seven eight he she they it is
    are was not and to a in for with pizza train ticket lost found phone key repair calls brings takes orders asks
    summarize : . , ? ! home work school doctor rude nice please thanks sorry late early again never always
""".split()  # noqa: SIM905 - forty lines as a list
KINDS = ("t5", "t5-untied", "gpt2", "neox", "llama")


def tiny_tokenizer(*, appends_eos: bool = True, has_pad: bool = True) -> Any:
    """Words of ``WORDS``, unknown ones as <unk>; ids 0 pad, 1 </s>, 2 <unk>."""
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {word: index + 3 for index, word in enumerate(WORDS)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    if appends_eos:
        core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    pad = {"pad_token": "<pad>"} if has_pad else {}
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=core, eos_token="</s>", unk_token="<unk>", **pad)


def save_tiny(folder: Path, kind: str = "t5", *, seed: int = 0, scale: float = 1.0) -> Path:
    """Save a random model of ``kind`` (one of ``KINDS``) with its tokenizer; ``scale`` sharpens its choices."""
    size = len(WORDS) + 3
    torch.manual_seed(seed)
    t5: Any = T5Config  # takes more than its signature shows
    model: Any
    if kind.startswith("t5"):
        config = t5(
            vocab_size=size, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0,
            dropout_rate=0.1, tie_word_embeddings=kind == "t5",
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
        if kind == "t5-untied":
            model.lm_head.weight = torch.nn.Parameter(torch.randn(size, 32) * 0.2 * scale)
        tokenizer = tiny_tokenizer()
    elif kind == "gpt2":
        gpt2 = GPT2Config(
            vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=96, bos_token_id=1, eos_token_id=1
        )
        gpt2.initializer_range = 0.2 * scale
        model = GPT2LMHeadModel(gpt2)
        tokenizer = tiny_tokenizer(appends_eos=False, has_pad=False)
    elif kind == "neox":
        neox = GPTNeoXConfig(
            vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=96, bos_token_id=1, eos_token_id=1, initializer_range=0.2 * scale,
        )  # fmt: skip
        model = GPTNeoXForCausalLM(neox)
        tokenizer = tiny_tokenizer(appends_eos=False, has_pad=False)
    else:
        llama = LlamaConfig(
            vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=96, bos_token_id=1, eos_token_id=1,
            tie_word_embeddings=False,
            initializer_range=0.2 * scale,
        )  # fmt: skip
        model = LlamaForCausalLM(llama)
        tokenizer = tiny_tokenizer(appends_eos=True, has_pad=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_policy(folder: Path, kind: str = "t5", *, seed: int = 0, scale: float = 1.0) -> Policy:
    """The model of ``save_tiny`` as a policy with room for 64 prompt and 24 completion tokens."""
    save_tiny(folder, kind, seed=seed, scale=scale)
    return Policy.load(folder, device="cpu", max_prompt_tokens=64, max_completion_tokens=24)
