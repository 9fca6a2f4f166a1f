"""DPO on tiny random models."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec
from rlhf.exceptions import Cancelled, DataError
from rlhf.models import Policy
from rlhf.preferences import preference_batch
from rlhf.train_dpo import (
    Ties,
    batch_loss,
    reference_log_probabilities,
    sequence_log_probabilities,
    train_dpo,
)
from rlhf.training_config import DPOConfig
from rlhf.types import Artifact, Interval, Ranking
from tests.rlhf.learning import Recorder, WordReward, prompts, rankings
from tests.rlhf.tiny import save_tiny, tiny_policy

CONFIG = DPOConfig(
    lora=LoraSpec(rank=4, alpha=8, targets="all-linear"),
    learning_rate=1e-2,
    epochs=3,
    evaluations=2,
    held_out_samples=32,
    max_new_tokens=16,
    max_prompt_tokens=64,
    max_completion_tokens=24,
    kl_limit=1000.0,
)


@pytest.fixture(autouse=True)
def unstoppable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models seldom end a text: these tests are about learning, the rules have their own."""
    monkeypatch.setattr("rlhf.stop_rules.StopRules._eos", lambda self, now: None)
    monkeypatch.setattr("rlhf.stop_rules.StopRules._length", lambda self, now: None)


def run(tmp_path: Path, config: DPOConfig = CONFIG, *, data: list[Ranking] | None = None, kind: str = "t5",
        name: str = "out", seed: int = 0, reporter: Recorder | None = None,
        reward: WordReward | None = None) -> tuple[Artifact, Recorder]:  # fmt: skip
    anchor = tmp_path / kind
    if not anchor.exists():
        save_tiny(anchor, kind, seed=4)
    recorder = reporter or Recorder()
    artifact = train_dpo(
        config, anchor, rankings(80) if data is None else data, tmp_path / name, seed=seed, reporter=recorder,
        reward=reward, held_out=prompts(16) if reward else (),
    )  # fmt: skip
    return artifact, recorder


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_the_margin_of_the_chosen_rises(tmp_path: Path, kind: str) -> None:
    _artifact, recorder = run(tmp_path, kind=kind)
    margins, accuracies = recorder.curve("margin"), recorder.curve("accuracy")
    assert margins[0] == pytest.approx(0, abs=1e-5)
    assert margins[-1] > 0.1
    assert accuracies[-1] > 0.8


@pytest.mark.parametrize("form", ["hinge", "ipo"])
def test_the_other_forms_raise_it_too(tmp_path: Path, form: str) -> None:
    config = replace(CONFIG, form=form, epochs=2, beta=0.5, label_smoothing=0.1, sft_coefficient=0.1)  # type: ignore[arg-type] # a Literal by parametrize
    _artifact, recorder = run(tmp_path, config)
    assert recorder.curve("margin")[-1] > 0.02


def test_the_sft_term_is_the_best_groups_loss_for_each_token(tmp_path: Path) -> None:
    """Against a plain loop; the middle group beats another and is not the best."""
    policy = tiny_policy(tmp_path)
    ranked = [
        Ranking(
            "a", "anna calls bob", ("bob meets anna", "late", "he calls again ."), ((2,), (0,), (1,)), "alice", "train"
        ),
        Ranking("b", "carla waits", ("she is home", "no", "school"), ((0, 1), (2,)), "alice", "train"),
        Ranking("c", "dan asks", ("yes", "no"), ((0, 1),), "alice", "train"),
    ]
    batch = preference_batch(policy, ranked)
    plain = replace(CONFIG, sft_coefficient=0.0)
    ties, reference = Ties(plain, 0.0, policy.device), torch.zeros(8)
    with torch.no_grad():
        sums = sequence_log_probabilities(policy, batch)
        expected = 0.0
        for best in ([2], [3, 4], []):
            tokens = sum(int(batch.completions.lengths[row]) for row in best)
            expected -= sum(float(sums[row]) for row in best) / max(tokens, 1) / 3
        without, _ = batch_loss(plain, policy, ties, batch, reference)
        loss, _ = batch_loss(replace(CONFIG, sft_coefficient=0.5), policy, ties, batch, reference)
    assert float(loss - without) == pytest.approx(0.5 * expected, rel=1e-4)


def test_the_first_loss_without_ties_is_log_two(tmp_path: Path) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, epochs=1), data=rankings(40, ties=False))
    assert recorder.curve("loss")[0] == pytest.approx(0.6931, abs=1e-3)


def test_a_larger_beta_stays_nearer_to_the_anchor(tmp_path: Path) -> None:
    kls = []
    for beta in (0.05, 5.0):
        _artifact, recorder = run(tmp_path, replace(CONFIG, beta=beta), name=f"beta-{beta}")
        kls.append(recorder.curve("kl")[-1])
    assert kls[0] > 2 * kls[1] > 0


def test_eight_single_rankings_equal_a_batch_of_eight(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "t5", seed=4)
    policy.add_lora(CONFIG.lora, seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    data = rankings(8)
    ties, references = Ties(CONFIG, 0.5, policy.device), reference_log_probabilities(CONFIG, policy, data)
    whole, _ = batch_loss(CONFIG, policy, ties, preference_batch(policy, data), torch.cat(references))
    single = [
        batch_loss(CONFIG, policy, ties, preference_batch(policy, [ranking]), reference)[0].item()
        for ranking, reference in zip(data, references, strict=True)
    ]
    assert whole.item() == pytest.approx(sum(single) / 8, abs=1e-6)


def test_kl_on_samples_above_the_limit_stops_and_an_earlier_checkpoint_is_kept(tmp_path: Path) -> None:
    artifact, recorder = run(tmp_path, replace(CONFIG, kl_limit=0.05, beta=0.02, epochs=6, evaluations=5))
    assert artifact.facts["stopped_by"] == ["kl-limit"]
    assert [kind for kind, _ in recorder.events].count("stop-rule") == 1
    kl = artifact.facts["kl"]
    assert isinstance(kl, Interval)
    assert kl.value < recorder.curve("kl")[-1]


def test_a_reward_measures_the_held_out_samples(tmp_path: Path) -> None:
    artifact, recorder = run(tmp_path, replace(CONFIG, epochs=1), reward=WordReward())
    assert len(recorder.curve("held_out_reward")) == 2
    assert isinstance(artifact.facts["reward"], Interval)


def test_the_curves_have_their_names(tmp_path: Path) -> None:
    _artifact, recorder = run(tmp_path, replace(CONFIG, epochs=1))
    names = {name for _step, values in recorder.curves for name in values}
    assert names >= {"loss", "accuracy", "kl", "chosen_logp", "rejected_logp", "margin"}


def test_the_same_seed_gives_the_same_hash(tmp_path: Path) -> None:
    short = replace(CONFIG, epochs=1)
    hashes = [run(tmp_path, short, name=str(n), seed=seed)[0].sha256 for n, seed in enumerate((0, 0, 1))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_artifact_is_an_adapter_of_the_anchor(tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, epochs=1))
    policy = Policy.load(tmp_path / "t5", adapter=tmp_path / "out", device="cpu")
    assert sum(parameter.abs().sum().item() for name, parameter in policy.model.named_parameters() if "lora_B" in name)


def test_cancelling_ends_within_a_step(tmp_path: Path) -> None:
    recorder = Recorder(stop_after=2)
    with pytest.raises(Cancelled):
        run(tmp_path, reporter=recorder)
    assert len(recorder.curves) == 2


def test_test_rankings_are_never_trained_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 3 rankings"):
        run(tmp_path, data=[replace(ranking, split="test") for ranking in rankings(3)])
