"""The pure parts of the ranking page, run where they run: in a browser."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FIVE = [1, 2, 3, 4, 5]

SETUP = """async (steps) => {
  const s = await import("/static/annotation/state.js");
  const w = await import("/static/annotation/words.js");
  let state = s.start([11, 22, 33, 44]);
  for (const [name, ...rest] of steps) state = s[name](state, ...rest);
  const {past, ...kept} = state;
  return {...kept, text: w.orderText(state), answer: s.answer(state), touched: s.touched(state)};
}"""


@pytest.fixture(scope="module")
def module_page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def after(module_page, live_server):
    """``after(step, …)``: the state after these steps from an untouched task with ids 11, 22, 33, 44."""

    def run(*steps):
        if not module_page.url.startswith(live_server.url):
            module_page.goto(live_server.url + "/accounts/login/")
        return module_page.evaluate(SETUP, [list(step) for step in steps])

    return run


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([], ""),
        ([("place", 33)], "C"),
        ([("place", 33), ("place", 11)], "C > A"),
        ([("place", 33), ("place", 11), ("place", 44)], "C > A > D > B"),
        ([("place", 33), ("relate", "="), ("place", 11)], "C = A"),
        ([("place", 33), ("relate", 3), ("place", 11), ("relate", 1), ("place", 22)], "C ≫ A ≳ B > D"),
        ([("place", 33), ("place", 11), ("place", 44), ("relate", "=")], "C > A > D = B"),
        ([("place", 33), ("relate", "="), ("relate", "="), ("place", 11)], "C > A"),
        ([("place", 33), ("place", 33)], "C"),
        ([("relate", "="), ("place", 33)], "C"),
        ([("place", 33), ("place", 11), ("back",)], "C"),
        ([("place", 33), ("place", 11), ("back",), ("back",), ("back",)], ""),
        ([("place", 33), ("place", 11), ("place", 22), ("remove", 11)], "C > B"),
        ([("place", 33), ("relate", "="), ("place", 11), ("place", 22), ("remove", 33)], "A > B"),
        ([("place", 33), ("relate", 3), ("place", 11), ("place", 22), ("remove", 33)], "A > B"),
        ([("place", 11), ("place", 22), ("place", 33), ("moveTo", 33, 0)], "C > A > B > D"),
        ([("place", 11), ("place", 22), ("place", 33), ("moveTo", 44, 1)], "A > D > B > C"),
        ([("place", 11), ("relate", "="), ("place", 22), ("place", 33), ("moveTo", 33, 1)], "A = B = C > D"),
        ([("place", 11), ("place", 22), ("place", 33), ("shift", 11, 1)], "B > A > C > D"),
        ([("place", 11), ("relate", "="), ("place", 22), ("place", 33), ("shift", 22, -1)], "B > A > C > D"),
        ([("place", 11), ("relate", "="), ("place", 22), ("place", 33), ("shift", 33, -1)], "C > A = B > D"),
        ([("place", 11), ("place", 22), ("place", 33), ("cycle", 0)], "A ≫ B > C > D"),
        ([("place", 11), ("place", 22), ("place", 33), ("cycle", 0), ("cycle", 0)], "A = B > C > D"),
        ([("place", 11), ("place", 22), ("place", 33), ("cycle", 2), ("cycle", 2)], "A > B > C = D"),
        ([("place", 11), ("relate", "="), ("place", 22), ("place", 33), ("cycle", 0)], "A ≳ B > C > D"),
    ],
)
def test_the_order(after, steps, text):
    assert after(*steps)["text"] == text


def test_nothing_counts_before_something_is_said(after):
    untouched = after()
    assert untouched["answer"] is None
    assert not untouched["touched"]


def test_an_incomplete_order_is_no_answer(after):
    assert after(("place", 11), ("place", 22))["answer"] is None


def test_strengths_are_only_sent_where_one_was_said(after):
    plain = after(("place", 11), ("place", 22), ("place", 33))["answer"]
    said = after(("place", 11), ("relate", 3), ("place", 22), ("place", 33))["answer"]
    assert plain["strengths"] is None
    assert said["strengths"] == [3, 2, 2]


def test_there_is_one_strength_for_each_boundary_whatever_was_done(after):
    steps = [("place", 11), ("relate", 1), ("place", 22), ("relate", "="), ("place", 33), ("place", 44)]
    moves = [("moveTo", 44, 0), ("shift", 22, -1), ("cycle", 1), ("remove", 33), ("place", 33), ("shift", 11, 1)]
    for count in range(len(moves) + 1):
        state = after(*steps, *moves[:count])
        assert len(state["strengths"]) == len(state["groups"]) - 1
        placed = sorted(one for group in state["groups"] for one in group)
        assert placed == ([11, 22, 44] if count == 4 else [11, 22, 33, 44])


def test_none_acceptable_alone_is_an_answer(after):
    answer = after(("toggleNone",))["answer"]
    assert answer["none_acceptable"]
    assert answer["groups"] == []


def test_none_acceptable_with_half_an_order_is_not(after):
    assert after(("toggleNone",), ("place", 11))["answer"] is None


def test_an_unchanged_rewrite_is_none(after):
    assert after(("rewrite", 11, "same", "same"))["rewrite"] is None
    assert after(("rewrite", 11, "better", "same"))["rewrite"] == {"completion": 11, "text": "better"}


def test_a_flag_and_a_rating_can_be_taken_off(after):
    assert after(("flag", 11, "Rude"), ("flag", 11, ""))["flags"] == {}
    assert after(("rate", "tone", 11, 4), ("rate", "tone", 11, None))["ratings"] == {}


def test_a_draft_of_other_completions_is_dropped(module_page, after):
    after()
    groups = module_page.evaluate(
        """async () => (await import("/static/annotation/state.js")).fromDraft([1, 2], {groups: [[3]]}).groups"""
    )
    assert groups == []


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Anna: Hi\nTom: Hello: you", [["Anna", "Hi"], ["Tom", "Hello: you"]]),
        ("#Person1#: Hi\n\n#Person2#: Bye\nand more", [["#Person1#", "Hi"], ["#Person2#", "Bye\nand more"]]),
        ("A text without turns.\nAnd a second line.", None),
        ("Note: only one line of many\nplain\nplain\nplain", None),
        ("It is 12:30 now", None),
        ("At home.\nAnna: Hi\nTom: Bye", [["", "At home."], ["Anna", "Hi"], ["Tom", "Bye"]]),
    ],
)
def test_turns_of_a_source(module_page, after, text, turns):
    after()
    found = module_page.evaluate(
        """async (text) => {
          const source = await import("/static/annotation/source.js");
          return source.turnsOf(text)?.map((turn) => [turn.speaker, turn.text]);
        }""",
        text,
    )
    assert found == turns


def test_names_and_numbers_that_a_text_adds_and_leaves_out(module_page, after):
    after()
    found = module_page.evaluate(
        """async ([text, source]) => {
          const marks = await import("/static/annotation/marks.js");
          const added = marks.added(text, source).map(({start, end}) => text.slice(start, end));
          const facts = marks.facts(source.split("\\n"), ["Anna"]);
          return {added, left: marks.lacking(text, facts).map((fact) => fact.name)};
        }""",
        [
            "The two meet Anna's friend Peter on Sunday at 5, not at 1:30.",
            "See you at 1:30 on Saturday! Great. I'm glad\nShall I bring Tom and 2 cakes? Great, I think. Anna's are.",
        ],
    )
    assert found == {"added": ["Peter", "Sunday", "5"], "left": ["Saturday", "Tom", "2"]}


@pytest.mark.parametrize(
    ("best_worst", "ids", "steps", "text", "groups"),
    [
        (False, [1, 2], [("place", 2)], "B > A", [[2], [1]]),
        (False, [1, 2], [("relate", "="), ("relate", "=")], "", None),
        (False, [1, 2], [("relate", 3), ("place", 1), ("place", 2)], "B > A", [[2], [1]]),
        (False, [1, 2], [("place", 1), ("relate", 3), ("relate", "="), ("back",)], "A ≫ B", [[1], [2]]),
        (True, FIVE, [("place", 3)], "C > … > ?", None),
        (True, FIVE, [("place", 3), ("place", 1), ("place", 2)], "C > … > A", [[3], [2, 4, 5], [1]]),
        (True, FIVE, [("place", 3), ("place", 1), ("moveTo", 1, 0)], "A > … > C", [[1], [2, 4, 5], [3]]),
        (True, FIVE, [("place", 3), ("place", 1), ("moveTo", 4, 1)], "C > … > D", [[3], [1, 2, 5], [4]]),
        (True, FIVE, [("place", 3), ("place", 1), ("remove", 3)], "? > … > A", None),
        (True, FIVE, [("place", 3), ("place", 1), ("remove", 3), ("place", 5)], "E > … > A", [[5], [2, 3, 4], [1]]),
    ],
)  # fmt: skip
def test_two_and_best_and_worst(module_page, after, best_worst, ids, steps, text, groups):
    after()
    found = module_page.evaluate(
        """async ([ids, method, steps]) => {
          const s = await import("/static/annotation/state.js");
          const w = await import("/static/annotation/words.js");
          let state = s.start(ids, method);
          for (const [name, ...rest] of steps) state = s[name](state, ...rest);
          const answer = s.answer(state);
          // What was said comes back the same from a draft, and from what is stored.
          const draft = s.toDraft(state);
          const again = [draft, answer ?? draft].map((kept) => s.fromDraft(ids, kept, method));
          return [state, ...again].map((one) => [w.orderText(one), s.answer(one)?.groups ?? null]);
        }""",
        [ids, "best_worst" if best_worst else "full", [list(step) for step in steps]],
    )
    assert found == [[text, groups]] * 3


def test_struck_parts_join_where_they_touch_and_are_freed_by_striking_them_again(module_page, after):
    after()
    found = module_page.evaluate(
        """async (text) => {
          const s = await import("/static/annotation/state.js");
          const at = (state) => state.spans.map(({start, end}) => [start, end]);
          let state = s.strike(s.start([1, 2, 3]), 2, text, 0, 3);
          const one = at(state);
          state = s.strike(state, 2, text, 3, 6);
          const joined = at(state);
          const freed = at(s.strike(state, 2, text, 1, 2));
          return [one, joined, freed, at(s.strike(state, 2, text, 6, 7))];
        }""",
        "a😀b c ",  # the face is two units in JavaScript, one code point on the server
    )
    assert found == [[[0, 2]], [[0, 5]], [], [[0, 5]]]
