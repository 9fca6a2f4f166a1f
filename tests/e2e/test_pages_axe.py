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
