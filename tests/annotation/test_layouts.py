"""Each layout on small samples in the shape in which the tool or data set writes it."""

import pytest

from annotation.exceptions import InvalidInput
from annotation.layouts import LAYOUTS, comparisons_of
from annotation.readers import Row

HUMAN = "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: A pie?\n\nAssistant:"
TURNS = [
    {"speaker": "Human", "text": "Hi."},
    {"speaker": "Assistant", "text": "Hello."},
    {"speaker": "Human", "text": "A pie?"},
]


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


def feedback(model, response, rating, honesty="5"):
    rated = {"helpfulness": rating, "honesty": honesty, "instruction_following": "4", "truthfulness": "3"}
    annotations = {name: {"Rating": one, "Rationale": "…", "Type": ["1"]} for name, one in rated.items()}
    return {"annotations": annotations, "model": model, "response": response, "overall_score": 7.5, "critique": "…"}


OPENAI = {
    "info": {"id": "t3_2vwp1w", "post": "I had a car accident.", "title": "Law?", "subreddit": "legaladvice"},
    "summaries": [
        {"text": " car damage", "policy": "sup4_ppo_rm3_kl10", "note": "Fast."},
        {"text": " they deny it", "policy": "ref", "note": None},
    ],
    "choice": 1,
    "worker": "ikNmucwunMnYJCQpnq6ZYb57OW7NiD",
    "batch": "batch9",
    "split": "train",
    "extra": {"confidence": 8},
}
ITEMS = [{"id": f"llm_{n}", "title": f"LLM {n}", "body": f"Text {n}."} for n in (1, 2, 3)]


def ranker(value, **more):
    return {"result": [{"from_name": "rank", "to_name": "r", "type": "ranker", "value": {"ranker": value}}]} | more


def studio(*annotations, **data):
    return {"id": 7, "data": {"prompt": "Why?"} | data, "annotations": list(annotations), "project": 3}


def pick(side, by):
    result = [{"from_name": "pw", "to_name": "a,b", "type": "pairwise", "value": {"selected": side}}]
    return {"result": result, "completed_by": by, "was_cancelled": False, "lead_time": 4.288}


FIELDS = {"prompt": "Why?", "response-1": "One.", "response-2": "Two.", "response-3": "Three."}
ORDER = ["response-2", "response-1", "response-3"]
RANKED = [{"rank": 1, "value": "response-2"}, {"rank": 1, "value": "response-1"}, {"rank": 2, "value": "response-3"}]

