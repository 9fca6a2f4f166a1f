"""What the peers share. It runs in their interpreters, with transformers and peft of different years."""

import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

from bench.races.channel import Channel
from bench.races.work import Work


def start() -> tuple[Work, Path, Channel]:
    """The work, its folder and this side's channel."""
    folder = Path(sys.argv[1])
    work = Work.read(folder)
    torch.set_num_threads(work.threads)
    if work.device == "cpu":
        return work, folder, Channel()
    return work, folder, Channel(torch.cuda.synchronize, lambda: torch.cuda.max_memory_allocated() / 2**20)


def dtype(work: Work) -> torch.dtype:
    """Of the frozen weights, as the product's."""
    return torch.bfloat16 if work.dtype == "bf16" else torch.float32


def tokenizer(folder: Path) -> Any:
    """Read from its file: the name of its class in the config is one that older transformers do not know."""
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "model" / "tokenizer.json"), eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def lora(work: Work, task: str = "SEQ_2_SEQ_LM", **more: Any) -> Any:
    """The adapter that both sides train."""
    targets = r".*decoder\..*\.(q|v)" if work.decoder_only else ["q", "v"]
    return LoraConfig(
        r=work.rank, lora_alpha=work.rank, lora_dropout=0.0, target_modules=targets, task_type=task, **more
    )


def adapted(work: Work, folder: Path, adapter: str) -> Any:
    """The model with the saved adapter ``adapter``, trainable and not merged."""
    base = AutoModelForSeq2SeqLM.from_pretrained(str(folder / "model"), torch_dtype=dtype(work))
    model = get_peft_model(base, lora(work))
    set_peft_model_state_dict(model, load_file(str(folder / adapter / "adapter_model.safetensors")))
    return model


def text(ids: list[int]) -> str:
    """The words of ``ids`` without EOS; the tokenizer gives it back."""
    return " ".join(f"w{index}" for index in ids[:-1])


def pairs(data: dict[str, Any]) -> list[tuple[list[int], list[int], list[int]]]:
    """(prompt, chosen, rejected) as ids, every pair of every ranking, in the order of the product's loop."""
    found = []
    for row in data["order"]:
        one = data["rankings"][row]
        texts = one["completions"]
        found += [(one["prompt"], texts[i], texts[j]) for i in range(len(texts)) for j in range(i + 1, len(texts))]
    return found


def trainable(model: Any) -> int:
    """Parameters that learn."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
