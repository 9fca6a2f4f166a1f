"""Pictures of every page of a served product, light and dark, at a desk and on a phone.

``make demo`` in one terminal, ``make screenshots`` in another. The pages are found by following links from the first
one as the lead; of pages that differ in their object alone (one run, another run) one is taken. The ranking page is
shown as an annotator works on it, also in what ``docs.scenes`` adds for the time (run it on the product's machine, with
its ``KEDGE_DATA``). Of the demo's own tasks nothing is submitted; a lease or two are taken, as by anybody who looks.
"""

import argparse
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import django
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from webapp.env import data_folder

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps a loop in this thread; nothing else runs in it
django.setup()  # names of addresses, and the scenes' tables

from django.urls import Resolver404, resolve, reverse  # noqa: E402

from docs.scenes import DONE, FIVE, PAIR, drafts_forget, scenes  # noqa: E402
from workers.models import Run, RunKind  # noqa: E402

HERE = Path(__file__).parent
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
COLOURS = 192
# No pages: parts that others load, documents of other people's making, and what has an effect or needs a secret.
LEFT_OUT = {
    "logout",
    "markdown_preview",
    "schema",
    "docs",
    "run_status",
    "run_log",
    "project_live",
    "round_live",
    "landing",
}
Act = Callable[[Page], object]


@dataclass(frozen=True)
class State:
    """The ranking page of a project, after somebody did something."""

    name: str
    act: Act
    project: str = "dialogues"
    cards: bool = False


def _press(*keys: str) -> Act:
    return lambda page: [page.keyboard.press(key) for key in keys]


def _click(act: str) -> Act:
    return lambda page: page.locator(f"[data-act={act}]").first.click()


def _wait_for_the_lease(page: Page) -> None:
    lease = page.locator("#rank-lease", has_text=":")
    lease.wait_for()
    minutes, seconds = lease.inner_text().removeprefix("Lease ").split(":")
    page.clock.fast_forward((60 * int(minutes) + int(seconds) - 90) * 1000)
    page.locator("#rank-lease-banner").wait_for()


def _submit_offline(page: Page) -> None:
    page.wait_for_selector("#rank[data-ahead=ready]")
    page.context.set_offline(True)
    _press("2", "3", "1", "Enter")(page)
    page.locator("#rank-banner").wait_for()


def _submit(page: Page) -> None:
    _press("1", "Enter")(page)  # in the first picture; in the others it is done
    page.locator("#rank-empty", has_text="All done").wait_for()


STATES = (
    State("order", _press("2", "=", "3", ">", "1"), cards=True),
    State("struck", _press("u", "1", *["Control+Shift+ArrowRight"] * 4, "Enter")),
    State("names", _press("h"), cards=True),
    State("keys", _click("keys")),
    State("guidelines", _click("guidelines")),
    State("lease", _wait_for_the_lease),
    State("offline", _submit_offline),
    State("conversation", _press("/", *"MAY"), FIVE),
    State("best_worst", _press("3", "2"), FIVE, cards=True),
    State("pair", _press(">", "1"), PAIR, cards=True),
    State("left", _submit, DONE),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the product is served")
    parser.add_argument("--out", type=Path, default=HERE / "screenshots")
    parser.add_argument(
        "--only", nargs="*", default=[""], metavar="WORD", help="pictures with one of these in their name"
    )
    options = parser.parse_args()
    users = json.loads((data_folder() / "demo.json").read_text())["users"]
    logins = {user["username"]: user["password"] for user in users}
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        camera = Camera(browser, options.url, options.out, options.only)
        lead, annotator = (_log_in(browser, options.url, name, logins[name]) for name in ("lena", "alice"))
        camera.pages(None, {"login": "/accounts/login/"})
        found = dict(_pages(browser, options.url, lead))
        curves = Run.objects.filter(kind=RunKind.PPO).order_by("-pk").first()  # of the runs, one with curves
        if curves is not None:
            found["run"] = reverse("run", args=[curves.project.slug, curves.pk])
        camera.pages(lead, found)
        with scenes(lead="lena", annotator="alice"):
            camera.pages(lead, {"gold": f"/projects/{PAIR}/gold/"})
            for state in STATES:
                camera.state(annotator, state)
        browser.close()
    pictures = list(options.out.glob("*.webp"))
    print(f"{len(pictures)} pictures, {sum(file.stat().st_size for file in pictures) / 1e6:.1f} MB, in {options.out}")


@dataclass(frozen=True)
class Camera:
    """Takes each picture at a desk and on a phone, light and dark."""

    browser: Browser
    url: str
    out: Path
    only: list[str]

    def looks(self, name: str, login: dict | None) -> Iterator[tuple[Page, Path]]:
        """A fresh page for each size and theme, and where its picture goes."""
        for size, viewport in SIZES.items():
            for theme in THEMES:
                path = self.out / f"{name}-{size}-{theme}.webp"
                if any(word in path.name for word in self.only):
                    context = self.browser.new_context(
                        storage_state=login, viewport=viewport, color_scheme=theme, reduced_motion="reduce"
                    )
                    yield context.new_page(), path
                    context.close()

    def pages(self, login: dict | None, addresses: dict[str, str]) -> None:
        for name, address in addresses.items():
            for page, path in self.looks(name, login):
                page.goto(self.url + address, wait_until="load")
                if name == "rank":
                    page.locator(".card-item, #rank-empty button").first.wait_for()
                if name == "review_case":
                    page.locator(".decision").evaluate("(form) => form.scrollIntoView()")  # what is decided, and how
                _take(page, path)

    def state(self, login: dict, state: State) -> None:
        for page, path in self.looks(f"rank-{state.name}", login):
            drafts_forget("alice")
            page.clock.install()
            page.goto(f"{self.url}/projects/{state.project}/rank/", wait_until="load")
            page.locator(".card-item, #rank-empty button").first.wait_for()
            state.act(page)
            if state.cards:
                page.locator("#rank-cards").evaluate("(cards) => cards.scrollIntoView()")  # below the source on a phone
            _take(page, path)


def _log_in(browser: Browser, url: str, name: str, password: str) -> dict:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/accounts/login/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(password)
    page.locator("form [type=submit]").last.click()
    page.wait_for_url(lambda address: "login" not in address)
    state = context.storage_state()
    context.close()
    return state


def _pages(browser: Browser, url: str, state: dict) -> Iterator[tuple[str, str]]:
    """(name, path) of one address for each named page that can be reached, nearest first."""
    context = browser.new_context(storage_state=state)
    page = context.new_page()
    waiting, known = ["/"], set()
    while waiting:
        address = waiting.pop(0)
        try:
            name = resolve(address).url_name
        except Resolver404:
            continue
        if name is None or name in known or name in LEFT_OUT or address.startswith(("/admin/", "/api/")):
            continue
        known.add(name)
        answer = page.request.get(url + address)
        if not answer.ok or "text/html" not in answer.headers.get("content-type", ""):
            continue
        page.goto(url + address)
        yield name, address
        links = page.eval_on_selector_all("a[href]:not([download])", "all => all.map((one) => one.href)")
        waiting += [urlsplit(link).path for link in links if link.startswith(url)]
    context.close()


def _take(page: Page, path: Path) -> None:
    page.wait_for_timeout(400)  # charts draw, the next task comes
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.convert("RGB").save(path, lossless=True, method=6)


if __name__ == "__main__":
    main()
