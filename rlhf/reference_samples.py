"""Completions of the reference policy that a reward's unit is fixed on."""

from collections.abc import Sequence

from rlhf.config import SamplingConfig
from rlhf.exceptions import DataError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reporting import Quiet
from rlhf.types import Prompt, Reporter


def reference_samples(
    policy: Policy,
    prompts: Sequence[Prompt],
    count: int,
    sampling: SamplingConfig,
    *,
    seed: int,
    batch_size: int,
    reporter: Reporter,
) -> tuple[list[str], list[list[str]]]:
    """About ``count`` completions of the first ``count`` prompts, as prompts and their finished completions.

    Raises DataError where fewer than two completions end within the limit: one has no spread.
    """
    used = prompts[:count]
    each = max(1, count // max(1, len(used)))
    drawn = generate(policy, used, each, sampling, seed=seed, batch_size=batch_size, reporter=Quiet(reporter))
    texts = [[completion.text for completion in group if completion.finished] for group in drawn.completions]
    if sum(map(len, texts)) < 2:
        raise DataError("The anchor finishes no completion within max_new_tokens: raise it to normalise the reward.")
    return [prompt.text for prompt in used], texts
