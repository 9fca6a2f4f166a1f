"""Beam search and diverse beam search (Vijayakumar et al. 2018), the prompt read once for all beams.

Letters: P prompts, G groups, K beams in a group, T tokens, V vocabulary. Plain beam search has one group.
transformers' beam search would read a causal prompt once for each beam, and it knows no groups any more.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rlhf.config import SamplingConfig
from rlhf.decoding import Decoder, DecoderOf
from rlhf.exceptions import ConfigError
from rlhf.models import Policy
from rlhf.tensors import PromptState

_NEVER = float("-inf")


def beam_shape(sampling: SamplingConfig, n: int) -> tuple[int, int]:
    """(groups, beams in each) for ``n`` completions. Raises ConfigError where they give fewer, or do not divide."""
    groups = 1 if sampling.strategy == "beam" else sampling.groups or n
    beams = sampling.beams or groups * -(-2 * n // groups)
    if beams < n:
        raise ConfigError(f"beams is {beams}, which cannot give {n} completions of a prompt: it must be {n} or more.")
    if beams % groups:
        raise ConfigError(f"beams is {beams}, which {groups} groups cannot share evenly.")
    return groups, beams // groups


def beam_search(
    policy: Policy,
    state: PromptState,
    shape: tuple[int, int],
    sampling: SamplingConfig,
    decoder_of: DecoderOf | None = None,
) -> "Found":
    """The finished texts of each of P prompts; ``decoder_of`` is the model as it is unless given."""
    prompts, (groups, width) = len(state), shape
    search = _Search(prompts, groups, width, policy, sampling)
    going = torch.arange(prompts, device=policy.device)
    with (decoder_of or partial(Decoder, policy))(state) as decoder:
        logits = decoder.start(going.repeat_interleave(groups * width))
        for step in range(sampling.max_new_tokens):
            parents = search.advance(logits, going, step)
            left = (~search.done[going]).any(dim=1)
            if step + 1 == sampling.max_new_tokens or not left.any():
                break
            rows = parents + torch.arange(len(going), device=policy.device)[:, None] * groups * width
            going, rows = going[left], rows[left]
            decoder.keep(rows.flatten())
            logits = decoder.step(search.ids[going][..., step].flatten())
    return Found(search.finished_ids, search.finished)


@dataclass(frozen=True)
class Found:
    """Finished texts: ``ids`` [P, G, K, T], padded after their EOS, best first within a group, and their ``scores``
    [P, G, K]: log-probability / length ** penalty, -inf where there was no further text."""

    ids: Tensor
    scores: Tensor

    def ranked(self, prompt: int) -> list[Tensor]:
        """The texts [T] of one prompt: the best of each group, then the second of each, groups by their best score."""
        order = self.scores[prompt, :, 0].argsort(descending=True, stable=True)
        ids = self.ids[prompt, order].transpose(0, 1).flatten(0, 1)
        there = self.scores[prompt, order].T.flatten() > _NEVER
        return list(ids[there])


class _Search:
    """The beams of P prompts: those that go on (``ids``, ``scores``) and the finished ones."""

    def __init__(self, prompts: int, groups: int, width: int, policy: Policy, sampling: SamplingConfig) -> None:
        self._policy = policy
        self._sampling = sampling
        shape = (prompts, groups, width)
        device = policy.device
        self.ids = torch.full((*shape, sampling.max_new_tokens), policy.pad_id, device=device)
        # All beams start alike: only the first may be followed.
        self.scores = torch.full(shape, _NEVER, device=device)
        self.scores[..., 0] = 0.0
        self.finished_ids = self.ids.clone()
        self.finished = torch.full(shape, _NEVER, device=device)
        self.done = torch.zeros((prompts, groups), dtype=torch.bool, device=device)

    def advance(self, logits: Tensor, going: Tensor, step: int) -> Tensor:
        """Read the logits [A·G·K, V] of the A prompts ``going``; the beam [A, G·K] that each beam goes on from."""
        groups, width = self.scores.shape[1:]
        logs = logits.float().log_softmax(dim=-1).view(len(going), groups, width, -1)
        taken = torch.zeros_like(logs[:, 0, 0])  # [A, V]: how many beams of earlier groups chose a token at this step
        parents = [
            self._advance_group(logs[:, group], taken, going, group, step) + group * width for group in range(groups)
        ]
        return torch.cat(parents, dim=1)

    def _advance_group(self, logs: Tensor, taken: Tensor, going: Tensor, group: int, step: int) -> Tensor:
        """One group's step: logs [A, K, V]; parents [A, K] of its beams. Adds the tokens of its best to ``taken``."""
        width, vocabulary = logs.shape[1:]
        scores = self.scores[going, group][..., None] + logs
        # The penalty leads the choice, but is no part of a text's score: that stays its log-probability.
        led = scores - self._sampling.diversity_penalty * taken[:, None] if group else scores
        # Twice the beams: K may end here, and K are to go on.
        worth, place = led.flatten(1).topk(min(2 * width, width * vocabulary), dim=1)
        parent, token = place // vocabulary, place % vocabulary
        # What a group does after it is done is no reason to avoid it.
        counted = (~self.done[going, group]).to(taken.dtype)[:, None].expand(-1, width)
        taken.scatter_add_(1, token[:, :width], counted)
        scores = scores.flatten(1).gather(1, place)
        ids = self.ids[going, group].gather(1, parent[..., None].expand(-1, -1, self.ids.shape[-1])).clone()
        ids[..., step] = token
        ends = (token == self._policy.eos_id) | (step + 1 == self._sampling.max_new_tokens)
        self._finish(ids[:, :width], scores[:, :width].masked_fill(~ends[:, :width], _NEVER), going, group, step)
        on = worth.masked_fill(ends, _NEVER).topk(width, dim=1).indices
        self.ids[going, group] = ids.gather(1, on[..., None].expand(-1, -1, ids.shape[-1]))
        self.scores[going, group] = scores.masked_fill(ends, _NEVER).gather(1, on)
        self._close(going, group, step)
        return parent.gather(1, on)

    def _finish(self, ids: Tensor, scores: Tensor, going: Tensor, group: int, step: int) -> None:
        """Let texts [A, K, T] that end at ``step`` compete with those that ended before."""
        scores = (scores / (step + 1) ** self._sampling.length_penalty).masked_fill(
            self.done[going, group][:, None], _NEVER
        )
        scores = torch.cat([self.finished[going, group], scores], dim=1)
        ids = torch.cat([self.finished_ids[going, group], ids], dim=1)
        best = scores.topk(self.finished.shape[-1], dim=1)
        self.finished[going, group] = best.values
        self.finished_ids[going, group] = ids.gather(1, best.indices[..., None].expand(-1, -1, ids.shape[-1]))

    def _close(self, going: Tensor, group: int, step: int) -> None:
        """A group is done when its best beam, were it to end now, would be worse than all that ended (the rule of
        transformers; with a length penalty a longer text might still have won)."""
        best = self.scores[going, group].max(dim=1).values / (step + 1) ** self._sampling.length_penalty
        worst = self.finished[going, group].min(dim=1).values
        self.done[going, group] |= best <= worst
