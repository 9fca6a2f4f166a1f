"""What the bench measures: the last policy of a training that no rule stops, not the one that the product keeps."""

from dataclasses import replace
from pathlib import Path

import torch

from bench.over_optimisation_lab import Keeping, policy_at, without_rules
from rlhf.checkpoints import checkpoints_of
from rlhf.config import LoraSpec
from rlhf.models import Policy
from rlhf.stop_rules import Measurement, StopRules
from rlhf.train_ppo import train_ppo
from rlhf.training_config import PPOConfig
from tests.rlhf.learning import WordReward, prompts
from tests.rlhf.tiny import save_tiny

CONFIG = PPOConfig(
    rollouts=4, rollout_prompts=16, minibatch=16, epochs=2, learning_rate=1e-2, kl_target=None, beta=0.0,
    lora=LoraSpec(rank=4, alpha=8, targets="all-linear"), max_new_tokens=8, max_prompt_tokens=64, evaluate_every=1,
    held_out_samples=16, checkpoint_every=1, keep_checkpoints=100,
)  # fmt: skip
START = Measurement(step=0, kl=0.0, reward=0.0, judge=0.0, length=20.0, eos_rate=1.0, unique_share=0.9)


def trainable(policy: Policy) -> list[torch.Tensor]:
    return [parameter for parameter, _rate in policy.learning_rates(rate=1.0, saved_rate=1.0)]


def test_every_policy_of_a_training_can_be_read_when_the_product_has_removed_its_checkpoints(tmp_path: Path) -> None:
    anchor, out = save_tiny(tmp_path / "anchor", seed=4), tmp_path / "out"
    keeping, config = Keeping(out), without_rules(CONFIG)
    # The judge wants another word than the reward: the best checkpoint is an early one.
    artifact = train_ppo(
        config, anchor, WordReward("pizza", judged="calls"), prompts(16), prompts(16, seed=1), out,
        seed=0, reporter=keeping,
    )  # fmt: skip
    assert not checkpoints_of(out).exists()
    assert keeping.steps() == [1, 2, 3, 4]
    best = int(str(artifact.facts["best_step"]))
    assert 0 < best < 4
    last = trainable(policy_at(anchor, config, keeping.state(4)))
    kept = [
        parameter for name, parameter in Policy.load(anchor, adapter=out).model.named_parameters() if "lora" in name
    ]
    chosen = trainable(policy_at(anchor, config, keeping.state(best)))
    assert all(torch.equal(one, other) for one, other in zip(chosen, kept, strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(last, kept, strict=True))


def test_without_rules_nothing_stops_a_training() -> None:
    broken = replace(START, kl=900.0, length=500.0, eos_rate=0.0, unique_share=0.01)
    for target in (None, 1.0):
        rules = StopRules(without_rules(replace(CONFIG, beta=0.1, kl_target=target)).limits, START)
        fired = [rules.check(replace(broken, reward=float(i), judge=-float(i))) for i in range(8)]
        assert fired == [[]] * 8
