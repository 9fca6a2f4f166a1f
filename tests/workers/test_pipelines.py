"""The real pipelines on a tiny random model: from a base model to the next completions, in this process."""

from pathlib import Path

import pytest

from annotation import services as labelling
from annotation.models import Completion, Role, Split, Strategy, Task, TaskState
from annotation.services import tasks_create
from rlhf import ctranslate, types
from rlhf.hashing import artifact_hash
from rlhf.toy import SFT_ON_FILES
from tests.factories import CompletionFactory, MembershipFactory, PromptFactory, UserFactory
from tests.rlhf.tiny import WORDS
from tests.workers.tiny import SHORT, TINY, prompt_text, round_config, save_base_model
from workers import dispatch, storage
from workers.exceptions import RunFailed
from workers.models import Evaluation, ModelKind, ModelState, ModelVersion, RoundState
from workers.pipelines.generate import _mix
from workers.selectors import completion_log_odds, evaluation_table
from workers.services import project_anchor, round_start, run_create, run_drain


@pytest.fixture(autouse=True)
def in_this_process():
    with dispatch.held():
        yield


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Path:
    return save_base_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def lab(project, base_model):
    """A project on the tiny model with 16 prompts on all sides."""
    project.base_model = str(base_model)
    project.prompt_template = "summarize : {prompt}"
    project.save()
    splits = [Split.TRAIN] * 10 + [Split.VALIDATION] * 3 + [Split.TEST] * 3
    for index, split in enumerate(splits):
        PromptFactory(
            project=project,
            split=split,
            identity=f"p{index:02d}",
            text=prompt_text(index),
            references=["anna meets bob"],
        )
    return project


@pytest.fixture
def with_anchor(lab):
    run_create(project=lab, kind="sft")
    run_drain(project=lab)
    return lab


@pytest.fixture
def with_rankings(with_anchor):
    """Every prompt has four completions and one ranking."""
    run_create(project=with_anchor, kind="generate", config=SHORT)
    run_drain(project=with_anchor)
    person = UserFactory()
    MembershipFactory(project=with_anchor, user=person, role=Role.ANNOTATOR)
    while (assignment := labelling.task_next(project=with_anchor, annotator=person)) is not None:
        order = sorted(assignment.display_order, key=lambda one: len(Completion.objects.get(pk=one).text))
        labelling.ranking_submit(assignment=assignment, groups=[[one] for one in order])
    return with_anchor


def test_a_base_model_as_it_is_becomes_the_anchor(with_anchor, base_model):
    anchor = project_anchor(with_anchor)
    assert (anchor.slug, anchor.kind, anchor.method, anchor.parent) == ("dialogues-sft", ModelKind.SFT, "sft", None)
    assert anchor.sha256 == artifact_hash(storage.absolute(anchor.path))
    assert anchor.total_parameters > 0


def test_the_anchor_is_trained_on_the_projects_references(lab):
    run_create(project=lab, kind="sft", inputs={"examples": "references"}, config={"epochs": 1, "batch_size": 4})
    run = run_drain(project=lab)[0]
    assert project_anchor(lab).run == run
    assert run.metrics.filter(name="loss").exists()


@pytest.mark.parametrize("method", ["lora", "prompt", "qlora"])
def test_every_method_of_sft_makes_an_anchor_that_writes_completions(lab, method):
    config = {"method": method, "epochs": 1, "batch_size": 4}
    run_create(project=lab, kind="sft", inputs={"examples": "references"}, config=config)
    run_drain(project=lab)
    anchor = project_anchor(lab)
    assert anchor.facts["method"] == method
    assert 0 < anchor.facts["trainable_percent"] < 50
    run_create(project=lab, kind="generate", config=SHORT)
    (run,) = run_drain(project=lab)
    assert run.output["completions"] == 64


def test_a_second_sft_run_does_not_move_the_anchor(with_anchor):
    first = project_anchor(with_anchor)
    run_create(project=with_anchor, kind="sft")
    run_drain(project=with_anchor)
    assert project_anchor(with_anchor) == first
    assert ModelVersion.objects.get(slug="dialogues-sft-2").state == ModelState.CANDIDATE


def test_a_base_model_that_cannot_be_loaded_fails_with_a_clear_error(lab, tmp_path):
    lab.base_model = str(tmp_path)
    lab.save()
    run_create(project=lab, kind="sft")
    with pytest.raises(RunFailed, match=str(tmp_path)):
        run_drain(project=lab)


