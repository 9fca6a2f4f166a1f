"""A sequence classifier from the hub or a folder: its logits of texts of any length, and its labels by name."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rlhf.exceptions import ModelError
from rlhf.hub import model_folder

_WINDOW = 512  # tokens read at once by a model that names no limit


class Classifier:
    """Weights from safetensors alone, in fp32 and eval mode. Raises ModelError for what is no whole classifier.

    Text longer than the model reads is read in windows: nothing is cut, and who asks says which window counts.
    """

    def __init__(self, source: str | Path, *, device: torch.device | str = "cpu", batch_size: int = 32) -> None:
        self.source = str(source)
        folder = model_folder(source)
        self._tokenizer, self._model = _loaded(folder, self.source)
        self._model.to(device).eval()
        self._device, self._batch = device, batch_size
        self.labels: dict[int, str] = {int(index): str(name) for index, name in self._model.config.id2label.items()}
        self.version = fingerprint(folder)

    @property
    def independent(self) -> bool:
        """True where each label has a probability of its own (sigmoid); else they share one (softmax)."""
        config = self._model.config
        return bool(config.num_labels == 1 or config.problem_type == "multi_label_classification")

    def logits(self, texts: Sequence[str]) -> list[Tensor]:
        """For each text the logits of its windows [W, L], on the CPU; most texts have one window."""
        found: list[Tensor] = [torch.empty(0, len(self.labels))] * len(texts)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # little padding
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            inputs, owners = self._windows([_speakable(texts[index]) for index in chosen])
            rows = torch.cat(list(self._read(inputs)))
            for place, index in enumerate(chosen):
                found[index] = rows[owners == place]
        return found

    def _windows(self, texts: list[str]) -> tuple[dict[str, Tensor], Tensor]:
        """Token ids and masks [W, S] of all windows, and the text [W] each belongs to."""
        encoded = self._tokenizer(
            texts,
            truncation=True,
            max_length=self._limit(),
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owners: Tensor = encoded.pop("overflow_to_sample_mapping")
        return dict(encoded), owners

    def _read(self, inputs: dict[str, Tensor]) -> Iterator[Tensor]:
        """Logits of at most a batch of windows at a time: one long text may have many."""
        with torch.inference_mode():
            for first in range(0, len(inputs["input_ids"]), self._batch):
                part = {key: value[first : first + self._batch].to(self._device) for key, value in inputs.items()}
                yield self._model(**part).logits.float().cpu()

    def _limit(self) -> int:
        config = self._model.config
        positions = getattr(config, "max_position_embeddings", None)
        if positions is None:
            return min(int(self._tokenizer.model_max_length), _WINDOW)
        # RoBERTa counts positions from pad_token_id + 1, so two of its 514 cannot be used.
        return min(int(self._tokenizer.model_max_length), int(positions) - (config.pad_token_id or 0) - 1)


def fingerprint(folder: Path) -> str:
    """sha256 over the weights: the same name may stand for other weights tomorrow."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:12]}"


def _loaded(folder: Path, source: str) -> tuple[Any, Any]:
    loader: Any = AutoModelForSequenceClassification
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model, info = loader.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{source} cannot be loaded as a sequence classifier: {error}") from error
    if info["missing_keys"]:
        # transformers would go on with random numbers in their place: a score of noise.
        some = ", ".join(sorted(info["missing_keys"])[:3])
        raise ModelError(f"{source} is no whole sequence classifier: it has no weights for {some}")
    return tokenizer, model


def _speakable(text: str) -> str:
    """Lone surrogates replaced: tokenizers take UTF-8 only."""
    return text.encode("utf-8", "replace").decode()
