"""What every page has: the theme, the menus, the skip link."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import AXE
from tests.e2e.rank_page import serious
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOKENS = "/accounts/tokens/"
BACKGROUND = "getComputedStyle(document.documentElement).getPropertyValue('--pico-background-color').trim()"


@pytest.mark.parametrize(("scheme", "colour"), [("light", "#f5f7f9"), ("dark", "#0f141a")])
def test_the_theme_follows_the_system(open_page, alice, scheme, colour):
    assert open_page(alice, TOKENS, color_scheme=scheme).evaluate(BACKGROUND) == colour


def test_a_chosen_theme_is_kept(open_page, alice):
    page = open_page(alice, TOKENS, color_scheme="light")
    toggle = page.locator("#theme-toggle")
    expect(toggle).to_have_attribute("title", "Theme: system")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_attribute("title", "Theme: dark")
    page.reload()
    assert page.evaluate(BACKGROUND) == "#0f141a"


def test_the_project_menu_opens_and_closes_by_keyboard(open_page, alice, project):
    page = open_page(alice, TOKENS)
    menu = page.locator(".site-nav details")
    menu.locator("summary").press("Enter")
    expect(menu.get_by_role("link", name="Dialogues")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.locator(".menu-list")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_a_menu_closes_on_a_click_elsewhere(open_page, alice, project):
    page = open_page(alice, TOKENS)
    page.locator(".site-nav summary").click()
    page.locator("h1").click()
    expect(page.locator(".site-nav .menu-list")).to_be_hidden()


def test_the_first_tab_skips_to_the_content(open_page, alice):
    page = open_page(alice, TOKENS)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_log_in_by_keyboard(browser, live_server, alice):
    page = browser.new_page()
    page.goto(live_server.url + "/")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(live_server.url + "/")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [TOKENS, "/accounts/password/", "/accounts/projects/dialogues/invite/"])
def test_axe_finds_nothing_on_account_pages(open_page, lena, project, path, scheme, problems):
    page = open_page(lena, path, color_scheme=scheme, bypass_csp=True)
    if path == TOKENS:
        page.get_by_role("button", name="Make a token").click()
    page.add_script_tag(path=AXE)
    assert serious(page) == []
    assert problems == []
