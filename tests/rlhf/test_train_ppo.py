"""PPO on tiny random models: it learns, it stays near its anchor, and it stops when it must."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec
from rlhf.exceptions import Cancelled, DataError, ModelError
from rlhf.models import Policy
from rlhf.tensors import PromptState, TokenBatch
from rlhf.train_ppo import train_ppo
from rlhf.training_config import PPOConfig
from rlhf.types import Artifact, Interval, Prompt
from tests.rlhf.learning import Recorder, WordReward, prompts
from tests.rlhf.tiny import save_tiny

CONFIG = PPOConfig(
    rollouts=12,
    rollout_prompts=32,
    minibatch=32,
    learning_rate=1e-2,
    lora=LoraSpec(rank=4, alpha=8, targets="all-linear"),
    beta=0.02,
    kl_target=None,
    kl_limit=1000.0,
    max_new_tokens=16,
    max_prompt_tokens=64,
    evaluate_every=4,
    held_out_samples=64,
    missing_eos_reward=0.0,
)


@pytest.fixture(autouse=True)
def unstoppable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models seldom end a text: these tests are about learning, the rules have their own."""
    monkeypatch.setattr("rlhf.stop_rules.StopRules._eos", lambda self, now: None)
    monkeypatch.setattr("rlhf.stop_rules.StopRules._length", lambda self, now: None)


def run(tmp_path: Path, config: PPOConfig = CONFIG, *, kind: str = "t5", name: str = "out", seed: int = 0,
        reward: WordReward | None = None, reporter: Recorder | None = None) -> tuple[Artifact, Recorder]:  # fmt: skip
    anchor = tmp_path / kind
    if not anchor.exists():
        save_tiny(anchor, kind, seed=4)
    recorder = reporter or Recorder()
    artifact = train_ppo(
        config, anchor, reward or WordReward(), prompts(48), prompts(32, seed=1), tmp_path / name,
        seed=seed, reporter=recorder,
    )  # fmt: skip
    return artifact, recorder


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_ppo_raises_a_simple_reward(tmp_path: Path, kind: str) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, missing_eos_reward=-1.0), kind=kind)
    rewards = recorder.curve("held_out_reward")
    assert rewards[-1] > rewards[0] + 0.3


def test_kl_falls_as_beta_rises(tmp_path: Path) -> None:
    kls = []
    for beta in (0.0, 0.3, 3.0):
        _artifact, recorder = run(tmp_path, replace(CONFIG, beta=beta, rollouts=4), name=f"beta-{beta}")
        kls.append(recorder.curve("held_out_kl")[-1])
    assert kls[0] > kls[1] > kls[2]


def test_adaptive_beta_rises_while_the_kl_is_above_its_target(tmp_path: Path) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, kl_target=0.05, beta=0.01, horizon=200.0))
    betas = recorder.curve("beta")
    assert betas[-1] > betas[0]


def test_the_first_curve_point_has_no_kl(tmp_path: Path) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, rollouts=1))
    assert recorder.curve("kl")[0] == pytest.approx(0, abs=1e-5)


def test_the_curves_have_their_names(tmp_path: Path) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, rollouts=1, evaluate_every=1))
    assert recorder.curves[0][1].keys() >= {
        "reward", "kl", "entropy", "clip_fraction", "policy_loss", "value_loss", "beta", "length", "eos_rate",
        "held_out_reward", "judge_reward",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_hash(tmp_path: Path) -> None:
    short = replace(CONFIG, rollouts=2)
    first, _ = run(tmp_path, short, name="a")
    again, _ = run(tmp_path, short, name="b")
    other, _ = run(tmp_path, short, name="c", seed=1)
    assert first.sha256 == again.sha256 != other.sha256


def test_the_artifact_is_an_adapter_of_the_anchor(tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, rollouts=2, evaluate_every=1))
    policy = Policy.load(tmp_path / "t5", adapter=tmp_path / "out", device="cpu")
    assert sum(parameter.abs().sum().item() for name, parameter in policy.model.named_parameters() if "lora_B" in name)


def test_kl_above_the_limit_stops_and_is_told(tmp_path: Path) -> None:
    artifact, recorder = run(tmp_path, replace(CONFIG, beta=0.0, kl_limit=0.5, evaluate_every=1))
    assert artifact.facts["stopped_by"] == ["kl-limit"]
    assert [kind for kind, _ in recorder.events if kind == "stop-rule"] == ["stop-rule"]
    kl = artifact.facts["kl"]
    assert isinstance(kl, Interval)
    assert kl.value <= 0.5


def test_a_reward_the_judge_disagrees_with_stops(tmp_path: Path) -> None:
    class Opposed(WordReward):
        def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[list[float]]:
            return [[-value for value in row] for row in self.score(prompts, completions)]

    artifact, _ = run(tmp_path, replace(CONFIG, evaluate_every=4, missing_eos_reward=0.0), reward=Opposed())
    assert artifact.facts["stopped_by"] == ["judge"]
    steps, best = artifact.facts["steps"], artifact.facts["best_step"]
    assert isinstance(steps, int)
    assert isinstance(best, int)
    assert best < steps


def test_cancelling_ends_within_a_step(tmp_path: Path) -> None:
    recorder = Recorder(stop_after=1)
    with pytest.raises(Cancelled):
        run(tmp_path, reporter=recorder)
    assert len(recorder.curves) == 1


def test_prompts_that_are_too_long_are_counted(tmp_path: Path) -> None:
    save_tiny(tmp_path / "t5", "t5", seed=4)
    recorder = Recorder()
    long = Prompt("long", "anna " * 100)
    train_ppo(
        replace(CONFIG, rollouts=1), tmp_path / "t5", WordReward(), [*prompts(8), long], prompts(4, seed=1),
        tmp_path / "out", seed=0, reporter=recorder,
    )  # fmt: skip
    assert [message for kind, message in recorder.events if kind == "warning"] == [
        "1 of 9 prompts exceed 64 tokens and are left out."
    ]


def test_no_usable_prompt_is_an_error(tmp_path: Path) -> None:
    save_tiny(tmp_path / "t5", "t5", seed=4)
    with pytest.raises(DataError, match="None of the 0 prompts"):
        train_ppo(CONFIG, tmp_path / "t5", WordReward(), [], prompts(2), tmp_path / "o", seed=0, reporter=Recorder())


def test_a_minibatch_holds_whole_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its encoder then reads as few prompts as there are."""
    read, seen = Policy.read_prompts, list[int]()

    def counted(policy: Policy, batch: TokenBatch) -> PromptState:
        if torch.is_grad_enabled():
            seen.append(len(batch))
        return read(policy, batch)

    monkeypatch.setattr(Policy, "read_prompts", counted)
    run(tmp_path, replace(CONFIG, rollouts=1, rollout_prompts=8, samples_per_prompt=4, minibatch=8, epochs=2))
    assert seen == [2] * 8


def test_an_adapter_is_refused_on_another_anchor(tmp_path: Path) -> None:
    """One of the same shape would take it, and write nonsense."""
    artifact, _recorder = run(tmp_path, replace(CONFIG, rollouts=1))
    Policy.load(tmp_path / "t5", adapter=Path(artifact.path))
    other = save_tiny(tmp_path / "other", "t5", seed=5)
    with pytest.raises(ModelError, match=r"trained on another model than .*other: give the anchor"):
        Policy.load(other, adapter=Path(artifact.path))
    Path(artifact.path, "kedge.json").unlink()
    Policy.load(other, adapter=Path(artifact.path))  # whoever brings an adapter from elsewhere has to know
