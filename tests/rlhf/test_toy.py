"""The tiny policy: trained by the product's own SFT, kept under a hash of what it is made from."""

from pathlib import Path

import pytest

from rlhf import toy
from rlhf.config import SFTConfig
from rlhf.exceptions import ConfigError
from rlhf.models import Policy
from rlhf.toy import dialogues, examples_of, new_policy, train_tiny_policy, train_tiny_policy_on
from rlhf.types import Artifact, Example, Silent
from tests.rlhf.reporters import Told

FEW = 64  # two steps


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toy")


@pytest.fixture(scope="module")
def artifact(cache: Path) -> Artifact:
    return train_tiny_policy(cache, seed=0, reporter=Told(), count=FEW)


def test_it_is_a_model_in_the_hubs_format(artifact: Artifact) -> None:
    policy = Policy.load(artifact.path)
    assert policy.kind == "seq2seq"
    assert artifact.total_parameters == policy.count_parameters()[1]
    assert (Path(artifact.path) / "model.safetensors").is_file()


def test_the_second_call_finds_it(cache: Path, artifact: Artifact) -> None:
    told = Told()
    assert train_tiny_policy(cache, seed=0, reporter=told, count=FEW) == artifact
    assert not told.values
    assert any("cache" in message for _, message in told.events)


def test_another_setting_is_another_policy(cache: Path, artifact: Artifact) -> None:
    assert train_tiny_policy(cache, seed=1, reporter=Told(), count=FEW).sha256 != artifact.sha256


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, artifact: Artifact) -> None:
    assert train_tiny_policy(tmp_path, seed=0, reporter=Told(), count=FEW).sha256 == artifact.sha256


def test_a_training_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> Artifact:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(toy, "train_sft", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_tiny_policy(tmp_path, seed=0, reporter=Told(), count=FEW)
    assert not list(tmp_path.iterdir())


def test_the_training_tells_its_progress(tmp_path: Path) -> None:
    told = Told()
    train_tiny_policy(tmp_path, seed=0, reporter=told, count=FEW)
    assert any(done == total for done, total, _ in told.steps)


def test_people_do_not_rank_what_the_policy_was_trained_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Example] = []

    def remember(config: object, policy: object, examples: list[Example], *rest: object, **options: object) -> Artifact:
        seen.extend(examples)
        raise RuntimeError("seen")

    monkeypatch.setattr(toy, "train_sft", remember)
    with pytest.raises(RuntimeError, match="seen"):
        train_tiny_policy(tmp_path, seed=0, reporter=Told(), count=2000)
    assert not {one.text for one in dialogues(0, 2000, "train")} & {example.prompt for example in seen}


def test_it_reads_every_test_dialogue() -> None:
    chosen = dialogues(0, 200, "test")
    policy = new_policy((one.text for one in chosen), seed=0)
    assert max(policy.prompt_length(one.text) for one in chosen) < policy.max_prompt_tokens


def test_it_is_trained_on_other_examples_too(tmp_path: Path) -> None:
    examples = [Example(f"#Person1#: Hello, number {n}.\n#Person2#: Hi!", f"#Person1# greets {n}.") for n in range(40)]
    artifact = train_tiny_policy_on(examples[4:], examples[:4], tmp_path / "out", seed=0, reporter=Told())
    assert Policy.load(artifact.path).prompt_length("#Person1#: Hello.") > 2


def test_evaluation_examples_are_correct_summaries() -> None:
    chosen = dialogues(0, 20, "test")
    assert [example.target for example in examples_of(chosen)] == [one.references[0] for one in chosen]


def test_a_method_that_needs_a_base_is_refused(tmp_path: Path) -> None:
    examples = [Example("anna meets bob", "anna"), Example("carla", "carla")]
    with pytest.raises(ConfigError, match="where lora has no base: set method to full"):
        train_tiny_policy_on(examples, [], tmp_path, seed=0, reporter=Silent(), config=SFTConfig(method="lora"))
