"""TRL 0.11.4's DPOTrainer on an encoder-decoder; the reference's log-probabilities are computed before the race."""

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from bench.races.peer_common import adapted, pairs, start, text, tokenizer, trainable
from bench.races.peer_trainer import Turns, arguments, watched
from bench.races.work import read_data


def main() -> None:
    work, folder, channel = start()
    rows = pairs(read_data(folder))
    model = adapted(work, folder, "adapter")
    turns = Turns(channel, {"pairs": work.pairs, "trainable": trainable(model)})
    config = DPOConfig(
        **arguments(folder, work), beta=0.1, precompute_ref_log_probs=True, is_encoder_decoder=True,
        max_length=1024, max_prompt_length=work.prompt_tokens, max_completion_length=work.completion_tokens,
    )  # fmt: skip
    trainer = watched(DPOTrainer, turns)(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict(
            {
                "prompt": [text(prompt) for prompt, _, _ in rows],
                "chosen": [text(chosen) for _, chosen, _ in rows],
                "rejected": [text(rejected) for _, _, rejected in rows],
            }
        ),
        tokenizer=tokenizer(folder),
        callbacks=[turns],
    )
    trainer.train()


if __name__ == "__main__":
    main()
