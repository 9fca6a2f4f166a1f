"""Hostile texts stay texts, the CSP holds, and axe finds nothing."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import AXE
from tests.e2e.rank_page import PATH, RankPage, serious

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOSTILE = (
    "<script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 1'>",
    "<b>bold</b> & <a href='javascript:window.hurt=1'>link</a>",
    "\u202eright to left {{ 7*7 }} ${window.hurt=1}",
)


def test_html_and_script_in_completions_stay_text(open_page, alice, make_task, problems):
    make_task(*HOSTILE, source="<script>window.hurt = 1</script>: <img src=x onerror=alert(1)>\n<i>Tom</i>: <b>x</b>")
    rank = RankPage(open_page(alice, PATH)).ready()
    assert sorted(rank.shown()) == sorted(HOSTILE)
    rank.press("h", "e", "1", "Escape", "1", "2", "3")
    assert "<img src=x onerror=alert(1)>" in rank.source()
    assert rank.page.locator("#rank-cards img, #rank-cards script, #rank-cards b, #rank-source img").count() == 0
    assert rank.page.evaluate("window.hurt") is None
    assert problems == []


def test_a_whole_task_passes_without_a_console_error(open_page, alice, make_task, problems):
    make_task()
    make_task()
    rank = RankPage(open_page(alice, PATH)).ready()
    rank.press("3", "1", "4", "Enter")
    rank.expect_stored()
    rank.ready().press("?", "Escape", "g", "h", "r", "x", "1")
    rank.page.locator("#rank-flag").wait_for()
    assert problems == []


def test_the_page_is_served_without_inline_code(client_for, alice, project):
    response = client_for(alice).get(PATH)
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    html = response.content.decode()
    assert "<style" not in html
    assert " onclick" not in html
    assert "<script>" not in html


def test_the_page_never_tells_who_wrote_a_text(open_page, alice, make_task):
    make_task().completions.update(source="secret-model-7")
    answers: list[str] = []
    page = open_page(alice, "/accounts/tokens/")
    page.on("response", lambda response: "/api/" in response.url and answers.append(response.text()))
    page.goto(page.url.replace("/accounts/tokens/", PATH))
    RankPage(page).ready()
    assert answers
    assert "secret-model-7" not in "".join(answers) + page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_axe_finds_nothing_serious(open_page, alice, make_task, scheme, size):
    make_task()
    page = open_page(alice, PATH, color_scheme=scheme, bypass_csp=True, viewport={"width": size[0], "height": size[1]})
    rank = RankPage(page).ready()
    rank.press("3", "=", "1", "r", "h")
    expect(rank.saved).to_contain_text("saved")
    page.add_script_tag(path=AXE)
    assert serious(page) == []
    rank.press("?")
    assert serious(page) == []
