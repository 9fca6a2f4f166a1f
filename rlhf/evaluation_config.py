"""What may be set of an evaluation. Imports no torch, so that a web process can check it."""

from dataclasses import dataclass
from typing import Literal

from rlhf.config import SamplingConfig, require


@dataclass(frozen=True)
class EvaluateConfig:
    """How a policy is measured; ROUGE and the like on greedy texts, reward, KL and toxicity on samples."""

    max_new_tokens: int = 64  # tokens after which a text is given up as unfinished
    samples_per_prompt: int = 1  # sampled texts of each prompt; figures are means over them, intervals over prompts
    temperature: float = 1.0  # of the samples; KL is between the distributions at this temperature
    top_p: float = 1.0  # nucleus of the samples; 1 is off
    top_k: int = 0  # likeliest tokens of the samples; 0 is off
    missing_eos: float = -1.0  # reward of a sample that did not end, as in training
    toxicity: str = "auto"  # auto, profanity-proxy, none, or a classifier's hub name or folder
    simulator: Literal["none", "references"] = "none"  # annotators whose utility is ROUGE against the references
    resamples: int = 1000  # of the bootstrap
    shown: int = 20  # prompts shown with their texts, and rows of the reward table
    batch_size: int = 64  # texts decoded or read at once; changes no text
    max_prompt_tokens: int = 512  # longer prompts are counted and left out, never cut
    max_completion_tokens: int = 128  # what the model reads of a completion

    def __post_init__(self) -> None:
        self.sampling()
        for name in ("samples_per_prompt", "batch_size", "max_prompt_tokens"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(self.resamples >= 100, f"resamples must be at least 100, not {self.resamples}: the ends are too rough")
        require(self.shown >= 0, f"shown must be 0 or more, not {self.shown}")
        require(
            self.max_completion_tokens >= self.max_new_tokens,
            f"max_completion_tokens ({self.max_completion_tokens}) must hold max_new_tokens ({self.max_new_tokens})",
        )
        require(bool(self.toxicity), "toxicity must name a backend; 'none' switches it off")

    def greedy(self) -> SamplingConfig:
        """Decoding of the texts that are compared with references and sources."""
        return SamplingConfig(max_new_tokens=self.max_new_tokens, strategy="greedy")

    def sampling(self) -> SamplingConfig:
        """Decoding of the texts that reward, KL, toxicity, length and variety are measured on."""
        return SamplingConfig(
            max_new_tokens=self.max_new_tokens, temperature=self.temperature, top_p=self.top_p, top_k=self.top_k
        )


PredictionMetric = Literal["rouge", "toxicity", "length", "distinct", "source"]


@dataclass(frozen=True)
class PredictionsConfig:
    """How a file of predictions is scored, whoever wrote them."""

    metrics: tuple[PredictionMetric, ...] = ("rouge", "toxicity")  # also length, distinct (n-grams), source (copying)
    prediction_field: str = "prediction"  # of each line, the text that is scored
    references_field: str = "references"  # a text or a list of texts; wanted by rouge
    source_field: str = "dialogue"  # what was summarised; wanted by source: copies, names and numbers found in it
    baseline_field: str = ""  # another system's text: its scores, and paired differences; empty for none
    toxicity: str = "auto"  # auto, profanity-proxy, or a classifier's hub name or folder
    resamples: int = 1000  # of the bootstrap

    def __post_init__(self) -> None:
        require(bool(self.metrics), "metrics must name at least one metric, not none")
        require(len(set(self.metrics)) == len(self.metrics), f"metrics must name each once, not {list(self.metrics)}")
        for name in ("prediction_field", "references_field", "source_field", "toxicity"):
            require(bool(getattr(self, name)), f"{name} must not be empty, but is ''")
        require(self.resamples >= 100, f"resamples must be at least 100, not {self.resamples}: the ends are too rough")
