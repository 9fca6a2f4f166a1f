"""Nothing is lost: drafts, reloads, lost connections, answers that come twice."""

import pytest
from playwright.sync_api import expect

from annotation.models import Assignment, Ranking
from tests.e2e.rank_page import PATH, RankPage, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def rank(open_page, alice, make_task) -> RankPage:
    for _ in range(3):
        make_task()
    rank = RankPage(open_page(alice, PATH)).ready()
    rank.page.wait_for_selector("#rank[data-ahead=ready]")  # the next task is there, too
    return rank


def test_a_draft_survives_a_reload(rank):
    rank.press("3", "=", "1")
    rank.page.reload()
    rank.ready()
    rank.expect_order("C = A >>")


def test_a_draft_is_kept_on_the_server(rank):
    rank.press("3", "1")
    expect(rank.saved).to_contain_text("saved")
    rank.page.evaluate("localStorage.clear()")
    rank.page.reload()
    rank.ready()
    rank.expect_order("C > A >>")


def test_backspace_works_on_a_draft(rank):
    rank.press("3", "1")
    expect(rank.saved).to_contain_text("saved")
    rank.page.reload()
    rank.ready().press("Backspace")
    rank.expect_order("C >>>")


def test_looking_at_a_task_is_no_draft(rank):
    rank.page.wait_for_timeout(1000)
    assert Assignment.objects.filter(draft__isnull=False).count() == 0


def test_a_submission_without_a_connection_waits_and_is_sent(rank):
    rank.page.context.set_offline(True)
    rank.press("3", "1", "4", "Enter")
    expect(rank.banner).to_contain_text("One answer waits in this browser")
    assert not Ranking.objects.exists()
    rank.page.context.set_offline(False)
    rank.expect_stored()
    expect(rank.banner).to_be_hidden()
    assert Ranking.objects.count() == 1


def test_two_submissions_without_a_connection_are_both_sent(rank):
    rank.page.context.set_offline(True)
    rank.press("3", "1", "4", "Enter")
    rank.ready()
    rank.press("1", "2", "3", "Enter")
    expect(rank.banner).to_contain_text("2 answers wait")
    expect(rank.empty).to_contain_text("kept in this browser")
    rank.page.context.set_offline(False)
    rank.ready()
    wait_until(lambda: Ranking.objects.count() == 2)


def test_a_waiting_submission_survives_a_reload(rank):
    block = rank.page.context
    block.route("**/ranking/", lambda route: route.abort())
    rank.press("3", "1", "4", "Enter")
    expect(rank.banner).to_contain_text("One answer waits")
    block.unroute("**/ranking/")
    rank.page.reload()
    wait_until(lambda: Ranking.objects.count() == 1)


def test_an_answer_that_was_lost_is_sent_again_with_its_key_and_stored_once(rank):
    keys: list[str] = []

    def lose_the_first_answer(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the server has it; the browser never hears of it
            route.abort()
        else:
            route.continue_()

    rank.page.route("**/ranking/", lose_the_first_answer)
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored()
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert Ranking.objects.count() == 1


def test_a_waiting_submission_can_be_reopened(rank):
    rank.page.context.set_offline(True)
    rank.press("3", "1", "4", "Enter")
    expect(rank.banner).to_contain_text("One answer waits")
    rank.press("Control+z")
    rank.expect_order("C > A > D > B")
    rank.press("Backspace", "Backspace", "2", "4", "Enter")
    rank.page.context.set_offline(False)
    rank.expect_stored()
    wait_until(lambda: Ranking.objects.count() == 1)
    assert Ranking.objects.get().revision == 1


def test_a_refused_submission_is_told(rank):
    Assignment.objects.filter(shown_at__isnull=False).update(state="skipped")
    rank.press("3", "1", "4", "Enter")
    expect(rank.page.locator(".toast")).to_contain_text("Your ranking was not stored")


def test_logged_out_in_between_keeps_the_answer(rank):
    rank.page.context.clear_cookies(name="sessionid")
    rank.press("3", "1", "4", "Enter")
    expect(rank.banner).to_contain_text("You are logged out. One answer waits")
    expect(rank.banner.get_by_role("button", name="Log in")).to_be_visible()