# layout, row -> prompt, number of turns, {rater: ranking by the texts}
SAMPLES = {
    "trl": ("trl", {"prompt": "Sky?", "chosen": "Blue.", "rejected": "Red."}, "Sky?", 0, {"rater1": "Blue.>Red."}),
    "trl, conversational": (
        "trl",
        {"prompt": [user("Sky?")], "chosen": [said("Blue.")], "rejected": [said("Red.")]},
        "Sky?", 0, {"rater1": "Blue.>Red."},
    ),
    "trl, implicit prompt": (
        "trl",
        {"chosen": "The sky is blue.", "rejected": "The sky is red."},
        "The sky is", 0, {"rater1": " blue.> red."},
    ),
    "trl, implicit conversation": (
        "trl",
        {
            "chosen": [user("Hi."), said("Hello."), user("Sky?"), said("Blue.")],
            "rejected": [user("Hi."), said("Hello."), user("Sky?"), said("Red.")],
        },
        "User: Hi.\nAssistant: Hello.\nUser: Sky?", 3, {"rater1": "Blue.>Red."},
    ),
    "our own export, a tie": (
        "trl",
        {"prompt": "p", "chosen": "a", "rejected": "b", "annotator": "3fa8", "tie": True, "strength": None},
        "p", 0, {"3fa8": "a=b"},
    ),
    "hh": (
        "hh",
        {"chosen": f"{HUMAN} Sure.", "rejected": f"{HUMAN} No.\n\nHuman: Why?\n\nAssistant: So."},
        "Human: Hi.\nAssistant: Hello.\nHuman: A pie?", 3,
        {"rater1": "Sure.>No.\n\nHuman: Why?\n\nAssistant: So."},
    ),
    "hh, earlier turns apart": (
        "hh",
        {"id": 4, "prompt": HUMAN, "chosen": " Sure.", "rejected": ""},
        "Human: Hi.\nAssistant: Hello.\nHuman: A pie?", 3, {"rater1": "Sure.>"},
    ),
    "ultrafeedback": (
        "ultrafeedback",
        {
            "source": "evol_instruct",
            "instruction": "Why?",
            "models": ["a", "b", "c"],
            "completions": [feedback("a", "A.", "2"), feedback("b", "B.", "5", "N/A"), feedback("c", "C.", "2")],
            "correct_answers": ["None"],
        },
        "Why?", 0, {"gpt-4": "B.>A.=C."},
    ),
    "ultrafeedback, binarized": (
        "ultrafeedback",
        {
            "prompt": "Why?", "prompt_id": "7ca1", "messages": [user("Why?"), said("A.")],
            "chosen": [user("Why?"), said("A.")], "rejected": [user("Why?"), said("B.")],
            "score_chosen": 7.0, "score_rejected": 7.0,
        },
        "Why?", 0, {"rater1": "A.=B."},
    ),
    "openai": (
        "openai", OPENAI, "I had a car accident.", 0,
        {"ikNmucwunMnYJCQpnq6ZYb57OW7NiD": " they deny it> car damage"},
    ),
    "label studio, ranker": (
        "labelstudio",
        studio(
            ranker(["llm_2", "llm_3", "llm_1"], completed_by=1),
            ranker({"_": ["llm_3"], "rank": ["llm_1", "llm_2"]}, completed_by={"id": 2, "email": "b@example.org"}),
            ranker({"good": ["llm_1", "llm_2"], "bad": ["llm_3"]}, completed_by=3),
            ranker([], completed_by=4, was_cancelled=True),
            items=ITEMS,
        ),
        "Why?", 0, {"1": "Text 2.>Text 3.>Text 1.", "b@example.org": "Text 1.>Text 2."},
    ),
    "label studio, pairwise": (
        "labelstudio",
        studio(pick("left", 1), pick("right", 2), answer1="A.", answer2="B."),
        "Why?", 0, {"1": "A.>B.", "2": "B.>A."},
    ),
    "label studio, JSON_MIN, ranker": (
        "labelstudio",
        {
            "id": 7, "prompt": "Why?", "items": ITEMS, "rank": [{"ranker": {"rank": ["llm_2", "llm_1", "llm_3"]}}],
            "annotator": 1, "annotation_id": 9, "lead_time": 4.288, "created_at": "2026-01-01T00:00:00Z",
        },
        "Why?", 0, {"1": "Text 2.>Text 1.>Text 3."},
    ),
    "label studio, JSON_MIN, pairwise": (
        "labelstudio",
        {"id": 7, "prompt": "Why?", "text1": "A.", "text2": "B.", "pw": {"selected": "right"}, "annotator": "b@x.org"},
        "Why?", 0, {"b@x.org": "B.>A."},
    ),
    "argilla 2, nested": (
        "argilla",
        {
            "id": "0f3c", "fields": FIELDS, "metadata": {}, "suggestions": {}, "status": "completed",
            "responses": {"ranking": [{"value": ORDER, "user_id": "5d0e"}], "why": [{"value": "x", "user_id": "5d0e"}]},
        },
        "Why?", 0, {"5d0e": "Two.>One.>Three."},
    ),
    "argilla 2, flat": (
        "argilla",
        FIELDS | {
            "id": "0f3c", "ranking.responses": [ORDER, ORDER], "ranking.responses.users": ["5d0e", "77aa"],
            "ranking.responses.status": ["submitted", "draft"], "ranking.suggestion": None,
        },
        "Why?", 0, {"5d0e": "Two.>One.>Three."},
    ),
    "argilla 1": (
        "argilla",
        {
            "fields": FIELDS, "external_id": "e1",
            "responses": [{"user_id": "5d0e", "status": "submitted", "values": {"ranking": {"value": RANKED}}}],
        },
        "Why?", 0, {"5d0e": "One.=Two.>Three."},
    ),
    "argilla 1 on the hub": (
        "argilla",
        FIELDS | {"ranking": [{
            "user_id": "5d0e", "status": "submitted", "value": {"rank": [2, 1, 3], "value": sorted(ORDER)},
        }]},
        "Why?", 0, {"5d0e": "Two.>One.>Three."},
    ),
    "plain, ranks": (
        "rankings",
        {"prompt": "p", "completions": ["a", "b", "c", "d"], "ranks": [2, 1, None, 2], "annotator": "ann"},
        "p", 0, {"ann": "b>a=d"},
    ),
    "plain, several": (
        "rankings",
        {
            "turns": TURNS, "completions": [{"text": "a", "source": "x"}, {"text": "b", "source": "y"}],
            "rankings": [{"groups": [[1], [0]], "strengths": [3]}, {"groups": [], "none_acceptable": True}],
        },
        "Human: Hi.\nAssistant: Hello.\nHuman: A pie?", 3, {"rater1": "b>a", "rater2": ""},
    ),
    "plain, from CSV": (
        "rankings",
        {"prompt": "p", "completions": '["a", "b"]', "groups": "[[1], [0]]", "strengths": "", "annotator": "7"},
        "p", 0, {"7": "b>a"},
    ),
}  # fmt: skip


