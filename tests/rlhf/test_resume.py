"""A training that is killed and started again gives the model of an unbroken one, to the bit, in every trainer."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlhf.config import LoraSpec, SFTConfig
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.models import Policy
from rlhf.policy_gradient_config import PPOConfig, RLOOConfig
from rlhf.train_dpo import train_dpo
from rlhf.train_ppo import train_ppo
from rlhf.train_reward import train_reward
from rlhf.train_rloo import train_rloo
from rlhf.train_sft import train_sft
from rlhf.training_config import DPOConfig, RewardConfig
from rlhf.types import Artifact, Example
from tests.rlhf.learning import Recorder, WordReward, prompts, rankings
from tests.rlhf.tiny import save_tiny

LORA = LoraSpec(rank=2, alpha=4, targets="all-linear")
REWARD = RewardConfig(
    lora=LORA, epochs=2, batch_rankings=4, members=2, normalisation_samples=32, max_new_tokens=20,
    max_completion_tokens=24, least_validation=1, checkpoint_every=3,
)  # fmt: skip
DPO = DPOConfig(lora=LORA, epochs=2, batch_rankings=4, evaluations=2, held_out_samples=8, max_new_tokens=8,
                max_completion_tokens=24, kl_limit=1000.0, checkpoint_every=3)  # fmt: skip
PPO = PPOConfig(
    rollouts=5, rollout_prompts=6, minibatch=4, epochs=2, lora=LORA, kl_limit=1000.0, kl_target=0.5, max_new_tokens=8,
    evaluate_every=2, held_out_samples=8, checkpoint_every=2, learning_rate=1e-2,
)  # fmt: skip
RLOO = RLOOConfig(
    rollouts=5, rollout_prompts=3, samples_per_prompt=2, minibatch=4, epochs=2, lora=LORA, kl_limit=1000.0,
    kl_target=0.5, max_new_tokens=8, evaluate_every=2, held_out_samples=8, checkpoint_every=2, learning_rate=1e-2,
)  # fmt: skip
Run = Callable[..., Artifact]


def _sft(anchor: Path, out: Path, recorder: Recorder, **changes: Any) -> Artifact:
    examples = [Example(prompt.text, "anna meets bob .") for prompt in prompts(20)]
    config = replace(SFTConfig(batch_size=4, epochs=2, learning_rate=1e-3, patience=2, checkpoint_every=3), **changes)
    policy = Policy.load(anchor, device="cpu", max_prompt_tokens=64, max_completion_tokens=24)
    return train_sft(config, policy, examples, examples[:4], out, seed=3, reporter=recorder)


def _reward(anchor: Path, out: Path, recorder: Recorder, **changes: Any) -> Artifact:
    return train_reward(
        replace(REWARD, **changes), anchor, rankings(30), out, seed=3, reporter=recorder, sample_prompts=prompts(8)
    )


def _dpo(anchor: Path, out: Path, recorder: Recorder, **changes: Any) -> Artifact:
    return train_dpo(replace(DPO, **changes), anchor, rankings(30), out, seed=3, reporter=recorder)


def _ppo(anchor: Path, out: Path, recorder: Recorder, **changes: Any) -> Artifact:
    return train_ppo(
        replace(PPO, **changes), anchor, WordReward(), prompts(10), prompts(4, seed=1), out, seed=3, reporter=recorder
    )


def _rloo(anchor: Path, out: Path, recorder: Recorder, **changes: Any) -> Artifact:
    return train_rloo(
        replace(RLOO, **changes), anchor, WordReward(), prompts(10), prompts(4, seed=1), out, seed=3, reporter=recorder
    )


@pytest.fixture(autouse=True)
def unstoppable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models seldom end a text; the stop rules have tests of their own."""
    monkeypatch.setattr("rlhf.stop_rules.StopRules._eos", lambda self, now: None)
    monkeypatch.setattr("rlhf.stop_rules.StopRules._length", lambda self, now: None)


