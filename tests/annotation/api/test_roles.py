"""Every endpoint and method for every role. What is not declared here fails."""

import pytest
from django.urls import get_resolver, reverse
from rest_framework.views import APIView

from annotation.api.urls import urlpatterns
from annotation.models import Assignment
from annotation.ranking import Answer
from annotation.services import gold_create, retraction_create, snapshot_freeze, task_adjudicate, task_next
from tests.factories import CompletionFactory, TaskFactory, UserFactory, ranked

PEOPLE = ("anonymous", "charlie", "alice", "bob", "rose", "lena")
EVERY_MEMBER = (401, 404, "ok", "ok", "ok", "ok")
REVIEWERS = (401, 404, 403, "ok", 403, "ok")
BUILDERS = (401, 404, 403, 403, "ok", "ok")
TEAM = (401, 404, 403, "ok", "ok", "ok")
LEADS = (401, 404, 403, 403, 403, "ok")
THE_HOLDER = (401, 404, "ok", 404, 404, 404)  # Alice holds the task
OWNER_AND_REVIEWERS = (401, 404, "ok", "ok", 403, "ok")  # Alice made the ranking

GOLD = {"prompt": "Gold?", "completions": ["Yes.", "No.", "Perhaps.", "What?"], "pairs": [[0, 1]]}
MATRIX = {
    ("api-projects", "get"): (401, "ok", "ok", "ok", "ok", "ok"),
    ("api-projects", "post"): (401, 403, 403, 403, 403, "ok"),
    ("api-project", "get"): EVERY_MEMBER,
    ("api-project", "patch"): LEADS,
    ("api-members", "get"): LEADS,
    ("api-member", "put"): LEADS,
    ("api-member", "delete"): LEADS,
    ("api-stats", "get"): EVERY_MEMBER,
    ("api-quality", "get"): REVIEWERS,
    ("api-prompts-import", "post"): BUILDERS,
    ("api-completions-import", "post"): BUILDERS,
    ("api-rankings-import", "post"): BUILDERS,
    ("api-pairs", "get"): BUILDERS,
    ("api-rankings", "get"): BUILDERS,
    ("api-snapshots", "get"): BUILDERS,
    ("api-snapshots", "post"): BUILDERS,
    ("api-snapshot-file", "get"): BUILDERS,
    ("api-tasks", "patch"): LEADS,
    ("api-gold", "get"): TEAM,
    ("api-gold", "post"): TEAM,
    ("api-gold-task", "delete"): TEAM,
    ("api-panels", "get"): TEAM,
    ("api-panels", "post"): BUILDERS,
    ("api-snapshot-diff", "get"): BUILDERS,
    ("api-review", "get"): REVIEWERS,
    ("api-review-case", "get"): REVIEWERS,
    ("api-review-final", "post"): REVIEWERS,
    ("api-review-final", "delete"): REVIEWERS,
    ("api-review-again", "post"): REVIEWERS,
    ("api-review-leave", "post"): REVIEWERS,
    ("api-retractions", "get"): REVIEWERS,
    ("api-retractions", "post"): LEADS,
    ("api-retraction-undo", "post"): LEADS,
    ("api-task-next", "post"): EVERY_MEMBER,
    ("api-rankings-mine", "get"): EVERY_MEMBER,
    ("api-progress", "get"): EVERY_MEMBER,
    ("api-task-ranking", "post"): THE_HOLDER,
    ("api-task-draft", "put"): THE_HOLDER,
    ("api-task-skip", "post"): THE_HOLDER,
    ("api-task-release", "post"): THE_HOLDER,
    ("api-task-renew", "post"): THE_HOLDER,
    ("api-ranking", "get"): OWNER_AND_REVIEWERS,
    ("api-ranking", "put"): OWNER_AND_REVIEWERS,
}


