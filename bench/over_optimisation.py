"""Over-optimisation, shown and caught: PPO against a weak reward model, without stop rules and with them.

    python -m bench.over_optimisation --out FOLDER [--seed 7] [--betas 0 0.02 0.1 0.3]

A reward model of few rankings and no likelihood (see docs/results.md) is the proxy. PPO climbs it with each fixed β and
with an adaptive one, stop rules off; every row is the *last* policy, read from the training's last checkpoint, not the
best one, which is what the product keeps. Then the lowest β once more with the product's own stop rules. Truth is the
hidden utility of one sample of each of 500 test dialogues, without noise, against the anchor's. A finished row is a
JSON file in FOLDER and is not made again.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.over_optimisation_lab import Lab, policy_at, without_rules
from rlhf.artifacts import plain
from rlhf.config import to_mapping
from rlhf.training_config import PPOConfig, with_preset

Row = dict[str, Any]
COLUMNS = (
    ("KL", "kl", 2), ("proxy reward (sd)", "proxy", 2), ("judge (sd)", "judge", 2), ("true utility", "utility", 2),
    ("true win rate", "win_rate", 3), ("length", "length", 1), ("EOS rate", "eos_rate", 3),
)  # fmt: skip
REWARD_FACTS = ("accuracy", "judge_accuracy", "best_possible")
VERDICT = ("anchor", "stopped", "kept", "unstopped")
TRAJECTORY_DIALOGUES = 300


def cell(figure: dict[str, float] | None, digits: int) -> str:
    if figure is None:
        return "-"
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def line(first: str, figures: Row) -> str:
    return f"| {first} | " + " | ".join(cell(figures[key], digits) for _title, key, digits in COLUMNS) + " |"


def head(first: str) -> str:
    titles = [first, *(title for title, _key, _digits in COLUMNS)]
    return "| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles)


def once(path: Path, settings: object, make: Callable[[], Row]) -> Row:
    """The row in ``path``, made where there is none; one of other settings is not passed off as this one."""
    if not path.exists():
        begun = time.process_time()
        row = {**make(), "settings": settings, "cpu_seconds": 0.0}
        row["cpu_seconds"] = time.process_time() - begun
        part = path.with_suffix(".part")
        part.write_text(json.dumps(plain(row), indent=1), encoding="utf-8")
        part.rename(path)
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    if found["settings"] != json.loads(json.dumps(settings)):
        raise SystemExit(f"{path} was made with other settings: {found['settings']}. Use another --out.")
    return found


def trained(lab: Lab, name: str, config: PPOConfig, *, kept: bool) -> Row:
    """One training: its last policy, and on request the checkpoint that the product keeps."""
    keeping, facts = lab.trained(config, name)
    last = keeping.steps()[-1]
    state = keeping.state(last)
    return {
        "last_beta": state["task"]["beta"],
        "last_step": last,
        "best_step": int(str(facts["best_step"])),
        "stops": [stop["message"] for stop in state["stops"]],
        "last": lab.figures(policy_at(lab.anchor, config, state)),
        "kept": lab.figures(lab.kept(name)) if kept else None,
        "measurements": state["task"]["rules"],
    }


def trajectory(lab: Lab, name: str, config: PPOConfig) -> Row:
    """The truth of the policy at every measurement of its training."""
    keeping, _facts = lab.trained(config, name)
    steps = {
        step: lab.figures(policy_at(lab.anchor, config, keeping.state(step)), TRAJECTORY_DIALOGUES)
        for step in keeping.steps()
    }
    return {"steps": steps}


def verdict(lab: Lab, free: tuple[str, PPOConfig], ruled: tuple[str, PPOConfig]) -> Row:
    """Win rates, four samples against four, of the policies that the claim is about, and of the anchor as a control."""
    keeping, _facts = lab.trained(ruled[1], ruled[0])
    unstopped, _facts = lab.trained(free[1], free[0])
    policies = {
        "anchor": policy_at(lab.anchor, ruled[1]),
        "stopped": policy_at(lab.anchor, ruled[1], keeping.state(keeping.steps()[-1])),
        "kept": lab.kept(ruled[0]),
        "unstopped": policy_at(lab.anchor, free[1], unstopped.state(unstopped.steps()[-1])),
    }
    return {name: lab.win_rate(policy) for name, policy in policies.items()}


def ppo_config(options: argparse.Namespace) -> PPOConfig:
    """The tiny preset, longer, measured at every ``--evaluate-every``-th rollout, with all its checkpoints kept."""
    settings = {
        "preset": "tiny",
        "rollouts": options.rollouts,
        "learning_rate": options.learning_rate,
        "evaluate_every": options.evaluate_every,
        "checkpoint_every": options.evaluate_every,
        "keep_checkpoints": 10_000,
        "kl_target": None,
    }
    return with_preset(PPOConfig, settings)


def rows_of(options: argparse.Namespace) -> dict[str, Row]:
    """Every row by its name; those that are missing are made."""
    lab, config, lowest = Lab(options.out, options.seed, options.rankings), ppo_config(options), min(options.betas)
    collapsing = replace(config, beta=lowest)
    rows: dict[str, Row] = {}

    def add(name: str, settings: object, make: Callable[[], Row]) -> None:
        rows[name] = once(lab.folder / f"{name.replace(' ', '-')}.json", settings, make)
        print(f"{name}: {rows[name]['cpu_seconds']:.0f} CPU s", flush=True)

    def train(name: str, own: PPOConfig) -> None:
        kept = own.beta == lowest and own.kl_target is None
        add(name, to_mapping(own), lambda: trained(lab, name.replace(" ", "-"), own, kept=kept))

    add("reward", options.rankings, lab.reward_facts)
    add("anchor", None, lambda: {"last": lab.figures(policy_at(lab.anchor, config))})
    free = without_rules(collapsing)
    train(f"beta {lowest:g}", free)
    train("stop rules", collapsing)
    add("verdict", to_mapping(collapsing), lambda: verdict(lab, (f"beta-{lowest:g}", free), ("stop-rules", collapsing)))
    # Of these only the last policy is asked for, and what is measured on the way changes nothing in it.
    unseen = without_rules(replace(config, evaluate_every=config.rollouts))
    for beta in sorted(set(options.betas) - {lowest}):
        train(f"beta {beta:g}", replace(unseen, beta=beta))
    for target in options.targets:
        train(f"target {target:g}", replace(unseen, beta=0.1, kl_target=target))
    add("trajectory", to_mapping(free), lambda: trajectory(lab, f"beta-{lowest:g}", free))
    return rows


def tables(rows: dict[str, Row]) -> str:
    """The Markdown of docs/results.md."""
    reward, caught = rows["reward"], rows["stop rules"]
    collapsing = next(name for name in rows if name.startswith("beta"))
    said = [f"{name.replace('_', ' ')} {cell(reward[name], 3)}" for name in REWARD_FACTS]
    lines = ["reward model: " + ", ".join(said), "", head("β"), line("anchor", rows["anchor"]["last"])]
    for name, row in rows.items():
        if name.startswith(("beta", "target")):
            lines.append(line(name.removeprefix("beta "), row["last"]))
    lines += ["", head(f"rollout of {collapsing}, stop rules off")]
    lines += [line(step, figures) for step, figures in rows["trajectory"]["steps"].items()]
    lines += ["", *(f"with the stop rules: rollout {caught['last_step']}: {said}" for said in caught["stops"])]
    lines += [head(f"{collapsing}, policy")]
    lines += [line(f"when stopped, rollout {caught['last_step']}", caught["last"])]
    lines += [line(f"kept, rollout {caught['best_step']}", caught["kept"])]
    lines += [line(f"without stop rules, rollout {rows[collapsing]['last_step']}", rows[collapsing]["last"])]
    lines += [f"true win rate, 4 × 4 samples: {name} {cell(rows['verdict'][name], 3)}" for name in VERDICT]
    seconds = sum(row["cpu_seconds"] for row in rows.values())
    return "\n".join([*lines, "", f"{seconds:.0f} CPU s, the tiny policy and the reward model not counted"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--betas", type=float, nargs="+", default=[0.0, 0.02, 0.1, 0.3])
    parser.add_argument("--targets", type=float, nargs="*", default=[3.0], help="KL targets of an adaptive β")
    parser.add_argument("--rankings", type=int, default=400)
    parser.add_argument("--rollouts", type=int, default=40)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--evaluate-every", type=int, default=4)
    print(tables(rows_of(parser.parse_args())))


if __name__ == "__main__":
    main()