def test_completions_and_tasks_for_every_prompt_without_one(with_anchor):
    run_create(project=with_anchor, kind="generate", config=SHORT, seed=1)
    (run,) = run_drain(project=with_anchor)
    assert run.output == {"prompts": 16, "completions": 64, "tasks": Task.objects.count(), "too_long": 0, "alike": 0}
    prompt = with_anchor.prompts.first()
    texts = list(prompt.completions.values_list("text", flat=True))
    assert len(texts) == len(set(texts)) == 4
    assert set(prompt.completions.values_list("source", flat=True)) == {"dialogues-sft"}


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_every_completion_names_the_library_that_wrote_it(with_anchor, backend):
    run_create(project=with_anchor, kind="generate", config={**SHORT, "backend": backend, "top_k": 40}, seed=1)
    (run,) = run_drain(project=with_anchor)
    assert set(Completion.objects.values_list("backend", flat=True)) == {backend}
    sampling = Completion.objects.first().sampling
    assert (sampling["strategy"], sampling["top_k"], sampling["run"]) == ("sample", 40, run.pk)


def test_the_fast_library_is_taken_where_it_can_be(with_anchor):
    run_create(project=with_anchor, kind="generate", config=SHORT)
    (run,) = run_drain(project=with_anchor)
    assert set(Completion.objects.values_list("backend", flat=True)) == {"ctranslate2"}
    assert run.events.filter(message="ctranslate2 writes the completions, in fp32.").exists()


def test_without_the_fast_library_the_run_says_why(with_anchor, monkeypatch):
    monkeypatch.setattr(ctranslate, "find_spec", lambda name: None)
    run_create(project=with_anchor, kind="generate", config=SHORT)
    (run,) = run_drain(project=with_anchor)
    assert set(Completion.objects.values_list("backend", flat=True)) == {"transformers"}
    assert run.events.filter(message__contains="The package ctranslate2 is not installed").exists()


def test_a_library_that_is_asked_for_and_missing_fails_the_run(with_anchor, monkeypatch):
    monkeypatch.setattr(ctranslate, "find_spec", lambda name: None)
    run_create(project=with_anchor, kind="generate", config={**SHORT, "backend": "ctranslate2"})
    with pytest.raises(RunFailed, match="The package ctranslate2 is not installed"):
        run_drain(project=with_anchor)
    assert not Completion.objects.exists()


@pytest.mark.parametrize("strategy", ["beam", "diverse"])
def test_completions_may_be_searched_for(with_anchor, strategy):
    run_create(project=with_anchor, kind="generate", config={**SHORT, "strategy": strategy, "prompts": 3})
    (run,) = run_drain(project=with_anchor)
    assert run.output["completions"] + run.output["alike"] >= 9
    texts = list(Completion.objects.values_list("prompt", "text"))
    assert len(texts) == len(set(texts))
    assert set(Completion.objects.values_list("sampling__strategy", flat=True)) == {strategy}


def test_completions_that_are_nearly_the_same_are_not_ranked_beside_each_other():
    def written(source: str, text: str) -> tuple[str, types.Completion]:
        return source, types.Completion("p", 0, text, (1,), finished=True, seed=0, backend="transformers")

    long = "anna meets bob at the station at noon"
    own = [written("policy", long), written("policy", f"{long}."), written("policy", "no"), written("policy", "yes")]
    anchors = [written("anchor", f"{long} "), written("anchor", "never")]
    chosen = _mix(own, anchors, 4, 1)
    assert [(source, one.text) for source, one in chosen] == [
        ("policy", long), ("policy", "no"), ("policy", "yes"), ("anchor", "never"),
    ]  # fmt: skip


def test_generating_again_writes_nothing_twice(with_anchor):
    for _ in range(2):
        run_create(project=with_anchor, kind="generate", config=SHORT)
        run_drain(project=with_anchor)
    assert Completion.objects.count() == 64


def test_prompts_without_enough_different_texts_are_counted_once_and_get_no_task(with_anchor):
    run_create(project=with_anchor, kind="generate", config={"max_new_tokens": 1, "top_k": 2})
    (run,) = run_drain(project=with_anchor)
    (warning,) = run.events.filter(kind="warning")
    assert run.output["alike"] == run.output["prompts"] - run.output["tasks"] > 0
    assert warning.message.startswith(f"{run.output['alike']} of ")


