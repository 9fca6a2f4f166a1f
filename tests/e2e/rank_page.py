"""The ranking page as the tests see it."""

import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from annotation.models import Ranking

PATH = "/projects/dialogues/rank/"


class RankPage:
    """Waits for what people see; nothing here knows how the page is made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cards = page.locator(".card-item")
        self.order = page.locator("#rank-lane")
        self.banner = page.locator("#rank-banner")
        self.empty = page.locator("#rank-empty")
        self.last = page.locator("#rank-last")
        self.saved = page.locator("#rank-saved")
        self.live = page.locator("#rank-say")

    def ready(self, cards: int = 4) -> "RankPage":
        expect(self.cards).to_have_count(cards)
        expect(self.cards.first).to_be_visible()
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def shown(self) -> list[str]:
        """The completions' texts, first to last."""
        return self.page.locator(".card-text").all_text_contents()

    def source(self) -> str:
        return self.page.locator("#rank-source").inner_text()

    def card(self, letter: str) -> Locator:
        return self.cards.nth("ABCDEFGHI".index(letter))

    def expect_order(self, text: str) -> None:
        """``C > A = D > B``, the implied last one included, empty slots as nothing."""
        wanted = text.replace(" ", "")
        glyphs = self.order.locator(".glyph")
        wait_until(lambda: "".join(glyphs.all_text_contents()) == wanted)

    def expect_stored(self, pairs: int = 6) -> None:
        expect(self.last).to_contain_text(f"{pairs} pair")


def texts(ranking: Ranking) -> list[list[str]]:
    """A ranking's groups as texts, each group sorted."""
    known = dict(ranking.assignment.task.completions.values_list("id", "text"))
    return [sorted(known[one] for one in group) for group in ranking.groups]


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for the database: the page tells of a write only after it."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def serious(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA; the page has axe loaded."""
    page.evaluate(
        "Promise.all(document.getAnimations().map((one) => one.finished))"
    )  # a colour on its way is no colour
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})")
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical", "moderate")
        for node in rule["nodes"]
    ]
