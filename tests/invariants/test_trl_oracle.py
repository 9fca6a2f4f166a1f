"""Our DPO, reward and log-probability values against TRL's own, on the same tiny GPT-2 and Llama."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from trl import DPOConfig as TRLDPOConfig
from trl import DPOTrainer, RewardTrainer
from trl import RewardConfig as TRLRewardConfig
from trl.trainer.utils import entropy_from_logits, selective_log_softmax

from rlhf.losses import dpo_losses, reward_loss
from rlhf.models import Policy
from rlhf.preferences import preference_batch
from rlhf.reading import read_tokens
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.train_dpo import sequence_log_probabilities
from rlhf.training_config import DPOForm
from rlhf.types import Ranking
from tests.rlhf.tiny import save_tiny

PAIRS = [
    ("anna meets bob .", "anna meets bob", "bob is late again ."),
    ("carla lost the key at home", "carla lost the key", "the"),
    ("dan orders pizza", "dan is rude and not nice", "dan orders pizza for anna at noon"),
]
RANKINGS = [
    Ranking(str(i), prompt, (chosen, rejected), ((0,), (1,)), "alice", "train")
    for i, (prompt, chosen, rejected) in enumerate(PAIRS)
]


KINDS = ("gpt2", "llama")
QUIET = {"report_to": [], "use_cpu": True, "bf16": False, "remove_unused_columns": False}
NO_RECOMPUTING = {"gradient_checkpointing": False}
DUMMY = Dataset.from_list([{"prompt": "anna", "chosen": "meets", "rejected": "bob"}])
"""TRL's constructors tokenise a data set; what is compared are the ids our policy reads, handed to compute_loss."""