def test_a_prompt_over_the_limit_is_counted_and_reported(with_anchor, monkeypatch):
    long = PromptFactory(project=with_anchor, identity="long", text=" ".join(WORDS * 12))
    run_create(project=with_anchor, kind="generate", config=SHORT)
    (run,) = run_drain(project=with_anchor)
    assert run.output["too_long"] == 1
    assert run.events.filter(kind="warning", message__contains="longer than the model reads").exists()
    assert not long.completions.exists()


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ppo", "dpo"])
def test_a_round_end_to_end(with_rankings, algorithm):
    round_ = round_start(project=with_rankings, algorithm=algorithm, config=round_config(algorithm), force=True)
    runs = run_drain(project=with_rankings)
    round_.refresh_from_db()
    assert round_.state == RoundState.SUCCEEDED
    assert [run.kind for run in runs] == ["reward", algorithm, "evaluate", "evaluate", "generate"]

    policy = ModelVersion.objects.get(kind=ModelKind.POLICY)
    assert policy.slug == f"dialogues-r1-{algorithm}"
    assert policy.parent == project_anchor(with_rankings)
    assert policy.sha256 == artifact_hash(storage.absolute(policy.path))
    assert (storage.absolute(policy.path) / "adapter_model.safetensors").exists()

    evaluation = Evaluation.objects.get(model=policy)
    assert {"rouge1", "rougeLsum", "reward", "reward_before", "kl", "length"} <= set(evaluation.metrics)
    assert set(evaluation.metrics["rouge1"]) == {"value", "low", "high", "n"}
    assert evaluation.samples
    assert len(evaluation_table(with_rankings)["rows"]) == 2

    tasks = Task.objects.filter(round_number=1)
    assert tasks.count() == 5
    for task in tasks:
        sources = sorted(task.completions.values_list("source", flat=True))
        assert sources == [f"dialogues-r1-{algorithm}"] * 3 + ["dialogues-sft"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_hashes(with_rankings):
    for _ in range(2):
        run_create(project=with_rankings, kind="reward", config=TINY["reward"], seed=3)
    run_drain(project=with_rankings)
    first, second = ModelVersion.objects.filter(kind=ModelKind.REWARD)
    assert first.sha256 == second.sha256
    assert first.slug != second.slug

    # Both said what they think of every completion that people ranked, and of no other.
    ranked = set(Completion.objects.filter(tasks__assignments__rankings__is_current=True).values_list("pk", flat=True))
    model, found = completion_log_odds(with_rankings)
    assert (model, set(found)) == (second, ranked)
    assert dict(first.completion_rewards.values_list("completion_id", "log_odds")) == found
    assert len(set(found.values())) > 1


@pytest.mark.slow
def test_the_active_strategy_gets_its_scores_from_the_reward_model(with_rankings):
    with_rankings.strategy = Strategy.ACTIVE
    with_rankings.save()
    run_create(project=with_rankings, kind="reward", config=TINY["reward"])
    (alone,) = run_drain(project=with_rankings)
    assert alone.events.filter(kind="warning", message__contains="two scoring members").exists()
    assert not Task.objects.filter(score__isnull=False).exists()

    for prompt in PromptFactory.create_batch(3, project=with_rankings):
        tasks_create(project=with_rankings, prompts=[prompt], round_number=0, completions={prompt.pk: _texts(prompt)})
    run_create(project=with_rankings, kind="reward", config={**TINY["reward"], "members": 2})
    run_drain(project=with_rankings)
    scores = Task.objects.filter(state=TaskState.OPEN).values_list("score", flat=True)
    assert sorted(scores) == pytest.approx([place / len(scores) for place in range(1, len(scores) + 1)])
    assert not Task.objects.exclude(state=TaskState.OPEN).filter(score__isnull=False).exists()


def _texts(prompt):
    return [CompletionFactory(prompt=prompt, text=" ".join(WORDS[place : place + 3])) for place in range(0, 12, 3)]


def test_the_tiny_policy_is_trained_from_nothing_on_a_file(lab, settings):
    rows = [f'{{"dialogue": "{prompt_text(index)}", "summary": "anna meets bob"}}' for index in range(40)]
    (settings.DATA_DIR / "examples.jsonl").write_text("\n".join(rows))
    lab.base_model = "toy"
    lab.save()
    run = run_create(project=lab, kind="sft", inputs={"examples": "examples.jsonl"})
    expected = (SFT_ON_FILES.learning_rate, SFT_ON_FILES.batch_size)
    assert (run.config["learning_rate"], run.config["batch_size"]) == expected
    run_drain(project=lab)
    assert project_anchor(lab).total_parameters > 100_000
