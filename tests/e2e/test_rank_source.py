"""Reading: conversations, long sources, what is struck and what is invisible."""

import pytest
from playwright.sync_api import expect

from annotation.models import Ranking
from tests.e2e.rank_page import PATH, RankPage
from tests.factories import PromptFactory, TaskFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SELECT = """([letters, words]) => {
  const text = [...document.querySelectorAll(".card-text")].find((one) => one.textContent.includes(letters));
  const node = [...text.childNodes].find((one) => one.textContent.includes(words));
  const start = node.textContent.indexOf(words);
  document.getSelection().setBaseAndExtent(node, start, node, start + words.length);
}"""
FAMILY = "It is 👨\u200d👩\u200d👧 time on Sunday."


@pytest.fixture
def rank(open_page, alice, make_task) -> RankPage:
    make_task(FAMILY, "שלום 12", "a\u202eb\u200bc", "plain")
    return RankPage(open_page(alice, PATH)).ready()


def letter_of(rank: RankPage, words: str) -> int:
    return next(index for index, text in enumerate(rank.shown(), start=1) if words in text)


def test_a_selection_is_struck_in_code_points_and_survives_a_reload(rank):
    rank.page.evaluate(SELECT, ["Sunday", "👧 time on Sunday"])
    rank.press("u")
    struck = rank.page.locator(".card-text del")
    expect(struck).to_have_text("👨\u200d👩\u200d👧 time on Sunday")  # a family is one character
    expect(rank.saved).to_contain_text("saved")
    rank.page.reload()
    rank.ready()
    expect(struck).to_have_text("👨\u200d👩\u200d👧 time on Sunday")
    rank.press("1", "2", "3", "Enter")
    rank.expect_stored()
    (span,) = Ranking.objects.get().spans
    assert FAMILY[span["start"] : span["end"]] == "👨\u200d👩\u200d👧 time on Sunday"
    assert span["label"] == "unsupported"
    rank.press("Control+z")
    expect(struck).to_have_count(1)
    rank.page.get_by_role("button", name="Free “").click()
    expect(struck).to_have_count(0)


def test_a_part_is_struck_by_keyboard_alone(rank):
    rank.press("u", str(letter_of(rank, "plain")))
    rank.page.locator("textarea:focus").wait_for()
    rank.press("z", "Shift+ArrowRight", "Shift+ArrowRight", "Enter")
    expect(rank.page.locator(".card-text del")).to_have_text("pl")
    expect(rank.live).to_contain_text("Struck in")
    rank.press("1")
    rank.expect_order("A >>>")


def test_a_selection_is_struck_by_touch(open_page, alice, make_task):
    make_task(FAMILY, "one", "two", "three")
    rank = RankPage(open_page(alice, PATH, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True))
    rank.ready()
    rank.page.evaluate(SELECT, ["Sunday", "Sunday"])
    rank.card("ABCD"[letter_of(rank, "Sunday") - 1]).get_by_role("button", name="Strike what").tap()
    expect(rank.page.locator(".card-text del")).to_have_text("Sunday")
    rank.expect_order(">>>")


def test_a_double_click_selects_a_word_and_places_nothing(rank):
    rank.page.get_by_text("plain").dblclick(position={"x": 12, "y": 10})
    rank.expect_order(">>>")
    rank.press("u")
    expect(rank.page.locator(".card-text del")).to_have_text("plain")


def test_what_is_invisible_is_shown_and_turns_nothing_round(rank):
    card = rank.card("ABCD"[letter_of(rank, "\u202e") - 1])
    names = card.locator(".unseen").evaluate_all("all => all.map(one => one.dataset.name)")
    assert names == ["RLO", "ZWSP"]
    where = "one => { const r = document.createRange(); r.selectNode(one); return r.getBoundingClientRect().left; }"
    nodes = card.locator(".card-text")
    places = nodes.evaluate(f"text => [...text.childNodes].filter((n) => n.nodeType === 3).map({where})")
    assert places == sorted(places)  # a, b and c stand as they were written
    assert rank.page.locator(".unseen").count() == 2  # the joiners of the family are no secret


def test_a_conversation_is_shown_by_its_turns_and_a_missing_source_is_told(open_page, alice, project):
    turns = [{"speaker": "User", "text": "<b>Is</b> it: late?"}, {"speaker": "Assistant", "text": "No.\nNot yet."}]
    TaskFactory(project=project, prompt=PromptFactory(project=project, turns=turns))
    TaskFactory(project=project, prompt=PromptFactory(project=project, text=""))
    rank = RankPage(open_page(alice, PATH)).ready()
    rows = rank.page.locator(".turn")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("User<b>Is</b> it: late?")
    expect(rows.nth(1)).to_contain_text("Not yet.")
    rank.press("1", "2", "3", "Enter")
    expect(rank.page.locator("#rank-source")).to_contain_text("No source")


def test_a_long_source_is_searched_and_folded(open_page, alice, project, make_task):
    lines = [f"{'AB'[turn % 2]}: This is turn {turn} of a long talk." for turn in range(40)]
    make_task(source="\n".join(lines))
    rank = RankPage(open_page(alice, PATH)).ready()
    middle = rank.page.locator(".turn-text", has_text="turn 20 of")
    rank.page.get_by_role("button", name="Fold").click()
    expect(middle).to_be_hidden()
    rank.page.reload()
    rank.ready()
    expect(middle).to_be_hidden()  # it is remembered
    rank.press("/")
    field = rank.page.locator("#rank-find input")
    expect(field).to_be_focused()
    field.press_sequentially("TURN 2")
    expect(rank.page.locator("#rank-find [data-count]")).to_have_text("1 of 11")
    field.press("Enter")
    expect(middle).to_be_visible()
    field.press("Escape")
    rank.press("1")
    rank.expect_order("A >>>")


def test_names_and_numbers_are_marked_both_ways(open_page, alice, make_task):
    make_task()
    rank = RankPage(open_page(alice, PATH)).ready()
    rank.press("h")
    wrong = letter_of(rank, "Peter") - 1
    card = rank.card("ABCD"[wrong])
    assert card.locator("mark").all_text_contents() == ["Sunday", "Peter"]
    expect(card.locator(".card-lacks")).to_contain_text("Leaves out: Saturday")
    lacking = rank.page.locator("#rank-source mark", has_text="Saturday").first
    assert "ABCD"[wrong] in (lacking.get_attribute("title") or "")
