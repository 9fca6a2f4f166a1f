"""Soft prompts (Lester et al. 2021): trained vectors that a model reads before every prompt, in peft's file format.

The vectors are tokens of their own, with the ids that follow the vocabulary, and the model's embedding is taught these
ids. So encoder and decoder are still read apart, masks and positions need no second rule, sampling with a cache knows
nothing of it, and an adapter for PPO or DPO can lie on top.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftType, PromptTuningConfig, TaskType
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rlhf import adapters
from rlhf.config import SoftPromptSpec
from rlhf.exceptions import ModelError
from rlhf.loading import Kind
from rlhf.tensors import TokenBatch

FOLDER = "soft_prompt"  # below a whole model's folder: the soft prompt that belongs to it
_KEY = "prompt_embeddings"  # peft's


class SoftPrompt:
    """``vectors`` [n, D] before every prompt of a model. With ``part_of_anchor`` they stay when an adapter is off."""

    def __init__(self, model: Any, kind: Kind, vectors: Tensor) -> None:
        # fp32: small steps would be lost in bf16.
        self.vectors = nn.Parameter(vectors.detach().float().clone())
        self.part_of_anchor = False
        self._active = True
        self._ids: Tensor | None = None
        self.attach(model, kind)

    def attach(self, model: Any, kind: Kind) -> None:
        """Teach ``model``'s word embedding the ids of the vectors. Raises ModelError where they do not fit."""
        self.words = word_embedding(model, kind)
        self.first, width = self.words.weight.shape
        if self.vectors.shape[1] != width:
            shape = list(self.vectors.shape)
            raise ModelError(f"The soft prompt {shape} does not fit this model, whose word vectors are {width} wide.")
        self.vectors.data = self.vectors.data.to(self.words.weight.device)
        self.words.register_forward_pre_hook(self._hide)
        self.words.register_forward_hook(self._show)

    def __len__(self) -> int:
        return len(self.vectors)

    def before(self, prompts: TokenBatch) -> TokenBatch:
        """``prompts`` [P, S] as [P, n + S], the vectors' ids in front (padding on the left comes after them)."""
        if not self._active:
            return prompts
        own = torch.arange(self.first, self.first + len(self), device=prompts.ids.device).expand(len(prompts), -1)
        return TokenBatch(
            torch.cat([own, prompts.ids], dim=1),
            torch.cat([torch.ones_like(own, dtype=torch.bool), prompts.mask], dim=1),
        )

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Prompts stand alone meanwhile."""
        self._active = False
        try:
            yield
        finally:
            self._active = True

    def freeze_into_anchor(self) -> None:
        """Make it a part of the model that stays when an adapter is switched off."""
        self.vectors.requires_grad = False
        self.part_of_anchor = True

    def save(self, folder: Path, model: Any, kind: Kind) -> None:
        """Write it as peft writes prompt tuning."""
        folder.mkdir(parents=True, exist_ok=True)
        config = model.config
        PromptTuningConfig(
            task_type=TaskType.SEQ_2_SEQ_LM if kind == "seq2seq" else TaskType.CAUSAL_LM,
            num_virtual_tokens=len(self),
            token_dim=self.vectors.shape[1],
            # peft would make as many vectors for the decoder, which its forward never reads.
            num_transformer_submodules=1,
            num_attention_heads=config.num_attention_heads,
            num_layers=config.num_hidden_layers,
            inference_mode=True,
        ).save_pretrained(str(folder))
        save_file({_KEY: self.vectors.detach().cpu().contiguous()}, folder / SAFETENSORS_WEIGHTS_NAME)

    def _hide(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The embedding has no row for our ids: it looks up another one, which `_show` replaces."""
        self._ids = inputs[0]
        return (inputs[0].clamp(max=self.first - 1), *inputs[1:])

    def _show(self, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert self._ids is not None
        place = (self._ids - self.first).clamp(min=0)
        own = nn.functional.embedding(place, self.vectors).to(output.dtype)
        return torch.where((self._ids >= self.first).unsqueeze(-1), own, output)


def start(model: Any, tokenizer: Any, kind: Kind, spec: SoftPromptSpec, *, seed: int) -> Tensor:
    """The vectors [n, D] that training begins with: those of the spec's words, else of random ones."""
    ids = list(tokenizer(spec.text, add_special_tokens=False)["input_ids"]) if spec.text else []
    if spec.text and not ids:
        raise ModelError(f"The soft prompt's text {spec.text!r} has no tokens: give words, or leave it empty.")
    if not ids:
        special = set(tokenizer.all_special_ids)
        usual = [number for number in range(len(tokenizer)) if number not in special]
        drawn = torch.randint(len(usual), (spec.virtual_tokens,), generator=torch.Generator().manual_seed(seed))
        ids = [usual[place] for place in drawn.tolist()]
    chosen = [ids[place % len(ids)] for place in range(spec.virtual_tokens)]
    words = word_embedding(model, kind)
    with torch.no_grad():
        # Through the layer, because some scale what they look up.
        vectors: Tensor = words(torch.tensor(chosen, device=words.weight.device)).float()
    return vectors


def read(folder: Path) -> Tensor:
    """The vectors [n, D] that peft or `SoftPrompt.save` wrote. Raises ModelError for anything else."""
    if adapters.type_of(folder) != PeftType.PROMPT_TUNING:
        raise ModelError(f"{folder} holds a LoRA, not a soft prompt.")
    config: Any = PeftConfig.from_pretrained(str(folder))
    try:
        vectors = load_file(folder / SAFETENSORS_WEIGHTS_NAME)[_KEY]
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{folder / SAFETENSORS_WEIGHTS_NAME} holds no soft prompt: {error}") from error
    count = config.num_virtual_tokens
    if not isinstance(count, int) or vectors.dim() != 2 or not 1 <= count <= len(vectors):
        raise ModelError(f"{folder} holds vectors of shape {list(vectors.shape)} for {count} virtual tokens.")
    # peft writes those of the decoder after the encoder's, and reads the first ones alone.
    return vectors[:count]


def word_embedding(model: Any, kind: Kind) -> Any:
    """The layer that turns a prompt's ids into vectors (a T5's encoder has one of its own, tied to the shared one)."""
    return (model.get_encoder() if kind == "seq2seq" else model).get_input_embeddings()
