"""The rewards that stand alone: a trained reward model, a classifier's logit, ROUGE against references."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from rlhf.classifier import Classifier
from rlhf.classifier_labels import harmless_label, label_index, toxic_label
from rlhf.exceptions import DataError
from rlhf.hashing import artifact_hash
from rlhf.reward import Reward, TextLimits
from rlhf.reward_model import RewardEnsemble, Scores
from rlhf.reward_spec import ClassifierSpec, ModelSpec, RougeSpec
from rlhf.rouge import rouge
from rlhf.types import Prompt


class ModelReward(Reward):
    """What `train_reward` made: mean − λ·sd of its members, and its judging member."""

    def __init__(self, spec: ModelSpec, ensemble: RewardEnsemble) -> None:
        settings = ensemble.settings
        super().__init__(spec, TextLimits(settings.max_prompt_tokens, settings.max_completion_tokens))
        self._ensemble = ensemble
        self._artifact = artifact_hash(Path(spec.path))

    @property
    def record(self) -> dict[str, object]:
        return {"kind": "model", "artifact": self._artifact}

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        return self._ensemble.score(prompts, completions)

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores | None:
        return self._ensemble.judge(prompts, completions)


class ClassifierReward(Reward):
    """The logit of one label, read of the completion alone: a prompt beside it could push the completion out of sight.

    Without a name it is the label of two that is *not* toxicity, as in the published PPO detoxification lab; where
    each label has a sigmoid of its own, that is minus the toxic label's logit. A text of several windows has the
    lowest logit of them.
    """

    def __init__(self, spec: ClassifierSpec, classifier: Classifier) -> None:
        super().__init__(spec)
        self._classifier = classifier
        labels, source = classifier.labels, classifier.source
        self._sign = 1.0
        if spec.label is not None:
            self._index = label_index(labels, spec.label, source)
        elif classifier.independent:
            self._index, self._sign = toxic_label(labels, None, source), -1.0
        else:
            self._index = harmless_label(labels, source)

    @property
    def record(self) -> dict[str, object]:
        label = self._classifier.labels[self._index]
        return {"kind": "classifier", "weights": self._classifier.version, "label": label, "sign": self._sign}

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        found = iter(self._classifier.logits([text for texts in completions for text in texts]))
        return [[self._lowest(next(found)) for _ in texts] for texts in completions]

    def _lowest(self, windows: Tensor) -> float:
        return float((self._sign * windows[:, self._index]).min())


class RougeReward(Reward):
    """ROUGE F1 against the references that the prompts were given with, found by the prompt's text.

    Raises DataError for a prompt without references, at once where it is one of those given.
    """

    def __init__(self, spec: RougeSpec, prompts: Sequence[Prompt]) -> None:
        super().__init__(spec)
        self._metric, self._best = spec.metric, spec.references == "best"
        self._references = references_of(prompts)

    @property
    def record(self) -> dict[str, object]:
        pairs = sorted(self._references.items())
        digest = hashlib.sha256(json.dumps(pairs, ensure_ascii=False).encode()).hexdigest()
        over = "best" if self._best else "mean"
        return {"kind": "rouge", "metric": self._metric, "over": over, "references": digest}

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        return [[self._one(prompt, text) for text in texts] for prompt, texts in zip(prompts, completions, strict=True)]

    def _one(self, prompt: str, text: str) -> float:
        if prompt not in self._references:
            raise DataError(f"The prompt “{prompt[:60]}…” came without references: ROUGE cannot score it.")
        found = rouge(text, self._references[prompt])[self._metric]
        return found.best if self._best else found.mean


def references_of(prompts: Sequence[Prompt]) -> Mapping[str, tuple[str, ...]]:
    """References by the text of their prompt; those of two prompts with one text are put together."""
    bare = [prompt.id for prompt in prompts if not prompt.references]
    if bare:
        raise DataError(
            f"ROUGE as a reward needs references, but prompt {bare[0]!r} has none ({len(bare)} of {len(prompts)} have "
            "none): give each prompt its summary or references, or leave it out."
        )
    found: dict[str, tuple[str, ...]] = {}
    for prompt in prompts:
        found[prompt.text] = tuple(dict.fromkeys(found.get(prompt.text, ()) + prompt.references))
    return found
