"""A real browser on a real server. Without chromium these tests are skipped with a reason; under CI they fail."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from annotation.models import Project, Task
from annotation.users import User
from tests.factories import CompletionFactory, PromptFactory, TaskFactory

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Only a failure waits this long: the tests share their cores with whatever else is tested.
SLOW_MACHINE_MS = 30_000
expect.set_options(timeout=SLOW_MACHINE_MS / 2)
AXE = Path(settings.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js"

DIALOGUE = """Anna: Hi Tom, are you still up for the museum on Saturday?
Tom: Yes! But I have to pick up my sister from the station at 11.
Anna: Then let's meet at 1 in front of the main entrance.
Tom: Could we make it half past one? The train is always late.
Anna: Sure, half past one works for me.
Tom: Shall I buy the tickets online? They are cheaper by three euros.
Anna: Please do, I will pay you back in cash.
Tom: Great. By the way, did you find your umbrella?
Anna: No, I think I left it at the café on Mill Street.
Tom: They close at six today, maybe call them.
Anna: Good idea. See you on Saturday!
Tom: See you."""
SUMMARIES = (
    "Anna and Tom meet on Saturday at 1:30 at the museum. Tom buys the tickets online and Anna pays him back in cash.",
    "Tom and Anna meet on Sunday at 1 at the station, and Peter buys the tickets.",
    "They talk about the museum, an umbrella, a café, a late train, a sister at the station, tickets online, and cash.",
    "Anna and Tom go to the museum on Saturday.",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except Error as error:
            reason = f"no chromium could be started: {error.message.splitlines()[0]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield chromium
        chromium.close()


@pytest.fixture
def problems() -> list[str]:
    """What went wrong in the browser: console errors, uncaught exceptions, violations of the CSP."""
    return []


@pytest.fixture
def open_page(browser: Browser, live_server, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """``open_page(user, path, **context)``: a page of a fresh browser in which the user is logged in."""
    contexts: list[BrowserContext] = []

    def make(user: User, path: str, **options) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(SLOW_MACHINE_MS)
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(live_server.url + path)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def make_task(project: Project) -> Callable[..., Task]:
    """``make_task(*texts, source=…)``: a task with these completions, as many as there are texts."""

    def make(*texts: str, source: str = DIALOGUE) -> Task:
        prompt = PromptFactory(project=project, text=source)
        task = TaskFactory(project=project, prompt=prompt, k=len(texts or SUMMARIES))
        task.completions.set([CompletionFactory(prompt=prompt, text=text) for text in texts or SUMMARIES])
        return task

    return make
