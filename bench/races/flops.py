"""Floating-point operations of a step by formula.

A multiplication and an addition are two. Matrix products alone are counted, as in the usual model-FLOPs utilisation
(Chowdhery et al. 2022, appendix B): no norms, no softmax, no optimiser, no adapters (1.4 % of the weights).
"""

from dataclasses import dataclass, replace

from bench.races.work import SHAPES, Shape, Work


@dataclass(frozen=True)
class Reading:
    """``prompts`` of ``source`` tokens in the encoder, ``rows`` completions of ``target`` tokens in the decoder."""

    prompts: int
    source: int
    rows: int
    target: int
    head: bool = True  # logits of every completion token
    encoder: bool = True  # the prompts are read, not taken from an earlier pass

    def flops(self, shape: Shape) -> float:
        """Of one forward."""
        inner, d = shape.heads * shape.d_kv, shape.d_model
        feed_forward = 2 * 3 * d * shape.d_ff
        # Queries, keys, values, output; scores and their product with the values, over all the positions.
        encoder = 2 * 4 * d * inner + feed_forward + 4 * self.source * inner
        decoder = 2 * 6 * d * inner + feed_forward + 4 * (self.target + self.source) * inner
        memory = 2 * 2 * d * inner  # the cross-attention's keys and values of a prompt token
        logits = 2 * d * shape.vocabulary if self.head else 0
        prompt_tokens, tokens = self.prompts * self.source, self.rows * self.target
        read = encoder + memory if self.encoder else memory
        return float(shape.layers * (prompt_tokens * read + tokens * decoder) + tokens * logits)


def step_flops(work: Work) -> float:
    """What one of our steps needs, each prompt read once a pass. Backward = forward: frozen weights have none."""
    shape = SHAPES[work.shape]
    if work.race in ("reward", "dpo"):
        rows = work.rankings * work.completions
        reading = Reading(work.rankings, work.prompt_tokens, rows, work.completion_tokens, head=work.race == "dpo")
        return 2 * reading.flops(shape)
    once = Reading(work.prompts, work.prompt_tokens, work.sampled, work.new_tokens)
    if work.race == "generate":
        return once.flops(shape)
    # The policy is read with what the sampling's encoder read; with no adapter in the encoder, the rest is too.
    again = not work.decoder_only
    sampling, policy = once.flops(shape), replace(once, encoder=False).flops(shape)
    reference = replace(once, encoder=again).flops(shape)
    # Minibatches of whole prompts.
    size = min(work.minibatch, work.sampled)
    batches, prompts = -(-work.sampled // size), -(-size // work.samples)
    part = Reading(prompts, work.prompt_tokens, size, work.new_tokens, encoder=again).flops(shape)
    return sampling + policy + reference + work.epochs * batches * 2 * part


def step_tokens(work: Work) -> int:
    """Completion tokens of one step: sampled, or read by a preference training."""
    if work.race in ("reward", "dpo"):
        return work.rankings * work.completions * work.completion_tokens
    return work.sampled * work.new_tokens
