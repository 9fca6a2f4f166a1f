"""A transformers Trainer that stops after every step for its turn."""

from typing import Any

from transformers import TrainerCallback

from bench.races.channel import Channel


class Turns(TrainerCallback):
    """Gives a turn at the end of each step, with the loss that ``watched`` saw last."""

    def __init__(self, channel: Channel, facts: dict[str, Any]) -> None:
        self.channel, self.facts = channel, facts
        self.losses: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        losses, self.losses = self.losses, []
        self.channel.turn({**self.facts, "loss": sum(losses)})


def watched(trainer_class: Any, turns: Turns) -> Any:
    """``trainer_class`` that keeps the example order and tells ``turns`` each step's loss."""

    class Watched(trainer_class):
        def training_step(self, *args: Any, **named: Any) -> Any:
            loss = super().training_step(*args, **named)
            # Each call's share of the step: some versions divide by the accumulation here, some after.
            turns.losses.append(float(loss))
            return loss

        def _get_train_sampler(self, *args: Any, **named: Any) -> Any:
            from torch.utils.data import SequentialSampler

            return SequentialSampler(self.train_dataset)

    return Watched


def arguments(folder: Any, work: Any) -> dict[str, Any]:
    """The training arguments that every version knows: no logging, no saving, the product's optimiser."""
    return {
        "output_dir": str(folder / "peer"),
        "per_device_train_batch_size": work.peer_pairs,
        "gradient_accumulation_steps": work.pairs // work.peer_pairs,
        "max_steps": work.steps + 2,
        "learning_rate": work.preference_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0,
        "max_grad_norm": 1.0,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": work.device == "cpu",
        "bf16": work.dtype == "bf16",
        "fp16": False,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "seed": work.seed,
    }
