"""What turns prompts into tokens: transformers always, CTranslate2 where it is installed and knows the model."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from rlhf.beam_search import beam_search, beam_shape
from rlhf.config import BackendChoice, SamplingConfig
from rlhf.decoding import DecoderOf
from rlhf.exceptions import BackendError
from rlhf.inference import inference
from rlhf.models import Policy
from rlhf.prompt_memory import PromptMemory
from rlhf.sampling import sample_rows, uniforms_for
from rlhf.types import Prompt, Reporter, Silent

Tokens = tuple[int, ...]  # of one completion, up to and with its EOS where one came


@dataclass(frozen=True)
class Draw:
    """A completion to be drawn: the ``ordinal``-th of the prompt, which stands at ``place`` in its list.

    ``attempt`` counts how often it was drawn before, because its text repeated another.
    """

    place: int
    prompt: Prompt
    ordinal: int
    attempt: int = 0


class Writer(Protocol):
    """One policy, or its anchor, ready to write."""

    def sample(self, draws: Sequence[Draw], sampling: SamplingConfig, seed: int) -> list[Tokens]:
        """The completions ``draws``, by chance or greedily; those of one prompt stand next to each other."""

    def search(self, prompts: Sequence[Prompt], sampling: SamplingConfig, n: int) -> list[list[Tokens]]:
        """For each prompt the texts that a search for ``n`` completions found, best first."""


class Backend(Protocol):
    """A library that decodes."""

    @property
    def name(self) -> str:
        """What each completion records."""

    def writer(self, *, reference: bool) -> AbstractContextManager[Writer]:
        """The policy, or for the ``reference`` its anchor, for the time of the block."""


class TransformersBackend:
    """The policy's own model. Its texts do not depend on the batch, up to the rounding of fp32.

    ``memory`` keeps what the encoder reads while it samples.
    """

    name = "transformers"

    def __init__(self, policy: Policy, memory: PromptMemory | None = None) -> None:
        self._policy, self._memory = policy, memory

    @contextmanager
    def writer(self, *, reference: bool) -> Iterator[Writer]:
        with inference(self._policy, reference=reference) as decoder_of:
            yield _TransformersWriter(self._policy, decoder_of, self._memory)


class _TransformersWriter:
    def __init__(self, policy: Policy, decoder_of: DecoderOf, memory: PromptMemory | None) -> None:
        self._policy, self._decoder_of, self._memory = policy, decoder_of, memory

    def sample(self, draws: Sequence[Draw], sampling: SamplingConfig, seed: int) -> list[Tokens]:
        policy = self._policy
        texts = {draw.place: draw.prompt.text for draw in draws}
        row = {place: number for number, place in enumerate(texts)}
        state = policy.read_prompts(policy.encode_prompts(list(texts.values())))
        if self._memory is not None:
            self._memory.keep(list(texts.values()), state)
        owner = torch.tensor([row[draw.place] for draw in draws], device=policy.device)
        uniforms = [
            uniforms_for(seed, draw.prompt.id, draw.ordinal, draw.attempt, sampling.max_new_tokens) for draw in draws
        ]
        drawn = torch.from_numpy(np.stack(uniforms)).to(policy.device)
        rows = sample_rows(policy, state, owner, drawn, sampling, self._decoder_of)
        lengths = rows.tokens.lengths.tolist()
        return [tuple(ids[:length]) for ids, length in zip(rows.tokens.ids.tolist(), lengths, strict=True)]

    def search(self, prompts: Sequence[Prompt], sampling: SamplingConfig, n: int) -> list[list[Tokens]]:
        policy = self._policy
        state = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in prompts]))
        found = beam_search(policy, state, beam_shape(sampling, n), sampling, self._decoder_of)
        return [_texts(found.ranked(prompt), policy.eos_id) for prompt in range(len(prompts))]


def _texts(rows: list[torch.Tensor], eos: int) -> list[Tokens]:
    """Each row [T] up to its EOS. Two groups of diverse beams may have found the same text: it counts once."""
    texts = [row.tolist() for row in rows]
    return list(dict.fromkeys(tuple(text[: text.index(eos) + 1] if eos in text else text) for text in texts))


@contextmanager
def open_backend(
    policy: Policy,
    choice: BackendChoice,
    sampling: SamplingConfig,
    reporter: Reporter | None = None,
    *,
    anchor: bool = False,
) -> Iterator[Backend]:
    """The backend of ``choice`` for ``policy``, and with ``anchor`` for the policy with its adapter off too.

    What it keeps on disk is gone after the block.

    ``auto`` takes CTranslate2 where it can write these completions, else transformers, and reports which and why.
    Raises BackendError where CTranslate2 was asked for and cannot.
    """
    told = reporter or Silent()
    with ExitStack() as stack:
        backend: Backend = TransformersBackend(policy)
        if choice != "transformers":
            from rlhf.ctranslate import open_ctranslate2  # an optional package

            try:
                backend = stack.enter_context(open_ctranslate2(policy, sampling, anchor=anchor))
            except BackendError as error:
                if choice == "ctranslate2":
                    raise
                told.event("log", f"transformers writes the completions. {error}", backend=backend.name)
            else:
                told.event("log", f"{backend.name} writes the completions, in fp32.", backend=backend.name)
        yield backend
