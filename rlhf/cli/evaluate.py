"""``python -m rlhf evaluate``: a policy on prompts, or any file of predictions."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.inputs import prompts_of
from rlhf.cli.options import REWARD, add, add_common
from rlhf.cli.places import check_inputs, is_stream, result_file, write_whole
from rlhf.cli.settings import given
from rlhf.evaluation_config import EvaluateConfig, PredictionsConfig
from rlhf.prompt_options import DEFAULTS, add_prompt_options
from rlhf.training_config import with_preset

WRITES = """\
  OUT                     JSON, and a table on stdout; each figure is {"value": …, "low": …, "high": …, "n": …}, its
                          interval of 95 % over prompts or lines. An earlier OUT of this kind is replaced.
    of a policy           metrics, samples, reward_table, counts, decoding, config
    of predictions        rouge1 … rougeLsum_split: {"mean_over_references": …, "best_reference": …}
                          toxicity: {"backend": …, "version": …, "mean": …, "sd": …, "share_above_half": …}
                          with a baseline its own under "baseline" and the paired "difference\""""
_OF_POLICY = ("anchor", "prompts", "adapter", "reward")
_OF_FILES = ("metrics", "prediction_field", "references_field", "source_field", "baseline_field")


def _options(parser: argparse.ArgumentParser) -> None:
    policy = parser.add_argument_group("a policy on prompts")
    policy.add_argument("--anchor", help="the model it was trained from, or to measure: hub name or folder")
    policy.add_argument("--adapter", type=Path, help="folder of the policy's adapter; without it, the anchor itself")
    policy.add_argument("--reward", type=Path, help=f"what scores both: {REWARD}")
    policy.add_argument("--prompts", type=Path, help="prompts, with references if there are any")
    files = parser.add_argument_group("a file of predictions")
    files.add_argument("--predictions", type=Path, metavar="FILE.jsonl", help="a text on each line (.gz too)")
    files.add_argument("--metrics", type=_names, help="of rouge, toxicity, length, distinct, source (rouge,toxicity)")
    add(files, ("--prediction-field", "the field that is scored (prediction)", str, False))
    add(files, ("--references-field", "a text or a list of texts (references)", str, False))
    add(files, ("--source-field", "what was summarised, for source (dialogue)", str, False))
    add(files, ("--baseline-field", "another system's text: adds paired differences", str, False))
    add(files, ("--baseline", "another file of the same lines: adds paired differences", Path, False))
    parser.add_argument("--json", "--out", dest="out", type=Path, metavar="OUT", help="file for the figures")
    add(parser, ("--toxicity", "auto, profanity-proxy, or a classifier's hub name or folder (auto)", str, False))
    add_common(parser)
    add_prompt_options(parser)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _usage(options: argparse.Namespace) -> str | None:
    """One of the two kinds, whole and without the other's options."""
    mine, others = (_OF_POLICY, (*_OF_FILES, "baseline")) if options.predictions is None else ((), _OF_POLICY)
    wrong = [name for name in others if getattr(options, name) is not None]
    if options.predictions is None and wrong:
        return f"{_flag(wrong[0])} needs --predictions FILE"
    if options.predictions is not None:
        wrong += [name for name, usual in DEFAULTS.items() if getattr(options, name) != usual]
    if wrong:
        return f"{_flag(wrong[0])} belongs to the evaluation of a policy, not to --predictions"
    lacking = [name for name in mine[:2] if getattr(options, name) is None]
    return f"needs --predictions FILE, or --anchor and --prompts; {_flag(lacking[0])} is missing" if lacking else None


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _run(options: argparse.Namespace, console: Console) -> None:
    if options.out is not None and console.leads:
        check_inputs("--json", options.out, options)
        result_file("--json", options.out, _is_ours)
    result, table = (_policy if options.predictions is None else _predictions)(options, console)
    if options.out is not None and console.leads:
        write_whole(options.out, json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
        if is_stream(options.out):
            return  # whoever reads JSON from a pipe wants no table after it
    for name, figure in table:
        value, low, high = (figure[key] for key in ("value", "low", "high"))
        console.say(f"{name:40} {value:9.4f}  [{low:.4f}, {high:.4f}]  n = {figure['n']}")


def _predictions(options: argparse.Namespace, console: Console) -> tuple[Any, Iterator[tuple[str, Any]]]:
    from rlhf.predictions import score_predictions

    config = with_preset(PredictionsConfig, given(options) | _said(options, *_OF_FILES, "toxicity"))
    scores = score_predictions(
        options.predictions, config, baseline=options.baseline, seed=options.seed, reporter=console
    )  # fmt: skip
    return scores, _flat(scores)


def _policy(options: argparse.Namespace, console: Console) -> tuple[Any, Iterator[tuple[str, Any]]]:
    config = with_preset(EvaluateConfig, given(options) | _said(options, "toxicity"))
    prompts = prompts_of(options.prompts, options)

    from rlhf.artifacts import plain
    from rlhf.evaluate import evaluate
    from rlhf.loading import found

    anchor = Path(found(options.anchor))
    result = evaluate(
        config, anchor, options.adapter, options.reward, prompts, seed=options.seed, reporter=console
    )  # fmt: skip
    whole: Any = plain(result)
    return whole, _flat(whole["metrics"])


def _said(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Settings with an option of their own, where it was given."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _flat(scores: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(name, figure) of every figure, however deep."""
    for name, value in scores.items():
        if isinstance(value, Mapping) and "value" in value:
            yield above + name, value
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name} ")


def _is_ours(path: Path) -> bool:
    """A JSON object with the keys of either kind."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(found, dict) and (
        {"metrics", "samples"} <= found.keys() or {"predictions", "file"} <= found.keys()
    )


COMMAND = Command(
    name="evaluate",
    summary="measure a policy (ROUGE, toxicity, reward, KL, …), or score any file of predictions",
    writes=WRITES,
    settings=(EvaluateConfig, PredictionsConfig),
    options=_options,
    run=_run,
    usage=_usage,
)
