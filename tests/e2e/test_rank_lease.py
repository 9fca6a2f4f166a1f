"""The lease on the screen: renewed while somebody works, warned of, run out, given back."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.distribution import leases_expire
from annotation.models import Assignment, AssignmentState, Ranking
from annotation.services import task_next
from tests.e2e.rank_page import PATH, RankPage, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def rank(open_page, alice, make_task) -> RankPage:
    """The page with a clock that the test moves; the server's own is the real one."""
    make_task()
    page = open_page(alice, "/accounts/tokens/")
    page.clock.install()
    page.goto(page.url.replace("/accounts/tokens/", PATH))
    rank = RankPage(page).ready()
    expect(page.locator("#rank-lease")).to_contain_text("Lease")
    # The next task was asked for: that request, still on its way, would take up again a lease that the test ends.
    page.wait_for_selector("#rank[data-ahead]", state="attached")
    return rank


def run_out() -> None:
    Assignment.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
    leases_expire()


def lease_banner(rank: RankPage):
    return rank.page.locator("#rank-lease-banner")


def renewed(page: Page, act: Callable[[], object]) -> bool:
    with page.expect_response("**/renew/") as answer:
        act()
    return answer.value.ok


def test_a_lease_that_ends_is_warned_of_and_kept_by_a_key(rank):
    before = Assignment.objects.get().lease_expires
    rank.page.clock.fast_forward(28 * 60_000 + 30_000)
    expect(lease_banner(rank)).to_contain_text("soon goes back")
    assert renewed(rank.page, lambda: rank.press("3"))
    assert Assignment.objects.get().lease_expires > before


def test_work_renews_a_lease_and_idleness_does_not(rank):
    asked: list[str] = []
    rank.page.on("request", lambda request: "/renew/" in request.url and asked.append(request.url))
    rank.page.clock.fast_forward(16 * 60_000)
    rank.page.clock.run_for(3000)
    assert asked == []
    assert renewed(rank.page, lambda: (rank.press("3"), rank.page.clock.run_for(2000)))


def test_after_the_end_the_work_is_kept_and_still_counts(rank):
    rank.press("3", "1")
    run_out()
    rank.page.clock.fast_forward(31 * 60_000)
    expect(lease_banner(rank)).to_contain_text("Your work is kept")
    rank.press("4", "Enter")
    wait_until(lambda: Ranking.objects.count() == 1)


def test_after_the_end_somebody_else_may_have_it(rank, project, lena):
    rank.press("3", "1", "4")
    run_out()
    task_next(project=project, annotator=lena)
    rank.page.clock.fast_forward(31 * 60_000)
    rank.press("Enter")
    expect(rank.page.locator(".toast")).to_contain_text("somebody else took it")
    assert not Ranking.objects.exists()


def test_an_idle_page_takes_no_other_task(rank):
    run_out()
    rank.page.clock.fast_forward(31 * 60_000)
    expect(rank.empty).to_contain_text("Are you still there?")
    assert not Assignment.objects.filter(state=AssignmentState.LEASED).exists()
    rank.empty.get_by_role("button", name="Go on").click()
    rank.ready()


def test_leaving_gives_back_what_was_fetched_ahead(open_page, alice, make_task):
    make_task()
    make_task()
    page = open_page(alice, PATH)
    page.wait_for_selector("#rank[data-ahead=ready]")
    page.goto(page.url.replace(PATH, "/accounts/tokens/"))
    states = Assignment.objects.order_by("id").values_list("state", flat=True)
    wait_until(lambda: list(states.all()) == [AssignmentState.LEASED, AssignmentState.EXPIRED])


def test_who_is_held_back_is_told_why(open_page, alice, make_task, project):
    make_task()
    project.paused = True
    project.save()
    rank = RankPage(open_page(alice, PATH))
    expect(rank.empty).to_contain_text("The project is paused")
    project.paused = False
    project.save()
    rank.page.get_by_role("button", name="Look again").click()
    rank.ready()
