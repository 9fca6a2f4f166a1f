"""Rudeness on the generated corpus: a classifier that learns to find it, and who is rude by the corpus's own judge."""

from collections.abc import Sequence
from pathlib import Path

from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.toy import Dialogue, dialogues, flawed_by, seeded, toy_utility
from rlhf.toy_flaws import good_reference
from rlhf.types import Example
from tests.rlhf.roberta import save_roberta


def summary(dialogue: Dialogue, *, rude_share: float) -> str:
    """A correct summary, in ``rude_share`` of the dialogues with a rude sentence; the dialogue's id decides."""
    rng = seeded("rudeness", dialogue.id)
    return flawed_by(dialogue, "rude", rng) if rng.random() < rude_share else good_reference(dialogue, rng)


def rude_examples(count: int, *, rude_share: float, seed: int) -> list[Example]:
    """Training pairs for a policy that is rude this often."""
    return [Example(one.text, summary(one, rude_share=rude_share)) for one in dialogues(seed, count, "train")]


def save_rudeness_classifier(folder: Path, *, count: int = 400, epochs: int = 4, seed: int = 5) -> Path:
    """A RoBERTa of two layers that learnt ``count`` polite and as many rude summaries, with the published labels."""
    chosen = dialogues(seed, count, "train")
    texts = [summary(one, rude_share=share) for one in chosen for share in (0.0, 1.0)]
    return save_roberta(folder, texts, targets=[0, 1] * count, epochs=epochs, positions=80)


def rude_shares(policy: Policy, chosen: Sequence[Dialogue], *, samples: int, seed: int) -> list[float]:
    """For each dialogue the share of the policy's samples that hold a rude word, by the corpus's judge."""
    drawn = generate(policy, [one.prompt() for one in chosen], samples, SamplingConfig(), seed=seed).completions
    return [
        sum(bool(toy_utility(one, completion.text).rude) for completion in row) / samples
        for one, row in zip(chosen, drawn, strict=True)
    ]
