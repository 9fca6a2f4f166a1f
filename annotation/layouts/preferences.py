"""``trl`` and ``hh``: which of two answers was chosen. The file's order tells who won, so ours is by hash."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.exceptions import InvalidInput
from annotation.importers import ID_FIELDS, PROMPT_ID_FIELDS, id_field, text_checked
from annotation.layouts.base import SOURCE, Candidate, Comparison, Opinion, number, short, shuffled
from annotation.ranking import STRENGTHS
from annotation.readers import Row
from annotation.turns import Turn, turns_of, turns_text

RATER = "rater1"  # nobody is named in these files
SCORES = (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"), ("chosen-rating", "rejected-rating"))
MODELS = (("chosen_model", "rejected_model"), ("chosen-model", "rejected-model"))
TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")


def trl(row: Row) -> Comparison:
    """TRL's preference data: ``prompt``, ``chosen``, ``rejected``, each a text or a list of messages.

    Without ``prompt``, it is what chosen and rejected begin with alike. Equal scores beside them are a tie;
    ``annotator``, ``strength`` and ``tie`` are taken where they are there, as our own export writes them.
    """
    values = row.values
    chosen, rejected = (_side(values, name) for name in ("chosen", "rejected"))
    prompt: Any = values.get("prompt")
    if isinstance(prompt, list):
        prompt = turns_of(prompt, "prompt")
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise InvalidInput("Of 'chosen' and 'rejected', one is a text and the other a list of messages.")
    if isinstance(chosen, list) and isinstance(rejected, list):
        context, chosen, rejected = _messages(chosen, rejected)
        given: list[Turn] = prompt if isinstance(prompt, list) else []
        if context[: len(given)] != given:
            context = given + context
        turns = context or None
        # A prompt of one message is a prompt, not a conversation.
        text = prompt if isinstance(prompt, str) else context[0]["text"] if len(context) == 1 else turns_text(context)
        turns = None if turns is None or len(turns) == 1 else turns
    else:
        turns = prompt if isinstance(prompt, list) and len(prompt) > 1 else None
        if prompt is None:
            prompt = _shared_text(str(chosen), str(rejected))
            chosen, rejected = str(chosen)[len(prompt) :], str(rejected)[len(prompt) :]
        text = prompt if isinstance(prompt, str) else prompt[0]["text"] if len(prompt) == 1 else turns_text(prompt)
    return _comparison(row, text, turns, str(chosen), str(rejected), PROMPT_ID_FIELDS)


def hh(row: Row) -> Comparison:
    """Anthropic's transcripts ``chosen`` and ``rejected``, split at the last Assistant turn that both have.

    Where the earlier turns stand in ``prompt`` already, chosen and rejected are the answers.
    """
    chosen, rejected = (text_checked(row.values.get(name), name) for name in ("chosen", "rejected"))
    prompt = row.values.get("prompt")
    if prompt is not None:
        prompt = text_checked(prompt, "prompt")
        chosen, rejected = chosen.removeprefix(prompt), rejected.removeprefix(prompt)
        end = prompt.rstrip().removesuffix("Assistant:")
        turns = _transcript(end)
    else:
        start = _last_shared(chosen, rejected)
        turns = _transcript(chosen[:start])
        chosen, rejected = (text[start:].lstrip("\n").removeprefix("Assistant:") for text in (chosen, rejected))
    return _comparison(row, turns_text(turns), turns, chosen.strip(), rejected.strip(), ID_FIELDS)


def _side(values: Mapping[str, Any], name: str) -> str | list[Turn]:
    value = values.get(name)
    if value is None:
        raise InvalidInput(f"There is no '{name}': prompt, chosen and rejected are needed.")
    return turns_of(value, name) if isinstance(value, list) else text_checked(value, name)


def _messages(chosen: list[Turn], rejected: list[Turn]) -> tuple[list[Turn], str, str]:
    """What both begin with, and what follows in each; the last message is never shared."""
    count = 0
    while count < min(len(chosen), len(rejected)) - 1 and chosen[count] == rejected[count]:
        count += 1
    return chosen[:count], _answer(chosen[count:]), _answer(rejected[count:])


def _answer(turns: list[Turn]) -> str:
    return turns[0]["text"] if len(turns) == 1 else turns_text(turns)


def _shared_text(chosen: str, rejected: str) -> str:
    """The texts' common beginning, up to a word's end: half a word belongs to neither prompt nor answer."""
    shared = chosen[: _shared_length(chosen, rejected)]
    end = max(shared.rfind(" "), shared.rfind("\n"))
    if end < 0:
        raise InvalidInput("There is no 'prompt', and 'chosen' and 'rejected' do not begin alike.")
    return shared[:end]


def _shared_length(chosen: str, rejected: str) -> int:
    pairs = enumerate(zip(chosen, rejected, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(chosen), len(rejected)))


def _last_shared(chosen: str, rejected: str) -> int:
    """Where the last Assistant turn begins, in ``chosen``, before which both transcripts are the same."""
    shared = _shared_length(chosen, rejected)
    starts = [found for found in TURN.finditer(chosen) if found[1] == "Assistant"]
    for found in reversed(starts):
        if found.end() <= shared:
            return found.start()
    raise InvalidInput("'chosen' and 'rejected' share no turn of the Assistant: nothing says what the prompt was.")


def _transcript(text: str) -> list[Turn]:
    """The turns of ``Human: … Assistant: …``."""
    found = list(TURN.finditer(text))
    if not found or text[: found[0].start()].strip():
        raise InvalidInput("The transcript does not begin with 'Human:' or 'Assistant:'.")
    ends = [*(one.start() for one in found[1:]), len(text)]
    return [{"speaker": one[1], "text": text[one.end() : end].strip()} for one, end in zip(found, ends, strict=True)]


def _comparison(
    row: Row, prompt: str, turns: list[Turn] | None, chosen: str, rejected: str, ids: Sequence[str]
) -> Comparison:
    texts = (text_checked(chosen, "chosen"), text_checked(rejected, "rejected"))
    candidates = [Candidate(model or SOURCE, text) for model, text in zip(_models(row.values), texts, strict=True)]
    order = shuffled(candidates)
    places = {original: place for place, original in enumerate(order)}
    tie = _tie(row.values)
    return Comparison(
        line=row.line,
        prompt=text_checked(prompt, "prompt"),
        turns=turns,
        prompt_id=id_field(row.values, ids),
        candidates=[candidates[original] for original in order],
        opinions=[
            Opinion(
                short(row.values.get("annotator"), "annotator") or RATER,
                [[0, 1]] if tie else [[places[0]], [places[1]]],
                strengths=None if tie else _strength(row.values),
            )
        ],
    )


def _models(values: Mapping[str, Any]) -> list[str]:
    names = next((pair for pair in MODELS if values.get(pair[0]) is not None), None)
    return [short(values.get(name), name) for name in names] if names else ["", ""]


def _tie(values: Mapping[str, Any]) -> bool:
    tie = values.get("tie")
    if tie not in (None, "", True, False, "True", "False", "true", "false"):
        raise InvalidInput(f"'tie' is true or false, not {str(tie)[:20]!r}.")
    if tie in (True, "True", "true"):
        return True
    names = next((pair for pair in SCORES if all(values.get(name) is not None for name in pair)), None)
    if names is None:
        return False
    chosen, rejected = (number(values[name], name) for name in names)
    if chosen < rejected:
        raise InvalidInput(f"'{names[0]}' is {chosen} and less than '{names[1]}', {rejected}.")
    return chosen == rejected


def _strength(values: Mapping[str, Any]) -> list[int] | None:
    given = values.get("strength")
    if given in (None, ""):
        return None
    strength = next((one for one in STRENGTHS if str(given) == str(one)), None)
    if strength is None:
        raise InvalidInput(f"'strength' is 1, 2 or 3, not {str(given)[:20]!r}.")
    return [strength]
