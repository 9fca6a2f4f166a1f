"""``python -m rlhf generate``."""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.inputs import prompts_of
from rlhf.cli.options import MODEL, PROMPTS, add, add_common, add_limits, at_least
from rlhf.cli.places import check_inputs, result_file, write_whole
from rlhf.cli.settings import settings_of
from rlhf.config import BackendChoice, SamplingConfig
from rlhf.prompt_options import add_prompt_options

WRITES = """\
  OUT                     one line for each prompt: {"id": …, "prompt": …, "completions": [N texts], "references": […],
                          "backend": "transformers" or "ctranslate2"}
                          a prompt over the limit has no completions; an earlier OUT of this kind is replaced"""


def _options(parser: argparse.ArgumentParser) -> None:
    add(parser, MODEL, ("--adapter", "folder of an adapter", Path, False), PROMPTS)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="file for the completions")
    parser.add_argument("--n", type=at_least(1), default=4, help="completions of each prompt (4)")
    parser.add_argument("--batch-size", type=at_least(1), default=64, help="rows decoded at a time (64)")
    parser.add_argument("--distinct", action="store_true", help="draw again what repeats another text, or nearly so")
    parser.add_argument(
        "--backend", choices=get_args(BackendChoice), default="transformers",
        help="what decodes (transformers); with ctranslate2 samples depend on the batch; auto: ctranslate2 if it can",
    )  # fmt: skip
    add_common(parser)
    add_prompt_options(parser)
    add_limits(parser, "room for a completion, at least max_new_tokens")


def _run(options: argparse.Namespace, console: Console) -> None:
    sampling = settings_of(SamplingConfig, options)
    prompts = prompts_of(options.prompts, options)
    if console.leads:
        check_inputs("--out", options.out, options)
        result_file("--out", options.out, _is_ours)

    from rlhf.backends import open_backend
    from rlhf.generate import generate
    from rlhf.models import Policy

    policy = Policy.load(
        options.model,
        adapter=options.adapter,
        max_prompt_tokens=options.max_prompt_tokens,
        max_completion_tokens=max(options.max_completion_tokens, sampling.max_new_tokens),
    )
    with open_backend(policy, options.backend, sampling, console) as backend:
        result = generate(
            policy, prompts, options.n, sampling, seed=options.seed, batch_size=options.batch_size,
            distinct=options.distinct, reporter=console, backend=backend,
        )  # fmt: skip
    if not console.leads:
        return
    rows = [
        {
            "id": one.id, "prompt": one.text, "completions": [text.text for text in row],
            "references": one.references, "backend": backend.name,
        }
        for one, row in zip(prompts, result.completions, strict=True)
    ]  # fmt: skip
    write_whole(options.out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    count = sum(map(len, result.completions))
    console.event("log", f"{count} completions of {len(prompts)} prompts are in {options.out}.")


def _is_ours(path: Path) -> bool:
    """Its first line is one of `WRITES`."""
    try:
        with path.open(encoding="utf-8") as lines:
            row: Any = json.loads(lines.readline())
    except ValueError:
        return False
    return isinstance(row, dict) and row.keys() >= {"id", "prompt", "completions"}


COMMAND = Command(
    name="generate",
    summary="write completions of prompts",
    writes=WRITES,
    settings=(SamplingConfig,),
    options=_options,
    run=_run,
)
