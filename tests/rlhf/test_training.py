"""The loop's equivalences: how a batch is cut, and where a run was broken, change nothing."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from rlhf.examples import Examples, epoch_batches
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.stop_rules import Stop
from rlhf.training import LoopConfig, Outcome, train
from rlhf.types import Silent
from rlhf.updates import Metrics, Sums

COUNT = 37
CONFIG = LoopConfig(learning_rate=0.05, warmup=0.2, evaluate_every=2)


@dataclass
class Notes(Silent):
    stop_after: int = 10**9
    seen: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def metrics(self, step: int, values: Metrics) -> None:
        self.seen.append((step, dict(values)))

    def event(self, kind: str, message: str, **data: object) -> None:
        self.events.append(f"{kind}: {message}")

    def cancelled(self) -> bool:
        return len(self.seen) >= self.stop_after


def _problem(seed: int = 0, *, batch: int = 8, epochs: float = 3) -> tuple[nn.Linear, Examples]:
    """A weighted least-squares fit: example i weighs i % 3 + 1."""
    torch.manual_seed(seed)
    model, inputs, targets = nn.Linear(4, 1), torch.randn(COUNT, 4), torch.randn(COUNT, 1)
    weights = [float(row % 3 + 1) for row in range(COUNT)]

    def loss(rows: list[int]) -> tuple[torch.Tensor, Sums]:
        errors = (model(inputs[rows]) - targets[rows]).square()[:, 0] * torch.tensor([weights[row] for row in rows])
        return errors.sum(), {"error": (float(errors.detach().sum()), sum(weights[row] for row in rows))}

    def measure(step: int) -> Metrics:
        with torch.no_grad():
            return {"validation_loss": float((model(inputs) - targets).square().mean())}

    return model, Examples(
        "Fit", list(model.parameters()), weights, loss, batch_size=batch, epochs=epochs, seed=5, measure=measure
    )


def _run(config: LoopConfig, notes: Notes | None = None, checkpoint: Path | None = None) -> tuple[nn.Linear, Outcome]:
    model, task = _problem()
    return model, train(config, task, seed=5, reporter=notes or Notes(), checkpoint=checkpoint)


def test_eight_by_one_equals_one_by_eight() -> None:
    whole, _ = _run(CONFIG)
    cut, _ = _run(replace(CONFIG, micro_batch=1))
    assert torch.allclose(whole.weight, cut.weight, atol=1e-6)


def test_the_same_seed_gives_the_same_weights() -> None:
    assert torch.equal(_run(CONFIG)[0].weight, _run(CONFIG)[0].weight)


@pytest.mark.parametrize("patience", [0, 2])
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(tmp_path: Path, patience: int) -> None:
    config = replace(CONFIG, checkpoint_every=3, patience=patience)
    unbroken, outcome = _run(config)
    with pytest.raises(Cancelled):
        _run(config, Notes(stop_after=7), tmp_path / "c")
    notes = Notes()
    resumed, again = _run(config, notes, tmp_path / "c")
    assert torch.equal(resumed.weight, unbroken.weight)
    assert notes.seen[0][0] == 7  # the checkpoint was that of step 6
    assert again == outcome


def test_a_training_that_ended_is_not_trained_again(tmp_path: Path) -> None:
    """Killed between the last step and the model's file: the end is a checkpoint, too."""
    config = replace(CONFIG, checkpoint_every=3, patience=2)
    model, outcome = _run(config, checkpoint=tmp_path / "c")
    notes = Notes()
    again, same = _run(config, notes, tmp_path / "c")
    assert torch.equal(again.weight, model.weight)
    assert same == outcome
    assert notes.seen == []


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    _run(replace(CONFIG, checkpoint_every=2, keep_checkpoints=3), checkpoint=tmp_path / "c")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "step-00000012",
        "step-00000014",
        "step-00000015",
    ]


@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_checkpoint_is_told_of_and_the_one_before_it_used(tmp_path: Path, damage: str) -> None:
    config = replace(CONFIG, checkpoint_every=3)
    unbroken, _ = _run(config)
    with pytest.raises(Cancelled):
        _run(config, Notes(stop_after=10), tmp_path / "c")
    file = tmp_path / "c" / "step-00000009" / "tensors.safetensors"
    data = file.read_bytes()
    changed = {"cut": data[:-7], "altered": data[:-1] + bytes([data[-1] ^ 1])}
    file.unlink() if damage == "gone" else file.write_bytes(changed[damage])
    notes = Notes()
    resumed, _ = _run(config, notes, tmp_path / "c")
    assert "warning: The checkpoint of step 9 is damaged and not used" in notes.events[0]
    assert notes.events[1] == "log: Fit goes on after step 6."
    assert torch.equal(resumed.weight, unbroken.weight)


