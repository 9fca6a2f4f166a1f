"""Whole rounds in one process, with simulated annotators: the loop that proves itself.

Everything goes through the services that people's clicks go through; only the measuring at the end of
each round looks at what nobody inside the loop can see, the hidden utility.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model

from annotation.models import PreferencePair, Project, Ranking, Split
from annotation.selectors import project_quality
from annotation.services import annotators_add, project_create
from annotation.services.prompts import prompts_import
from annotation.users import User
from rlhf.data import read_prompts
from rlhf.exceptions import DataError
from rlhf.toy import dialogues
from rlhf.types import Prompt, Reporter
from workers import dispatch, storage
from workers.loop_measure import MAX_COMPLETION_TOKENS, Yardstick
from workers.models import ModelVersion, Round
from workers.pipelines.models import policy_load
from workers.services import project_anchor, project_format, round_start, run_create, run_drain
from workers.simulation import Oracle, rankings_simulate, toy_batch

SLUG = "loop"
ANNOTATORS = 5
GENERATED_PROMPTS = (
    1000  # of the generated corpus's training side: more than are ranked, for PPO reads unranked ones too
)
TEST_PROMPTS = 1000  # the win rate's
HELD_OUT_PROMPTS = 500  # ranked by the simulator for measuring only


@dataclass(frozen=True)
class LoopPlan:
    """What the command was asked for. ``rankings`` are submitted in each round, overlap included."""

    rounds: int = 2
    rankings: int = 300
    algorithm: str = "ppo"
    seed: int = 0
    shuffle_labels: bool = False
    prompts: Path | None = None
    sft_data: Path | None = None


@dataclass
class Loop:
    """One project and the yardstick that is held against it."""

    plan: LoopPlan
    reporter: Reporter
    project: Project = field(init=False)
    annotators: list[User] = field(init=False)
    yardstick: Yardstick = field(init=False)

    def run(self, show: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
        """All rounds, a row for each; ``show`` gets each row when its round has ended."""
        rows = []
        with dispatch.held():
            self.prepare()
            for number in range(1, self.plan.rounds + 1):
                rows.append(self.round(number))
                show(rows[-1])
        return rows

    def prepare(self) -> None:
        """Project, annotators, prompts, anchor and the first completions. Raises DataError on unusable files."""
        plan = self.plan
        self.project = project_create(
            actor=None, slug=SLUG, name="Loop", overlap_share=0.15, base_model="toy", min_rankings=plan.rankings
        )
        annotators_add(project=self.project, count=ANNOTATORS, prefix="simulated", simulated=True)
        self.annotators = list(get_user_model().objects.filter(memberships__project=self.project).order_by("pk"))
        oracle, test = self._generated_prompts() if plan.prompts is None else self._file_prompts(plan.prompts)
        run_create(project=self.project, kind="sft", seed=plan.seed, inputs=self._sft_inputs())
        run_drain(project=self.project, listener=self.reporter)
        run_create(project=self.project, kind="generate", seed=plan.seed, config={"prompts": plan.rankings})
        run_drain(project=self.project, listener=self.reporter)
        test = self._fitting(test)
        self.yardstick = Yardstick(
            project=self.project,
            oracle=oracle,
            # The generated corpus has enough for both; of a file, each figure takes all there are.
            test=test[:TEST_PROMPTS],
            held_out=test[-HELD_OUT_PROMPTS:],
            seed=plan.seed,
            shuffle=plan.shuffle_labels,
            reporter=self.reporter,
        )

    def round(self, number: int) -> dict[str, Any]:
        """People rank, the round runs, the yardstick measures. The gate is reported, never refused."""
        plan = self.plan
        self.reporter.event("log", f"Round {number}: {len(self.annotators)} simulated annotators rank.")
        done = rankings_simulate(
            project=self.project,
            annotators=self.annotators,
            count=plan.rankings,
            seed=plan.seed * 1000 + number,
            shuffle=plan.shuffle_labels,
            listener=lambda made, total: self.reporter.progress(made, total, "ranking"),
        )
        if done < plan.rankings:
            self.reporter.event("warning", f"Only {done} of {plan.rankings} rankings: there are no more tasks.")
        before = self.yardstick.completions()
        started = round_start(
            project=self.project,
            algorithm=plan.algorithm,
            seed=plan.seed,
            force=True,
            config={"generate": {"prompts": plan.rankings}},
        )
        run_drain(project=self.project, listener=self.reporter)
        started.refresh_from_db()
        return self._row(started, before)

    def _row(self, round_: Round, before: Sequence[Sequence[str]]) -> dict[str, Any]:
        models = {
            run.kind: ModelVersion.objects.get(slug=run.output["model"])
            for run in round_.runs.filter(kind__in=["reward", round_.algorithm])
        }
        reward, policy = models["reward"], models[round_.algorithm]
        figures = self.yardstick.measure(policy=policy, reward=reward, completions=before)
        assert round_.snapshot is not None
        return {
            "round": round_.number,
            "rankings": Ranking.objects.labels().filter(project=self.project).count(),
            "pairs": PreferencePair.objects.filter(project=self.project).count(),
            "agreement": project_quality(self.project)["pairwise_agreement"],
            **{name: None if figure is None else asdict(figure) for name, figure in figures.items()},
            "snapshot_hash": round_.snapshot.sha256,
            "reward_model_hash": reward.sha256,
            "policy_hash": policy.sha256,
            "gate": round_.gate,
        }

    def _fitting(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """The prompts that the policy reads whole; the others are counted and reported. DataError when none is left."""
        policy = policy_load(self.project, project_anchor(self.project), max_completion_tokens=MAX_COMPLETION_TOKENS)
        template = project_format(self.project)
        kept = [one for one in prompts if policy.prompt_length(template.apply(one.text)) <= policy.max_prompt_tokens]
        if len(kept) < len(prompts):
            self.reporter.event(
                "warning",
                f"{len(prompts) - len(kept)} of {len(prompts)} test prompts are longer than the policy's "
                f"{policy.max_prompt_tokens} tokens: they are not measured.",
            )
        if not kept:
            raise DataError("No test prompt is left to measure on: give more prompts, or shorter ones.")
        return kept

    def _generated_prompts(self) -> tuple[Oracle, list[Prompt]]:
        batch = toy_batch(seed=self.plan.seed, count=GENERATED_PROMPTS, split="train")
        train = dialogues(self.plan.seed, GENERATED_PROMPTS, "train")
        test = dialogues(self.plan.seed, TEST_PROMPTS + HELD_OUT_PROMPTS, "test")
        rows = [{"id": one.id, "prompt": one.text, "references": list(one.references)} for one in train]
        prompts_import(project=self.project, items=rows, name=batch)
        return Oracle({one.id: one for one in test}), [one.prompt() for one in test]

    def _file_prompts(self, path: Path) -> tuple[Oracle, list[Prompt]]:
        prompts = read_prompts(path)
        self._check_disjoint(prompts)
        if without := [prompt.id for prompt in prompts if not prompt.references]:
            raise DataError(
                f"{path}: {len(without)} prompts have no reference (first: '{without[0]}'): "
                "simulated annotators rank by ROUGE against references."
            )
        rows = [{"id": one.id, "prompt": one.text, "references": list(one.references)} for one in prompts]
        prompts_import(project=self.project, items=rows, name=path.name)
        on_test = set(self.project.prompts.filter(split=Split.TEST).values_list("external_id", flat=True))
        return Oracle({}), [prompt for prompt in prompts if prompt.id in on_test]

    def _check_disjoint(self, prompts: Sequence[Prompt]) -> None:
        """No prompt may occur in what the policy is trained on. Raises DataError with the first that does."""
        path = self.plan.sft_data
        if path is None:
            raise DataError("With --prompts, say with --sft-data what the tiny policy is trained on.")
        seen = read_prompts(path)
        ids, texts = {one.id for one in seen}, {one.text.strip() for one in seen}
        shared = [one.id for one in prompts if one.id in ids or one.text.strip() in texts]
        if shared:
            raise DataError(
                f"{len(shared)} of the prompts occur in {path} too (first: '{shared[0]}'): the policy would be "
                "measured on what it was trained on. Take them out of one of the files."
            )

    def _sft_inputs(self) -> dict[str, str]:
        if self.plan.sft_data is None:
            return {}
        copy = storage.project_folder(self.project) / self.plan.sft_data.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.plan.sft_data, copy)
        return {"examples": storage.relative(copy)}


def interval_text(figure: dict[str, Any] | None, digits: int = 3) -> str:
    """A figure as the table prints it."""
    if figure is None:
        return "not measured"
    return f"{figure['value']:.{digits}f}  [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]  n={figure['n']}"


def row_table(row: dict[str, Any]) -> str:
    """One round's table for the terminal."""
    head = f"Round {row['round']}: {row['rankings']} rankings, {row['pairs']} pairs"
    figures = [name for name, value in row.items() if isinstance(value, dict) and "low" in value]
    lines = [f"  {name:<24} {interval_text(row[name])}" for name in figures]
    gate = row["gate"]
    lines.append(
        f"  {'gate':<24} {'passed' if gate.get('passed') else 'not passed: ' + ' '.join(gate.get('reasons', []))}"
    )
    lines += [f"  {name:<24} {row[name]}" for name in ("snapshot_hash", "reward_model_hash", "policy_hash")]
    return "\n".join([head, "-" * len(head), *lines])
