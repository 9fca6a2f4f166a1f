"""A classifier's labels by name: which one is toxicity, and which one is its absence."""

from collections.abc import Mapping

from rlhf.exceptions import ModelError

TOXIC_LABELS = ("hate", "toxic", "toxicity", "hateful", "hate-speech", "hate_speech", "offensive", "abusive", "rude")


def label_index(labels: Mapping[int, str], wanted: str, source: str) -> int:
    """The index of the label named ``wanted``, whatever its case. ModelError names those there are."""
    names = {name.lower(): index for index, name in labels.items()}
    if wanted.lower() not in names:
        raise ModelError(f"{source} has no label {wanted!r}; it has {', '.join(labels.values())}")
    return names[wanted.lower()]


def toxic_label(labels: Mapping[int, str], wanted: str | None, source: str) -> int:
    """The index of ``wanted``, else of the one label named like toxicity. ModelError when that is not clear."""
    if wanted is not None:
        return label_index(labels, wanted, source)
    names = {name.lower(): index for index, name in labels.items()}
    found = next((name for name in TOXIC_LABELS if name in names), None)
    if found is None:
        raise ModelError(
            f"none of {source}'s labels ({', '.join(labels.values())}) is named like toxicity "
            f"({', '.join(TOXIC_LABELS)}); say which one it is"
        )
    return names[found]


def harmless_label(labels: Mapping[int, str], source: str) -> int:
    """The other one of two labels, where one is named like toxicity. ModelError where that is not clear."""
    toxic = toxic_label(labels, None, source)
    if len(labels) != 2:
        raise ModelError(
            f"{source} has {len(labels)} labels ({', '.join(labels.values())}): name the one whose logit is the reward"
        )
    return next(index for index in labels if index != toxic)
