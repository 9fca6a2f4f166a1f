"""TRL 1.16.0's RewardTrainer on T5ForSequenceClassification, given ids: prompt and completion in one sequence."""

from datasets import Dataset
from transformers import T5ForSequenceClassification
from trl import RewardConfig, RewardTrainer

from bench.races.peer_common import dtype, lora, pairs, start, tokenizer, trainable
from bench.races.peer_trainer import Turns, arguments, watched
from bench.races.work import read_data


def main() -> None:
    work, folder, channel = start()
    rows = pairs(read_data(folder))
    model = T5ForSequenceClassification.from_pretrained(str(folder / "model"), num_labels=1, dtype=dtype(work))
    turns = Turns(channel, {"pairs": work.pairs})
    # The model demands one EOS in each sequence: the prompt's is left out.
    trainer = watched(RewardTrainer, turns)(
        model=model,
        args=RewardConfig(**arguments(folder, work), max_length=None, center_rewards_coefficient=None),
        train_dataset=Dataset.from_dict(
            {
                "chosen_ids": [prompt[:-1] + chosen for prompt, chosen, _ in rows],
                "rejected_ids": [prompt[:-1] + rejected for prompt, _, rejected in rows],
            }
        ),
        processing_class=tokenizer(folder),
        peft_config=lora(work, "SEQ_CLS", modules_to_save=["classification_head"]),
        callbacks=[turns],
    )
    turns.facts["trainable"] = trainable(trainer.model)
    trainer.train()


if __name__ == "__main__":
    main()
