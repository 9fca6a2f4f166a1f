"""Ranking by keyboard alone, and what the database holds afterwards."""

import pytest
from playwright.sync_api import Route, expect

from annotation.models import Assignment, AssignmentState, PreferencePair, Ranking
from tests.e2e.rank_page import PATH, RankPage, texts, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def rank(open_page, alice, make_task) -> RankPage:
    make_task()
    make_task()
    return RankPage(open_page(alice, PATH)).ready()


def test_four_keys_rank_four_completions_and_the_pairs_are_counted(rank, api_for, lena):
    shown = rank.shown()
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored(pairs=6)
    assert texts(Ranking.objects.get()) == [[shown[2]], [shown[0]], [shown[3]], [shown[1]]]
    expect(rank.page.locator("[data-count=today]")).to_have_text("1")
    stats = api_for(lena).get("/api/v1/projects/dialogues/stats/").json()
    assert PreferencePair.objects.count() == 6
    assert "6" in str(stats)


def test_the_next_task_is_there_at_once(rank):
    first = rank.page.locator(".card-item").first.get_attribute("data-id")
    rank.press("1", "2", "3", "Enter")
    expect(rank.page.locator(f".card-item[data-id='{first}']")).to_have_count(0)
    rank.ready()
    rank.expect_order(">>>")


def test_ties_and_strengths(rank):
    shown = rank.shown()
    rank.press("3", ">", "1", "=", "4", "-")
    rank.expect_order("C ≫ A = D ≳ B")
    rank.press("Enter")
    rank.expect_stored()
    ranking = Ranking.objects.get()
    assert texts(ranking) == [[shown[2]], sorted([shown[0], shown[3]]), [shown[1]]]
    assert ranking.strengths == [3, 1]
    assert PreferencePair.objects.filter(tie=True).count() == 1


def test_the_last_one_is_implied(rank):
    rank.press("3", "1")
    rank.expect_order("C > A >>")
    rank.press("4")
    rank.expect_order("C > A > D > B")


def test_backspace_takes_the_last_back(rank):
    rank.press("3", "1", "Backspace", "2")
    rank.expect_order("C > B >>")


def test_an_untouched_task_cannot_be_submitted(rank):
    rank.press("Enter")
    expect(rank.page.locator(".toast")).to_contain_text("Place the best one first")
    assert not Ranking.objects.exists()


def test_an_incomplete_order_says_what_is_missing(rank):
    rank.press("1", "Enter")
    expect(rank.page.locator(".toast")).to_contain_text("Not placed yet: B, C, D")
    assert not Ranking.objects.exists()


def test_none_acceptable_needs_no_order(rank):
    rank.press("0", "Enter")
    rank.expect_stored(pairs=0)
    assert Ranking.objects.get().none_acceptable


def test_none_acceptable_may_come_with_an_order(rank):
    rank.press("0", "1", "2", "3", "Enter")
    rank.expect_stored()
    assert Ranking.objects.get().none_acceptable


def test_a_flag_carries_its_reason(rank):
    rank.press("x", "2")
    rank.page.locator("#rank-flag").wait_for()
    rank.press("3", "Enter")
    expect(rank.card("B")).to_contain_text("Flagged: Rude")
    rank.press("1", "2", "3", "Enter")
    rank.expect_stored()
    assert list(Ranking.objects.get().flags.values()) == ["Rude"]


def test_a_rewrite_is_kept_as_a_demonstration(rank):
    rank.press("e", "2")
    rank.page.locator("textarea:focus").fill("Anna and Tom meet on Saturday at 1:30.")
    rank.press("Escape", "1", "2", "3", "Enter")
    rank.expect_stored()
    assert Ranking.objects.get().rewrite["text"] == "Anna and Tom meet on Saturday at 1:30."


def test_digits_in_a_rewrite_are_text(rank):
    rank.press("e", "2")
    rank.page.locator("textarea:focus").press_sequentially("123")
    rank.expect_order(">>>")


