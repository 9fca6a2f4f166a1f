"""Ranking by mouse and by touch, at desk and phone size."""

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Ranking
from tests.e2e.rank_page import PATH, RankPage, texts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def tasks(make_task):
    return [make_task(), make_task()]


@pytest.fixture
def rank(open_page, alice, tasks) -> RankPage:
    return RankPage(open_page(alice, PATH)).ready()


@pytest.fixture
def phone(open_page, alice, tasks) -> RankPage:
    return RankPage(open_page(alice, PATH, **PHONE)).ready()


def drag(page: Page, start, end) -> None:
    """Press on the middle of one element, let go over another."""
    one, other = start.bounding_box(), end.bounding_box()
    page.mouse.move(one["x"] + one["width"] / 2, one["y"] + one["height"] / 2)
    page.mouse.down()
    page.mouse.move(one["x"] + one["width"] / 2 + 8, one["y"] + one["height"] / 2, steps=3)
    page.mouse.move(other["x"] + other["width"] / 2, other["y"] + other["height"] / 2, steps=12)
    page.mouse.move(other["x"] + other["width"] / 2 + 2, other["y"] + other["height"] / 2, steps=2)
    page.wait_for_timeout(200)  # the place under the pointer is looked for every 50 ms
    page.mouse.up()


def test_clicks_in_order_rank(rank):
    shown = rank.shown()
    for letter in "CAD":
        rank.card(letter).locator(".card-text").click()
    rank.page.get_by_role("button", name="Submit", exact=True).click()
    rank.expect_stored()
    assert texts(Ranking.objects.get()) == [[shown[index]] for index in (2, 0, 3, 1)]


def test_a_second_click_takes_a_card_out(rank):
    rank.card("C").click()
    rank.card("A").click()
    rank.card("C").click()
    rank.expect_order("A >>>")


def test_enter_after_a_click_submits(rank):
    for letter in "CAD":
        rank.card(letter).locator(".card-pick").click()
    rank.press("Enter")
    rank.expect_stored()


def test_a_letter_is_dragged_to_another_place(rank):
    rank.press("1", "2", "3")
    chips = rank.page.locator(".chip")
    drag(rank.page, chips.nth(2), chips.nth(0))
    rank.expect_order("C > A > B > D")


def test_a_card_is_dragged_into_the_order(rank):
    shown = rank.shown()
    rank.press("1", "2")
    drag(rank.page, rank.card("D").locator(".grip"), rank.page.locator(".chip").nth(0))
    expect(rank.page.locator(".chip").nth(2)).to_be_visible()
    assert "D" in rank.order.inner_text()
    assert rank.shown() == shown


def test_signs_between_letters_change_when_pressed(rank):
    rank.press("1", "2", "3")
    sign = rank.page.locator(".sign").first
    sign.click()
    rank.expect_order("A ≫ B > C > D")
    rank.page.locator(".sign").first.click()
    rank.expect_order("A = B > C > D")


def test_taps_in_order_rank_on_a_phone(phone):
    shown = phone.shown()
    for letter in "DBA":
        phone.card(letter).locator(".card-text").tap()
    phone.expect_order("D > B > A > C")
    phone.page.get_by_role("button", name="Submit", exact=True).tap()
    expect(phone.page.locator("[data-count=today]")).to_have_text("1")
    assert texts(Ranking.objects.get()) == [[shown[index]] for index in (3, 1, 0, 2)]


@pytest.mark.parametrize("width", [360, 390, 768])
def test_nothing_is_wider_than_the_screen(open_page, alice, make_task, width):
    make_task("A" * 400, "two", "three", "four", source="Anna: " + "x" * 300 + "\nTom: y")
    page = open_page(alice, PATH, viewport={"width": width, "height": 800})
    RankPage(page).ready()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ratings_are_optional_and_kept(rank):
    rank.press("r")
    rank.card("B").get_by_role("group", name="faithfulness of B").get_by_role("radio", name="4").check()
    rank.press("1", "2", "3", "Enter")
    rank.expect_stored()
    ratings = Ranking.objects.get().ratings
    assert [list(row.values()) for row in ratings.values()] == [[4]]


def test_guidelines_open_beside_the_task(open_page, alice, project, make_task):
    project.guidelines = "Keep the **facts**. <script>alert(1)</script>"
    project.save()
    make_task()
    rank = RankPage(open_page(alice, PATH)).ready()
    rank.page.get_by_role("button", name="Guidelines").first.click()
    drawer = rank.page.locator("#rank-guidelines")
    expect(drawer.locator("strong")).to_have_text("facts")
    expect(drawer).to_contain_text("<script>alert(1)</script>")
    rank.press("1")
    rank.expect_order("A >>>")
