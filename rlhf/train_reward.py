"""Training of a reward model on people's rankings: an ensemble that scores and one member that only judges."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from rlhf import parallel
from rlhf.artifacts import save_artifact
from rlhf.checkpoints import checkpoints_of, remove_checkpoints
from rlhf.config import SamplingConfig, to_mapping
from rlhf.exceptions import DataError
from rlhf.hashing import artifact_hash
from rlhf.models import Policy
from rlhf.null_control import null_accuracy
from rlhf.preferences import default_tie_rule, fitting, tie_share
from rlhf.reference_samples import reference_samples
from rlhf.reporting import Part
from rlhf.reward_fit import TieSettings, fit_member, steps_of
from rlhf.reward_labels import label_facts, smoothed, split_sides, weighed, weights_of
from rlhf.reward_model import (
    MemberSettings,
    RewardEnsemble,
    RewardHead,
    RewardSettings,
    load_reward_model,
    save_heads,
)
from rlhf.reward_report import report, suspicion
from rlhf.training_config import RewardConfig
from rlhf.types import Artifact, Prompt, Ranking, Reporter

__all__ = ["RewardConfig", "train_reward"]

Fold = tuple[MemberSettings, list[Ranking]]


def train_reward(
    config: RewardConfig,
    anchor: Path,
    rankings: Sequence[Ranking],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
    sample_prompts: Sequence[Prompt],
    newest: Mapping[str, Collection[str]] | None = None,
) -> Artifact:
    """Train on the rankings of split ``train``, stop early by ``validation``, report on ``test``, save to ``out``.

    ``sample_prompts`` are training prompts: the anchor's samples on them fix the reward's mean 0 and sd 1. ``newest``
    holds the newest policy's texts by prompt id: the accuracy on them is reported apart. Raises DataError without
    training rankings, with a prompt on two sides, or where the labels cannot give what the config asks of them;
    Cancelled, and the errors of loading a model. The same seed on one CPU thread gives the same artifact hash; another
    number of threads adds up in another order and may differ.
    """
    # 1. The data: what fits, its three sides, the rule for ties, whose labels count how much.
    reporter = parallel.reporter_of(reporter)
    policy = _load(config, anchor)
    kept, too_long = fitting(policy, rankings, reporter)
    sides = split_sides(kept)
    if not sides["train"]:
        raise DataError(f"None of the {len(rankings)} rankings can be trained on: {too_long} are too long.")
    if len(sides["validation"]) < config.least_validation:
        count = len(sides["validation"])
        reporter.event("warning", f"{count} validation rankings are too few for an early stop: every epoch is trained.")
    share = tie_share(sides["train"])
    ties = TieSettings(default_tie_rule(share) if config.ties == "auto" else config.ties, share)
    fit = smoothed(config, sides["train"])
    learnt, people = weighed(config, sides["train"], reporter)

    # 2. The members, one after another; each leaves its body in a folder of its own.
    members = folds(config, learnt, seed)
    total = sum(steps_of(config, len(own)) for _member, own in members)
    total += steps_of(config, len(learnt)) if config.null_control else 0
    heads: dict[str, RewardHead] = {}
    done = 0
    for index, (member, own) in enumerate(members):
        policy = policy if index == 0 else _load(config, anchor)
        part = Part(reporter, done, total, f"Training member {index + 1} of {len(members)} of the reward model")
        model = fit_member(
            fit, policy, ties, own, sides["validation"], seed=7919 * seed + index, reporter=part,
            checkpoint=checkpoints_of(out) / member.name, weights=weights_of(people, own),
        )  # fmt: skip
        if parallel.is_main():
            (policy.save_adapter if config.adaptation == "lora" else policy.save)(out / member.name)
        heads[member.name] = model.head
        done += steps_of(config, len(own))

    # 3. Heads and settings; then mean 0 and sd 1 on the anchor's samples, once and for ever.
    settings = RewardSettings(
        adaptation=config.adaptation,
        members=tuple(member for member, _own in members),
        penalty=config.penalty,
        tie_rule=ties.rule,
        anchor_sha256=artifact_hash(anchor),
        data_sha256=data_sha256(kept),
        max_prompt_tokens=config.max_prompt_tokens,
        max_completion_tokens=config.max_completion_tokens,
    )
    if parallel.is_main():
        save_heads(out, heads)
        settings.write(out)
    parallel.wait()
    ensemble = load_reward_model(out, anchor, batch=config.batch_size)
    asked, texts = _reference_samples(config, anchor, sample_prompts, seed=seed, reporter=reporter)
    ensemble = normalised(ensemble, asked, texts)

    # 4. The test side is read here, once.
    facts = report(ensemble, sides["test"], seed=seed, newest=newest) | label_facts(kept, seed)
    if config.null_control:
        part = Part(reporter, done, total, "Training a control on shuffled labels")
        null = _load(config, anchor)
        facts["null_accuracy"] = null_accuracy(
            fit, null, ties, sides | {"train": learnt}, settings, seed=7919 * seed + len(members), reporter=part
        )
    doubt = suspicion(facts)
    if doubt is not None:
        reporter.event("warning", doubt)
    facts |= {
        "train_rankings": len(sides["train"]),
        "validation_rankings": len(sides["validation"]),
        "too_long": too_long,
        "tie_share": share,
        "tie_rule": ties.rule,
        "label_smoothing": fit.label_smoothing,
        "annotators": people,
        "data_sha256": settings.data_sha256,
        "config": to_mapping(config),
    }
    artifact = save_artifact(out, policy, ensemble.settings.write, facts)
    remove_checkpoints(checkpoints_of(out))
    return artifact


def _load(config: RewardConfig, anchor: Path) -> Policy:
    return Policy.load(
        anchor, max_prompt_tokens=config.max_prompt_tokens, max_completion_tokens=config.max_completion_tokens
    )


def folds(config: RewardConfig, rankings: Sequence[Ranking], seed: int) -> list[Fold]:
    """Each member with the rankings it is trained on; the judge's prompts are in no scorer's.

    With fewer than four prompts there is no judge: a fold of one would judge nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    prompts = sorted({ranking.prompt_id for ranking in rankings})
    order = [prompts[index] for index in torch.randperm(len(prompts), generator=generator).tolist()]
    held = round(config.judge_share * len(order)) if len(order) >= 4 else 0
    fold, rest = set(order[:held]), order[held:]
    by_prompt = {prompt: [ranking for ranking in rankings if ranking.prompt_id == prompt] for prompt in rest}
    found: list[Fold] = []
    for index in range(config.members):
        drawn = rest
        if config.bootstrap and config.members > 1:
            drawn = [rest[row] for row in torch.randint(len(rest), (len(rest),), generator=generator).tolist()]
        own = [ranking for prompt in drawn for ranking in by_prompt[prompt]]
        found.append((MemberSettings(name=f"scorer-{index}", role="scorer"), own))
    if held:
        own = [ranking for ranking in rankings if ranking.prompt_id in fold]
        found.append((MemberSettings(name="judge", role="judge"), own))
    return found


