"""Our DPO and reward losses against TRL's own trainers, on the same tiny decoder-only model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from trl import DPOConfig as TRLDPOConfig
from trl import DPOTrainer, RewardTrainer
from trl import RewardConfig as TRLRewardConfig

from rlhf.losses import dpo_losses, reward_loss
from rlhf.models import Policy
from rlhf.preferences import preference_batch
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


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A policy and a different model as its reference."""
    return save_tiny(tmp_path / "policy", "llama", seed=1), save_tiny(tmp_path / "reference", "llama", seed=2)


DUMMY = Dataset.from_list([{"prompt": "anna", "chosen": "meets", "rejected": "bob"}])
"""TRL's constructors tokenise a data set; what is compared are the ids our policy reads, handed to compute_loss."""


def trl_batch(trainer: Any, policy: Policy, *, joined: bool) -> dict[str, torch.Tensor]:
    rows = []
    for prompt, chosen, rejected in PAIRS:
        ids = policy.prompt_ids(prompt)
        before = ids if joined else []
        row = {"chosen_ids": before + policy.completion_ids(chosen)}
        row["rejected_ids"] = before + policy.completion_ids(rejected)
        rows.append(row if joined else row | {"prompt_ids": ids})
    batch: dict[str, torch.Tensor] = trainer.data_collator(rows)
    return batch


@pytest.mark.parametrize("form", ["sigmoid", "hinge", "ipo"])
def test_dpo_equals_trl(folders: Sequence[Path], tmp_path: Path, form: DPOForm) -> None:
    policy, reference = (Policy.load(folder, device="cpu", max_completion_tokens=24) for folder in folders)
    batch = preference_batch(policy, RANKINGS)
    ours, theirs = (sequence_log_probabilities(model, batch) for model in (policy, reference))
    loss = batch.pairs.mean(dpo_losses(ours - theirs, batch.completions.lengths, batch.pairs, beta=0.3, form=form))

    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folders[0]),
        ref_model=AutoModelForCausalLM.from_pretrained(folders[1]),
        args=TRLDPOConfig(
            output_dir=str(tmp_path / "out"), beta=0.3, loss_type=form, report_to=[], use_cpu=True, bf16=False,
            remove_unused_columns=False, gradient_checkpointing=False,
        ),
        train_dataset=DUMMY,
        processing_class=policy.tokenizer,
    )  # fmt: skip
    trainer.model.eval()
    with torch.no_grad():
        expected = trainer.compute_loss(trainer.model, trl_batch(trainer, policy, joined=False))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("centering", [0.0, 0.01])
def test_the_reward_loss_equals_trl(tmp_path: Path, centering: float) -> None:
    folder = save_tiny(tmp_path / "model", "llama", seed=1)
    policy = Policy.load(folder, device="cpu", max_completion_tokens=24)
    classifier = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    head = RewardHead(policy.hidden_size, theta=0.0)
    head.load_state_dict(head.state_dict() | {"weight": classifier.score.weight.detach()[0]})
    batch = preference_batch(policy, RANKINGS)
    scores = RewardModel(policy, head).score_tokens(policy.read_prompts(batch.prompts), batch.owner, batch.completions)
    loss = reward_loss(scores, batch.pairs, rule="soft", centering=centering)

    trainer = RewardTrainer(
        model=classifier,
        args=TRLRewardConfig(
            output_dir=str(tmp_path / "out"), center_rewards_coefficient=centering or None, report_to=[], use_cpu=True,
            bf16=False, remove_unused_columns=False, gradient_checkpointing=False,
        ),
        train_dataset=DUMMY,
        processing_class=policy.tokenizer,
    )  # fmt: skip
    trainer.model.eval()
    with torch.no_grad():
        expected = trainer.compute_loss(trainer.model, trl_batch(trainer, policy, joined=True))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
