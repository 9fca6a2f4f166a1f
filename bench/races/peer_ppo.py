"""TRL 0.11.4's PPOTrainer on an encoder-decoder, with batched generation, as its published labs use it."""

import time
from typing import Any

import numpy as np
import torch
from trl import AutoModelForSeq2SeqLMWithValueHead, PPOConfig, PPOTrainer

from bench.races.peer_common import dtype, lora, start, tokenizer, trainable
from bench.races.work import read_data

REWARD = -1.0  # the product's for a completion without EOS


def main() -> None:
    work, folder, channel = start()
    words = tokenizer(folder)
    model = AutoModelForSeq2SeqLMWithValueHead.from_pretrained(
        str(folder / "model"), peft_config=lora(work), torch_dtype=dtype(work)
    )
    config = PPOConfig(
        learning_rate=work.learning_rate, ppo_epochs=work.epochs, mini_batch_size=work.minibatch,
        batch_size=work.sampled, seed=work.seed,
    )  # fmt: skip
    trainer = PPOTrainer(config=config, model=model, ref_model=None, tokenizer=words)
    prompts = read_data(folder)["prompts"]
    facts: dict[str, Any] = {"trainable": trainable(model)}
    while True:
        prompts = [*prompts[work.prompts :], *prompts[: work.prompts]]
        queries = [torch.tensor(ids) for ids in prompts[: work.prompts] for _ in range(work.samples)]
        started = time.monotonic()
        answers = trainer.generate(
            queries, batch_size=work.sampled, max_new_tokens=work.new_tokens, do_sample=True, top_k=0, top_p=1.0,
            pad_token_id=words.pad_token_id,
        )  # fmt: skip
        generated = time.monotonic() - started
        _texts = [words.decode(answer) for answer in answers]
        rewards = [torch.tensor(REWARD) for _ in answers]
        stats = trainer.step(queries, answers, rewards)
        # The first id of an answer is the decoder's start.
        tokens = sum(len(answer) - 1 for answer in answers)
        facts |= {
            "tokens": tokens,
            "kl": float(stats["objective/kl"]),
            "entropy": float(np.mean(stats["ppo/policy/entropy"])),
            "reward": float(stats["ppo/mean_scores"]),
            "generate_wall": generated,
            "score_wall": stats["time/ppo/forward_pass"],
            "update_wall": stats["time/ppo/optimize_step"],
        }
        channel.turn(facts)


if __name__ == "__main__":
    main()