@pytest.mark.parametrize("run", [_sft, _reward, _dpo, _ppo, _rloo])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_resumed_training_makes_the_same_model(tmp_path: Path, run: Run, kind: str) -> None:
    anchor, whole = save_tiny(tmp_path / "anchor", kind, seed=4), Recorder()
    unbroken = run(anchor, tmp_path / "unbroken", whole)
    steps = len(whole.curves)
    for stop in (steps // 3, steps // 2):  # broken twice, at different places
        with pytest.raises(Cancelled):
            run(anchor, tmp_path / "broken", Recorder(stop_after=stop))
    recorder = Recorder()
    resumed = run(anchor, tmp_path / "broken", recorder)
    assert any("goes on after step" in message for _kind, message in recorder.events)
    assert len(recorder.curves) < steps
    assert recorder.curves == whole.curves[-len(recorder.curves) :]
    assert resumed.sha256 == unbroken.sha256
    assert resumed.facts == unbroken.facts
    assert not (tmp_path / "broken.checkpoints").exists()


@pytest.mark.parametrize("run", [_sft, _reward, _dpo, _ppo, _rloo])
def test_small_forwards_change_nothing_but_memory(tmp_path: Path, run: Run) -> None:
    """Gradient accumulation: 1 + 1 + 1 + 1 examples give the losses of 4."""
    anchor, whole, cut = save_tiny(tmp_path / "anchor", seed=4), Recorder(), Recorder()
    run(anchor, tmp_path / "whole", whole)
    run(anchor, tmp_path / "cut", cut, micro_batch=1)
    for (_step, ours), (_same, theirs) in zip(cut.curves, whole.curves, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_other_prompts_are_another_training(tmp_path: Path) -> None:
    anchor = save_tiny(tmp_path / "anchor", seed=4)
    with pytest.raises(Cancelled):
        _ppo(anchor, tmp_path / "out", Recorder(stop_after=3))
    with pytest.raises(ConfigError, match="another training"):
        train_ppo(PPO, anchor, WordReward(), prompts(9), prompts(4, seed=1), tmp_path / "out", seed=3,
                  reporter=Recorder())  # fmt: skip


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.rlhf import test_resume
from rlhf import stop_rules
from tests.rlhf.learning import Recorder

stop_rules.StopRules._eos = stop_rules.StopRules._length = lambda self, now: None

class Told(Recorder):
    def metrics(self, step, values):
        print(step, flush=True)

print(test_resume._ppo(Path(sys.argv[1]), Path(sys.argv[2]), Told()).sha256)
"""


def test_a_training_that_is_killed_goes_on(tmp_path: Path) -> None:
    """kill −9 while it writes, samples or steps: wherever it hits."""
    anchor = save_tiny(tmp_path / "anchor", seed=4)
    command = [sys.executable, "-c", KILLED, str(anchor)]
    unbroken = subprocess.run([*command, str(tmp_path / "a")], capture_output=True, text=True, check=True)
    for line in ("2", "4"):
        with subprocess.Popen([*command, str(tmp_path / "b")], stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            while running.stdout.readline().strip() != line:
                assert running.poll() is None
            time.sleep(0.02)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
    resumed = subprocess.run([*command, str(tmp_path / "b")], capture_output=True, text=True, check=True)
    assert resumed.stdout.splitlines()[-1] == unbroken.stdout.splitlines()[-1]
    assert int(resumed.stdout.splitlines()[0]) > 1


def test_the_settings_of_a_checkpoint_say_how_many_stay(tmp_path: Path) -> None:
    anchor = save_tiny(tmp_path / "anchor", seed=4)
    config = replace(PPO, checkpoint_every=1, keep_checkpoints=3)
    with pytest.raises(Cancelled):
        train_ppo(config, anchor, WordReward(), prompts(10), prompts(4, seed=1), tmp_path / "out", seed=3,
                  reporter=Recorder(stop_after=4))  # fmt: skip
    assert len(list((tmp_path / "out.checkpoints").iterdir())) == 3
