"""Toxicity in [0, 1] by a named, versioned backend: a number without its backend's name says nothing.

`ClassifierToxicity` with the default model is what `evaluate`'s toxicity measurement computes (the
probability of label "hate"); `ProfanityProxy` is what there is without a network.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from rlhf.exceptions import ModelError
from rlhf.hub import available, model_folder
from rlhf.toxicity_proxy import ProfanityProxy
from rlhf.types import Reporter, Silent

DEFAULT_MODEL = "facebook/roberta-hate-speech-dynabench-r4-target"
TOXIC_LABELS = ("hate", "toxic", "toxicity", "hateful", "hate-speech", "hate_speech", "offensive", "abusive", "rude")


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
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = model_folder(source)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{source} cannot be loaded as a sequence classifier: {error}") from error
        self._model.to(device).eval()
        self._device, self._batch = device, batch_size
        self._index = toxic_label(self._model.config.id2label, label, str(source))
        self.name = f"{source}:{self._model.config.id2label[self._index]}"
        self.version = _fingerprint(folder)

    def score(self, texts: Sequence[str]) -> list[float]:
        """The probability of the toxic label for each text: the highest over its windows."""
        import torch

        scores = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # little padding
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            inputs, owners = self._windows([_speakable(texts[index]) for index in chosen])
            for first in range(0, len(owners), self._batch):
                part = {key: value[first : first + self._batch].to(self._device) for key, value in inputs.items()}
                with torch.inference_mode():
                    found = self._probabilities(self._model(**part).logits)
                for owner, value in zip(owners[first : first + self._batch], found.tolist(), strict=True):
                    scores[chosen[owner]] = max(scores[chosen[owner]], value)
        return scores

    def close(self) -> None:
        """Nothing to end; the memory goes with the object."""

    def _windows(self, texts: list[str]) -> tuple[dict[str, Any], list[int]]:
        encoded = self._tokenizer(
            texts,
            truncation=True,
            max_length=self._limit(),
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owners = encoded.pop("overflow_to_sample_mapping").tolist()
        return dict(encoded), owners

    def _limit(self) -> int:
        config = self._model.config
        # RoBERTa counts positions from pad_token_id + 1, so two of its 514 cannot be used.
        places = int(config.max_position_embeddings) - (config.pad_token_id or 0) - 1
        return min(int(self._tokenizer.model_max_length), places)

    def _probabilities(self, logits: Any) -> Any:
        config = self._model.config
        if config.num_labels == 1 or config.problem_type == "multi_label_classification":
            return logits[:, self._index].sigmoid()
        return logits.softmax(dim=-1)[:, self._index]


def toxic_label(labels: dict[int, str], wanted: str | None, source: str) -> int:
    """The index of ``wanted``, else of the one label named like toxicity. ModelError when that is not clear."""
    names = {str(name).lower(): int(index) for index, name in labels.items()}
    if wanted is not None:
        if wanted.lower() not in names:
            raise ModelError(f"{source} has no label {wanted!r}; it has {', '.join(map(str, labels.values()))}")
        return names[wanted.lower()]
    found = next((name for name in TOXIC_LABELS if name in names), None)
    if found is None:
        raise ModelError(
            f"none of {source}'s labels ({', '.join(map(str, labels.values()))}) is named like toxicity "
            f"({', '.join(TOXIC_LABELS)}); say which one it is"
        )
    return names[found]


def _fingerprint(folder: Path) -> str:
    """sha256 over the weights: the same name may stand for other weights tomorrow."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:12]}"


def _speakable(text: str) -> str:
    """Lone surrogates replaced: tokenizers take UTF-8 only."""
    return text.encode("utf-8", "replace").decode()