def test_a_skip_carries_its_reason_and_brings_the_next_task(rank):
    rank.press("s")
    rank.page.locator("#rank-skip").wait_for()
    rank.press("5", "Enter")
    rank.ready()
    expect(rank.live).to_contain_text("Skipped")
    rank.press("1", "2", "3", "Enter")
    rank.expect_stored()
    assert Assignment.objects.get(state=AssignmentState.SKIPPED).skip_reason == "broken"


def test_ctrl_z_reopens_the_last_submission_as_a_new_revision(rank):
    shown = rank.shown()
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored()
    rank.press("Control+z")
    rank.expect_order("C > A > D > B")
    assert rank.shown() == shown
    rank.press("Backspace", "Backspace", "Backspace", "Backspace", "1", "2", "3", "Enter")
    expect(rank.banner).to_be_hidden()
    rank.ready()
    current = Ranking.objects.filter(is_current=True)
    expect(rank.page.locator("[data-count=today]")).to_have_text("1")
    wait_until(lambda: current.get().revision == 2)
    assert texts(current.get()) == [[one] for one in shown]
    assert PreferencePair.objects.count() == 6


def _held(rank: RankPage, *keys: str) -> Route:
    """The request for the last submissions, which waits while ``keys`` are pressed."""
    held: list[Route] = []
    rank.page.route("**/rankings/mine/**", lambda route: held.append(route))
    rank.page.reload()  # a route that is set beside running requests may miss the next one
    rank.ready()
    with rank.page.expect_request("**/rankings/mine/**"):
        rank.press(*keys)
    while not held:
        rank.page.wait_for_timeout(20)
    return held[0]


def test_keys_typed_while_a_submission_is_reopened_are_meant_for_it(rank):
    shown = rank.shown()
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored()
    held = _held(rank, "Control+z", "Backspace", "Backspace", "Backspace", "Backspace", "2", "1", "3", "Enter")
    held.continue_()
    wait_until(lambda: Ranking.objects.filter(revision=2).exists())
    assert texts(Ranking.objects.get(is_current=True)) == [[shown[i]] for i in (1, 0, 2, 3)]
    rank.ready().expect_order(">>>")
    assert Ranking.objects.count() == 2


def test_keys_typed_before_a_submission_that_cannot_be_reopened_are_dropped(rank):
    held = _held(rank, "Control+z", "2", "1", "3", "Enter")
    held.abort()
    expect(rank.page.get_by_text("your submissions cannot be read")).to_be_visible()
    rank.expect_order(">>>")
    assert not Ranking.objects.exists()


def test_escape_leaves_a_reopened_submission_as_it_was(rank):
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored()
    rank.ready().press("2")
    rank.press("Control+z")
    expect(rank.banner).to_contain_text("You are changing")
    rank.press("Escape")
    rank.expect_order("B >>>")
    assert Ranking.objects.get().revision == 1


def test_every_move_is_announced(rank):
    rank.press("3")
    expect(rank.live).to_contain_text("C placed 1st")
    rank.press("=", "1")
    expect(rank.live).to_contain_text("A placed 1st, tied")


def test_alt_and_arrows_move_a_letter(rank):
    rank.press("1", "2", "3")
    rank.page.locator(".chip-button").first.focus()
    rank.press("Alt+ArrowRight")
    rank.expect_order("B > A > C > D")


def test_the_key_sheet_opens_and_closes(rank):
    rank.press("?")
    expect(rank.page.locator("#rank-keys")).to_contain_text("Backspace")
    rank.press("Escape")
    expect(rank.page.locator("#rank-keys")).to_be_hidden()


def test_without_a_task_the_page_says_what_to_do(open_page, alice, project):
    rank = RankPage(open_page(alice, PATH))
    expect(rank.empty).to_contain_text("Nothing to rank yet")


def test_a_lead_without_a_task_is_led_to_the_import(open_page, lena, project):
    rank = RankPage(open_page(lena, PATH))
    expect(rank.empty.get_by_role("button", name="Import prompts")).to_be_visible()