@pytest.fixture(params=KINDS)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A policy and a different model as its reference."""
    return tuple(save_tiny(tmp_path / str(seed), request.param, seed=seed) for seed in (1, 2))  # type: ignore[return-value]


def load(folder: Path) -> Policy:
    return Policy.load(folder, device="cpu", max_completion_tokens=24)


def trl_batch(trainer: Any, policy: Policy, *, joined: bool) -> dict[str, Tensor]:
    rows = []
    for prompt, chosen, rejected in PAIRS:
        ids = policy.prompt_ids(prompt)
        before = ids if joined else []
        row = {"chosen_ids": before + policy.completion_ids(chosen)}
        row["rejected_ids"] = before + policy.completion_ids(rejected)
        rows.append(row if joined else row | {"prompt_ids": ids})
    batch: dict[str, Tensor] = trainer.data_collator(rows)
    return batch


def dpo_trainer(folders: Sequence[Path], tmp_path: Path, **settings: Any) -> Any:
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folders[0]),
        ref_model=AutoModelForCausalLM.from_pretrained(folders[1]),
        args=TRLDPOConfig(output_dir=str(tmp_path / "out"), beta=0.3, **settings, **QUIET, **NO_RECOMPUTING),
        train_dataset=DUMMY,
        processing_class=load(folders[0]).tokenizer,
    )
    trainer.model.eval()
    return trainer


@pytest.mark.parametrize("form", ["sigmoid", "hinge", "ipo"])
def test_dpo_equals_trl(folders: Sequence[Path], tmp_path: Path, form: DPOForm) -> None:
    policy, reference = (load(folder) for folder in folders)
    batch = preference_batch(policy, RANKINGS)
    ours, theirs = (sequence_log_probabilities(model, batch) for model in (policy, reference))
    losses = dpo_losses(ours - theirs, batch.completions.lengths, batch.pairs, beta=0.3, form=form)

    trainer = dpo_trainer(folders, tmp_path, loss_type=form)
    with torch.no_grad():
        expected = trainer.compute_loss(trainer.model, trl_batch(trainer, policy, joined=False))
    assert batch.pairs.mean(losses).item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_log_probabilities_and_implicit_rewards_of_dpo_equal_trl(folders: Sequence[Path], tmp_path: Path) -> None:
    """One pair at a time: TRL keeps only means over the batch."""
    policy, reference = (load(folder) for folder in folders)
    batch = preference_batch(policy, RANKINGS)
    ours, theirs = (sequence_log_probabilities(model, batch) for model in (policy, reference))
    trainer = dpo_trainer(folders, tmp_path, loss_type="sigmoid")
    whole = trl_batch(trainer, policy, joined=False)
    for pair in range(len(PAIRS)):
        rows = [pair, pair + len(PAIRS)]
        with torch.no_grad():
            trainer.compute_loss(trainer.model, {name: value[rows] for name, value in whole.items()})
        seen = {name: values[-1] for name, values in trainer._metrics["eval"].items() if values}
        for place, side in enumerate(("chosen", "rejected")):
            own = 2 * pair + place
            assert seen[f"logps/{side}"] == pytest.approx(ours[own].item(), abs=1e-5)
            assert seen[f"rewards/{side}"] == pytest.approx(0.3 * (ours - theirs)[own].item(), abs=1e-5)


def test_log_probabilities_and_entropies_of_tokens_equal_trl(folders: Sequence[Path]) -> None:
    policy = load(folders[0])
    batch = preference_batch(policy, RANKINGS)
    reading = read_tokens(policy, policy.read_prompts(batch.prompts), batch.owner, batch.completions, temperature=0.7)
    model = AutoModelForCausalLM.from_pretrained(folders[0])
    for row, (prompt, chosen, _rejected) in enumerate(PAIRS):
        before, ids = policy.prompt_ids(prompt), policy.completion_ids(chosen)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([before + ids])).logits[0, len(before) - 1 : -1] / 0.7
        tokens = selective_log_softmax(logits, torch.tensor(ids))
        assert torch.allclose(reading.log_probabilities()[2 * row, : len(ids)], tokens, atol=1e-5)
        assert torch.allclose(reading.entropy()[2 * row, : len(ids)], entropy_from_logits(logits), atol=1e-5)


@pytest.mark.parametrize(("centering", "margins"), [(0.0, False), (0.01, False), (0.0, True)])
def test_rewards_and_their_loss_equal_trl(
    folders: Sequence[Path],
    tmp_path: Path,
    centering: float,
    margins: bool,  # noqa: FBT001
) -> None:
    policy = load(folders[0])
    classifier = AutoModelForSequenceClassification.from_pretrained(folders[0], num_labels=1)
    head = RewardHead(policy.hidden_size, theta=0.0)
    head.load_state_dict(head.state_dict() | {"weight": classifier.score.weight.detach()[0]})
    rankings = [replace(ranking, strengths=(3 - i,)) for i, ranking in enumerate(RANKINGS)]
    batch = preference_batch(policy, rankings, margins=margins)
    scores = RewardModel(policy, head).score_tokens(policy.read_prompts(batch.prompts), batch.owner, batch.completions)
    loss = reward_loss(scores, batch.pairs, rule="soft", centering=centering)

    trainer = RewardTrainer(
        model=classifier,
        args=TRLRewardConfig(
            output_dir=str(tmp_path / "out"), center_rewards_coefficient=centering or None, **QUIET, **NO_RECOMPUTING
        ),
        train_dataset=DUMMY,
        processing_class=policy.tokenizer,
    )
    trainer.model.eval()
    # A GPT-2 has no padding of its own: by TRL's, its EOS, the classifier would not see where a text ends.
    classifier.config.pad_token_id = trainer.data_collator.pad_token_id = 0
    inputs = trl_batch(trainer, policy, joined=True)
    if margins:
        inputs["margin"] = batch.pairs.margin
    with torch.no_grad():
        expected, outputs = trainer.compute_loss(trainer.model, inputs, return_outputs=True)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    chosen, rejected = outputs.logits[:, 0].chunk(2)
    assert torch.allclose(scores, torch.stack([chosen, rejected], dim=1).reshape(-1), atol=1e-5)
