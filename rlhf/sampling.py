"""Seeded sampling with a key-value cache: the random numbers of a completion are its own."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlhf.choice import choose
from rlhf.config import SamplingConfig
from rlhf.decoding import Decoder, DecoderOf
from rlhf.models import Policy
from rlhf.tensors import PromptState, TokenBatch, truncate_after_eos


@dataclass(frozen=True)
class SampledRows:
    """Sampled ``tokens`` [B, T] up to and with their EOS, and ``log_probabilities`` [B, T] of each under the
    policy at the sampling temperature, before top-k and top-p (0 outside the mask)."""

    tokens: TokenBatch
    log_probabilities: Tensor


def sample_rows(
    policy: Policy,
    state: PromptState,
    owner: Tensor,
    uniforms: Tensor,
    sampling: SamplingConfig,
    decoder_of: DecoderOf | None = None,
) -> SampledRows:
    """Sample a completion for each row: ``owner`` [B] points into ``state``; ``uniforms`` [B, T] in [0, 1).

    ``decoder_of`` is the model as it is unless given.
    """
    count, steps = uniforms.shape
    ids = torch.full((count, steps), policy.pad_id, device=policy.device)
    logs = torch.zeros((count, steps), device=policy.device)
    alive = torch.arange(count, device=policy.device)  # the rows that are still decoded
    with (decoder_of or partial(Decoder, policy))(state) as decoder:
        logits = decoder.start(owner)
        for step in range(steps):
            token, logs[alive, step] = choose(logits, uniforms[alive, step], sampling)
            ids[alive, step] = token
            going = token != policy.eos_id
            left = int(going.sum())
            if left == 0 or step + 1 == steps:
                break
            # Copying the cache costs about as much as a step: dropping a few finished rows does not pay.
            if left <= 0.75 * len(alive):
                alive, token = alive[going], token[going]
                decoder.keep(going.nonzero()[:, 0])
            logits = decoder.step(token)
    mask = truncate_after_eos(ids, policy.eos_id)
    width = int(mask.sum(dim=1).max())
    ids = ids.masked_fill(~mask, policy.pad_id)
    return SampledRows(TokenBatch(ids[:, :width], mask[:, :width]), (logs * mask)[:, :width])


def uniforms_for(seed: int, prompt_id: str, ordinal: int, attempt: int, count: int) -> np.ndarray[Any, Any]:
    """``count`` uniforms in [0, 1) that belong to this one completion (counter-based Philox, keyed by a hash)."""
    name = f"{seed}\x1f{prompt_id}\x1f{ordinal}\x1f{attempt}".encode()
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(count)
