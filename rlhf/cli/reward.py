"""``python -m rlhf reward``."""

import argparse
from pathlib import Path

from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.inputs import prompts_of, rankings_of
from rlhf.cli.options import ANCHOR, RANKINGS, add, add_training
from rlhf.cli.settings import settings_of
from rlhf.cli.trainings import WRITES, train_into
from rlhf.data import read_completions
from rlhf.exceptions import DataError
from rlhf.training_config import RewardConfig
from rlhf.types import Artifact, Prompt, Ranking


def _options(parser: argparse.ArgumentParser) -> None:
    add(parser, ANCHOR, RANKINGS)
    add(parser, ("--prompts", "prompts for its normalisation; else those of the training rankings", Path, False))
    add(parser, ("--newest", "the newest policy's completions (by generate): accuracy on them is told", Path, False))
    add_training(parser)


def _run(options: argparse.Namespace, console: Console) -> None:
    config = settings_of(RewardConfig, options)
    rankings = rankings_of(options.rankings, options)
    newest = _newest(options.newest, rankings) if options.newest else None
    samples = prompts_of(options.prompts, options) if options.prompts else _own_prompts(rankings)

    def train(out: Path) -> Artifact:
        from rlhf.loading import found
        from rlhf.train_reward import train_reward

        anchor = Path(found(options.anchor))
        return train_reward(
            config,
            anchor,
            rankings,
            out,
            seed=options.seed,
            reporter=console,
            sample_prompts=samples,
            newest=newest,
        )

    train_into(options, console, config, train)


def _newest(path: Path, rankings: list[Ranking]) -> dict[str, list[str]]:
    """The completions in ``path`` by the id of their prompt among ``rankings``. DataError where none was ranked."""
    texts = read_completions(path)
    found = {ranking.prompt_id: texts[ranking.prompt] for ranking in rankings if ranking.prompt in texts}
    if not found:
        raise DataError(f"{path}: none of its {len(texts)} prompts is among those that were ranked.")
    return found


def _own_prompts(rankings: list[Ranking]) -> list[Prompt]:
    """The training prompts themselves, each once."""
    return list({one.prompt_id: Prompt(one.prompt_id, one.prompt) for one in rankings if one.split == "train"}.values())


COMMAND = Command(
    name="reward",
    summary="train a reward model on rankings",
    writes=WRITES.format(what="heads, settings and one adapter for each member"),
    settings=(RewardConfig,),
    options=_options,
    run=_run,
)
