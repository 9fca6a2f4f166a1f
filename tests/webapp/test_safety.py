"""What people and models wrote is shown as text, and no page needs what the content security policy forbids."""

from html.parser import HTMLParser

import pytest
from django.urls import reverse

from tests.webapp.objects import evaluation_make, model_make, run_make
from tests.webapp.test_roles import PAGES, arguments
from workers.models import RunEvent, RunKind, RunState

GETS = [name for name, (method, _) in PAGES.items() if method == "get"]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Inline(HTMLParser):
    """Collects what a strict policy would block: scripts with a body, style elements, style and on… attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        data_block = names.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in names and not data_block):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]


def inline(html: str) -> list[str]:
    parser = Inline()
    parser.feed(html)
    return parser.found


@pytest.mark.parametrize("name", GETS)
def test_a_page_carries_nothing_inline(name, world, lead):
    assert inline(lead.get(reverse(name, kwargs=arguments(name, world))).content.decode()) == []


def test_the_api_reference_carries_nothing_inline(client, lead):
    assert inline(lead.get(reverse("docs")).content.decode()) == []


@pytest.mark.parametrize("name", [*GETS, "docs", "home"])
def test_a_page_has_the_strict_policy(name, world, lead):
    values = arguments(name, world) if name in PAGES else {}
    policy = lead.get(reverse(name, kwargs=values)).headers["Content-Security-Policy"]
    directives = {part.strip() for part in policy.split(";")}  # their order is not fixed
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= directives
    assert "unsafe" not in policy


@pytest.fixture
def hostile(world, alice):
    world.project.name = HOSTILE
    world.project.guidelines = f"# Rules\n\n{HOSTILE}\n\n[a](javascript:alert(3))"
    world.project.save()
    model = model_make(world.project, slug="hostile")
    evaluation_make(model, run=run_make(world.project, kind=RunKind.EVALUATE), text=HOSTILE)
    world.run.error = HOSTILE
    world.run.inputs = {HOSTILE: HOSTILE}
    world.run.config = {"note": HOSTILE, "kl_target": HOSTILE}
    world.run.state = RunState.FAILED
    world.run.save()
    RunEvent.objects.create(run=world.run, kind="stop-rule", message=HOSTILE, data={"step": HOSTILE})
    world.round.error = HOSTILE
    world.round.gate = {"passed": False, "reasons": [HOSTILE]}
    world.round.save()
    return world


@pytest.mark.parametrize("name", GETS)
def test_hostile_text_stays_text(name, hostile, lead):
    html = lead.get(reverse(name, kwargs=arguments(name, hostile))).content.decode()
    assert "<script>alert" not in html
    assert "onerror=alert" not in html.replace("onerror=alert(2)&gt;", "").replace("onerror=alert(2)\\u003E", "")
    assert "javascript:" not in html.replace("(javascript:alert(3))", "")
    assert inline(html) == []


def test_a_rejected_line_is_quoted_as_text(world, lead):
    response = lead.post(
        reverse("prompts_import", args=["dialogues"]), {"what": "prompts", "text": f'{{"{HOSTILE}": 1}}'}
    )
    assert "<script>alert" not in response.content.decode()


def test_the_preview_shows_html_as_text(lead):
    html = lead.post(reverse("markdown_preview"), {"guidelines": f"**bold** {HOSTILE}"}).content.decode()
    assert "<strong>bold</strong>" in html
    assert inline(html) == []
