"""What the reward pipeline knows of the newest policy's completions."""

import pytest

from rlhf.data import text_id
from tests.factories import CompletionFactory, PromptFactory
from workers.models import ModelKind, ModelVersion, RunKind
from workers.pipelines.reward import newest_texts

pytestmark = pytest.mark.django_db


def policy(project, slug: str) -> ModelVersion:
    return ModelVersion.objects.create(project=project, slug=slug, kind=ModelKind.POLICY, path=slug)


@pytest.fixture
def prompt(project):
    return PromptFactory(project=project, text="Anna meets Bob at the cafe\u0301")


def test_before_any_policy_has_written_there_are_none(project, prompt, queued):
    policy(project, "silent")
    CompletionFactory(prompt=prompt, source="dialogues-sft", text="by the anchor")
    assert newest_texts(queued(RunKind.REWARD)) == {}


def test_they_are_those_of_the_newest_policy_that_wrote_by_the_hash_that_rankings_have(project, prompt, queued):
    for slug in ("r1", "r2", "silent"):
        policy(project, slug)
    CompletionFactory(prompt=prompt, source="r1", text="by the older")
    CompletionFactory(prompt=prompt, source="r2", text="at the cafe\u0301")
    CompletionFactory(prompt=prompt, source="dialogues-sft", text="by the anchor")
    # A snapshot's texts are in normal form C.
    assert newest_texts(queued(RunKind.REWARD)) == {text_id("Anna meets Bob at the caf\u00e9"): {"at the caf\u00e9"}}


def test_a_policy_younger_than_the_run_changes_no_retry_of_it(project, prompt, queued):
    policy(project, "r1")
    CompletionFactory(prompt=prompt, source="r1", text="first")
    run = queued(RunKind.REWARD)
    policy(project, "r2")
    CompletionFactory(prompt=prompt, source="r2", text="second")
    assert newest_texts(run) == {text_id("Anna meets Bob at the caf\u00e9"): {"first"}}
