"""Training a reward model on a tiny random model, from rankings to artifact."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlhf.agreement import pairwise_agreement, wrong_labels
from rlhf.config import LoraSpec, SamplingConfig
from rlhf.exceptions import Cancelled, DataError, ModelError
from rlhf.models import Policy
from rlhf.null_control import null_accuracy
from rlhf.reference_samples import reference_samples
from rlhf.reward_fit import TieSettings, fit_member, validate
from rlhf.reward_model import HEADS, RewardHead, RewardSettings, load_reward_model
from rlhf.shuffled import shuffled_labels
from rlhf.tensors import gather_log_probabilities
from rlhf.train_reward import folds, standard, train_reward
from rlhf.training_config import RewardConfig
from rlhf.types import Artifact, Interval, Ranking
from tests.rlhf.learning import Recorder, prompts, rankings
from tests.rlhf.tiny import save_tiny

CONFIG = RewardConfig(
    lora=LoraSpec(rank=4, alpha=8, targets="all-linear"),
    learning_rate=1e-2,
    head_learning_rate=1e-2,
    epochs=3,
    max_new_tokens=23,
    max_completion_tokens=24,
    max_prompt_tokens=32,
    normalisation_samples=128,
    least_validation=5,
)

SHORT = replace(CONFIG, epochs=1, members=2)


def run(tmp_path: Path, data: list[Ranking], config: RewardConfig = CONFIG, *, kind: str = "t5", name: str = "out",
        seed: int = 0, reporter: Recorder | None = None) -> Artifact:  # fmt: skip
    anchor = tmp_path / kind
    if not anchor.exists():
        save_tiny(anchor, kind, seed=4)
    return train_reward(
        config, anchor, data, tmp_path / name, seed=seed, reporter=reporter or Recorder(),
        sample_prompts=prompts(40),
    )  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """One short training that several tests look at."""

    anchor: Path
    folder: Path
    artifact: Artifact
    recorder: Recorder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place, recorder = tmp_path_factory.mktemp("reward"), Recorder()
    artifact = run(place, rankings(40), SHORT, reporter=recorder)
    return Trained(place / "t5", place / "out", artifact, recorder)


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_it_learns_what_people_prefer(tmp_path: Path, kind: str) -> None:
    artifact = run(tmp_path, rankings(120), kind=kind)
    accuracy = artifact.facts["accuracy"]
    assert isinstance(accuracy, Interval)
    assert accuracy.low > 0.6
    assert accuracy.n == 12


def test_the_control_that_learns_shuffled_labels_is_right_half_of_the_time(tmp_path: Path) -> None:
    config = replace(SHORT, members=1, judge_share=0.0, null_control=True)
    recorder = Recorder()
    facts = run(tmp_path, rankings(200), config, reporter=recorder).facts
    null, accuracy = facts["null_accuracy"], facts["accuracy"]
    assert isinstance(null, Interval)
    assert isinstance(accuracy, Interval)
    assert null.low < 0.5 < null.high
    assert null.high < 0.75
    assert null.n == accuracy.n == 20
    assert not (tmp_path / "out" / "null").exists(), "nobody should train a policy against it"
    assert recorder.bars[-1] == (40, 40, "Training a control on shuffled labels")


def test_the_control_finds_a_leak(tmp_path: Path) -> None:
    """Tested on the prompts it was trained on, it is far above one half: the check can fail."""
    save_tiny(tmp_path / "t5", "t5", seed=4)
    policy = Policy.load(tmp_path / "t5", max_prompt_tokens=32, max_completion_tokens=24)
    seen = rankings(8, ties=False)
    settings = RewardSettings("lora", (), 0.0, "soft", "", "", 32, 24)
    found = null_accuracy(
        replace(CONFIG, epochs=30), policy, TieSettings("soft", 0.0), {"train": seen, "validation": [], "test": seen},
        settings, seed=0, reporter=Recorder(),
    )  # fmt: skip
    assert found is not None
    assert found.low > 0.7


def test_rankings_of_an_annotator_of_weight_0_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    good = [replace(ranking, annotator=name) for ranking in rankings(40) for name in ("alice", "bob")]
    upside_down = [
        replace(ranking, annotator="charlie", groups=ranking.groups[::-1])
        for ranking in rankings(40)
        if ranking.split == "train"
    ]
    config = replace(SHORT, members=1, annotator_weights=True)
    artifact = run(tmp_path, good + upside_down, config, name="weighed")
    run(tmp_path, good, replace(config, annotator_weights=False), name="without")
    people = artifact.facts["annotators"]
    assert isinstance(people, dict)
    assert people["charlie"].gamma < 0 == people["charlie"].weight
    # Alice and Bob said the same: each ranking of theirs has the weight of the two together.
    assert people["alice"].weight == pytest.approx(people["bob"].weight)
    weighed, without = (load_file(tmp_path / name / HEADS) for name in ("weighed", "without"))
    # The two weights are not 1, but equal: the gradients' direction is the same, and Adam forgets their size.
    assert all(torch.allclose(weighed[key], without[key], atol=1e-3) for key in weighed)


def test_smoothing_comes_from_the_agreement_of_the_training_side(tmp_path: Path) -> None:
    data = [replace(ranking, annotator=name) for ranking in rankings(20) for name in ("alice", "bob", "charlie")]
    data[0] = replace(data[0], groups=data[0].groups[::-1])
    config = replace(SHORT, members=1, judge_share=0.0, smoothing_from_agreement=True)
    facts = run(tmp_path, data, config).facts
    agreement = pairwise_agreement([ranking for ranking in data if ranking.split == "train"])
    assert agreement is not None
    assert facts["label_smoothing"] == pytest.approx(wrong_labels(agreement.value))
    assert facts["agreement"] == pairwise_agreement(data)
    assert facts["agreement_band"] is not None


def test_a_prompt_on_two_sides_is_refused(tmp_path: Path) -> None:
    data = rankings(20)
    with pytest.raises(DataError, match="the split is by prompt"):
        run(tmp_path, [*data, replace(data[0], split="test")])


def test_the_accuracy_on_the_newest_policys_texts_is_reported_apart(tmp_path: Path) -> None:
    save_tiny(tmp_path / "t5", "t5", seed=4)
    data = rankings(20)
    written = {ranking.prompt_id: set(ranking.completions[:2]) for ranking in data if ranking.split == "test"}
    facts = train_reward(
        replace(SHORT, members=1), tmp_path / "t5", data, tmp_path / "out", seed=0, reporter=Recorder(),
        sample_prompts=prompts(40), newest=written,
    ).facts  # fmt: skip
    assert isinstance(facts["newest_accuracy"], Interval)
    assert facts["newest_accuracy"].n == 2


def test_the_head_starts_with_the_published_spread() -> None:
    """N(0, 1/√(d + 1)): Stiennon et al. 2020."""
    head = RewardHead(40_000, theta=0.0, generator=torch.Generator().manual_seed(0))
    assert head.weight.std().item() == pytest.approx(1 / 40_001**0.5, rel=0.02)
    assert abs(head.weight.mean().item()) < 4 / 40_000
    assert head.bias.item() == 0


def by_likelihood(anchor: Path, data: list[Ranking]) -> list[Ranking]:
    """The same completions, ranked by the anchor's mean log-probability of a token."""
    policy, found = Policy.load(anchor), []
    for ranking in data:
        completions = policy.encode_completions(ranking.completions)
        state = policy.read_prompts(policy.encode_prompts([ranking.prompt]))
        owner = torch.zeros(len(ranking.completions), dtype=torch.long)
        with torch.no_grad():
            logits = policy.read_completions(state, owner, completions).logits
        tokens = gather_log_probabilities(logits, completions.ids) * completions.mask
        order = (tokens.sum(dim=1) / completions.mask.sum(dim=1)).argsort(descending=True).tolist()
        found.append(replace(ranking, groups=tuple((index,) for index in order)))
    return found


