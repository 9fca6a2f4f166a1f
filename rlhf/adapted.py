"""A language model and what is trained on it: all weights, a LoRA, or a soft prompt."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from peft import PeftModel, PeftType
from torch import Tensor

from rlhf import adapters, loading, quantised, soft_prompt
from rlhf.config import LoraSpec, SoftPromptSpec
from rlhf.exceptions import ModelError
from rlhf.loading import Kind
from rlhf.soft_prompt import SoftPrompt


class Adapted:
    """The half of a policy that trainings and files see; `rlhf.models.Policy` adds the reading of texts.

    ``soft_prompt`` stands before every prompt. It is an adapter, off in the anchor, until it is merged.
    """

    model: Any  # a transformers model, or peft's wrapper around it
    tokenizer: Any
    kind: Kind
    max_prompt_tokens: int
    max_completion_tokens: int
    soft_prompt: SoftPrompt | None = None

    @property
    def device(self) -> torch.device:
        place: torch.device = next(self.base.parameters()).device
        return place

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in, and its hidden states come in."""
        kind: torch.dtype = self.base.dtype
        return kind

    @property
    def base(self) -> Any:
        """The transformers model itself, whose layers hold the LoRA when there is one."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def is_quantised(self) -> bool:
        """True when some layers hold 4-bit weights."""
        return quantised.is_quantised(self.base)

    @property
    def has_adapter(self) -> bool:
        """True when `reference` is another policy than this one."""
        return isinstance(self.model, PeftModel) or self._own_soft_prompt is not None

    @property
    def _own_soft_prompt(self) -> SoftPrompt | None:
        """The soft prompt where it is an adapter, not a part of the anchor."""
        return None if self.soft_prompt is None or self.soft_prompt.part_of_anchor else self.soft_prompt

    # -- parameters

    def parameters(self) -> list[torch.nn.Parameter]:
        """All of them, the soft prompt's vectors last."""
        own = [] if self.soft_prompt is None else [self.soft_prompt.vectors]
        return [*self.model.parameters(), *own]

    def parameters_trainable(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def learning_rates(self, *, rate: float, saved_rate: float) -> list[tuple[torch.nn.Parameter, float]]:
        """The trainable parameters with their learning rates; ``saved_rate`` is relative, for `modules_to_save`."""
        return adapters.learning_rates(self.model, rate=rate, saved_rate=saved_rate)

    def count_parameters(self) -> tuple[int, int]:
        """(trainable, total); a tied weight counts once, a 4-bit one as the numbers it stands for."""
        sizes = [(quantised.size(parameter), parameter.requires_grad) for parameter in self.parameters()]
        return sum(count for count, trainable in sizes if trainable), sum(count for count, _trainable in sizes)

    # -- adapters

    def add_lora(self, spec: LoraSpec, *, seed: int) -> None:
        """Freeze the base and put a fresh adapter on it (B = 0, so the policy is unchanged)."""
        self._check_no_adapter()
        model = quantised.prepare(self.model) if self.is_quantised else self.model
        self.model = adapters.fresh(model, self.kind, spec, seed=seed)
        self._check_soft_prompt_is_read()

    def add_soft_prompt(self, spec: SoftPromptSpec, *, seed: int) -> None:
        """Freeze the base and put trainable vectors before every prompt."""
        self._check_no_adapter()
        self.model.requires_grad_(requires_grad=False)
        self._attach(soft_prompt.start(self.model, self.tokenizer, self.kind, spec, seed=seed))

    def load_adapter(self, folder: Path) -> None:
        """Put the saved adapter in ``folder`` (LoRA or prompt tuning) on the model, frozen."""
        self._check_no_adapter()
        if adapters.type_of(folder) == PeftType.PROMPT_TUNING:
            self.model.requires_grad_(requires_grad=False)
            self._attach(soft_prompt.read(folder)).vectors.requires_grad = False
        else:
            self.model = adapters.load(self.model, folder)
            self._check_soft_prompt_is_read()

    def _load_soft_prompt(self, folder: Path) -> None:
        """The soft prompt that was saved with the model in ``folder``, if there is one: a part of the anchor."""
        if (folder / soft_prompt.FOLDER).is_dir():
            self._attach(soft_prompt.read(folder / soft_prompt.FOLDER)).freeze_into_anchor()

    def _attach(self, vectors: Tensor) -> SoftPrompt:
        if self.soft_prompt is not None:
            raise ModelError("The policy has a soft prompt already, and a second one cannot stand before it.")
        self.max_prompt_tokens = loading.prompt_limit(
            self.base.config, self.kind, self.max_prompt_tokens, self.max_completion_tokens, virtual=len(vectors)
        )
        self.soft_prompt = SoftPrompt(self.base, self.kind, vectors)
        return self.soft_prompt

    def _check_no_adapter(self) -> None:
        if self.has_adapter:
            raise ModelError("The policy has an adapter already: merge it first.")

    def _check_soft_prompt_is_read(self) -> None:
        words = None if self.soft_prompt is None else self.soft_prompt.words
        if words is not None and soft_prompt.word_embedding(self.base, self.kind) is not words:
            raise ModelError("The model has a soft prompt, so its word embedding can have no adapter: change targets.")

    @contextmanager
    def reference(self) -> Iterator[Self]:
        """The anchor: this model with its adapter off. A policy without an adapter is its own anchor."""
        if (prompt := self._own_soft_prompt) is not None:
            with prompt.left_out():
                yield self
            return
        if not isinstance(self.model, PeftModel):
            yield self
            return
        # peft makes the adapter trainable when it comes back; a loaded one has to stay frozen.
        wanted = [(parameter, parameter.requires_grad) for parameter in self.model.parameters()]
        try:
            with self.model.disable_adapter():
                yield self
        finally:
            for parameter, flag in wanted:
                parameter.requires_grad_(flag)

    def merge(self) -> None:
        """Fold the adapter into the weights; quantised ones become fp32, on the CPU.

        A soft prompt has no weights to go to: it becomes a frozen part of the model.
        """
        if (prompt := self._own_soft_prompt) is not None:
            prompt.freeze_into_anchor()
        elif isinstance(self.model, PeftModel) and self.is_quantised:
            self.model = quantised.merged(self.model)
            if self.soft_prompt is not None:
                self.soft_prompt.attach(self.model, self.kind)
        elif isinstance(self.model, PeftModel):
            self.model = self.model.merge_and_unload().eval()

    # -- files

    def save(self, folder: Path | str) -> None:
        """Write the whole model and its tokenizer in the hub's format; its soft prompt goes to a folder below.

        Raises ModelError while an adapter is on.
        """
        if self.has_adapter:
            raise ModelError("The policy has an adapter: merge it, or save the adapter alone.")
        config = self.model.config
        head, words = self.model.get_output_embeddings(), self.model.get_input_embeddings()
        if head is not None and head.weight is not words.weight and not getattr(config, "scale_decoder_outputs", False):
            # transformers 5 writes “tied” for every T5; other readers would tie an untied head by that.
            config.tie_word_embeddings = False
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))
        # One of an earlier model in this folder would stand before this one's prompts.
        shutil.rmtree(Path(folder) / soft_prompt.FOLDER, ignore_errors=True)
        if self.soft_prompt is not None:
            self.soft_prompt.save(Path(folder) / soft_prompt.FOLDER, self.base, self.kind)

    def save_adapter(self, folder: Path | str) -> None:
        """Write the adapter alone in peft's format. Raises ModelError without an adapter."""
        if (prompt := self._own_soft_prompt) is not None:
            prompt.save(Path(folder), self.base, self.kind)
            return
        if not isinstance(self.model, PeftModel):
            raise ModelError("The policy has no adapter to save.")
        self.model.save_pretrained(str(folder))
        # peft writes a model card that nobody filled in.
        (Path(folder) / "README.md").unlink(missing_ok=True)
