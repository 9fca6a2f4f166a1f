"""A corpus and a policy that need no download: the generated dialogues, and a tiny T5 trained on them from nothing."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from rlhf.artifacts import read_artifact
from rlhf.config import SFTConfig, to_mapping
from rlhf.exceptions import ConfigError
from rlhf.models import Policy
from rlhf.toy_dialogues import SCENARIOS, Dialogue, Facts, dialogues, examples_of, seeded
from rlhf.toy_flaws import FLAWS, flawed_by, flawed_reference, sft_examples
from rlhf.toy_init import favour_copying
from rlhf.toy_judge import Judgement, toy_utility
from rlhf.toy_settings import SFT, SFT_DIALOGUES, SFT_ON_FILES, VOCABULARY_ON_FILES
from rlhf.toy_tokenizer import train_tokenizer
from rlhf.train_sft import train_sft
from rlhf.types import Artifact, Example, Reporter

__all__ = [
    "FLAWS",
    "SCENARIOS",
    "SFT",
    "SFT_ON_FILES",
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

VALIDATION_DIALOGUES = 200
_TOKENIZER_TEXTS = 4000
_SFT_STREAM = 1_000_000
"""Added to the seed, so that the prompts people rank are not the dialogues the policy was trained on."""


@dataclass(frozen=True)
class Shape:
    """Of the tiny T5."""

    d_model: int = 128
    d_kv: int = 16
    d_ff: int = 256
    heads: int = 8  # several neighbours and several facts at once
    layers: int = 2  # of the encoder and of the decoder each


TINY = Shape()


def new_policy(texts: Iterable[str], *, seed: int, shape: Shape = TINY, vocabulary: int = 8000) -> Policy:
    """An untrained T5 of ``shape`` with a tokenizer trained on ``texts``; the same for the same seed."""
    tokenizer = train_tokenizer(texts, vocabulary=vocabulary)
    made: Any = T5Config  # its signature does not list the decoder's start
    config = made(
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
    favour_copying(model, seed=seed)
    return Policy(model, tokenizer, "seq2seq")


def train_tiny_policy(folder: Path, *, seed: int, reporter: Reporter, count: int = SFT_DIALOGUES) -> Artifact:
    """The policy of the generated corpus: SFT from nothing on ``count`` dialogues, about 40 % of them flawed.

    Kept below ``folder`` under a hash of everything it is made from; the next call with the same finds it there.
    """
    target = folder / _cache_key(seed, count)
    if target.is_dir():
        reporter.event("log", "The tiny policy is in the cache already.")
        return read_artifact(target)
    reporter.progress(0, 1, "writing dialogues")
    written = dialogues(_SFT_STREAM + seed, count + VALIDATION_DIALOGUES, "train")
    training, held_out = written[:count], examples_of(written[count:])
    examples = sft_examples(training, seed=seed)
    policy = new_policy(_tokenizer_texts(training, examples), seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=folder))
    try:
        train_sft(SFT, policy, examples, held_out, draft, seed=seed, reporter=reporter)
        return _keep(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def train_tiny_policy_on(
    examples: Sequence[Example],
    validation: Sequence[Example],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
    config: SFTConfig = SFT_ON_FILES,
) -> Artifact:
    """A tiny policy from nothing on other people's examples. Raises ConfigError for a method that needs a base."""
    if config.method != "full":
        raise ConfigError(
            f"The tiny policy is made from nothing, where {config.method} has no base: set method to full."
        )
    texts = (text for one in examples for text in (one.prompt, one.target))
    policy = new_policy(texts, seed=seed, vocabulary=VOCABULARY_ON_FILES)
    return train_sft(config, policy, examples, validation, out, seed=seed, reporter=reporter)


def _keep(draft: Path, target: Path) -> Artifact:
    """Rename a whole folder into place: a training that was cut off leaves nothing that looks like a policy."""
    try:
        draft.rename(target)
    except OSError:
        # Another process was faster with the same settings; what it made is the same.
        if not target.is_dir():
            raise
    return read_artifact(target)


def _tokenizer_texts(training: Sequence[Dialogue], examples: Sequence[Example]) -> Iterator[str]:
    for dialogue, example in zip(training[:_TOKENIZER_TEXTS], examples, strict=False):
        yield from (example.prompt, example.target, *dialogue.references)


def _cache_key(seed: int, count: int) -> str:
    """A hash of everything the policy is made from: settings, the source of corpus and training, torch's version."""
    here = Path(__file__).parent
    trainer = [here / f"{name}.py" for name in ("train_sft", "sft_methods", "training", "optimisers")]
    sources = sorted([*here.glob("toy*.py"), *trainer])
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.name != "toy_judge.py")).hexdigest()
    key = {
        "code": code,
        "torch": torch.__version__,
        "seed": seed,
        "count": count,
        "sft": to_mapping(SFT),
        "shape": asdict(TINY),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
