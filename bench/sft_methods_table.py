"""The tables of `bench.sft_methods`, from the JSON that its jobs left."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METHODS: Mapping[str, str] = {
    "base": "base, untouched",
    "full": "full",
    "lora": "LoRA",
    "prompt": "prompt tuning",
    "qlora": "QLoRA",
    "ppo": "QLoRA, then PPO",
    "scratch": "no base: from nothing",
}
CORPORA: Mapping[str, str] = {"dialogsum": "DialogSum", "samsum": "SAMSum"}
ROUGE: Mapping[str, str] = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "rougeLsum": "ROUGE-Lsum"}
PUBLISHED: Mapping[str, tuple[str, str]] = {
    "original": ("zero-shot", "0"),
    "peft": ("LoRA, r = 32 on q, v", "3.54 M (1.41 %)"),
    "full_finetune": ("full", "247.6 M (100 %)"),
}
Figure = Mapping[str, float]


def best_rates(found: Mapping[str, Any]) -> dict[str, float]:
    """By method, the learning rate with the lowest validation loss."""
    return {name: min(rows, key=lambda row: row["loss"])["rate"] for name, rows in found["rates"].items()}


def cell(figure: Figure, digits: int = 3) -> str:
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def headed(*titles: str) -> list[str]:
    return [line(*titles), "|" + " --- |" * len(titles)]


def size(count: float | None) -> str:
    """Bytes for people, in powers of ten as disks have them."""
    if count is None:
        return "–"
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def cost_cells(job: Mapping[str, Any] | None) -> list[str]:
    """Trained share, adapter and model on disk, processor seconds, peak memory; dashes for what no job made."""
    if job is None:
        return ["0", "–", "–", "–", "–"]
    trained, total = job.get("trained_parameters", 0), job.get("adapted_parameters", job.get("total_parameters", 1))
    adapter = job.get("adapter_bytes")
    whole = job["size_bytes"]
    if job["job"]["kind"] == "ppo":  # only an adapter is saved
        adapter, whole = whole, None
    share = f"{trained:,} ({100 * trained / total:.2f} %)"
    return [share, size(adapter), size(whole), f"{job['cpu_s']:.0f}", f"{job['peak_mib']:,.0f}"]


def row(corpus: str, method: str, scores: Mapping[str, Any], job: Mapping[str, Any] | None) -> str:
    """One line of the table: ROUGE (mean over references) and what it cost."""
    figures = [cell(scores[name]["mean_over_references"]) for name in ROUGE]
    return line(CORPORA[corpus], METHODS[method], *figures, *cost_cells(job))


def published_rows(values: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The published figures of Flan-T5 base, in the columns of ours."""
    return [
        line("DialogSum", f"*published, Flan-T5 base: {title}*", *(f"{values[key][name]:.3f}" for name in ROUGE), share,
             *["–"] * 4)
        for key, (title, share) in PUBLISHED.items()
    ]  # fmt: skip


def control_row(corpus: str, method: str, scores: Mapping[str, Any], loss: float | None, ended: float) -> str:
    """What of the ROUGE belongs to the dialogue: beside it that of the same texts given to other dialogues."""
    other, gap = scores["baseline"], scores["difference"]
    figures = [cell(scores["rouge1"]["mean_over_references"]), cell(other["rouge1"]["mean_over_references"])]
    figures += [cell(gap[name]["mean_over_references"]) for name in ("rouge1", "rougeL")]
    words = f"{scores['words']['value']:.1f}"
    return line(
        CORPORA[corpus], METHODS[method], *figures, words, f"{ended:.2f}", "–" if loss is None else f"{loss:.3f}"
    )


def difference_row(corpus: str, ours: str, theirs: str, scores: Mapping[str, Any]) -> str:
    """Paired by dialogue."""
    figures = [cell(scores["difference"][name]["mean_over_references"]) for name in ROUGE]
    return line(CORPORA[corpus], f"{METHODS[ours]} − {METHODS[theirs]}", *figures)


def rate_rows(found: Mapping[str, Any]) -> list[str]:
    chosen = best_rates(found)
    return [
        line(METHODS[name], f"{one['rate']:.2g}" + (" (the product's own)" if one["own"] else ""), f"{one['loss']:.3f}",
             "chosen" if one["rate"] == chosen[name] else "")
        for name, rows in found["rates"].items()
        for one in rows
    ]  # fmt: skip