def ranking_of(comparison, opinion):
    texts = [candidate.text for candidate in comparison.candidates]
    return ">".join("=".join(sorted(texts[place] for place in group)) for group in opinion.groups)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_in_its_own_shape(sample):
    layout, values, prompt, turns, rankings = SAMPLES[sample]
    comparison = comparisons_of(layout)(Row(1, values))
    assert (comparison.prompt, len(comparison.turns or ())) == (prompt, turns)
    assert {one.rater: ranking_of(comparison, one) for one in comparison.opinions} == rankings


def test_every_layout_has_a_sample():
    assert LAYOUTS.keys() - {"ratings", "votes"} == {layout for layout, *_ in SAMPLES.values()}


def test_the_order_of_completions_does_not_tell_who_was_chosen():
    """Two hundred rows, all with the chosen one first in the file: about half come second here."""
    read = comparisons_of("trl")
    rows = [read(Row(n, {"prompt": "p", "chosen": f"good {n}", "rejected": f"bad {n}"})) for n in range(200)]
    first = sum(list(row.opinions[0].groups[0]) == [0] for row in rows)
    assert 70 < first < 130


def test_ratings_given_to_every_completion_alone_are_summed():
    comparison = comparisons_of("ultrafeedback")(Row(1, SAMPLES["ultrafeedback"][1]))
    assert sorted(comparison.opinions[0].ratings) == ["helpfulness", "instruction_following", "truthfulness"]
    assert "honesty" in comparison.notes[0]


def test_a_confidence_whose_scale_is_not_said_is_no_strength():
    opinion = comparisons_of("openai")(Row(1, OPENAI)).opinions[0]
    assert (opinion.strengths, opinion.rationale) == (None, "confidence 8 of 9")


def test_what_an_export_cannot_say_is_told():
    comparison = comparisons_of("labelstudio")(Row(1, SAMPLES["label studio, ranker"][1]))
    assert "2 buckets" in comparison.refused[0]
    assert comparison.notes == ["b@example.org ranked 2 of 3 completions.", "4 skipped this task."]
    assert comparisons_of("labelstudio")(Row(1, SAMPLES["label studio, pairwise"][1])).opinions[0].duration_ms == 4288


A, B = ({"candidate": name, "summary": name, "ratings": [{"c": 1}]} for name in "AB")


def rated(*ratings):
    return {"id": "x", "candidates": [{**A, "ratings": [one]} for one in ratings]}


