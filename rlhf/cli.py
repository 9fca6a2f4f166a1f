"""The library without Django: ``python -m rlhf sft|reward|ppo|dpo|generate|evaluate``.

Results go to files, progress and events to stderr; the exit status is 0, 1 after an error, 130 after Ctrl+C.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from rlhf.data import read_examples, read_prompts, read_rankings
from rlhf.exceptions import ConfigError, DataError, RlhfError
from rlhf.types import Artifact, Prompt

C = TypeVar("C")


class Console:
    """A bar for the phase that is running, events above it, and metrics as JSON lines in ``log``."""

    def __init__(self, log: TextIO | None = None) -> None:
        self._log = log
        self._bar: Any = None
        self._shown: tuple[str, int] = ("", 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if self._log is not None:
            self._log.write(json.dumps({"step": step, **values}) + "\n")
            self._log.flush()
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)

    def progress(self, done: int, total: int, phase: str) -> None:
        if self._bar is None or self._shown != (phase, total):
            self.close()
            self._bar = tqdm(total=total, desc=phase, file=sys.stderr, dynamic_ncols=True)
            self._shown = (phase, total)
        self._bar.update(done - self._bar.n)

    def event(self, kind: str, message: str, **data: object) -> None:
        tqdm.write(message if kind == "log" else f"{kind}: {message}", file=sys.stderr)

    def cancelled(self) -> bool:
        return False

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    options = _parser().parse_args(arguments)
    log = options.log.open("w", encoding="utf-8") if options.log else None
    console = Console(log)
    run: Callable[[argparse.Namespace, Console], None] = options.run
    try:
        run(options, console)
    except RlhfError as error:
        console.close()
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.close()
        print("Stopped.", file=sys.stderr)
        return 130
    finally:
        console.close()
        if log is not None:
            log.close()
    return 0


def _sft(options: argparse.Namespace, console: Console) -> None:
    from rlhf.config import SFTConfig
    from rlhf.models import Policy
    from rlhf.train_sft import train_sft

    config = _config(SFTConfig, options)
    examples = read_examples(options.data, options.template)
    validation = read_examples(options.validation, options.template) if options.validation else []
    policy = Policy.load(
        options.model, max_prompt_tokens=options.max_prompt_tokens, max_completion_tokens=options.max_completion_tokens
    )
    _told(train_sft(config, policy, examples, validation, options.out, seed=options.seed, reporter=console))


def _reward(options: argparse.Namespace, console: Console) -> None:
    from rlhf.train_reward import RewardConfig, train_reward

    rankings = read_rankings(options.rankings, options.template)
    samples = (
        _prompts(options.prompts, options)
        if options.prompts
        # The training prompts themselves, each once.
        else list({r.prompt_id: Prompt(r.prompt_id, r.prompt) for r in rankings if r.split == "train"}.values())
    )
    config = _config(RewardConfig, options)
    anchor, out = Path(options.anchor), options.out
    _told(train_reward(config, anchor, rankings, out, seed=options.seed, reporter=console, sample_prompts=samples))


def _ppo(options: argparse.Namespace, console: Console) -> None:
    from rlhf.train_ppo import PPOConfig, train_ppo

    config = _config(PPOConfig, options)
    prompts, held_out = _prompts(options.prompts, options), _prompts(options.held_out, options)
    anchor = Path(options.anchor)
    _told(
        train_ppo(
            config, anchor, options.reward, prompts, held_out, options.out, seed=options.seed, reporter=console
        )
    )  # fmt: skip


def _dpo(options: argparse.Namespace, console: Console) -> None:
    from rlhf.train_dpo import DPOConfig, train_dpo

    config = _config(DPOConfig, options)
    rankings = read_rankings(options.rankings, options.template)
    held_out = _prompts(options.held_out, options) if options.held_out else []
    _told(
        train_dpo(
            config, Path(options.anchor), rankings, options.out, seed=options.seed, reporter=console,
            reward=options.reward, held_out=held_out,
        )
    )  # fmt: skip


def _generate(options: argparse.Namespace, console: Console) -> None:
    from rlhf.config import SamplingConfig
    from rlhf.generate import generate
    from rlhf.models import Policy

    sampling = _config(SamplingConfig, options)
    prompts = _prompts(options.prompts, options)
    limit = max(options.max_completion_tokens, sampling.max_new_tokens)
    policy = Policy.load(
        options.model,
        adapter=options.adapter,
        max_prompt_tokens=options.max_prompt_tokens,
        max_completion_tokens=limit,
    )
    result = generate(
        policy, prompts, options.n, sampling, seed=options.seed, batch_size=options.batch_size,
        distinct=options.distinct, reporter=console,
    )  # fmt: skip
    with options.out.open("w", encoding="utf-8") as file:
        for prompt, row in zip(prompts, result.completions, strict=True):
            texts = [completion.text for completion in row]
            line = {"id": prompt.id, "prompt": prompt.text, "completions": texts, "references": prompt.references}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{sum(map(len, result.completions))} completions of {len(prompts)} prompts are in {options.out}.")


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    from rlhf.artifacts import plain
    from rlhf.evaluate import EvaluateConfig, evaluate

    prompts = _prompts(options.prompts, options)
    result = evaluate(
        _config(EvaluateConfig, options), Path(options.anchor), options.adapter, options.reward, prompts,
        seed=options.seed, reporter=console,
    )  # fmt: skip
    options.out.write_text(json.dumps(plain(result), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    console.close()
    for name, figure in result.metrics.items():
        print(f"{name:16} {figure.value:9.4f}  [{figure.low:.4f}, {figure.high:.4f}]  n = {figure.n}")


def _config(cls: type[C], options: argparse.Namespace) -> C:
    """The config from ``--config`` and, above it, each ``--set``."""
    from rlhf.training_config import with_preset

    mapping: dict[str, Any] = {}
    if options.config:
        try:
            mapping = json.loads(options.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{options.config} is no readable JSON: {error}") from error
    for setting in options.set:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, not {setting!r}.")
        *path, last = name.split(".")
        place = mapping
        for key in path:
            place = place.setdefault(key, {})
        place[last] = _value(text)
    return with_preset(cls, mapping)


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text  # a word needs no quotes
    return value


def _prompts(path: Path, options: argparse.Namespace) -> list[Prompt]:
    prompts = read_prompts(path, options.template)
    if not prompts:
        raise DataError(f"{path} holds no prompts.")
    return prompts


def _told(artifact: Artifact) -> None:
    print(
        f"{artifact.path}: {artifact.total_parameters:,} parameters, {artifact.size_bytes:,} bytes, sha256 "
        f"{artifact.sha256}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rlhf", description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True, metavar="command")
    anchor = ("--anchor", "the model training starts from: hub name or folder", str, True)
    rankings = ("--rankings", "a snapshot's rankings.jsonl or rankings.parquet", Path, True)
    prompts = ("--prompts", "JSONL or CSV of prompts", Path, True)

    sft = _command(commands, "sft", _sft, "fine-tune a model on prompts and targets")
    _add(sft, ("--model", "hub name or folder", str, True), ("--data", "JSONL or CSV with targets", Path, True))
    _add(sft, ("--validation", "the same, for the validation loss", Path, False))
    _limits(sft)
    reward = _command(commands, "reward", _reward, "train a reward model on rankings")
    _add(reward, anchor, rankings, ("--prompts", "prompts for its normalisation; else the rankings'", Path, False))
    ppo = _command(commands, "ppo", _ppo, "train a policy against a reward model")
    _add(ppo, anchor, ("--reward", "folder of the reward model", Path, True), prompts)
    _add(ppo, ("--held-out", "prompts that choose the checkpoint", Path, True))
    dpo = _command(commands, "dpo", _dpo, "train a policy on rankings without a reward model")
    _add(dpo, anchor, rankings, ("--reward", "a reward model that measures", Path, False))
    _add(dpo, ("--held-out", "prompts to measure on", Path, False))
    generate = _command(commands, "generate", _generate, "write completions of prompts")
    _add(generate, ("--model", "hub name or folder", str, True), ("--adapter", "folder of an adapter", Path, False))
    _add(generate, prompts)
    generate.add_argument("--n", type=int, default=4, help="completions of each prompt (4)")
    generate.add_argument("--batch-size", type=int, default=64, help="rows decoded at a time (64)")
    generate.add_argument("--distinct", action="store_true", help="draw repeated texts again")
    _limits(generate)
    evaluate = _command(commands, "evaluate", _evaluate, "measure a policy: ROUGE, toxicity, reward, KL, length")
    _add(evaluate, anchor, ("--adapter", "folder of the policy's adapter", Path, False), prompts)
    _add(evaluate, ("--reward", "folder of the reward model", Path, False))
    return parser


def _command(commands: Any, name: str, run: Callable[..., None], words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(run=run)
    parser.add_argument("--out", type=Path, required=True, help="folder (generate, evaluate: file) to write")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result (0)")
    parser.add_argument("--config", type=Path, help="JSON file with the settings")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, such as lora.rank=8"
    )
    parser.add_argument("--template", default="{prompt}", help="what the model reads; {prompt} is the prompt's place")
    parser.add_argument("--log", type=Path, help="JSONL file for the metrics of each step")
    return parser


def _add(parser: argparse.ArgumentParser, *options: tuple[str, str, Any, bool]) -> None:
    for name, words, kind, required in options:
        parser.add_argument(name, help=words, type=kind, required=required)


def _limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-prompt-tokens", type=int, default=512, help="longer prompts are left out (512)")
    parser.add_argument("--max-completion-tokens", type=int, default=128, help="longer targets are left out (128)")
