"""What is asked other than an order: the better of two, the best and the worst; and both stay as they were said."""

import pytest
from playwright.sync_api import expect

from annotation.models import PreferencePair, Ranking
from tests.e2e.conftest import AXE
from tests.e2e.rank_page import PATH, RankPage, serious, texts, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIX = tuple(f"They meet on day {day}." for day in range(6))


@pytest.fixture
def pair(open_page, alice, make_task) -> RankPage:
    for number in range(3):
        make_task(f"They meet at {number}.", f"They never met {number}.")
    return RankPage(open_page(alice, PATH)).ready(2)


@pytest.fixture
def extremes(open_page, alice, project, make_task) -> RankPage:
    project.best_worst = True
    project.save()
    make_task(*SIX)
    make_task(*SIX)
    return RankPage(open_page(alice, PATH)).ready(6)


def chosen(rank: RankPage) -> list[str]:
    return rank.page.locator(".scale-step[aria-pressed=true]").evaluate_all("all => all.map(one => one.title)")


def test_two_keys_say_which_of_two_is_better(pair):
    shown = pair.shown()
    pair.press("2", "Enter")
    pair.expect_stored(pairs=1)
    assert texts(Ranking.objects.get()) == [[shown[1]], [shown[0]]]


def test_of_two_the_choice_can_be_changed_and_has_a_strength(pair):
    shown = pair.shown()
    pair.press("1", "b", ">")
    assert chosen(pair) == ["B is much better"]
    pair.press("a", "-")
    assert chosen(pair) == ["A is slightly better"]
    pair.press("Backspace", "Backspace")
    assert chosen(pair) == ["B is much better"]
    pair.page.get_by_role("button", name="A is slightly better").click()
    pair.press("Enter")
    pair.expect_stored(pairs=1)
    ranking = Ranking.objects.get()
    assert (texts(ranking), ranking.strengths) == ([[shown[0]], [shown[1]]], [1])


def test_two_may_be_equal_and_both_bad(pair):
    pair.press("Enter")
    expect(pair.page.locator(".toast")).to_contain_text("Choose the better one")
    pair.press("=", "0", "Enter")
    pair.expect_stored(pairs=1)
    ranking = Ranking.objects.get()
    assert (len(ranking.groups), ranking.none_acceptable) == (1, True)
    assert PreferencePair.objects.get().tie


def test_best_and_worst_are_two_keys_and_come_back_when_reopened(extremes):
    shown = extremes.shown()
    extremes.press("3", "5")
    extremes.expect_order("CE")
    expect(extremes.live).to_contain_text("C is best, E is worst. Enter submits.")
    extremes.press("1")  # both are said: nothing moves
    extremes.expect_order("CE")
    extremes.press("Enter")
    extremes.expect_stored(pairs=9)
    ranking = Ranking.objects.get()
    others = sorted(set(shown) - {shown[2], shown[4]})
    assert (texts(ranking), ranking.method) == ([[shown[2]], others, [shown[4]]], "best_worst")
    extremes.press("Control+z")
    extremes.expect_order("CE")
    extremes.press("Backspace", "6", "Enter")
    wait_until(lambda: Ranking.objects.filter(revision=2).exists())
    assert texts(Ranking.objects.get(is_current=True))[2] == [shown[5]]


def test_one_of_the_last_submissions_is_chosen_from_a_list(pair):
    pair.press("1", "Enter")
    pair.expect_stored(pairs=1)
    pair.ready(2).press("2", ">", "Enter")
    wait_until(lambda: Ranking.objects.count() == 2)
    pair.ready(2).page.get_by_role("button", name="Last ten").click()
    rows = pair.page.locator("#rank-recent li")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("B ≫ A")
    pair.press("ArrowDown", "Enter")
    expect(pair.banner).to_contain_text("You are changing")
    assert chosen(pair) == ["A is better"]
    pair.press("=", "Enter")
    wait_until(lambda: Ranking.objects.filter(revision=2).exists())
    assert len(Ranking.objects.get(revision=2).groups) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_kind(open_page, alice, project, make_task, scheme):
    project.best_worst = True
    project.save()
    make_task("one \u202e two", "three")
    make_task(*SIX)
    page = open_page(alice, PATH, color_scheme=scheme, bypass_csp=True)
    rank = RankPage(page).ready(2)
    page.add_script_tag(path=AXE)
    rank.press("h", "g", "1")
    page.locator("#rank-find input").fill("museum")
    assert serious(page) == []
    page.locator("#rank-find input").press("Escape")
    rank.press("u", "2")
    page.locator("textarea:focus").wait_for()
    assert serious(page) == []
    rank.press("Shift+End", "u", "Enter")
    rank.ready(6).press("1")
    assert serious(page) == []
    rank.press("l")
    page.locator("#rank-recent[open]").wait_for()
    assert serious(page) == []
