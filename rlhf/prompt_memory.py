"""What an encoder has read, kept for the readings that follow a sampling: one pass over the prompts less."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rlhf.models import Policy
from rlhf.tensors import PromptState


class PromptMemory:
    """States of prompts by their text, of one policy (seq2seq) for as long as its weights stay as they are."""

    def __init__(self) -> None:
        self._rows: dict[str, Tensor] = {}

    def keep(self, texts: Sequence[str], state: PromptState) -> None:
        """Remember the ``texts`` [P], which were read as ``state``; of a causal model there is nothing to remember."""
        if state.states is None:
            return
        for text, row, length in zip(texts, state.states, state.prompts.lengths.tolist(), strict=True):
            self._rows[text] = row[:length]

    @torch.no_grad()
    def states(self, policy: Policy, texts: Sequence[str], width: int) -> Tensor:
        """[P, ``width``, D] of ``texts`` [P], 0 behind a prompt's end; those that are not remembered are read."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if unknown:
            self.keep(unknown, policy.read_prompts(policy.encode_prompts(unknown)))
        # Made anew: what was read in inference mode could not be a part of a training.
        found = torch.zeros(len(texts), width, policy.hidden_size, dtype=policy.dtype, device=policy.device)
        for place, text in enumerate(texts):
            found[place, : len(self._rows[text])] = self._rows[text]
        return found