def test_the_likelihood_counts_where_people_follow_it_and_not_where_they_do_not(tmp_path: Path) -> None:
    save_tiny(tmp_path / "t5", "t5", seed=4)
    config = replace(SHORT, likelihood=True, epochs=3)
    run(tmp_path, by_likelihood(tmp_path / "t5", rankings(60)), config, name="follow")
    run(tmp_path, rankings(60), config, name="else")
    weights = {
        name: [value for key, value in load_file(tmp_path / name / HEADS).items() if key.endswith(".likelihood")]
        for name in ("follow", "else")
    }
    assert len(weights["follow"]) == 3  # two that score, one that judges
    assert min(weights["follow"]) > 0
    assert sum(weights["follow"]) > sum(weights["else"]) + 0.02


def test_without_it_there_is_no_such_weight(trained: Trained) -> None:
    assert not [key for key in load_file(trained.folder / HEADS) if key.endswith(".likelihood")]


def test_full_training_saves_whole_members(tmp_path: Path) -> None:
    config = replace(CONFIG, adaptation="full", epochs=1, members=1, judge_share=0.0, learning_rate=1e-3)
    run(tmp_path, rankings(40), config)
    assert (tmp_path / "out" / "scorer-0" / "config.json").is_file()
    assert load_reward_model(tmp_path / "out", tmp_path / "t5").judge(["anna"], [["bob"]]) is None


