"""What a model reads for a prompt: a text or the turns of a conversation, in a template, with or without examples.

No torch, and what is put into a template is never looked at for placeholders: a prompt that contains “{prompt}” or
“{examples}” stays text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rlhf.exceptions import ConfigError, DataError

TEMPLATES: Mapping[str, str] = {
    "plain": "{prompt}",
    # Of the published fine-tunings of Flan-T5 on DialogSum.
    "summary": "Summarize the following conversation.\n\n{prompt}\n\nSummary: ",
    # One of FLAN's own for dialogues (Wei et al. 2021); zero, one or few examples.
    "flan-dialogue": "{examples}Dialogue:\n\n{prompt}\n\nWhat was going on?\n",
}
"""Templates with a name, for `named`."""

TURN = "{speaker}: {text}"
SEPARATOR = "\n"
_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation. ``pinned`` stays whatever the window: the system's message."""

    speaker: str
    text: str
    pinned: bool = False


RawPrompt: TypeAlias = str | tuple[Turn, ...]
"""A prompt as a file holds it, before any template."""


@dataclass(frozen=True)
class Shot:
    """An example that is shown with its answer."""

    prompt: RawPrompt
    target: str


@dataclass(frozen=True)
class PromptFormat:
    """How a raw prompt becomes the text that the model reads. Raises ConfigError for a template at fault."""

    template: str = TEMPLATES["plain"]  # around the prompt: {prompt}, and {examples} where the shots stand
    turn_template: str = TURN  # one turn of a conversation: {speaker} and {text}
    turn_separator: str = SEPARATOR  # between two turns
    window: int = 0  # the last k turns of a conversation, 0 for all; what the system said stays
    shots: tuple[Shot, ...] = ()  # examples before the prompt
    shot_template: str = (
        ""  # one of them: {prompt} and {target}; empty: the template around its prompt, then the target
    )
    shot_end: str = "\n\n\n"  # after each of them, FLAN's end of an example

    def __post_init__(self) -> None:
        check_template(self.template, shots=len(self.shots))
        _check("turn_template", self.turn_template, required=("text",), known=("speaker", "text"))
        if self.shot_template:
            _check("shot_template", self.shot_template, required=("prompt", "target"), known=("prompt", "target"))
        if self.window < 0:
            raise ConfigError(f"window must be 0 (all turns) or more, not {self.window}")

    def apply(self, raw: RawPrompt) -> str:
        """The whole text for ``raw``. A shot that is this very prompt is left out: its answer would stand there.

        Raises DataError for a text where a window of turns is wanted.
        """
        prompt = self.body(raw)
        others = [one for one in self.shots if raw_text(one.prompt) != raw_text(raw)]
        return _fill(self.template, {"prompt": prompt, "examples": "".join(map(self._shown, others))})

    def body(self, raw: RawPrompt) -> str:
        """The prompt alone: a text as it is, a conversation's window turn by turn."""
        if isinstance(raw, str):
            if self.window:
                raise DataError(
                    f"a window of {self.window} turns needs a prompt that is a list of turns; this one is one text: "
                    "give turns, or no window"
                )
            return raw
        turns = [{"speaker": one.speaker, "text": one.text} for one in _windowed(raw, self.window)]
        return self.turn_separator.join(_fill(self.turn_template, turn) for turn in turns)

    def _shown(self, shot: Shot) -> str:
        prompt = self.body(shot.prompt)
        if self.shot_template:
            return _fill(self.shot_template, {"prompt": prompt, "target": shot.target}) + self.shot_end
        around = _fill(self.template, {"prompt": prompt, "examples": ""})
        gap = "" if around[-1:].isspace() else "\n"
        return around + gap + shot.target + self.shot_end


def check_template(template: str, *, shots: int = 0) -> None:
    """Raise ConfigError where ``template`` cannot be the outer one of a prompt shown with this many examples."""
    used = _check("template", template, required=("prompt",), known=("prompt", "examples"))
    if shots and "examples" not in used:
        raise ConfigError(
            f"template has no {{examples}}: the model would never see the {shots} given. Put {{examples}} where they "
            "belong, as a rule before all else."
        )


def named(template: str) -> str:
    """The template of that name in `TEMPLATES`, else ``template`` itself."""
    return TEMPLATES.get(template, template)


def placeholders(template: str) -> set[str]:
    """The names that stand in ``template`` as {name}; {{name}} is text."""
    return {found[2] for found in _PLACEHOLDER.finditer(template) if found[2]}


def raw_text(raw: RawPrompt) -> str:
    """All of a prompt as plain text, whatever its format: what its identity is made from."""
    return raw if isinstance(raw, str) else SEPARATOR.join(f"{one.speaker}: {one.text}" for one in raw)


def _windowed(turns: tuple[Turn, ...], window: int) -> list[Turn]:
    """The last ``window`` turns that are not pinned (0: all) and every pinned one, in their order."""
    spoken = [place for place, turn in enumerate(turns) if not turn.pinned]
    first = spoken[-window] if 0 < window < len(spoken) else 0
    return [turn for place, turn in enumerate(turns) if turn.pinned or place >= first]


def _fill(template: str, values: Mapping[str, str]) -> str:
    """One pass over the template, so that nothing in the values is taken for a placeholder; {{name}} is text."""
    return _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else values[found[2]], template)


def _check(what: str, template: str, *, required: tuple[str, ...], known: tuple[str, ...]) -> set[str]:
    """The placeholders of ``template``; ConfigError for one that is unknown or missing."""
    used = placeholders(template)
    if unknown := sorted(used - set(known)):
        raise ConfigError(
            f"{what} has an unknown placeholder {{{unknown[0]}}}; it knows {_listed(known)}. For the text itself write "
            f"{{{{{unknown[0]}}}}}."
        )
    if missing := [name for name in required if name not in used]:
        raise ConfigError(f"{what} has no {_listed(tuple(missing))}: the model would never see the {missing[0]}.")
    return used


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)
