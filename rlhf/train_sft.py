"""Supervised fine-tuning of a policy on prompts and targets: full, LoRA, QLoRA or prompt tuning."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rlhf import parallel, sft_methods
from rlhf.artifacts import save_artifact
from rlhf.checkpoints import checkpoints_of, remove_checkpoints
from rlhf.config import SFTConfig, to_mapping
from rlhf.examples import Examples
from rlhf.exceptions import DataError
from rlhf.models import Policy
from rlhf.reading import read_tokens
from rlhf.tensors import pad_rows
from rlhf.training import loop_config, train
from rlhf.types import Artifact, Example, Reporter
from rlhf.updates import Metrics

__all__ = ["SFTConfig", "train_sft"]


@dataclass(frozen=True)
class _Pair:
    prompt: list[int]
    target: list[int]


def train_sft(
    config: SFTConfig,
    policy: Policy,
    examples: Sequence[Example],
    validation: Sequence[Example],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
) -> Artifact:
    """Train ``policy`` in place by ``config.method`` and save it to ``out``, as `rlhf.sft_methods` says.

    Examples over the policy's limits are left out, counted and reported. Raises DataError when none is left,
    ModelError for a policy that the method cannot train (qlora needs one loaded with ``nf4``), and Cancelled. A broken
    run with ``checkpoint_every`` goes on from its last checkpoint, beside ``out``.
    """
    # 1. What is trained; a soft prompt takes some of the tokens that a prompt may have.
    reporter = parallel.reporter_of(reporter)
    rate = sft_methods.prepare(config, policy, seed=seed)

    # 2. Token ids, once.
    pairs, too_long = _encode(policy, examples, "training", reporter)
    held_out, _ = _encode(policy, validation, "validation", reporter)
    if not pairs:
        raise DataError(f"None of the {len(examples)} training examples fits the policy: raise its limits.")
    task = Examples(
        name="Supervised fine-tuning",
        parameters=policy.parameters_trainable(),
        weights=[len(pair.target) for pair in pairs],
        loss=lambda rows: (_summed_loss(policy, [pairs[row] for row in rows]), {}),
        lengths=[len(pair.prompt) + len(pair.target) for pair in pairs],
        batch_size=config.batch_size,
        epochs=config.epochs,
        seed=seed,
        # Of what is trained too: a checkpoint of another method or rank would not fit.
        data=hashlib.sha256(repr((config.method, config.lora, config.prompt, pairs)).encode()).hexdigest(),
        measure=(lambda step: _validate(policy, held_out, config.batch_size)) if held_out else None,
        paged=sft_methods.paged(config, policy),
    )

    # 3. Train; the adapter's own dropout is the only one that can be on.
    _adapter_dropout(policy, on=True)
    every = config.evaluate_every or task.steps_an_epoch
    loop = loop_config(config, learning_rate=rate, evaluate_every=every)
    outcome = train(loop, task, seed=seed, reporter=reporter, checkpoint=checkpoints_of(out))
    policy.model.eval()

    # 4. Save.
    facts = sft_methods.facts(config, policy) | {
        "learning_rate": rate,
        "examples": len(pairs),
        "too_long": too_long,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "config": to_mapping(config),
        **outcome.metrics,
    }
    policy.merge()
    artifact = save_artifact(out, policy, policy.save, facts)
    remove_checkpoints(checkpoints_of(out))
    return artifact


def _encode(policy: Policy, examples: Sequence[Example], what: str, reporter: Reporter) -> tuple[list[_Pair], int]:
    """Token ids of the examples that fit, and how many do not."""
    prompts = policy.prompt_rows([example.prompt for example in examples])
    targets = policy.completion_rows([example.target for example in examples])
    pairs = [_Pair(prompt, target) for prompt, target in zip(prompts, targets, strict=True)]
    fits = [
        pair
        for pair in pairs
        if 0 < len(pair.prompt) <= policy.max_prompt_tokens and len(pair.target) <= policy.max_completion_tokens
    ]
    left_out = len(pairs) - len(fits)
    if left_out:
        reporter.event(
            "warning",
            f"{left_out} of {len(pairs)} {what} examples are over the limits ({policy.max_prompt_tokens} prompt and "
            f"{policy.max_completion_tokens} target tokens) and were left out.",
            left_out=left_out,
        )
    return fits, left_out


def _summed_loss(policy: Policy, pairs: Sequence[_Pair]) -> Tensor:
    """-Σ log p(target) over all tokens of all pairs."""
    prompts = pad_rows([pair.prompt for pair in pairs], policy.pad_id, left=policy.kind == "causal").to(policy.device)
    targets = pad_rows([pair.target for pair in pairs], policy.pad_id).to(policy.device)
    owner = torch.arange(len(pairs), device=policy.device)
    return -read_tokens(policy, policy.read_prompts(prompts), owner, targets).log_probabilities().sum()


@torch.no_grad()
def _validate(policy: Policy, pairs: Sequence[_Pair], size: int) -> Metrics:
    """Mean cross-entropy of a target token, in nats."""
    policy.model.eval()
    ordered = sorted(pairs, key=lambda pair: len(pair.prompt) + len(pair.target))
    batches = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    loss = sum(parallel.spread(lambda own: [float(_summed_loss(policy, batch)) for batch in own], batches))
    _adapter_dropout(policy, on=True)
    return {"validation_loss": loss / sum(len(pair.target) for pair in pairs)}


def _adapter_dropout(policy: Policy, *, on: bool) -> None:
    for name, module in policy.model.named_modules():
        if "lora_dropout" in name:
            module.train(on)
