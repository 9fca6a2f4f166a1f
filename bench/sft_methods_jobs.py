"""One job of `bench.sft_methods`, in a process of its own: a base, the learning rates, a method, PPO, the texts.

    python -m bench.sft_methods_jobs '{"kind": "method", "corpus": "samsum", …}'

What it made stands in the job's file, with the process's own peak of resident memory and processor seconds.
"""

import hashlib
import json
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from rlhf.config import SamplingConfig, SFTConfig
from rlhf.data import read_examples, read_prompts
from rlhf.evaluate import evaluate
from rlhf.evaluation_config import EvaluateConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.toy import train_tiny_policy_on
from rlhf.train_ppo import train_ppo
from rlhf.train_sft import train_sft
from rlhf.training_config import PPOConfig, with_preset
from rlhf.types import Artifact, Example, Prompt, Silent

SHORT, MIDDLE = 800, 1600
"""Characters of a dialogue in training and, 97 % of them, in the test: a step costs the square of the longest one."""
VALIDATION = 100
RATES: Mapping[str, Sequence[float | None]] = {
    "full": (None, 1e-3, 3e-3), "lora": (None, 1e-2, 3e-2), "prompt": (None, 0.1, 0.3, 1.0),
}  # fmt: skip
"""What each method is tried with; None is the product's own."""
NEW_TOKENS = 100
READ: Mapping[str, int] = {"max_prompt_tokens": 1024, "max_completion_tokens": 128}


class Log(Silent):
    """Every tenth step, validations, warnings and stops, for the job's log."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step % 10 == 0 or "validation_loss" in values or "held_out_kl" in values:
            print(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()), flush=True)

    def event(self, kind: str, message: str, **data: object) -> None:
        print(f"{kind}: {message}", flush=True)


def by_lot(texts: Sequence[str], seed: int) -> list[int]:
    """Places of ``texts`` in an order that depends on the seed and the texts alone."""
    keys = [hashlib.sha256(f"{seed}:{text}".encode()).hexdigest() for text in texts]
    return sorted(range(len(texts)), key=keys.__getitem__)


def examples_of(job: Mapping[str, Any], corpus: str, side: str, count: int) -> list[Example]:
    """``count`` short examples of a side, drawn by lot; none whose dialogue stands on the test side too."""
    data, found = Path(job["data"]), {}
    tested = {prompt.text for prompt in read_prompts(data / f"{corpus}_test.jsonl.gz")}
    for one in read_examples(data / f"{corpus}_{side}.jsonl.gz"):
        if len(one.prompt) <= SHORT and one.prompt not in tested:
            found.setdefault(one.prompt, one)
    rows = list(found.values())
    return [rows[place] for place in by_lot([one.prompt for one in rows], job["seed"])][:count]


def test_prompts(job: Mapping[str, Any]) -> list[Prompt]:
    """The test dialogues, the same ones for every row of a corpus."""
    rows = [
        one
        for one in read_prompts(Path(job["data"]) / f"{job['corpus']}_test.jsonl.gz")
        if len(one.text) <= MIDDLE
    ]  # fmt: skip
    return [rows[place] for place in by_lot([one.text for one in rows], job["seed"])][: job["tests"]]


def asked(examples: Sequence[Example]) -> list[Prompt]:
    """The examples as prompts with their reference."""
    return [Prompt(str(place), one.prompt, (one.target,)) for place, one in enumerate(examples)]


def base(job: Mapping[str, Any]) -> dict[str, object]:
    """The tiny policy from nothing on ``corpus``: one pass, by the product's settings for files."""
    training = examples_of(job, job["corpus"], "train", job["examples"])
    validation = examples_of(job, job["corpus"], "dev", VALIDATION)
    return facts_of(train_tiny_policy_on(training, validation, Path(job["out"]), seed=job["seed"], reporter=Log()))


def method(job: Mapping[str, Any]) -> dict[str, object]:
    """``base`` after one pass over the corpus's examples by one of the four methods."""
    training = examples_of(job, job["corpus"], "train", job["examples"])
    validation = examples_of(job, job["corpus"], "dev", VALIDATION)
    return facts_of(_tuned(job, job["method"], job["rate"], training, validation, Path(job["out"])))


def rates(job: Mapping[str, Any]) -> dict[str, object]:
    """By method, the validation loss after a short training with each learning rate."""
    training = examples_of(job, job["corpus"], "train", job["examples"])
    validation = examples_of(job, job["corpus"], "dev", VALIDATION)
    found: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, tried in RATES.items():
            for rate in tried:
                facts = _tuned(job, name, rate, training, validation, Path(folder) / f"{name}-{rate}").facts
                row = {"own": rate is None, "rate": facts["learning_rate"], "loss": facts["validation_loss"]}
                found.setdefault(name, []).append(row)
                print(name, row, flush=True)
        untouched = train_sft(
            SFTConfig(batch_size=16, learning_rate=1e-30), _loaded(job["base"]), training[:16], validation,
            Path(folder) / "untouched", seed=job["seed"], reporter=Silent(),
        )  # fmt: skip
    return {"rates": found, "untouched": untouched.facts["validation_loss"], "examples": len(training)}