@pytest.fixture
def world(project, alice):
    """A ranking of Alice's, a snapshot, a task in her hands, one with a final ranking, and a retraction."""
    ranking = ranked(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    gold = gold_create(project=project, actor=None, **GOLD)
    for source in ("new", "old"):
        CompletionFactory(prompt=ranking.prompt, source=source)
    TaskFactory.create_batch(8, project=project)
    held = task_next(project=project, annotator=alice)
    decided = ranked(project, alice)
    judge = UserFactory()
    task_adjudicate(task=decided.assignment.task, answer=Answer(decided.groups), actor=judge)
    clicker = ranked(project, UserFactory()).annotator
    retraction = retraction_create(project=project, annotator=clicker, reason="a test", actor=None)
    return {
        "ranking": ranking, "snapshot": snapshot, "gold": gold, "held": held, "decided": decided,
        "retraction": retraction,
    }  # fmt: skip


def arguments(name, world, method="get"):
    held: Assignment = world["held"]
    if name == "api-projects":
        return {}
    if name.startswith("api-task-") and name != "api-task-next":
        return {"task": held.task_id}
    if name == "api-ranking":
        return {"ranking": world["ranking"].pk}
    slug = {"slug": "dialogues"}
    if name == "api-gold-task":
        return {**slug, "gold": world["gold"].pk}
    if name == "api-member":
        return {**slug, "username": "rose"}
    if name.startswith("api-review-"):
        task = world["decided" if method == "delete" else "ranking"].assignment.task_id
        return {**slug, "task": task}
    if name == "api-retraction-undo":
        return {**slug, "retraction": world["retraction"].pk}
    if name == "api-snapshot-diff":
        return {**slug, "sha256": world["snapshot"].sha256, "other": world["snapshot"].sha256}
    if name == "api-snapshot-file":
        return {**slug, "sha256": world["snapshot"].sha256, "name": "manifest.json"}
    return slug


def body(name, method, world):
    held: Assignment = world["held"]
    return {
        ("api-projects", "post"): {"slug": "new", "name": "New"},
        ("api-project", "patch"): {"name": "Renamed"},
        ("api-member", "put"): {"role": "reviewer"},
        ("api-tasks", "patch"): {"priority": 3, "round": 0},
        ("api-gold", "post"): {**GOLD, "external_id": "another", "prompt": "Another."},
        ("api-panels", "post"): {"new": "new", "old": "old", "count": 1},
        ("api-prompts-import", "post"): [{"prompt": "Hi."}],
        ("api-completions-import", "post"): [],
        ("api-rankings-import", "post"): [],
        ("api-task-ranking", "post"): {"groups": [held.display_order]},
        ("api-task-draft", "put"): {"draft": {"order": []}},
        ("api-task-skip", "post"): {"reason": "other"},
        ("api-ranking", "put"): {"groups": world["ranking"].groups},
        ("api-review-final", "post"): {"groups": world["ranking"].groups},
        ("api-retractions", "post"): {"annotator": "alice", "reason": "a script"},
    }.get((name, method))


@pytest.mark.parametrize("place", range(len(PEOPLE)), ids=PEOPLE)
@pytest.mark.parametrize(("name", "method"), MATRIX)
def test_who_may(request, world, api_for, name, method, place):
    person = PEOPLE[place]
    client = api_for(None if person == "anonymous" else request.getfixturevalue(person))
    url = reverse(name, kwargs=arguments(name, world, method))
    url += "?new=new&old=old" if (name, method) == ("api-panels", "get") else ""
    if name == "api-rankings-import":
        url += "?layout=votes"
    response = getattr(client, method)(url, body(name, method, world), format="json")
    response.close()
    expected = MATRIX[name, method][place]
    assert response.status_code in (range(200, 300) if expected == "ok" else [expected]), response.content
    if expected != "ok":
        assert set(response.json()) == {"code", "detail", "fields"}


def test_every_endpoint_and_method_is_declared():
    found = {
        (pattern.name, method)
        for pattern in urlpatterns
        for method in ("get", "post", "put", "patch", "delete")
        if method in vars(pattern.callback.view_class)
    }
    assert found == set(MATRIX)


def test_no_view_weakens_authentication():
    for pattern in urlpatterns:
        view = pattern.callback.view_class
        assert view.authentication_classes == APIView.authentication_classes
        assert view.permission_classes == APIView.permission_classes


def test_the_endpoints_are_below_version_1():
    assert get_resolver().resolve("/api/v1/projects/").url_name == "api-projects"
