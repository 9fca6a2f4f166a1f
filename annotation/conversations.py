"""Turns as the messages of a chat."""

from collections.abc import Mapping, Sequence

Message = dict[str, str]
ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "instruction", "customer"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "chatbot", "model", "gpt", "agent"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}


def as_prompt(text: str, turns: Sequence[Mapping[str, str]] | None) -> list[Message]:
    """A prompt as messages.

    Turns whose speakers are all known parts of a chat (user, human; assistant, bot; system) become its messages, if
    the last is the user's, who is to be answered. Anything else, such as a talk between Anna and Tom that is to be
    summarised, is one message of the user: the text that the model reads.
    """
    roles = [ROLES.get(str(turn.get("speaker", "")).strip().lower()) for turn in turns or ()]
    if turns and all(roles) and roles[-1] == "user":
        return [
            {"role": role, "content": str(turn.get("text", ""))}
            for role, turn in zip(roles, turns, strict=True)
            if role is not None
        ]
    return [{"role": "user", "content": text}]


def as_reply(text: str) -> list[Message]:
    """A completion as messages."""
    return [{"role": "assistant", "content": text}]
