"""The figures of quality as text: one line for each figure, with its interval, its n and what it means."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOO_FEW = "too few"


def report(found: Mapping[str, Any]) -> Iterator[str]:
    """Lines of a report on ``project_quality``'s figures."""
    twice = found["shared_prompts"]
    yield f"{found['rankings']:,} rankings of {found['prompts']:,} prompts; {twice:,} were ranked twice or more."
    yield ""
    pairwise = found["pairwise_agreement"]
    counts = f", {pairwise['agreeing']:,} pairs alike and {pairwise['disagreeing']:,} not" if pairwise else ""
    yield f"Pairwise agreement     {shown(pairwise)}{counts}"
    yield "  How often two people prefer the same completion, ties left out; 0.5 is chance."
    yield f"Krippendorff's alpha   {shown(found['alpha_pairs'])}"
    yield "  Agreement beyond chance on pairs, ties included: 1 is perfect, 0 is chance."
    if found["ceiling"]:
        yield f"Ceiling                {found['ceiling']['low']:.3f} to {found['ceiling']['high']:.3f}"
        yield "  The best accuracy that a reward model can reach on such labels."
    yield from _criteria("", found["criteria"])
    for name, group in found["groups"].items():
        yield ""
        yield f"Group {plain(name)}: {group['raters']} raters, {group['rankings']:,} rankings"
        yield f"  Pairwise agreement   {shown(group['pairwise_agreement'])}"
        yield f"  Alpha of pairs       {shown(group['alpha_pairs'])}"
        yield from _criteria("  ", group["criteria"])
    yield from _votes(found["votes"])
    yield from _checks(found)
    yield from _annotators(found["annotators"])


def _criteria(indent: str, criteria: Mapping[str, Any]) -> Iterator[str]:
    for name, figures in criteria.items():
        yield f"{indent}Alpha of {plain(name):<14}{shown(figures['alpha_ordinal'])}"
    if criteria:
        yield f"{indent}  Do raters give one completion the same rating? 4 against 5 is nearer than 1 against 5."


def _votes(votes: Mapping[str, Any]) -> Iterator[str]:
    if not votes["items"]:
        return
    yield ""
    yield f"Votes on {votes['items']:,} pairs of completions"
    yield f"  Alpha, nominal       {shown(votes['alpha_nominal'])}"
    for pair, figure in votes["cohen_kappa"].items():
        one, other = (plain(votes["raters"][int(place) - 1]) for place in pair.split("-"))
        yield f"  Cohen's kappa        {shown(figure)}, {one} and {other}"
    yield "  First, second or tie, alike beyond chance: 1 is perfect, 0 is chance."


def _checks(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"Ties                   {shown(found['ties'])}"
    yield "  Share of pairs that people could not tell apart."
    yield f"Shown first, ranked up {shown(found['position'] and found['position']['share'])}"
    yield "  Of what stood earlier on the page; 0.5 is no bias."
    for title, name in (("Cycles of majorities", "majority_cycles"), ("Cycles of votes", "vote_cycles")):
        cycles = found[name]
        if cycles["triples"]:
            expected = TOO_FEW if cycles["expected"] is None else f"{cycles['expected']:.3f}"
            yield f"{title:<23}{shown(cycles['share'])}; noise alone makes {expected}"
    yield f"Same order again       {shown(found['consistency'] and found['consistency']['same_order'])}"
    yield "  Of tasks that a person ranked twice."
    yield f"Faster than reading    {shown(found['haste'] and found['haste']['share'])}"
    yield "  Of timed rankings, below a thousand words a minute."


def _annotators(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        reliability, gold = row["reliability"], row["gold"]
        flags = ", ".join(row["flags"]) or "no flag"
        yield ""
        yield f"{plain(row['annotator'])}: {row['rankings']:,} rankings, {row['skips']:,} skipped; {flags}"
        yield f"  Agrees with others   {shown(row['agreement'])}"
        shared = f"{TOO_FEW}: {reliability['shared']} shared tasks of the 30 it takes"
        yield f"  Reliability          {shown(reliability['gamma']) if reliability['gamma'] else shared}"
        if reliability["bias"]:
            yield f"  Lean to what is first {shown(reliability['bias'])}"
        if gold:
            told = f"{gold['right']} of {gold['pairs']} pairs, {gold['verdict']}"
            yield f"  Gold                 {told}; {shown(gold['share'])}"
        if row["consistency"]:
            yield f"  Same pairs again     {shown(row['consistency']['pairs'])}"


def shown(figure: Mapping[str, Any] | None) -> str:
    """0.775 [0.751, 0.797], n = 70."""
    if figure is None:
        return TOO_FEW
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}], n = {figure['n']:,}"


def plain(name: str) -> str:
    """An imported name for a terminal: what does not print is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