PPO_FIGURES: Mapping[str, tuple[str, str, str]] = {
    "reward: ROUGE-L of samples": ("reward", "reward_before", "reward_gain"),
    "KL to QLoRA's policy, nats": ("kl", "", ""),
    "tokens of a sample": ("length", "length_before", ""),
    "samples that end": ("eos_rate", "", ""),
    "distinct 2-grams of a sample": ("distinct2", "", ""),
}


def ppo_rows(corpus: str, metrics: Mapping[str, Figure]) -> list[str]:
    """Before, after and the paired difference on the test side; only where it was measured."""
    lines = []
    for title, names in PPO_FIGURES.items():
        after, before, gain = (cell(metrics[name]) if name in metrics else "–" for name in names)
        if after != "–":
            lines.append(line(CORPORA[corpus], title, before, after, gain))
    return lines


class Results:
    """The files of one run of the command; a row that is not there is left out."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def job(self, name: str) -> dict[str, Any] | None:
        file = self.out / f"{name}.json"
        found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        return found

    def texts(self, corpus: str, method: str) -> Path:
        return self.out / f"texts-{corpus}-{method}.jsonl"

    def rows(self) -> list[tuple[str, str]]:
        return [(corpus, method) for corpus in CORPORA for method in METHODS if self.texts(corpus, method).exists()]

    def ended(self, corpus: str, method: str) -> float:
        """Share of the greedy texts that came to their end within the limit."""
        ends = [json.loads(one)["finished"] for one in self.texts(corpus, method).read_text("utf-8").splitlines()]
        return sum(ends) / len(ends)

    def scores(self, corpus: str, method: str, against: str | None = None) -> dict[str, Any]:
        """By the product's own scoring of a file; against another method, or against its own texts exchanged."""
        # Imported late: the children's peak of memory must not begin at what this process holds.
        from rlhf.evaluation_config import PredictionsConfig
        from rlhf.predictions import score_predictions

        field = "" if against else "exchanged"
        config = PredictionsConfig(metrics=("rouge", "length"), baseline_field=field)
        baseline = self.texts(corpus, against) if against else None
        return score_predictions(self.texts(corpus, method), config, baseline=baseline)


def pairs_of(rows: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """The comparisons that the text speaks of, as far as there are both sides."""
    wanted = [(method, "base") for method in ("full", "lora", "prompt", "qlora")]
    wanted += [("lora", "full"), ("prompt", "full"), ("qlora", "lora"), ("scratch", "full"), ("ppo", "qlora")]
    return [(c, ours, theirs) for c in CORPORA for ours, theirs in wanted if (c, ours) in rows and (c, theirs) in rows]


def document(out: Path, data: Path) -> str:
    """All tables as Markdown."""
    found = Results(out)
    rows = found.rows()
    scores = {pair: found.scores(*pair) for pair in rows}
    jobs = {pair: found.job("-".join(pair)) for pair in rows}
    values = json.loads((data / "published" / "rouge_published.json").read_text(encoding="utf-8"))["reported"]
    lines = headed("corpus", "method", *ROUGE.values(), "trained", "adapter", "model", "CPU s", "peak MiB")
    lines += [row(*pair, scores[pair], jobs[pair]) for pair in rows] + published_rows(values)
    counts = {corpus: scores[corpus, method]["predictions"] for corpus, method in rows}
    lines += ["", f"Test dialogues: {counts}.", ""]
    lines += headed(
        "corpus", "method", "ROUGE-1", "texts exchanged", "difference", "in ROUGE-L", "words", "ended", "dev loss"
    )
    # From nothing the tokens are others, and so is the loss of one.
    losses = {pair: None if pair[1] == "scratch" else (jobs[pair] or {}).get("validation_loss") for pair in rows}
    lines += [control_row(*pair, scores[pair], losses[pair], found.ended(*pair)) for pair in rows]
    lines += ["", *headed("corpus", "difference, by dialogue", *ROUGE.values())]
    lines += [difference_row(c, ours, base, found.scores(c, ours, base)) for c, ours, base in pairs_of(rows)]
    measured = {corpus: found.job(f"{corpus}-ppo-measured") for corpus in CORPORA}
    lines += ["", *headed("corpus", "PPO", "before", "after", "difference")]
    lines += [one for corpus, job in measured.items() if job for one in ppo_rows(corpus, job["metrics"])]
    rates = found.job("rates")
    if rates:
        lines += ["", f"Untouched: {rates['untouched']:.3f}.", "", *headed("method", "rate", "dev loss", "")]
        lines += rate_rows(rates)
    return "\n".join(lines)