def test_the_reward_changes_when_only_the_completion_changes(trained: Trained) -> None:
    reward = load_reward_model(trained.folder, trained.anchor)
    prompt = " ".join(["anna"] * 30)  # as long as the limit allows: nothing of the completion may be lost
    (scores,) = reward.score([prompt], [["bob orders pizza", "bob is late", "bob orders pizza ."]])
    assert len(set(scores)) == 3


def test_a_score_does_not_depend_on_its_neighbours(trained: Trained) -> None:
    reward = load_reward_model(trained.folder, trained.anchor)
    together = reward.score(["anna meets bob", "hi", "carla"], [["pizza", "bob is late again ."], [], ["key"]])
    alone = [reward.score(["anna meets bob"], [["pizza"]])[0][0], reward.score(["carla"], [["key"]])[0][0]]
    assert together[0][0] == pytest.approx(alone[0], abs=1e-4)
    assert together[2][0] == pytest.approx(alone[1], abs=1e-4)


def test_it_is_normalised_on_the_anchors_samples(trained: Trained) -> None:
    """On the very samples: each member has mean 0 and sd 1, and so has mean − λ·sd of them."""
    policy = Policy.load(trained.anchor, max_prompt_tokens=32, max_completion_tokens=24)
    asked, texts = reference_samples(
        policy, prompts(40), SHORT.normalisation_samples, SamplingConfig(max_new_tokens=SHORT.max_new_tokens),
        seed=0, batch_size=SHORT.batch_size, reporter=Recorder(),
    )  # fmt: skip
    ensemble = load_reward_model(trained.folder, trained.anchor)
    scores = torch.tensor([value for row in ensemble.score(asked, texts) for value in row])
    assert abs(scores.mean().item()) < 1e-4
    assert scores.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    members = RewardSettings.read(trained.folder).members
    for row, member in zip(ensemble.raw([one.name for one in members], asked, texts), members, strict=True):
        own = (row + member.bias) * member.gain
        assert abs(own.mean().item()) < 1e-4
        assert own.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_the_weights_with_the_lowest_validation_log_loss_are_kept(tmp_path: Path) -> None:
    """Labels by lot are learnt by heart: the longer, the worse on others, and the first weights are the best."""
    save_tiny(tmp_path / "t5", "t5", seed=4)
    policy = Policy.load(tmp_path / "t5", max_prompt_tokens=32, max_completion_tokens=24)
    data = shuffled_labels(rankings(24, ties=False), 0)
    config, ties = replace(CONFIG, epochs=6, evaluations=1, patience=2), TieSettings("soft", 0.0)
    recorder = Recorder()
    model = fit_member(config, policy, ties, data[:12], data[12:], seed=0, reporter=recorder)
    losses = recorder.curve("validation_loss")
    assert losses[-1] > min(losses)
    assert len(losses) < 6, "it stopped early"
    assert validate(config, model, ties, data[12:])["validation_loss"] == pytest.approx(min(losses), abs=1e-6)


def test_standard_gives_mean_zero_and_sd_one() -> None:
    values = torch.tensor([3.0, 5.0, 10.0])
    bias, gain = standard(values)
    scaled = (values + bias) * gain
    assert scaled.mean().abs() < 1e-6
    assert scaled.std(correction=0).item() == pytest.approx(1.0)


