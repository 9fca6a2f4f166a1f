"""What a reward model is sure is the wrong way round, from its stored log-odds to the page and the API."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotation.models import Completion, RankingOrigin
from tests.factories import TaskFactory, ranked
from tests.webapp.objects import model_make
from workers.models import CompletionReward, ModelKind
from workers.suspicious import suspicious_labels


@pytest.fixture
def rated(project, alice, bob):
    """Six rankings, first to last; the model agrees with all but the last, where it thinks the first is the worst."""
    cache.clear()
    model = model_make(project, slug="dialogues-r1-reward", kind=ModelKind.REWARD)
    made = [ranked(project, bob if index == 5 else alice) for index in range(6)]
    for index, one in enumerate(made):
        for place, (completion,) in enumerate(one.groups):
            log_odds = -9.0 if index == 5 and place == 0 else 3.0 - place
            CompletionReward.objects.create(model=model, completion_id=completion, log_odds=log_odds)
    return made


def test_the_pair_it_is_surest_of_is_named_with_its_texts(project, rated):
    found = suspicious_labels(project)
    assert (found["model"], found["scored"], found["suspicious"]) == ("dialogues-r1-reward", 6, 1)
    assert found["share"]["value"] == pytest.approx(1 / 6)
    (label,) = found["labels"]
    first, second = (group[0] for group in rated[5].groups[:2])
    texts = Completion.objects.in_bulk([first, second])
    assert (label["ranking"], label["task"]) == (rated[5].pk, rated[5].assignment.task_id)
    assert (label["annotator"], label["placed"]) == ("bob", True)
    assert (label["chosen"], label["rejected"]) == (texts[first].text, texts[second].text)
    assert label["probability"] > 0.99


def test_what_a_reviewer_overruled_is_no_label_any_more(project, rated):
    type(rated[5]).objects.filter(pk=rated[5].pk).update(overruled=True)
    assert suspicious_labels(project)["suspicious"] == 0


def test_before_a_model_has_rated_nothing_is_known(project, alice, lena, client_for):
    ranked(project, alice)
    cache.clear()
    assert suspicious_labels(project)["model"] is None
    page = client_for(lena).get(reverse("quality", args=["dialogues"]))
    assert "no reward model has rated" in page.content.decode()


def test_the_page_shows_it_and_escapes_it(project, rated, lena, client_for):
    Completion.objects.filter(pk=rated[5].groups[0][0]).update(text="<script>alert(1)</script>")
    html = client_for(lena).get(reverse("quality", args=["dialogues"])).content.decode()
    assert "1 of 6 rankings" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert(1)" not in html


def test_reviewers_and_leads_read_it_over_the_api(project, rated, alice, bob, rose, lena, charlie, api_for):
    address = "/api/v1/projects/dialogues/suspicious/"
    got = {person.username: api_for(person).get(address).status_code for person in (alice, bob, rose, lena, charlie)}
    assert got == {"alice": 403, "bob": 200, "rose": 403, "lena": 200, "charlie": 404}
    assert api_for(None).get(address).status_code == 401
    assert [label["annotator"] for label in api_for(bob).get(address).json()["labels"]] == ["bob"]


def test_the_queries_do_not_grow(project, rated, lena, django_assert_num_queries):
    more = TaskFactory.create_batch(3, project=project)
    model = CompletionReward.objects.first().model
    for task in more:
        one = ranked(project, lena, task=task, origin=RankingOrigin.SIMULATED)
        for place, (completion,) in enumerate(one.groups):
            CompletionReward.objects.create(model=model, completion_id=completion, log_odds=9.0 * place)
    with django_assert_num_queries(8):
        assert suspicious_labels(project)["suspicious"] == 4