def data_sha256(rankings: Sequence[Ranking]) -> str:
    """Hash of the rankings, whatever their order."""
    lines = sorted(json.dumps(asdict(ranking), sort_keys=True, ensure_ascii=False) for ranking in rankings)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _reference_samples(
    config: RewardConfig, anchor: Path, prompts: Sequence[Prompt], *, seed: int, reporter: Reporter
) -> tuple[list[str], list[list[str]]]:
    """Prompts and the anchor's finished completions of them."""
    if not prompts:
        raise DataError("sample_prompts is empty: the reward is normalised on the reference policy's samples of them.")
    reporter.event("log", "Normalising the reward on samples of the reference policy.")
    sampling = SamplingConfig(max_new_tokens=config.max_new_tokens, temperature=config.temperature)
    return reference_samples(
        _load(config, anchor), prompts, config.normalisation_samples, sampling,
        seed=seed, batch_size=config.batch_size, reporter=reporter,
    )  # fmt: skip


def normalised(
    ensemble: RewardEnsemble, prompts: Sequence[str], completions: Sequence[Sequence[str]]
) -> RewardEnsemble:
    """``ensemble`` with mean 0 and sd 1 on these texts: each member first, so that their spread has a unit."""
    names = [member.name for member in ensemble.settings.members]
    fits = [standard(row) for row in ensemble.raw(names, prompts, completions)]
    members = [
        replace(member, bias=bias, gain=gain)
        for member, (bias, gain) in zip(ensemble.settings.members, fits, strict=True)
    ]
    ensemble = ensemble.with_settings(replace(ensemble.settings, members=tuple(members)))
    scores = torch.tensor([value for row in ensemble.score(prompts, completions) for value in row])
    bias, gain = standard(scores)
    return ensemble.with_settings(replace(ensemble.settings, bias=bias, gain=gain))


def standard(values: Tensor) -> tuple[float, float]:
    """(bias, gain) with mean 0 and sd 1 of (values + bias)·gain; gain 1 for constant values, whose sd is 0."""
    spread = float(values.std(correction=0)) if len(values) else 0.0
    return -float(values.mean()), 1 / spread if spread > 1e-8 else 1.0
