"""Simulated annotators: they rank through the same services as people, by a utility that nothing else sees."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from annotation.models import Assignment, Project, Prompt, RankingOrigin
from annotation.services import ranking_submit, task_next
from annotation.users import User
from rlhf.exceptions import DataError
from rlhf.simulate import Annotator, groups_shuffled, reference_utility, simulated_ranking, toy_utility
from rlhf.toy import Dialogue, dialogues

TOY_BATCH = "toy"
"""First word of the batch of generated prompts; the rest says how to generate them again."""


@dataclass(frozen=True)
class Oracle:
    """What is really good. ``dialogues`` are the generated prompts by external id; others need references."""

    dialogues: Mapping[str, Dialogue]

    def utility(self, *, external_id: str, references: Sequence[str], text: str) -> float:
        """The hidden utility of ``text``: facts for generated prompts, ROUGE against the references for others.

        Raises DataError for a prompt that has neither.
        """
        if dialogue := self.dialogues.get(external_id):
            return toy_utility(dialogue, text).utility
        if references:
            return reference_utility(references, text)
        raise DataError(f"Prompt '{external_id}' has no references: nobody can simulate what people think of it.")


def toy_batch(*, seed: int, count: int, split: str) -> str:
    """The name of a batch of generated prompts, from which ``project_oracle`` finds their facts again."""
    return f"{TOY_BATCH} {split} {seed} {count}"


def project_oracle(project: Project) -> Oracle:
    """The oracle of a project's prompts. Raises DataError when a batch's name cannot be read."""
    names = project.prompts.filter(batch__startswith=f"{TOY_BATCH} ").order_by("batch").values_list("batch", flat=True)
    known: dict[str, Dialogue] = {}
    for name in names.distinct():
        try:
            _, split, seed, count = name.split(" ")
            known |= _batch_dialogues(int(seed), int(count), split)
        except ValueError as error:
            raise DataError(f"'{name}' does not name a batch of generated prompts.") from error
    return Oracle(known)


@lru_cache(maxsize=8)
def _batch_dialogues(seed: int, count: int, split: str) -> dict[str, Dialogue]:
    return {dialogue.id: dialogue for dialogue in dialogues(seed, count, split)}  # type: ignore[arg-type]  # checked there


def rankings_simulate(
    *,
    project: Project,
    annotators: Sequence[User],
    count: int,
    seed: int,
    shuffle: bool = False,
    listener: Callable[[int, int], None] | None = None,
) -> int:
    """``count`` rankings by ``annotators``, one after another, an equal share each; how many there were tasks for.

    The same seed gives the same labels for the same texts on any database. ``shuffle`` gives each ranking's places to
    the completions by lot: labels without information. ``listener`` hears (done, count).
    """
    oracle = project_oracle(project)
    done = 0
    for index, annotator in enumerate(annotators):
        share = (count - done) // (len(annotators) - index)
        person = Annotator.numbered(index, seed=seed)
        for _ in range(share):
            assignment = task_next(project=project, annotator=annotator, checks=False)
            if assignment is None:
                break
            _rank(assignment, oracle, person, rng=_rng(seed, annotator, assignment.prompt), shuffle=shuffle)
            done += 1
            if listener is not None:
                listener(done, count)
    return done


def _rank(
    assignment: Assignment, oracle: Oracle, person: Annotator, *, rng: np.random.Generator, shuffle: bool
) -> None:
    prompt = assignment.prompt
    # By text, not by id or by place on the screen: the labels must be the same on any database.
    texts = sorted(assignment.task.completions.values_list("text", "id"))
    utilities = [
        oracle.utility(external_id=prompt.external_id, references=prompt.references, text=text) for text, _ in texts
    ]
    groups = simulated_ranking(utilities, annotator=person, rng=rng)
    if shuffle:
        groups = groups_shuffled(groups, rng)
    ranking_submit(
        assignment=assignment,
        groups=[[texts[place][1] for place in group] for group in groups],
        origin=RankingOrigin.SIMULATED,
    )


def _rng(seed: int, annotator: User, prompt: Prompt) -> np.random.Generator:
    name = f"{seed}:{annotator.get_username()}:{prompt.identity}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
