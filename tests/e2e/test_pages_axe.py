"""Every project page in a real browser: axe finds nothing, nothing is blocked, nothing is wider than the screen."""

import pytest
from django.urls import reverse

from tests.e2e.conftest import AXE
from tests.webapp.conftest import World, world
from tests.webapp.test_roles import PAGES, arguments

__all__ = ["world"]  # a fixture of the web pages' tests

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PARTS = {"run_status", "run_log", "round_live", "project_live", "rank"}
NAMES = [name for name, (method, _) in PAGES.items() if method == "get" and name not in PARTS]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def addresses(world: World) -> dict[str, str]:
    return {name: reverse(name, kwargs=arguments(name, world)) for name in NAMES} | {"home": "/"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(theme, addresses, open_page, live_server, lena, problems):
    page = open_page(lena, "/", color_scheme=theme)
    found = {}
    for name, address in addresses.items():
        page.goto(live_server.url + address)
        page.wait_for_load_state("load")
        # Outside the page's own policy: axe is put in by the test, not by the page.
        page.evaluate(AXE.read_text())
        violations = page.evaluate("() => axe.run().then((result) => result.violations)")
        if violations:
            found[name] = [(one["id"], one["nodes"][0]["html"][:200], len(one["nodes"])) for one in violations]
    assert found == {}
    assert problems == []


def test_no_page_is_wider_than_a_phone(addresses, open_page, live_server, lena):
    page = open_page(lena, "/", viewport=PHONE)
    wide = {}
    for name, address in addresses.items():
        page.goto(live_server.url + address)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[name] = over
    assert wide == {}


STACKED = ("runs", "models", "members", "rounds", "round", "snapshots", "gold", "review_case")


@pytest.mark.parametrize("name", STACKED)
def test_tables_are_read_without_scrolling_sideways_on_a_phone(name, addresses, open_page, live_server, lena):
    page = open_page(lena, addresses[name], viewport=PHONE)
    table = page.locator("table.stacked").first
    over = table.evaluate("(one) => one.parentElement.scrollWidth - one.parentElement.clientWidth")
    assert over == 0
    headers = page.locator("table.stacked thead th").all_text_contents()
    labels = table.locator("td[data-label]").evaluate_all("(all) => all.map((one) => one.dataset.label)")
    assert labels
    assert set(labels) <= {header.strip() for header in headers}


def test_a_stacked_table_is_a_table_for_a_screen_reader(addresses, open_page, lena):
    page = open_page(lena, addresses["runs"], viewport=PHONE)
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    roles = {node["role"]["value"] for node in nodes if "role" in node and not node["ignored"]}
    assert {"table", "row", "rowheader", "columnheader", "cell"} <= roles
