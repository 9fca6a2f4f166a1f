"""Completions of prompts: N of each, the prompt read once for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from rlhf.backends import Backend, Draw, Tokens, TransformersBackend, Writer
from rlhf.beam_search import beam_shape
from rlhf.config import SamplingConfig
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.models import Policy
from rlhf.near_duplicates import distinct_first, repeats
from rlhf.types import Completion, Prompt, Reporter, Silent

REDRAWS = 8  # tries for a text that repeats another of the same prompt


@dataclass(frozen=True)
class GenerationResult:
    """``completions[i]`` belongs to the i-th prompt and is empty where that prompt was too long."""

    completions: list[list[Completion]]
    too_long: list[str] = field(default_factory=list)  # ids of prompts over the policy's limit
    repeats: int = 0  # of ``distinct``: texts that are still alike to another of their prompt


def generate(
    policy: Policy,
    prompts: Sequence[Prompt],
    n: int,
    sampling: SamplingConfig,
    *,
    seed: int,
    batch_size: int = 64,
    distinct: bool = False,
    reporter: Reporter | None = None,
    reference: bool = False,
    backend: Backend | None = None,
) -> GenerationResult:
    """Write ``n`` completions of each prompt; ``batch_size`` rows (for a search: beams) are decoded at a time.

    The random numbers of a sample depend on the seed, its prompt's id and its ordinal alone, so the texts do
    not depend on the batch size or on the other prompts; with CTranslate2 they depend on the batch too. A
    search has no chance in it; it may find fewer than ``n`` texts where there are no more.

    ``distinct``: a text whose edit similarity to another of its prompt is above 0.95 is drawn again, up to
    `REDRAWS` times; a search passes over it instead while it has others. ``reference`` writes by the anchor
    (adapter off). ``backend`` is the policy's own model where none is given. Prompts over the limit are
    skipped, listed and reported. Raises Cancelled between two batches.
    """
    if sampling.max_new_tokens > policy.max_completion_tokens:
        raise ConfigError(
            f"max_new_tokens {sampling.max_new_tokens} is above the policy's limit {policy.max_completion_tokens}"
        )
    told = reporter or Silent()
    used = backend or TransformersBackend(policy)
    places, too_long = _fitting(policy, prompts, told)
    job = _Job(policy, prompts, n, sampling, seed, batch_size, distinct, told, used.name)
    with used.writer(reference=reference) as writer:
        found = job.search(writer, places) if sampling.searches else job.sample(writer, places)
    again = sum(len(repeats([one.text for one in row])) for row in found.values()) if distinct else 0
    if again:
        told.event("warning", f"{again} completions repeat another of their prompt, or nearly so.", repeats=again)
    return GenerationResult([found.get(place, []) for place in range(len(prompts))], too_long, again)


def _fitting(policy: Policy, prompts: Sequence[Prompt], reporter: Reporter) -> tuple[list[int], list[str]]:
    """Places of the prompts that fit, shortest first (little padding in a batch), and the ids of the others."""
    lengths = [len(row) for row in policy.prompt_rows([prompt.text for prompt in prompts])]
    too_long = [prompt.id for prompt, size in zip(prompts, lengths, strict=True) if size > policy.max_prompt_tokens]
    if too_long:
        reporter.event(
            "warning",
            f"{len(too_long)} of {len(prompts)} prompts are over the limit of {policy.max_prompt_tokens} tokens and "
            "were left out.",
            too_long=too_long,
        )
    fits = [place for place, size in enumerate(lengths) if size <= policy.max_prompt_tokens]
    return sorted(fits, key=lambda place: (lengths[place], place)), too_long


@dataclass(frozen=True)
class _Job:
    """What `generate` was asked for."""

    policy: Policy
    prompts: Sequence[Prompt]
    n: int
    sampling: SamplingConfig
    seed: int
    batch_size: int
    distinct: bool
    reporter: Reporter
    backend: str

    def sample(self, writer: Writer, places: list[int]) -> dict[int, list[Completion]]:
        """The completions of the prompts at ``places``, by place."""
        drawn: dict[tuple[int, int], Completion] = {}
        wanted = [Draw(place, self.prompts[place], ordinal) for place in places for ordinal in range(self.n)]
        # Greedy texts would come out the same again.
        redraws = REDRAWS if self.distinct and self.sampling.strategy == "sample" else 0
        total = len(wanted)
        for _ in range(1 + redraws):
            for batch in _batches(wanted, self.batch_size):
                self._stop_if_cancelled()
                written = writer.sample(batch, self.sampling, self.seed)
                for draw, tokens in zip(batch, written, strict=True):
                    drawn[draw.place, draw.ordinal] = self._completion(draw.prompt, draw.ordinal, tokens)
                self.reporter.progress(len(drawn), total, "generate")
            wanted = self._again(drawn, wanted) if redraws else []
            if not wanted:
                break
        return {place: [drawn[place, ordinal] for ordinal in range(self.n)] for place in places}

    def _again(self, drawn: dict[tuple[int, int], Completion], last: list[Draw]) -> list[Draw]:
        """Next attempts at the texts of the prompts in ``last`` that repeat one of a lower ordinal."""
        attempt = last[0].attempt + 1
        return [
            replace(first, ordinal=ordinal, attempt=attempt)
            for first in {draw.place: draw for draw in last}.values()
            for ordinal in repeats([drawn[first.place, ordinal].text for ordinal in range(self.n)])
        ]

    def search(self, writer: Writer, places: list[int]) -> dict[int, list[Completion]]:
        """The texts that a search finds for the prompts at ``places``, by place, the best first."""
        groups, width = beam_shape(self.sampling, self.n)
        size = max(1, self.batch_size // (groups * width))
        found: dict[int, list[Completion]] = {}
        for start in range(0, len(places), size):
            self._stop_if_cancelled()
            batch = places[start : start + size]
            written = writer.search([self.prompts[place] for place in batch], self.sampling, self.n)
            found |= {place: self._chosen(place, rows) for place, rows in zip(batch, written, strict=True)}
            self.reporter.progress(len(found) * self.n, len(places) * self.n, "generate")
        return found

    def _chosen(self, place: int, rows: list[Tokens]) -> list[Completion]:
        """``n`` of the texts that were found for one prompt."""
        texts = [self.policy.decode(tokens) for tokens in rows]
        order = distinct_first(texts, self.n) if self.distinct else range(min(self.n, len(rows)))
        prompt = self.prompts[place]
        return [self._completion(prompt, ordinal, rows[row]) for ordinal, row in enumerate(order)]

    def _completion(self, prompt: Prompt, ordinal: int, tokens: Tokens) -> Completion:
        finished = tokens[-1] == self.policy.eos_id
        text = self.policy.decode(tokens)
        return Completion(prompt.id, ordinal, text, tokens, finished, self.seed, self.backend)

    def _stop_if_cancelled(self) -> None:
        if self.reporter.cancelled():
            raise Cancelled("Generation was cancelled.")


def _batches(wanted: list[Draw], size: int) -> Iterator[list[Draw]]:
    """Runs of at most ``size`` rows that keep one prompt's rows together where they fit, so that it is read once."""
    batch: list[Draw] = []
    for _, rows in groupby(wanted, key=lambda draw: draw.place):
        group = list(rows)
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch += group
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch
