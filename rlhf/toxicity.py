"""Toxicity in [0, 1] by a named, versioned backend: a number without its backend's name says nothing.

`ClassifierToxicity` with the default model is what `evaluate`'s toxicity measurement computes (the
probability of label "hate"); `ProfanityProxy` is what there is without a network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rlhf.classifier_labels import toxic_label
from rlhf.hub import available
from rlhf.toxicity_proxy import ProfanityProxy
from rlhf.types import Reporter, Silent

DEFAULT_MODEL = "facebook/roberta-hate-speech-dynabench-r4-target"


class Toxicity(Protocol):
    """What evaluation asks of a backend."""

    @property
    def name(self) -> str:
        """What the number is called beside its value."""

    @property
    def version(self) -> str:
        """What exactly gave the score."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """A score in [0, 1] for each text."""

    def close(self) -> None:
        """Let go of the process or the memory behind it."""


def choose_backend(setting: str = "auto", reporter: Reporter | None = None) -> Toxicity:
    """``profanity-proxy``, a classifier's hub name or folder, or ``auto``.

    ``auto`` is `DEFAULT_MODEL` where it is cached or the hub answers within seconds, else the proxy;
    which one it was is told to the reporter and stands in the backend's name. A classifier asked for
    by name is never replaced: ModelError when it cannot be had.
    """
    reporter = reporter or Silent()
    if setting == ProfanityProxy.name:
        return ProfanityProxy()
    if setting != "auto":
        return ClassifierToxicity(setting)
    if available(DEFAULT_MODEL):
        reporter.event("log", f"toxicity by {DEFAULT_MODEL}")
        return ClassifierToxicity(DEFAULT_MODEL)
    reporter.event("warning", f"{DEFAULT_MODEL} cannot be had here; toxicity is a profanity proxy, not a judgement")
    return ProfanityProxy()


class ClassifierToxicity:
    """A sequence-classification model; its score is the probability of the toxic label.

    The label's index is looked up by name in the model's config, never assumed. Text longer than
    the model reads is scored in windows, and the worst window counts: nothing is cut.
    """

    def __init__(self, source: str | Path, *, label: str | None = None, device: str = "cpu", batch_size: int = 32):
        from rlhf.classifier import Classifier

        self._classifier = Classifier(source, device=device, batch_size=batch_size)
        self._index = toxic_label(self._classifier.labels, label, str(source))
        self.name = f"{source}:{self._classifier.labels[self._index]}"
        self.version = self._classifier.version

    def score(self, texts: Sequence[str]) -> list[float]:
        """The probability of the toxic label for each text: the highest over its windows."""
        logits = self._classifier.logits(texts)
        if self._classifier.independent:
            return [float(windows[:, self._index].sigmoid().max()) for windows in logits]
        return [float(windows.softmax(dim=-1)[:, self._index].max()) for windows in logits]

    def close(self) -> None:
        """Nothing to end; the memory goes with the object."""