def test_a_constant_reward_keeps_gain_one() -> None:
    assert standard(torch.full((4,), 2.0)) == (-2.0, 1.0)


def test_the_same_seed_gives_the_same_hash(tmp_path: Path, trained: Trained) -> None:
    again, other = run(tmp_path, rankings(40), SHORT, name="a"), run(tmp_path, rankings(40), SHORT, name="b", seed=1)
    assert trained.artifact.sha256 == again.sha256 != other.sha256


def test_the_artifact_knows_its_data_and_no_path(trained: Trained) -> None:
    text = (trained.folder / "reward.json").read_text()
    assert json.loads(text)["data_sha256"] == trained.artifact.facts["data_sha256"]
    assert str(trained.folder) not in text


def test_ties_are_modelled_when_there_are_enough(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1, members=1, judge_share=0.0)
    assert run(tmp_path, rankings(40), config, name="a").facts["tie_rule"] == "rao-kupper"
    assert run(tmp_path, rankings(40, ties=False), config, name="b").facts["tie_rule"] == "soft"


def test_the_judge_shares_no_prompt_with_the_scorers() -> None:
    members = folds(RewardConfig(), rankings(60), seed=3)
    prompts_of = {member.name: {ranking.prompt_id for ranking in own} for member, own in members}
    assert len(prompts_of["judge"]) == 15
    assert not prompts_of["judge"] & set.union(*(prompts_of[f"scorer-{i}"] for i in range(3)))


def test_the_scorers_see_different_bootstraps() -> None:
    members = folds(RewardConfig(), rankings(60), seed=3)
    assert len({tuple(ranking.prompt_id for ranking in own) for _member, own in members}) == 4


def test_texts_that_are_too_long_are_counted(tmp_path: Path) -> None:
    data = rankings(40)
    data[0] = replace(data[0], completions=("anna " * 30, *data[0].completions[1:]))
    data[1] = replace(data[1], prompt="anna " * 40)
    recorder = Recorder()
    artifact = run(tmp_path, data, replace(CONFIG, epochs=1, members=1), reporter=recorder)
    assert artifact.facts["too_long"] == 2
    assert sum(kind == "warning" and "left out" in message for kind, message in recorder.events) == 2


def test_the_test_side_is_not_trained_on(tmp_path: Path) -> None:
    data = rankings(40)
    changed = [
        replace(ranking, groups=ranking.groups[::-1]) if ranking.split == "test" else ranking for ranking in data
    ]
    config = replace(CONFIG, epochs=1, members=1, judge_share=0.0)
    run(tmp_path, data, config, name="a")
    run(tmp_path, changed, config, name="b")
    first, other = ((tmp_path / name / "heads.safetensors").read_bytes() for name in "ab")
    assert first == other


def test_too_few_validation_rankings_are_told(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, rankings(20), replace(CONFIG, epochs=1, members=1), reporter=recorder)
    assert any("too few for an early stop" in message for _kind, message in recorder.events)


def test_no_training_ranking_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 1 rankings"):
        run(tmp_path, [replace(rankings(1)[0], split="test")])


def test_cancelling_ends_within_a_step(tmp_path: Path) -> None:
    recorder = Recorder(stop_after=2)
    with pytest.raises(Cancelled):
        run(tmp_path, rankings(60), reporter=recorder)
    assert len(recorder.curves) == 2


def test_one_bar_covers_all_members(trained: Trained) -> None:
    steps = [step for step, _values in trained.recorder.curves]
    assert steps == sorted(set(steps))
    assert trained.recorder.bars[-1][0] == trained.recorder.bars[-1][1]


def test_a_reward_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"reward\.json is missing"):
        load_reward_model(tmp_path, tmp_path)


def test_another_anchor_is_refused(tmp_path: Path, trained: Trained) -> None:
    save_tiny(tmp_path / "other", "t5", seed=5)
    with pytest.raises(ModelError, match="trained on another anchor"):
        load_reward_model(trained.folder, tmp_path / "other")


def test_settings_of_others_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "reward.json").write_text("{}")
    with pytest.raises(ModelError, match="not a reward model's settings"):
        load_reward_model(tmp_path, tmp_path)
