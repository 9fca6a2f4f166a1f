"""Completions for prompts, and the tasks to rank them: some prompts at a time, so that people need not wait."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.models import Completion, Prompt, Strategy
from annotation.services import tasks_create, tasks_score
from annotation.texts import content_hash
from rlhf import types
from rlhf.backends import Backend, open_backend
from rlhf.config import to_mapping
from rlhf.exceptions import Cancelled
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.near_duplicates import alike
from rlhf.reward_model import load_reward_model
from workers.config import GenerateConfig
from workers.models import ModelKind, ModelVersion
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder, policy_load
from workers.pipelines.selection import open_task_scores
from workers.services.next_prompts import prompts_next
from workers.services.registry import model_newest

CHUNK = 32  # prompts whose completions and tasks are written in one transaction
SPARE = 2  # more samples than wanted, to fill up where two sources wrote the same words


def run(context: Context) -> Publish:
    config: GenerateConfig = context.config
    writer = context.model("policy")
    round_number = context.run.round.number if context.run.round else writer_round(writer)
    prompts = prompts_next(
        project=context.project, run_id=context.run.pk, count=config.prompts, round_number=round_number
    )
    policy = policy_load(context.project, writer, max_completion_tokens=config.max_new_tokens)
    made = {"prompts": 0, "completions": 0, "tasks": 0, "too_long": 0, "alike": 0}
    anchored = _anchored(context, writer)
    with open_backend(policy, config.backend, config.sampling(), context.reporter, anchor=anchored > 0) as backend:
        for start in range(0, len(prompts), CHUNK):
            if context.reporter.cancelled():
                raise Cancelled(f"cancelled after {start} of {len(prompts)} prompts; what was written stays")
            context.reporter.progress(start, len(prompts), "writing completions")
            chunk = prompts[start : start + CHUNK]
            texts = _sample(context, policy, backend, writer, chunk, round_number)
            for name, count in _write(context, chunk, texts, round_number).items():
                made[name] += count
            made["too_long"] += len(chunk) - len(texts)
            made["alike"] += sum(len(row) < context.project.completions_per_prompt for row in texts.values())
    if made["too_long"]:
        context.reporter.event(
            "warning",
            f"{made['too_long']} of {len(prompts)} prompts are longer than the model reads "
            f"({policy.max_prompt_tokens} tokens): they got no completions.",
        )
    if made["alike"]:
        context.reporter.event(
            "warning",
            f"{made['alike']} of {len(prompts)} prompts have fewer than {context.project.completions_per_prompt} "
            "different texts (an edit similarity above 0.95 is no difference), however often they were drawn again: "
            "they got no task.",
        )
    return _scored(context, made)


def _scored(context: Context, made: dict[str, int]) -> Publish:
    """The new tasks take their places among the open ones, by the newest reward model, if the strategy asks for it."""
    reward = model_newest(context.project, ModelKind.REWARD)
    if context.project.strategy != Strategy.ACTIVE or reward is None:
        return lambda: made
    scores = open_task_scores(context, load_reward_model(folder(reward), folder(context.anchor())))

    def publish() -> dict[str, Any]:
        return made | {"scored": tasks_score(project=context.project, scores=scores)}

    return publish


class _CancelOnly(types.Silent):
    """For the sampler: what it reports of its batch, this pipeline counts over all of them."""

    def __init__(self, reporter: types.Reporter) -> None:
        self._reporter = reporter

    def cancelled(self) -> bool:
        return self._reporter.cancelled()


def writer_round(writer: ModelVersion) -> int:
    """The round whose policy writes; 0 for the anchor."""
    made_by = writer.run.round if writer.run else None
    return made_by.number if made_by and writer.kind == ModelKind.POLICY else 0


def sampling_seed(seed: int, round_number: int, *, reference: bool) -> int:
    """A seed for each round and each of its two writers: with the same one, a policy near its anchor would write the
    anchor's texts again, and a prompt of an earlier round would get that round's."""
    name = f"{seed}:{round_number}:{'anchor' if reference else 'policy'}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) >> 1


Written = tuple[str, types.Completion]  # source, completion


def _anchored(context: Context, writer: ModelVersion) -> int:
    """How many of each prompt's completions the anchor writes."""
    config: GenerateConfig = context.config
    policy = writer.kind == ModelKind.POLICY
    return min(config.anchor_completions, context.project.completions_per_prompt - 1) if policy else 0


