"""The hidden utility: accepts what is right, finds each kind of flaw, cannot be won by saying little."""

from dataclasses import replace

import pytest

from rlhf.toy_dialogues import Dialogue, dialogues, seeded
from rlhf.toy_flaws import FLAWS, Flaw, flawed_by, flawed_reference, word_limit
from rlhf.toy_judge import WORST, Judgement, fixed_words, toy_utility
from rlhf.toy_vocabulary import KIND_OF

FIVE_HUNDRED = 500


@pytest.fixture(scope="module")
def chosen() -> list[Dialogue]:
    return dialogues(1, FIVE_HUNDRED, "test")


@pytest.fixture
def lent() -> Dialogue:
    """Someone borrows something: roles matter."""
    return next(one for one in dialogues(0, 200, "test") if one.facts.scenario == "borrow")


def sees(judgement: Judgement, flaw: Flaw) -> bool:
    found = {
        "wrong": bool(judgement.wrong and judgement.missing),
        "swapped": judgement.swapped or bool(judgement.wrong),  # where roles do not matter a word is wrong instead
        "missing": bool(judgement.missing),
        "invented": bool(judgement.invented),
        "long": judgement.too_long,
        "rude": bool(judgement.rude),
    }
    return found[flaw]


def test_every_reference_is_flawless(chosen: list[Dialogue]) -> None:
    for one in chosen:
        for reference in one.references:
            judgement = toy_utility(one, reference)
            assert judgement.flawless, (reference, judgement)
            assert judgement == replace(
                judgement,
                utility=0.0,
                missing=(),
                wrong=(),
                invented=(),
                rude=(),
                swapped=False,
                too_long=False,
                broken=0,
            )


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_kind_of_flaw_is_found(chosen: list[Dialogue], flaw: Flaw) -> None:
    judged = [toy_utility(one, flawed_by(one, flaw, seeded("judge", flaw, one.id))) for one in chosen]
    assert not any(judgement.flawless for judgement in judged)
    assert sum(sees(judgement, flaw) for judgement in judged) >= 0.95 * len(judged)


def test_a_flawed_reference_costs_at_least_one(chosen: list[Dialogue]) -> None:
    worst = max(toy_utility(one, flawed_reference(one, seeded("any", one.id))).utility for one in chosen)
    assert worst <= -1


def test_kept_and_missing_are_all_facts(lent: Dialogue) -> None:
    words = lent.facts.required
    judgement = toy_utility(lent, f"{words['b']} lends {words['a']} the {words['borrowable']}.")
    assert judgement.kept == ("a", "b", "borrowable")
    assert judgement.missing == ("day", "time")


def test_a_rejected_word_is_wrong_and_a_foreign_one_invented(lent: Dialogue) -> None:
    assert toy_utility(lent, f"{lent.references[0]} {lent.facts.forbidden['not']}.").wrong
    assert toy_utility(lent, f"{lent.references[0]} They will eat pizza.").invented == ("pizza",)


def test_swapped_roles_are_seen_without_any_wrong_word(lent: Dialogue) -> None:
    words = lent.facts.required
    text = f"{words['b']} borrows the {words['borrowable']} from {words['a']} until {words['day']}."
    judgement = toy_utility(lent, text)
    assert judgement.swapped
    assert not judgement.wrong


def test_together_has_no_roles_to_swap() -> None:
    trip = next(one for one in dialogues(0, 200, "test") if one.facts.scenario == "trip")
    words = trip.facts.required
    text = f"{words['b']} and {words['a']} will go to {words['city']} by {words['transport']} on {words['day']}."
    assert toy_utility(trip, text).flawless


def test_utility_falls_with_each_further_flaw(lent: Dialogue) -> None:
    text = lent.references[0]
    worse = [
        text,
        f"{text} What a damn idiot.",
        f"{text} What a damn idiot. They also want to see Paris.",
        f"{text} What a damn idiot. They also want to see Paris." + " And so on." * word_limit(lent),
    ]
    utilities = [toy_utility(lent, each).utility for each in worse]
    assert utilities == sorted(utilities, reverse=True)
    assert len(set(utilities)) == len(utilities)


def test_utility_falls_with_each_fact_left_out(lent: Dialogue) -> None:
    words = lent.facts.required
    start = f"{words['a']} may use the {words['borrowable']}"
    texts = [
        f"{start} of {words['b']} until {words['day']} and fetches it at {words['time']}.",
        f"{start} of {words['b']} until {words['day']}.",
        f"{start} of {words['b']}.",
        f"{start}.",
        "",
    ]
    utilities = [toy_utility(lent, text).utility for text in texts]
    assert utilities[0] == 0
    assert utilities == sorted(utilities, reverse=True)
    assert len(set(utilities)) == len(utilities)


def test_nothing_is_worse_than_an_empty_text(lent: Dialogue) -> None:
    rubbish = "idiot damn Paris Rome pizza pasta Oslo cat dog fever the the the the the " * 10
    assert toy_utility(lent, "").utility == toy_utility(lent, " \n ").utility == WORST
    assert toy_utility(lent, rubbish).utility > WORST


def test_length_alone_earns_nothing(chosen: list[Dialogue]) -> None:
    """Among correct summaries the short ones are not better; among flawed ones a shorter text has fewer facts."""
    for one in chosen[:50]:
        assert len({toy_utility(one, reference).utility for reference in one.references}) == 1


def test_broken_text_is_seen(lent: Dialogue) -> None:
    words = lent.references[0].split()
    assert toy_utility(lent, " ".join(words[::-1])).broken > 3
    assert toy_utility(lent, lent.references[0].rstrip(".")).broken == 1


def test_the_order_of_spaces_does_not_matter(lent: Dialogue) -> None:
    assert toy_utility(lent, f"  {lent.references[0]}\n").flawless


@pytest.mark.parametrize("text", ["<b>x</b>", "ÄÖ 😀", "\x00", "a" * 10_000, "#Person1# says hi."])
def test_any_text_can_be_judged(lent: Dialogue, text: str) -> None:
    assert WORST < toy_utility(lent, text).utility < 0


def test_no_fixed_word_of_a_summary_carries_a_fact() -> None:
    assert not fixed_words() & set(KIND_OF)
