"""The policy: seq2seq and causal language models behind one narrow interface.

A prompt is read once (``read_prompts``) and shared by its completions (``read_completions``). Everything
goes through the wrapped model, so that an adapter on any layer counts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from rlhf import loading
from rlhf.adapted import Adapted
from rlhf.exceptions import ModelError, PromptTooLong
from rlhf.hashing import check_anchor
from rlhf.loading import Kind
from rlhf.shared_attention import SharedPrompts, added_mask, can_share
from rlhf.tensors import Decoded, PromptState, TokenBatch, pad_rows

__all__ = ["Decoded", "Policy", "PromptState", "TokenBatch"]


class Policy(Adapted):
    """A language model with its tokenizer, always in eval mode and without dropout."""

    def __init__(
        self, model: Any, tokenizer: Any, kind: Kind, *, max_prompt_tokens: int = 512, max_completion_tokens: int = 128
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.kind = kind
        self.max_completion_tokens = max_completion_tokens
        self.max_prompt_tokens = loading.prompt_limit(model.config, kind, max_prompt_tokens, max_completion_tokens)
        self.eos_id = int(tokenizer.eos_token_id)
        self.pad_id = int(tokenizer.pad_token_id)
        self.hidden_size = int(model.config.hidden_size)
        self.vocab_size = int(model.config.vocab_size)
        self._takes_positions = loading.accepts(model, "position_ids")
        model.eval()

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        adapter: Path | None = None,
        kind: Kind | None = None,
        device: torch.device | str | None = None,
        nf4: bool = False,
        max_prompt_tokens: int = 512,
        max_completion_tokens: int = 128,
    ) -> Self:
        """Load a hub name or a folder in the hub's format, and on it the adapter in the folder ``adapter``.

        A soft prompt that was saved with the model belongs to it. ``nf4`` quantises the linear layers to 4 bits, for
        QLoRA. Raises ModelError when there is no such model, it has no safetensors or is of another kind, or when the
        adapter was trained on another.
        """
        folder = loading.found(source)
        if adapter is not None:
            check_anchor(Path(adapter), folder)
        config = loading.load_config(folder)
        found = loading.kind_of(config, str(source), kind)
        place = loading.best_device() if device is None else torch.device(device)
        tokenizer = loading.load_tokenizer(folder)
        model = loading.load_model(folder, config, found, place, nf4=nf4)
        policy = cls(
            model, tokenizer, found, max_prompt_tokens=max_prompt_tokens, max_completion_tokens=max_completion_tokens
        )
        policy._load_soft_prompt(Path(folder))
        if adapter is not None:
            policy.load_adapter(Path(adapter))
        return policy

    # -- texts and tokens

    def prompt_ids(self, text: str) -> list[int]:
        """One prompt's tokens."""
        return self.prompt_rows([text])[0]

    def prompt_rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Each prompt's tokens as the model was trained to read them; a causal prompt does not end in EOS."""
        rows: list[list[int]] = self.tokenizer(list(texts))["input_ids"] if texts else []
        if self.kind == "seq2seq":
            return rows
        return [row[:-1] if row and row[-1] == self.eos_id else row for row in rows]

    def prompt_length(self, text: str) -> int:
        """Tokens of a prompt, special ones included."""
        return len(self.prompt_ids(text))

    def encode_prompts(self, texts: Sequence[str]) -> TokenBatch:
        """[P, S] ids and mask on the model's device, padded on the right (seq2seq) or left (causal).

        Raises PromptTooLong: nothing is cut.
        """
        rows = self.prompt_rows(texts)
        self._check_lengths("Prompt", texts, rows, self.max_prompt_tokens)
        empty = [index for index, row in enumerate(rows) if not row]
        if empty:
            raise ModelError(f"Prompt {empty[0]} has no tokens: an empty prompt cannot be read.")
        return pad_rows(rows, self.pad_id, left=self.kind == "causal").to(self.device)

    def completion_ids(self, text: str) -> list[int]:
        """One completion's tokens with its EOS."""
        return self.completion_rows([text])[0]

    def completion_rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Each completion's tokens with exactly one EOS, at the end."""
        rows = self.tokenizer(list(texts), add_special_tokens=self.kind == "seq2seq")["input_ids"] if texts else []
        # An EOS or padding token spelled out inside the text would end the completion early.
        ends = {self.eos_id, self.pad_id}
        return [[token for token in row if token not in ends] + [self.eos_id] for row in rows]

    def encode_completions(self, texts: Sequence[str]) -> TokenBatch:
        """[B, T] ids and mask on the model's device, each row ending in one EOS, padded on the right."""
        rows = self.completion_rows(texts)
        self._check_lengths("Completion", texts, rows, self.max_completion_tokens)
        return pad_rows(rows, self.pad_id).to(self.device)

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """Text of the ids, special tokens removed."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    @staticmethod
    def _check_lengths(what: str, texts: Sequence[str], rows: list[list[int]], limit: int) -> None:
        for index, (text, row) in enumerate(zip(texts, rows, strict=True)):
            if len(row) > limit:
                raise PromptTooLong(
                    f"{what} {index} (“{text[:60]}…”) has {len(row)} tokens, the limit is {limit}: raise the limit or "
                    "shorten the text; it is not cut."
                )

    # -- reading

    def read_prompts(self, prompts: TokenBatch) -> PromptState:
        """One encoder pass [P, S, D] (seq2seq), or the prefix kept as it is (causal).

        A soft prompt stands in front: S then counts its n virtual tokens, in the state's ids and mask too.
        """
        prompts = self.with_soft_prompt(prompts)
        if self.kind == "causal":
            return PromptState(prompts, None)
        encoder = self.base.get_encoder()
        return PromptState(prompts, encoder(input_ids=prompts.ids, attention_mask=prompts.mask.long())[0])

    def with_soft_prompt(self, prompts: TokenBatch) -> TokenBatch:
        """The ids and mask that are read for ``prompts`` [P, S]."""
        return prompts if self.soft_prompt is None else self.soft_prompt.before(prompts)

    def read_completions(
        self, state: PromptState, owner: Tensor, completions: TokenBatch, *, logits: bool = True
    ) -> Decoded:
        """Logits [B, T, V] and hidden states [B, T + 1, D] of completions [B, T]; ``owner[b]`` is b's prompt.

        ``logits=False`` saves the head's work where only hidden states are wanted: V is then 0.
        """
        length = completions.ids.shape[1]
        with self._inputs(state, owner, completions) as inputs:
            if not logits:
                hidden = self._read_hidden(inputs)[:, -(length + 1) :]
                return Decoded(hidden.new_empty((len(completions), length, 0)), hidden)
            with self._watch_decoder() as seen:
                scores = self.model(**inputs).logits
        # The causal pass keeps only the last T + 1 positions' logits; its hidden states cover the prefix too.
        return Decoded(scores[:, -(length + 1) :][:, :length], seen[0][:, -(length + 1) :])

    def _read_hidden(self, inputs: dict[str, Any]) -> Tensor:
        if self.kind == "seq2seq":
            inputs = {
                "input_ids": inputs["decoder_input_ids"],
                "encoder_hidden_states": inputs["encoder_outputs"].last_hidden_state,
                "encoder_attention_mask": inputs["attention_mask"],
                "use_cache": False,
            }
        inputs.pop("logits_to_keep", None)
        hidden: Tensor = self.base.get_decoder()(**inputs)[0]
        return hidden

    @contextmanager
    def _inputs(self, state: PromptState, owner: Tensor, completions: TokenBatch) -> Iterator[dict[str, Any]]:
        """What the model is called with, inside the block."""
        if state.states is None:
            yield self._prefix_inputs(state, owner, completions)
            return
        # The decoder reads [start, y0, …, y_{T-1}]: T + 1 positions, the last after EOS. Padding stands
        # to the right of everything real, so the causal mask alone hides it.
        start = completions.ids.new_full((len(completions), 1), self.start_id)
        inputs = {"decoder_input_ids": torch.cat([start, completions.ids], dim=1), "use_cache": False}
        used, places = torch.unique(owner, return_inverse=True)
        if len(used) == len(owner) or not can_share(self.base):
            encoded = BaseModelOutput(last_hidden_state=state.states[owner])
            yield inputs | {"encoder_outputs": encoded, "attention_mask": state.prompts.mask[owner].long()}
            return
        # Several completions of a prompt: its keys and values are computed once for all of them.
        states = state.states if len(used) == len(state) else state.states[used]
        mask = added_mask(state.prompts.mask[used], states.dtype)
        with SharedPrompts(places).attached(self.base):
            yield inputs | {"encoder_outputs": BaseModelOutput(last_hidden_state=states), "attention_mask": mask}

    def _prefix_inputs(self, state: PromptState, owner: Tensor, completions: TokenBatch) -> dict[str, Any]:
        prompt_mask = state.prompts.mask[owner]
        mask = torch.cat([prompt_mask, completions.mask], dim=1).long()
        ids = torch.cat([state.prompts.ids[owner], completions.ids], dim=1)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "use_cache": False,
            "logits_to_keep": completions.ids.shape[1] + 1,
            **self.positions(mask, ids.shape[1]),
        }

    def positions(self, mask: Tensor, width: int) -> dict[str, Tensor]:
        """position_ids [B, width] of a causal model's last ``width`` columns: padding on the left does not count."""
        if not self._takes_positions:
            return {}
        return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)[:, -width:]}

    @property
    def start_id(self) -> int:
        """The decoder's first token (seq2seq)."""
        start = self.base.config.decoder_start_token_id
        return self.pad_id if start is None else int(start)

    @contextmanager
    def _watch_decoder(self) -> Iterator[list[Tensor]]:
        """The decoder's last hidden state, caught on its way to the head (after the final norm, before T5's scale)."""
        seen: list[Tensor] = []
        hook = self.base.get_decoder().register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
        try:
            yield seen
        finally:
            hook.remove()
