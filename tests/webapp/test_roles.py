"""Who may open what. Every named address of the product stands in one of these tables, or the first test fails."""

from collections.abc import Iterator, Mapping

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotation.models import Membership
from tests.factories import MembershipFactory, ProjectFactory
from tests.webapp.conftest import World

ALL = {"alice", "bob", "rose", "lena"}
TEAM = {"bob", "rose", "lena"}
BUILDERS = {"rose", "lena"}
REVIEWERS = {"bob", "lena"}
LEAD = {"lena"}

# name: (method, who may)
PAGES: Mapping[str, tuple[str, set[str]]] = {
    "project": ("get", ALL),
    "project_live": ("get", ALL),
    "rank": ("get", ALL),
    "labels": ("get", ALL),
    "quality": ("get", {"bob", "lena"}),
    "models": ("get", ALL),
    "evaluations": ("get", ALL),
    "rounds": ("get", TEAM),
    "round": ("get", TEAM),
    "round_live": ("get", TEAM),
    "runs": ("get", TEAM),
    "run": ("get", TEAM),
    "run_status": ("get", TEAM),
    "run_log": ("get", TEAM),
    "run_cancel": ("post", BUILDERS),
    "run_retry": ("post", BUILDERS),
    "prompts_import": ("get", BUILDERS),
    "gold": ("get", TEAM),
    "gold_retire": ("post", TEAM),
    "snapshots": ("get", BUILDERS),
    "snapshot_diff": ("get", BUILDERS),
    "review": ("get", REVIEWERS),
    "review_case": ("get", REVIEWERS),
    "retract": ("post", LEAD),
    "retraction_undo": ("post", LEAD),
    "model_promote": ("post", LEAD),
    "members": ("get", LEAD),
    "member_change": ("post", LEAD),
    "member_remove": ("post", LEAD),
    "project_update": ("get", LEAD),
    "invite": ("get", LEAD),
}
LOGGED_IN = {"home", "landing", "project_create", "markdown_preview", "tokens", "token_revoke", "password_change"}
OPEN = {
    *("login", "logout", "password_reset", "password_reset_done", "password_reset_confirm", "invitation"),
    *("healthz", "readyz"),
}
API_PAGES = {"schema", "docs"}  # for everybody who is logged in


def named(patterns: list[URLPattern | URLResolver]) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from named(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name, pattern


NAMES = dict(named(get_resolver().url_patterns))
API = {name for name in NAMES if name.startswith(("api-", "api_"))}


def test_every_named_address_is_declared():
    assert NAMES.keys() - API == PAGES.keys() | LOGGED_IN | OPEN | API_PAGES


def arguments(name: str, world: World | None) -> dict[str, object]:
    """What the address is made of; without a world, of things that need not be there."""
    known = {
        "slug": "dialogues",
        "run_id": world.run.pk if world else 1,
        "number": world.round.number if world else 1,
        "username": "alice",
        "model_slug": "dialogues-r1-ppo",
        "task": world.task if world else 1,
        "gold": world.gold if world else 1,
        "retraction": world.retraction if world else 1,
    }
    return {key: known[key] for key in NAMES[name].pattern.converters}


@pytest.mark.parametrize("name", PAGES)
def test_a_role_opens_what_it_may_and_nothing_else(name, world, client_for, alice, bob, rose, lena):
    method, may = PAGES[name]
    address = reverse(name, kwargs=arguments(name, world))
    got = {
        person.username: getattr(client_for(person), method)(address).status_code for person in (alice, bob, rose, lena)
    }
    allowed = 200 if method == "get" else 302
    assert got == {person: allowed if person in may else 403 for person in ("alice", "bob", "rose", "lena")}


@pytest.mark.parametrize("name", PAGES)
def test_an_outsider_sees_no_project(name, project, client_for, charlie):
    response = getattr(client_for(charlie), PAGES[name][0])(reverse(name, kwargs=arguments(name, None)))
    assert response.status_code == 404


@pytest.mark.parametrize("name", [*PAGES, *sorted(LOGGED_IN - {"token_revoke"})])
def test_a_stranger_is_asked_to_log_in(name, db, client):
    method = PAGES[name][0] if name in PAGES else "post" if name == "markdown_preview" else "get"
    address = reverse(name, kwargs=arguments(name, None))
    response = getattr(client, method)(address)
    assert (response.status_code, response.headers["Location"]) == (302, f"{reverse('login')}?next={address}")


@pytest.mark.parametrize("name", sorted(API))
def test_a_stranger_without_a_token_is_refused_by_the_api(name, client, db):
    examples = {"slug": "dialogues", "username": "alice", "sha256": "ab", "name": "README.md", "model": "x"}
    values = {key: examples.get(key, 1) for key in NAMES[name].pattern.converters}
    response = client.get(reverse(name, kwargs=values))
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(("name", "status"), [("docs", 302), ("schema", 401)])
def test_a_stranger_does_not_see_the_api_s_description(name, status, client, db):
    assert client.get(reverse(name)).status_code == status


def test_somebody_who_left_sees_no_project(world, client_for, lena):
    Membership.objects.filter(user=lena).delete()
    assert client_for(lena).get(reverse("project", args=["dialogues"])).status_code == 404


@pytest.mark.parametrize("name", ["run", "run_log", "run_status", "run_cancel", "run_retry", "round", "model_promote"])
def test_a_thing_of_another_project_is_not_there(name, world, lead, lena):
    MembershipFactory(project=ProjectFactory(slug="other"), user=lena, role="lead")
    address = reverse(name, kwargs=arguments(name, world) | {"slug": "other"})
    method = PAGES[name][0]
    assert getattr(lead, method)(address).status_code == 404


def test_a_reviewer_does_not_start_rounds(world, client_for, bob):
    response = client_for(bob).post(reverse("rounds", args=["dialogues"]), {"algorithm": "ppo", "seed": "0"})
    assert response.status_code == 403
