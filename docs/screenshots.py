"""Pictures of every page of a served product, light and dark, at a desk and on a phone.

``make demo`` in one terminal, ``make screenshots`` in another. The pages are found by following links from the first
one as the lead; of pages that differ in their object alone (one run, another run) one is taken. The ranking page is
shown as an annotator works on it. Nothing is submitted; a lease or two are taken, as by anybody who looks.
"""

import argparse
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.urls import Resolver404, resolve
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

HERE = Path(__file__).parent
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
COLOURS = 96
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
RANKING: dict[str, Callable[[Page], object]] = {
    # A draft is kept, so it is taken back first.
    "order": lambda page: [page.keyboard.press(key) for key in [*["Backspace"] * 8, *"2>1"]],
    "names": lambda page: page.keyboard.press("h"),
    "keys": lambda page: page.keyboard.press("?"),
    "guidelines": lambda page: page.keyboard.press("g"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the product is served")
    parser.add_argument("--logins", type=Path, default=HERE.parent / "var" / "demo.json", help="what make demo wrote")
    parser.add_argument("--out", type=Path, default=HERE / "screenshots")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    django.setup()  # names of addresses
    users = json.loads(options.logins.read_text())["users"]
    logins = {user["username"]: user["password"] for user in users}
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        lead, annotator = (_log_in(browser, options.url, name, logins[name]) for name in ("lena", "alice"))
        found = dict(_pages(browser, options.url, lead))
        for size, viewport in SIZES.items():
            for theme in THEMES:
                looks = {"viewport": viewport, "color_scheme": theme, "reduced_motion": "reduce"}
                ending = f"{size}-{theme}.webp"
                for name, state, addresses in (("", None, {"login": "/accounts/login/"}), ("", lead, found)):
                    context = browser.new_context(storage_state=state, **looks)
                    for page_name, address in addresses.items():
                        _take(context, options.url + address, options.out / f"{name}{page_name}-{ending}")
                    context.close()
                context = browser.new_context(storage_state=annotator, **looks)
                for name, act in RANKING.items():
                    _take(context, options.url + found["rank"], options.out / f"rank-{name}-{ending}", act)
                context.close()
        browser.close()
    pictures = list(options.out.glob("*.webp"))
    print(f"{len(pictures)} pictures, {sum(file.stat().st_size for file in pictures) / 1e6:.1f} MB, in {options.out}")


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


def _take(context: BrowserContext, address: str, path: Path, act: Callable[[Page], object] | None = None) -> None:
    page = context.new_page()
    page.goto(address, wait_until="load")
    if "/rank/" in address:
        page.locator(".card-item, #rank-empty button").first.wait_for()
    if act:
        act(page)
    page.wait_for_timeout(400)  # charts draw, the next task comes
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.convert("RGB").save(path, lossless=True, method=6)
    page.close()


if __name__ == "__main__":
    main()