def test_without_a_whole_checkpoint_the_training_starts_anew(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every=3)
    with pytest.raises(Cancelled):
        _run(config, Notes(stop_after=4), tmp_path / "c")
    (tmp_path / "c" / "step-00000003" / "state.json").write_text("{", encoding="utf-8")
    notes = Notes()
    assert torch.equal(_run(config, notes, tmp_path / "c")[0].weight, _run(config)[0].weight)
    assert notes.seen[0][0] == 1


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every=3)
    with pytest.raises(Cancelled):
        _run(config, Notes(stop_after=7), tmp_path / "c")
    with pytest.raises(ConfigError, match=r"another training \(learning_rate 0.05 there and 0.1 here\)"):
        _run(replace(config, learning_rate=0.1), checkpoint=tmp_path / "c")


def test_cancelling_takes_effect_within_one_step() -> None:
    notes = Notes(stop_after=4)
    with pytest.raises(Cancelled, match="at step 5"):
        _run(CONFIG, notes)
    assert len(notes.seen) == 4


def test_the_metrics_are_weighted_means() -> None:
    notes = Notes()
    _run(CONFIG, notes)
    assert all(math.isclose(values["loss"], values["error"]) for _, values in notes.seen)
    assert [step for step, values in notes.seen if "validation_loss" in values] == [*range(2, 15, 2), 15]


def test_a_loss_that_is_not_a_number_stops_before_the_weights_change() -> None:
    model, task = _problem()
    before = model.weight.detach().clone()
    task.loss = lambda rows: (model.weight.sum() * math.nan, {})
    notes = Notes()
    outcome = train(CONFIG, task, seed=0, reporter=notes)
    assert outcome.steps == 1
    assert torch.equal(model.weight, before)
    assert notes.events == ["stop-rule: Fit stopped at step 1 of 15: The loss is not a finite number."]


def test_patience_stops_and_keeps_the_best_weights() -> None:
    model, task = _problem()
    losses = iter([3.0, 1.0, 2.0, 2.0])
    kept: list[torch.Tensor] = []

    def measure(step: int) -> Metrics:
        kept.append(model.weight.detach().clone())
        return {"validation_loss": next(losses)}

    config = replace(CONFIG, evaluate_every=1, patience=2)
    task.measure = measure
    outcome = train(config, task, seed=0, reporter=Notes())
    assert outcome.steps == 4
    assert outcome.stopped == "2 validations in a row were not better than 1.0000."
    assert torch.equal(model.weight, kept[1])


def test_a_stop_rule_of_the_task_ends_the_training() -> None:
    _, task = _problem()
    task.rules = lambda step, values: [Stop("kl", "KL too high.")] if step >= 4 else []
    outcome = train(CONFIG, task, seed=0, reporter=Notes())
    assert (outcome.steps, outcome.stopped) == (4, "KL too high.")


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0.0, [1.0, 1.0, 1.0, 1.0]),
        ("linear", 0.0, [1.0, 0.75, 0.5, 0.25]),
        ("constant", 0.5, [0.5, 1.0, 1.0, 1.0]),
        ("linear", 0.5, [0.5, 1.0, 1.0, 0.5]),
    ],
)
def test_the_schedule(monkeypatch: pytest.MonkeyPatch, schedule: str, warmup: float, expected: list[float]) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: object, **options: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    _, task = _problem(batch=COUNT, epochs=4)
    config = LoopConfig(learning_rate=1.0, schedule=schedule, warmup=warmup)  # type: ignore[arg-type]  # parametrised
    train(config, task, seed=0, reporter=Silent())
    assert rates == pytest.approx(expected)


def test_every_example_comes_once_an_epoch() -> None:
    for lengths in (None, list(range(100))):
        batches = epoch_batches(100, 8, torch.Generator().manual_seed(0), lengths)
        assert sorted(row for rows in batches for row in rows) == list(range(100))
        assert max(len(rows) for rows in batches) == 8


def test_examples_of_like_length_share_a_batch() -> None:
    lengths = [row * 7 % 100 for row in range(100)]
    spread = [max(map(lengths.__getitem__, rows)) - min(map(lengths.__getitem__, rows))
              for rows in epoch_batches(100, 10, torch.Generator().manual_seed(0), lengths)]  # fmt: skip
    assert max(spread) == 9