def _sample(
    context: Context,
    policy: Policy,
    backend: Backend,
    writer: ModelVersion,
    prompts: Sequence[Prompt],
    round_number: int,
) -> dict[int, list[Written]]:
    """K different texts for each prompt, by prompt id; prompts that are too long are left out.

    Of a policy's K, ``anchor_completions`` are the anchor's: the comparison that keeps the reward tied to it.
    """
    config: GenerateConfig = context.config
    wanted = context.project.completions_per_prompt
    keyed = [types.Prompt(id=content_hash(prompt.text), text=context.templated(prompt.text)) for prompt in prompts]
    # Two prompts may hold one text under two names; the sampler wants each once.
    unique = list({prompt.id: prompt for prompt in keyed}.values())
    anchored = _anchored(context, writer)

    def draw(count: int, *, reference: bool) -> dict[str, list[types.Completion]]:
        result = generate(
            policy,
            unique,
            count,
            config.sampling(),
            seed=sampling_seed(context.run.seed, round_number, reference=reference),
            batch_size=config.batch_size,
            distinct=True,
            reporter=_CancelOnly(context.reporter),
            reference=reference,
            backend=backend,
        )
        return {row[0].prompt_id: list(row) for row in result.completions if row}

    own = draw(wanted, reference=False)
    spare = 0 if config.sampling().searches else SPARE  # a search follows more texts than it is asked for anyway
    anchors = draw(anchored + spare, reference=True) if anchored else {}
    anchor_slug = context.anchor().slug
    mixed = {
        key: _mix(
            [(writer.slug, one) for one in own[key]],
            [(anchor_slug, one) for one in anchors.get(key, [])],
            wanted,
            anchored,
        )
        for key in own
    }
    return {prompt.pk: mixed[key.id] for prompt, key in zip(prompts, keyed, strict=True) if key.id in mixed}


def _mix(own: Sequence[Written], anchors: Sequence[Written], wanted: int, anchored: int) -> list[Written]:
    """``anchored`` of the anchor's texts and the policy's for the rest, no two alike."""
    chosen: list[Written] = []
    for pool, limit in ((own, wanted - anchored), (anchors, wanted), (own, wanted)):
        for source, written in pool:
            if len(chosen) < limit and not any(alike(written.text, other.text) for _, other in chosen):
                chosen.append((source, written))
    return chosen


def _write(
    context: Context, prompts: Sequence[Prompt], texts: dict[int, list[Written]], round_number: int
) -> dict[str, int]:
    """Completions and tasks of one chunk, in one transaction fenced by the attempt."""
    config: GenerateConfig = context.config
    sampling: dict[str, Any] = to_mapping(config.sampling()) | {"run": context.run.pk}
    with transaction.atomic():
        context.reporter.flush()
        rows: list[Completion] = []
        ordinals = _next_ordinals(prompts)
        for prompt in prompts:
            for source, written in texts.get(prompt.pk, []):
                ordinal = ordinals.get((prompt.pk, source), 0)
                ordinals[prompt.pk, source] = ordinal + 1
                rows.append(
                    Completion(
                        prompt=prompt,
                        source=source,
                        ordinal=ordinal,
                        text=written.text,
                        sampling=sampling | {"finished": written.finished},
                        backend=written.backend,
                        seed=written.seed,
                    )
                )
        Completion.objects.bulk_create(rows)
        by_prompt: dict[int, list[Completion]] = {}
        for row in rows:
            by_prompt.setdefault(row.prompt_id, []).append(row)
        tasks = tasks_create(
            project=context.project,
            prompts=prompts,
            round_number=round_number,
            completions=by_prompt,
            # The newest policy's tasks first: its own samples teach it most.
            priority=round_number,
        )
    return {"prompts": len(by_prompt), "completions": len(rows), "tasks": tasks}


def _next_ordinals(prompts: Sequence[Prompt]) -> dict[tuple[int, str], int]:
    rows = Completion.objects.filter(prompt__in=[prompt.pk for prompt in prompts])
    last = rows.values_list("prompt_id", "source").annotate(last=Max("ordinal"))
    return {(prompt, source): ordinal + 1 for prompt, source, ordinal in last}
