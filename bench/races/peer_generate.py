"""transformers' `generate` with the adapter as it is: N samples of each prompt, the cache on."""

from typing import Any

import torch

from bench.races.peer_common import adapted, start
from bench.races.work import read_data


def main() -> None:
    work, folder, channel = start()
    model = adapted(work, folder, "trained").eval().to(work.device)
    ids = torch.tensor(read_data(folder)["prompts"], device=work.device)
    torch.manual_seed(work.seed)

    def draw(rows: torch.Tensor, **how: Any) -> torch.Tensor:
        with torch.inference_mode():
            # The first column is the decoder's start.
            return model.generate(input_ids=rows, attention_mask=torch.ones_like(rows), **how)[:, 1:]

    greedy = draw(ids[:2], max_new_tokens=min(16, work.new_tokens), do_sample=False)
    facts: dict[str, Any] = {"greedy": greedy.tolist()}
    while True:
        ids = torch.roll(ids, -work.prompts, 0)
        drawn = draw(
            ids[: work.prompts],
            max_new_tokens=work.new_tokens,
            do_sample=True,
            top_k=0,
            top_p=1.0,
            num_return_sequences=work.samples,
        )
        channel.turn({**facts, "tokens": drawn.numel()})
        facts = {}


if __name__ == "__main__":
    main()
