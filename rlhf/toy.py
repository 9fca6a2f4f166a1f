"""A corpus and a policy that need no download: the generated dialogues, and a tiny T5 trained on them from nothing."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import T5Config, T5ForConditionalGeneration

from rlhf.checkpoints import read_artifact
from rlhf.config import SFTConfig, to_mapping
from rlhf.models import Policy
from rlhf.toy_dialogues import SCENARIOS, Dialogue, Facts, dialogues, examples_of, seeded
from rlhf.toy_flaws import FLAWS, flawed_by, flawed_reference, sft_examples
from rlhf.toy_judge import Judgement, toy_utility
from rlhf.toy_tokenizer import train_tokenizer
from rlhf.train_sft import train_sft
from rlhf.types import Artifact, Example, Reporter

__all__ = [
    "FLAWS",
    "SCENARIOS",
    "Dialogue",
    "Facts",
    "Judgement",
    "dialogues",
    "examples_of",
    "flawed_by",
    "flawed_reference",
    "new_policy",
    "seeded",
    "sft_examples",
    "toy_utility",
    "train_tiny_policy",
    "train_tiny_policy_on",
]

SFT = SFTConfig(batch_size=64, learning_rate=3e-3, warmup=0.1)
SFT_DIALOGUES = 35_000  # one pass: every step sees dialogues that are new
VALIDATION_DIALOGUES = 200
_TOKENIZER_TEXTS = 4000
RECIPE = 1
"""Part of the cache's key: raise it when the corpus or the training changes without a setting changing."""


@dataclass(frozen=True)
class Shape:
    """Of the tiny T5."""

    d_model: int = 128
    d_kv: int = 32
    d_ff: int = 256
    heads: int = 4
    layers: int = 2  # of the encoder and of the decoder each


TINY = Shape()


def new_policy(texts: Iterable[str], *, seed: int, shape: Shape = TINY, vocabulary: int = 8000) -> Policy:
    """An untrained T5 of ``shape`` with a tokenizer trained on ``texts``; the same for the same seed."""
    tokenizer = train_tokenizer(texts, vocabulary=vocabulary)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=shape.d_model,
        d_kv=shape.d_kv,
        d_ff=shape.d_ff,
        num_layers=shape.layers,
        num_decoder_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = T5ForConditionalGeneration(config)
    return Policy(model, tokenizer, "seq2seq")


def train_tiny_policy(folder: Path, *, seed: int, reporter: Reporter, count: int = SFT_DIALOGUES) -> Artifact:
    """The policy of the generated corpus: SFT from nothing on ``count`` dialogues, about 40 % of them flawed.

    Kept below ``folder`` under a hash of everything it is made from; the next call with the same finds it there.
    """
    key = {"recipe": RECIPE, "seed": seed, "count": count, "sft": to_mapping(SFT), "shape": asdict(TINY)}
    target = folder / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    if target.is_dir():
        reporter.event("log", "The tiny policy is in the cache already.")
        return read_artifact(target)
    reporter.progress(0, 1, "writing dialogues")
    training = dialogues(seed, count, "train")
    references = (reference for dialogue in training[:_TOKENIZER_TEXTS] for reference in dialogue.references)
    examples = sft_examples(training, seed=seed)
    texts = [text for one in examples[:_TOKENIZER_TEXTS] for text in (one.prompt, one.target)]
    policy = new_policy([*texts, *references], seed=seed)
    held_out = examples_of(dialogues(seed, VALIDATION_DIALOGUES, "test"))
    return _train(policy, SFT, examples, held_out, target, seed=seed, reporter=reporter)


def train_tiny_policy_on(
    examples: Sequence[Example],
    validation: Sequence[Example],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
    config: SFTConfig = SFT,
) -> Artifact:
    """A tiny policy from nothing on other people's examples."""
    policy = new_policy((text for one in examples for text in (one.prompt, one.target)), seed=seed)
    return train_sft(config, policy, examples, validation, out, seed=seed, reporter=reporter)


def _train(
    policy: Policy,
    config: SFTConfig,
    examples: Sequence[Example],
    validation: Sequence[Example],
    target: Path,
    *,
    seed: int,
    reporter: Reporter,
) -> Artifact:
    draft = target.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    train_sft(config, policy, examples, validation, draft, seed=seed, reporter=reporter)
    # Renamed when whole: a training that was cut off leaves nothing that looks like a policy.
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return read_artifact(target)