DEEP: list = []
for _ in range(50):
    DEEP = [DEEP]
BAD = {
    "no candidates": ("ratings", {"id": "x"}, "'candidates'"),
    "one candidate": ("ratings", {"id": "x", "candidates": [{**A, "ratings": []}]}, "Completions here: 1"),
    "no id, no text": ("ratings", {"candidates": [A, B]}, "no id"),
    "NaN": ("ratings", rated({"c": float("nan")}, {"c": 1}), "no rating"),
    "infinity": ("ratings", rated({"c": float("inf")}, {"c": 1}), "no rating"),
    "a huge number": ("ratings", rated({"c": 10**400}, {"c": 1}), "no rating"),
    "true": ("ratings", rated({"c": True}, {"c": 1}), "no number but bool"),
    "a text": ("ratings", rated({"c": "4"}, {"c": 1}), "no number but str"),
    "a list of numbers": ("ratings", rated(4, 5), "object of criteria"),
    "deep": ("ratings", {"id": "x", "candidates": DEEP}, "objects"),
    "other criteria": ("ratings", rated({"c": 1}, {"d": 1}), "c, d"),
    "a long criterion": ("ratings", rated({"c" * 51: 1}, {"c" * 51: 1}), "51 characters"),
    "NUL": ("ratings", {**rated({"c": 1}, {"c": 2}), "dialogue": "a\0"}, "NUL"),
    "half a surrogate": ("votes", {"instruction": "\ud800", "response1": "a", "response2": "b", "votes": [1]}, "pair"),
    "a vote of 3": ("votes", {"instruction": "i", "response1": "a", "response2": "b", "votes": [3]}, "no vote"),
    "no response": ("votes", {"instruction": "i", "response1": "a", "votes": [1]}, "response2"),
    "one side": ("trl", {"prompt": "p", "chosen": "a"}, "'rejected'"),
    "nothing shared": ("trl", {"chosen": "a", "rejected": "b"}, "begin alike"),
    "worse score chosen": (
        "trl", {"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": 1, "score_rejected": 2}, "less than",
    ),
    "no transcript": ("hh", {"chosen": "a", "rejected": "b"}, "share no turn"),
    "choice of a third": ("openai", {**OPENAI, "choice": 2}, "'choice'"),
    "no number rated": (
        "ultrafeedback",
        {"instruction": "i", "completions": [{"model": "a", "response": "r", "annotations": {}}] * 2},
        "No criterion",
    ),
    "no task": ("labelstudio", {"annotations": []}, "'data'"),
    "item unknown": ("labelstudio", studio(ranker(["llm_1", "llm_9"]), items=ITEMS), "llm_9"),
    "option is no field": (
        "argilla", {"fields": FIELDS, "responses": {"r": [{"value": ["best", "worst"], "user_id": "u"}]}}, "'best'",
    ),
    "placed twice": ("rankings", {"prompt": "p", "completions": ["a", "b"], "groups": [[0], [0, 1]]}, "twice"),
    "place unknown": ("rankings", {"prompt": "p", "completions": ["a", "b"], "groups": [[0], [7]]}, "not there"),
    "strengths": (
        "rankings", {"prompt": "p", "completions": ["a", "b"], "groups": [[0], [1]], "strengths": [4]}, "strengths",
    ),
    "too many": ("rankings", {"prompt": "p", "completions": ["a"] * 201, "ranks": [1] * 201}, "here: 201"),
    "too many pairs": (
        "rankings", {"prompt": "p", "completions": ["a"] * 200, "rankings": [{"ranks": [1] * 200}] * 11}, "200,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_row_that_cannot_be_read_says_why(kind):
    layout, values, message = BAD[kind]
    with pytest.raises(InvalidInput, match=message):
        comparisons_of(layout)(Row(1, values))


def test_an_unknown_layout_names_those_there_are():
    with pytest.raises(InvalidInput, match="ratings"):
        comparisons_of("other")
