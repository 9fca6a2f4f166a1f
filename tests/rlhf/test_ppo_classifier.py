"""PPO with a classifier's logit as the reward: a rude policy becomes politer, near its anchor.

The policy is small and badly taught on purpose: a minute is enough for it to learn rude sentences, not the corpus. The
same with the corpus's own policy is `bench/classifier_reward.py`.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rlhf.models import Policy
from rlhf.rewards import load_reward
from rlhf.statistics import auc, paired_bootstrap
from rlhf.toy import SFT, dialogues, new_policy
from rlhf.train_ppo import train_ppo
from rlhf.train_sft import train_sft
from rlhf.training_config import PPOConfig, with_preset
from rlhf.types import Artifact, Interval, Silent
from tests.rlhf.rudeness import rude_examples, rude_shares, save_rudeness_classifier, summary

pytestmark = pytest.mark.slow

KL_TARGET = 0.8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rude")


@pytest.fixture(scope="module")
def description(place: Path) -> Path:
    """The reward as a file, beside the classifier it names."""
    save_rudeness_classifier(place / "roberta")
    (place / "polite.toml").write_text('kind = "classifier"\nsource = "roberta"  # the label that is not hate\n')
    return place / "polite.toml"


@pytest.fixture(scope="module")
def anchor(place: Path) -> Path:
    """A tiny policy that was taught rude summaries for two dialogues in five."""
    examples = rude_examples(1760, rude_share=0.4, seed=1_000_000)
    policy = new_policy((text for one in examples for text in (one.prompt, one.target)), seed=0)
    train_sft(replace(SFT, warmup=0.05), policy, examples, [], place / "anchor", seed=0, reporter=Silent())
    return place / "anchor"


@pytest.fixture(scope="module")
def trained(place: Path, anchor: Path, description: Path) -> Artifact:
    config = with_preset(
        PPOConfig, {"preset": "tiny", "rollouts": 6, "beta": 0.5, "kl_target": KL_TARGET, "evaluate_every": 2}
    )
    prompts = [one.prompt() for one in dialogues(7, 400, "train")]
    return train_ppo(
        config, anchor, description, prompts[:300], prompts[300:], place / "out", seed=0, reporter=Silent()
    )


def test_the_classifier_tells_rude_from_polite_on_dialogues_it_never_saw(anchor: Path, description: Path) -> None:
    chosen = dialogues(11, 200, "test")
    polite, rude = ([summary(one, rude_share=share) for one in chosen] for share in (0.0, 1.0))
    rewards = load_reward(description, anchor).score([""], [polite + rude])[0]
    assert auc(rewards, [1] * 200 + [0] * 200).low > 0.95


def test_ppo_lowers_the_share_of_rude_samples_at_a_kl_within_its_band(
    place: Path, anchor: Path, trained: Artifact
) -> None:
    chosen = dialogues(99, 250, "test")
    before, after = (
        rude_shares(Policy.load(anchor, adapter=adapter), chosen, samples=2, seed=3)
        for adapter in (None, place / "out")
    )
    fall = paired_bootstrap(before, after)
    assert sum(before) / len(before) > 0.2, "there was something to unlearn"
    assert fall.low > 0.1, fall
    kl = trained.facts["kl"]
    assert isinstance(kl, Interval)
    assert kl.low > 0.5 * KL_TARGET
    assert kl.high < 1.5 * KL_TARGET


def test_the_run_remembers_which_label_of_which_weights_it_was(trained: Artifact) -> None:
    record = trained.facts["reward_source"]
    assert isinstance(record, dict)
    assert record["label"] == "nothate"
    assert str(record["weights"]).startswith("sha256:")
    assert "roberta" not in json.dumps(record)
