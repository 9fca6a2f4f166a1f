"""A snapshot's README.md: the data statement that travels with its lines."""

from collections.abc import Mapping
from typing import Any

from annotation.licence import licence_words, licence_yaml


def card(manifest: Mapping[str, Any]) -> str:
    """Markdown with the YAML front matter of a dataset card."""
    counts = manifest["counts"]
    taken = manifest["retractions"]
    criteria = ", ".join(f"`{name}`" for name in manifest["criteria"]) or "none"
    return f"""---
license: {licence_yaml(manifest["license"])}
tags: [preference, ranking, rlhf]
---

# Rankings of {manifest["project"]}

{counts["rankings"]:,} rankings, {counts["pairs"]:,} pairs, of {counts["prompts"]:,} prompts by \
{counts["annotators"]:,} annotators.

| | |
| --- | --- |
| where they came from | {_counted(counts["by_origin"])} |
| who wrote the completions | {_counted(counts["completions_by_backend"])} |
| split, by prompt | {_counted(counts["by_split"])} |
| none acceptable | {counts["none_acceptable"]:,} |
| pairwise agreement, ties left out | {_figure(manifest["agreement"]["pairwise"], "prompts of several raters")} |
| Krippendorff's alpha, ordinal | {_figure(manifest["agreement"]["alpha"], "prompts")} |
| criteria that completions may be rated on | {criteria} |
| overruled by a reviewer, not in here | {counts["overruled"]:,} |
| taken back before, not in here | {taken["rankings"]:,} rankings in {taken["retractions"]:,} retractions |
| licence | {licence_words(manifest["license"])} |
| frozen | {manifest["created_at"]} under code {manifest["code_version"]} |

sha256 of `rankings.jsonl`: `{manifest["sha256"]}`

One line for each ranking; `rankings.parquet` holds the same.

| field | what |
| --- | --- |
| `prompt` | the raw prompt |
| `completions` | the texts that were ranked, sorted |
| `groups` | indices into `completions`, best group first; two or more in a group are a tie |
| `method` | `best_worst` where the annotator named the best and the worst alone: those between were not compared |
| `strengths` | for each boundary between groups: 1 slightly better, 2 better, 3 much better; null when not given |
| `none_acceptable` | the annotator found none acceptable |
| `annotator` | a pseudonym, the same for the whole project |
| `split` | train, validation or test, by hash of the prompt's identity |

The lines hold no ids and no times: the same labels have the same hash anywhere. Train on the lines of `train`, choose
on those of `validation`, and measure on those of `test` alone.
"""


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"


def _figure(figure: Mapping[str, Any] | None, units: str) -> str:
    if not figure:
        return "not enough overlap to say"
    return f"{figure['value']:.3f} (95 %: {figure['low']:.3f} to {figure['high']:.3f}; {figure['n']:,} {units})"
