"""Two tabs of one person: what ends in one of them is asked for in none, and nothing typed goes without a word."""

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Assignment, AssignmentState, Ranking
from annotation.services import assignment_release
from tests.e2e.rank_page import PATH, RankPage, texts, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# As a tab says it that is closed; the one here goes on, so that it can be asked.
GIVEN_BACK = """(task) => {
  const { user, project } = document.getElementById("rank").dataset;
  const ended = JSON.stringify({ kind: "release", task, ranking: null, key: "x" });
  localStorage.setItem(`kedge:${user}:${project}:ended`, ended);
}"""


@pytest.fixture
def tabs(open_page, alice, make_task) -> tuple[RankPage, RankPage]:
    """Two tabs with the first of two tasks; the second one is fetched ahead in both."""
    make_task()
    make_task(source="Ben: The second one.")
    first = open_page(alice, PATH)
    both = first, first.context.new_page()
    both[1].goto(first.url)
    for page in both:
        page.wait_for_selector("#rank[data-ahead=ready]")
    return RankPage(both[0]).ready(), RankPage(both[1]).ready()


def told(page: Page):
    return page.locator("#rank-tab-banner")


def test_what_one_tab_submits_the_other_leaves(tabs):
    first, second = tabs
    first.press("1", "2", "3", "Enter")
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")
    expect(second.page.locator(".toast")).to_contain_text("You submitted this task in another tab.")
    expect(second.page.locator("[data-count=today]")).to_have_text("1")
    second.press("1", "2", "3", "Enter")
    expect(first.empty).to_contain_text("nothing left to rank")
    assert Ranking.objects.count() == 2


def test_what_was_placed_in_the_other_tab_is_told_and_can_be_a_new_version(tabs):
    first, second = tabs
    second.press("4", "3")
    first.press("1", "2", "3", "Enter")
    expect(told(second.page)).to_contain_text("What you had here was not sent.")
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")
    told(second.page).get_by_role("button", name="Open it with what I had").click()
    second.expect_order("D > C >>")
    expect(told(second.page)).to_be_hidden()
    shown = second.shown()
    second.press("2", "Enter")
    wait_until(lambda: Ranking.objects.filter(revision=2).exists())
    stored = texts(Ranking.objects.get(is_current=True))
    assert stored == [[shown["ABCD".index(letter)]] for letter in "DCBA"]
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")


def test_what_one_tab_skips_the_other_leaves_whatever_it_asks(tabs):
    first, second = tabs
    second.press("x", "1")
    expect(second.page.locator("#rank-flag")).to_be_visible()
    first.press("s", "1", "Enter")
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")
    expect(second.page.locator(".toast")).to_contain_text("You skipped this task in another tab.")
    expect(second.page.locator("#rank-flag")).to_be_hidden()
    second.press("1", "2", "3", "Enter")
    wait_until(lambda: Ranking.objects.count() == 1)
    assert Ranking.objects.get().flags == {}


def test_what_was_placed_on_a_skipped_task_is_told(tabs):
    first, second = tabs
    second.press("4", "3")
    first.press("s", "1", "Enter")
    expect(told(second.page)).to_contain_text("You skipped this task in another tab. What you had here was not sent.")
    told(second.page).get_by_role("button", name="Close").click()
    expect(told(second.page)).to_be_hidden()


def give_back(page: Page) -> None:
    held = Assignment.objects.order_by("pk")[0]
    assignment_release(assignment=held)
    page.evaluate(GIVEN_BACK, held.task_id)


def test_a_task_that_another_tab_gives_back_makes_way(tabs):
    first, second = tabs
    give_back(first.page)
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")
    expect(second.page.locator(".toast")).to_contain_text("given back when another tab was closed")


def test_a_given_back_task_stays_where_something_is_placed(tabs):
    first, second = tabs
    second.press("2")
    give_back(first.page)
    expect(told(second.page)).to_contain_text("Your work is kept")
    second.expect_order("B >>>")
    told(second.page).get_by_role("button", name="Take another task").click()
    expect(told(second.page)).to_be_hidden()
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")


def test_a_tab_that_closes_takes_nothing_from_the_other_one(tabs):
    first, second = tabs
    first.page.goto(first.page.url.replace(PATH, "/accounts/tokens/"))
    states = Assignment.objects.order_by("id").values_list("state", flat=True)
    wait_until(lambda: list(states.all()) == [AssignmentState.LEASED, AssignmentState.EXPIRED])
    second.press("1", "2", "3", "Enter")
    expect(second.page.locator("#rank-source")).to_contain_text("The second one.")
    wait_until(lambda: list(states.all()) == [AssignmentState.SUBMITTED, AssignmentState.LEASED])