def _tuned(
    job: Mapping[str, Any],
    name: str,
    rate: float | None,
    training: Sequence[Example],
    validation: Sequence[Example],
    out: Path,
) -> Artifact:
    config = with_preset(SFTConfig, {"method": name, "batch_size": 16, "warmup": 0.05, "learning_rate": rate})
    policy = _loaded(job["base"], nf4=name == "qlora")
    return train_sft(config, policy, training, validation, out, seed=job["seed"], reporter=Log())


def _loaded(folder: str, *, nf4: bool = False) -> Policy:
    return Policy.load(folder, nf4=nf4, max_prompt_tokens=512, max_completion_tokens=128)


def ppo(job: Mapping[str, Any]) -> dict[str, object]:
    """PPO from a tuned policy against ROUGE-L of its training dialogues; dev dialogues watch; then the test side."""
    config = with_preset(PPOConfig, {"preset": "tiny", "max_new_tokens": NEW_TOKENS, **job["settings"]})
    training = asked(examples_of(job, job["corpus"], "train", job["examples"]))
    held_out = asked(examples_of(job, job["corpus"], "dev", VALIDATION))
    out, rouge = Path(job["out"]), {"kind": "rouge", "metric": "rougeL", "references": "mean"}
    described = out.parent / f"{out.name}-reward.json"
    # In units of its own spread on the anchor's samples, so that −1 for a text without an end is in proportion.
    samples = {"count": 256, "temperature": config.temperature, "max_new_tokens": NEW_TOKENS, "seed": job["seed"]}
    parts = [{**rouge, "weight": 1.0, "standardise": True}]
    described.write_text(json.dumps({"kind": "sum", "parts": parts, "samples": samples}))
    held = [replaced(one, f"dev-{one.id}") for one in held_out]
    artifact = train_ppo(config, Path(job["base"]), described, training, held, out, seed=job["seed"], reporter=Log())
    return facts_of(artifact)


def replaced(prompt: Prompt, name: str) -> Prompt:
    return Prompt(name, prompt.text, prompt.references)


def measure_ppo(job: Mapping[str, Any]) -> dict[str, object]:
    """The adapter against its anchor on the test side: ROUGE-L of samples as the reward, KL, length, paired."""
    config = EvaluateConfig(
        max_new_tokens=NEW_TOKENS, temperature=job["temperature"], samples_per_prompt=2, missing_eos=0.0,
        toxicity="none", batch_size=32, shown=0, **READ,
    )  # fmt: skip
    reward = Path(job["out"])
    reward.write_text(json.dumps({"kind": "rouge", "metric": "rougeL", "references": "mean"}))
    found = evaluate(config, Path(job["base"]), Path(job["adapter"]), reward, test_prompts(job), seed=job["seed"])
    return {"metrics": {name: asdict(one) for name, one in found.metrics.items()}, "counts": dict(found.counts)}


def texts(job: Mapping[str, Any]) -> dict[str, object]:
    """Greedy summaries of the test dialogues by each of ``models`` {file: [folder, adapter]}, as lines of JSON."""
    prompts = test_prompts(job)
    greedy, facts = SamplingConfig(max_new_tokens=NEW_TOKENS, strategy="greedy"), {}
    for file, (folder, adapter) in job["models"].items():
        if Path(file).exists():
            continue
        policy = Policy.load(folder, adapter=Path(adapter) if adapter else None, **READ)
        rows = [row[0] for row in generate(policy, prompts, 1, greedy, seed=job["seed"], batch_size=32).completions]
        written = Path(file + ".part")
        with written.open("w", encoding="utf-8") as lines:
            for place, (prompt, one) in enumerate(zip(prompts, rows, strict=True)):
                line = {"id": prompt.id, "dialogue": prompt.text, "references": prompt.references}
                line |= {"prediction": one.text, "exchanged": rows[place - 1].text, "finished": one.finished}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        written.rename(file)
        facts[Path(file).name] = sum(one.finished for one in rows) / len(rows)
        print(file, facts[Path(file).name], rows[0].text, flush=True)
    return {"finished": facts}


def facts_of(artifact: Artifact) -> dict[str, object]:
    """What the table needs of a training."""
    facts = {name: value for name, value in artifact.facts.items() if name not in ("config", "reward_source")}
    return {
        "trained_parameters": artifact.trainable_parameters,
        "total_parameters": artifact.total_parameters,
        "size_bytes": artifact.size_bytes,
        **{name: asdict(value) if hasattr(value, "low") else value for name, value in facts.items()},
    }


def used() -> dict[str, float]:
    """Of this process so far: processor seconds, and the peak of resident memory in MiB."""
    seen = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": seen.ru_utime + seen.ru_stime, "peak_mib": seen.ru_maxrss / 1024}


JOBS = {"base": base, "method": method, "rates": rates, "ppo": ppo, "measure_ppo": measure_ppo, "texts": texts}


def main() -> None:
    job: dict[str, Any] = json.loads(sys.argv[1])
    imported = used()["peak_mib"]
    torch.set_num_threads(1)
    found = JOBS[job["kind"]](job)
    result = {"job": job, "imported_mib": imported, "threads": torch.get_num_threads(), **used(), **found}
    part = Path(job["file"] + ".part")
    part.write_text(json.dumps(result, indent=1, sort_keys=True))
    part.rename(job["file"])


if __name__ == "__main__":
    main()
