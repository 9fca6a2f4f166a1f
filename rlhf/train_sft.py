"""Supervised fine-tuning of a policy on prompts and targets, of all weights or by LoRA."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rlhf.checkpoints import describe
from rlhf.config import SFTConfig, to_mapping
from rlhf.exceptions import DataError
from rlhf.models import Policy
from rlhf.tensors import gather_log_probabilities, pad_rows
from rlhf.training import LoopConfig, Metrics, Task, train
from rlhf.types import Artifact, Example, Reporter

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
    """Train ``policy`` in place and save it to ``out`` in the hub's format, an adapter merged into the weights.

    Examples over the policy's limits are left out, counted and reported. Raises DataError when none is left,
    and Cancelled. A broken run with ``checkpoint_every`` goes on from its last checkpoint in ``out``.
    """
    # 1. Token ids, once.
    pairs, too_long = _encode(policy, examples, "training", reporter)
    held_out, _ = _encode(policy, validation, "validation", reporter)
    if not pairs:
        raise DataError(f"None of the {len(examples)} training examples fits the policy: raise its limits.")

    # 2. What is trained. The weights are kept in fp32: small steps would be lost in bf16.
    policy.model.float()
    if config.lora is None:
        policy.model.requires_grad_(requires_grad=True)
    else:
        policy.add_lora(config.lora, seed=seed)
    task = Task(
        name="Supervised fine-tuning",
        parameters=policy.parameters_trainable(),
        weights=[len(pair.target) for pair in pairs],
        loss=lambda rows: (_summed_loss(policy, [pairs[row] for row in rows]), {}),
        lengths=[len(pair.prompt) + len(pair.target) for pair in pairs],
        data=hashlib.sha256(repr(pairs).encode()).hexdigest(),
        validate=(lambda: _validate(policy, held_out, config.batch_size)) if held_out else None,
    )
    trainable, total = policy.count_parameters()

    # 3. Train; the adapter's own dropout is the only one that can be on.
    _adapter_dropout(policy, on=True)
    outcome = train(_loop_config(config), task, seed=seed, reporter=reporter, checkpoint=out / "checkpoint")
    policy.model.eval()

    # 4. Save.
    policy.merge()
    out.mkdir(parents=True, exist_ok=True)
    policy.save(out)
    facts = {
        "method": "full" if config.lora is None else "lora",
        "examples": len(pairs),
        "too_long": too_long,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "trained_parameters": trainable,
        "adapted_parameters": total,
        "config": to_mapping(config),
        **outcome.metrics,
    }
    return describe(out, policy, facts)


def _loop_config(config: SFTConfig) -> LoopConfig:
    return LoopConfig(**{name: value for name, value in vars(config).items() if name != "lora"})


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
    logits = policy.read_completions(policy.read_prompts(prompts), owner, targets).logits
    return -(gather_log_probabilities(logits, targets.ids) * targets.mask).sum()


@torch.no_grad()
def _validate(policy: Policy, pairs: Sequence[_Pair], size: int) -> Metrics:
    """Mean cross-entropy of a target token, in nats."""
    policy.model.eval()
    ordered = sorted(pairs, key=lambda pair: len(pair.prompt) + len(pair.target))
    loss = sum(float(_summed_loss(policy, ordered[at : at + size])) for at in range(0, len(ordered), size))
    _adapter_dropout(policy, on=True)
    return {"validation_loss": loss / sum(len(pair.target) for pair in pairs)}


def _adapter_dropout(policy: Policy, *, on: bool) -> None:
    for name, module in policy.model.named_modules():
        if "lora_dropout" in name:
            module.train(on)
