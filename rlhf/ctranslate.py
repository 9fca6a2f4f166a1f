"""The CTranslate2 backend: a policy converted to that library's format, its adapter folded in, fp32 on the CPU.

Tokens cross the border as decimal numbers: the vocabulary of the converted model is "0", "1", …, so that no token's
text can be taken for another's. Every conversion is checked against the policy before it writes anything.
"""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from rlhf.backends import Draw, Tokens, Writer
from rlhf.beam_search import beam_shape
from rlhf.config import SamplingConfig
from rlhf.exceptions import BackendError
from rlhf.inference import folded
from rlhf.models import Policy
from rlhf.reading import read_tokens
from rlhf.tensors import TokenBatch
from rlhf.types import Prompt

TOLERANCE = 1e-3  # nats by which a token's log-probability may differ from the policy's; fp32 rounds at 1e-5
# Whatever a converter that does not know a model may run into, a full disk among it.
_FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
_PROBE = 16  # tokens of the prompt and of the completion that a conversion is checked with


@contextmanager
def open_ctranslate2(
    policy: Policy, sampling: SamplingConfig, *, anchor: bool = False
) -> Iterator["CTranslate2Backend"]:
    """The backend for ``policy``, and its ``anchor`` if asked for, in a temporary folder.

    Raises BackendError where it cannot write such completions.
    """
    if find_spec("ctranslate2") is None:
        raise BackendError("The package ctranslate2 is not installed: pip install 'kedge[fast]'.")
    if policy.device.type != "cpu":
        raise BackendError(f"CTranslate2 is used on the CPU alone, and the policy is on {policy.device}.")
    if sampling.strategy == "diverse":
        raise BackendError("CTranslate2 has no diverse beam search.")
    if policy.soft_prompt is not None:
        raise BackendError("CTranslate2 knows no soft prompt: its virtual tokens are not in the vocabulary.")
    with TemporaryDirectory(prefix="ctranslate2-") as folder:
        backend = CTranslate2Backend(policy, Path(folder))
        for reference in (False, True)[: 1 + anchor]:
            backend.convert(reference=reference)
        yield backend


class CTranslate2Backend:
    """Converted models of a policy and, once it is asked for, of its anchor.

    Greedy texts are the policy's own. Samples are equal only for equal batches: one stream of random numbers,
    seeded by the batch, serves all of its rows.
    """

    name = "ctranslate2"

    def __init__(self, policy: Policy, folder: Path) -> None:
        self._policy = policy
        self._folder = folder
        self._converted: dict[bool, Path] = {}

    @contextmanager
    def writer(self, *, reference: bool) -> Iterator[Writer]:
        yield _CTranslate2Writer(self._policy, self.convert(reference=reference))

    def convert(self, *, reference: bool) -> Path:
        """The folder of the converted policy or anchor, written and checked at the first call. Raises BackendError."""
        if reference not in self._converted:
            path = self._folder / ("anchor" if reference else "policy")
            try:
                with folded(self._policy, reference=reference):
                    _converter(self._policy, self._folder).convert(str(path))
                    _check(self._policy, path)
            except _FAULTS as error:
                model = self._policy.base.config.model_type
                raise BackendError(f"CTranslate2 cannot convert this {model} model: {error}") from error
            self._converted[reference] = path
        return self._converted[reference]


class _CTranslate2Writer:
    def __init__(self, policy: Policy, path: Path) -> None:
        self._policy = policy
        self._path = path

    def sample(self, draws: Sequence[Draw], sampling: SamplingConfig, seed: int) -> list[Tokens]:
        # A prompt is read once for all of its draws; where one needs fewer than another, some go to waste.
        groups = [list(rows) for _, rows in groupby(draws, key=lambda draw: draw.place)]
        greedy = sampling.strategy == "greedy" or sampling.top_k == 1
        most = 1 if greedy else max(map(len, groups))
        model = _load(self._policy, self._path, seed=_seed(seed, draws))
        chance = {} if greedy else {
            "num_hypotheses": most,
            "sampling_topk": min(sampling.top_k, self._policy.vocab_size),
            "sampling_topp": sampling.top_p,
            "sampling_temperature": sampling.temperature,
        }  # fmt: skip
        prompts = [rows[0].prompt.text for rows in groups]
        found = _decode(self._policy, model, prompts, sampling, {"beam_size": 1, **chance})
        return [one for rows, texts in zip(groups, found, strict=True) for one in (texts * len(rows))[: len(rows)]]

    def search(self, prompts: Sequence[Prompt], sampling: SamplingConfig, n: int) -> list[list[Tokens]]:
        _, beams = beam_shape(sampling, n)
        how = {"beam_size": beams, "num_hypotheses": beams, "length_penalty": sampling.length_penalty}
        model = _load(self._policy, self._path)
        return _decode(self._policy, model, [prompt.text for prompt in prompts], sampling, how)


def _decode(
    policy: Policy, model: Any, texts: Sequence[str], sampling: SamplingConfig, how: dict[str, Any]
) -> list[list[Tokens]]:
    """The texts that CTranslate2 finds for each prompt."""
    prompts = [list(map(str, row)) for row in policy.prompt_rows(texts)]
    limit = sampling.max_new_tokens
    if policy.kind == "seq2seq":
        found = model.translate_batch(
            prompts, max_input_length=0, min_decoding_length=0, max_decoding_length=limit, return_end_token=True, **how
        )
        return [[tuple(map(int, text)) for text in one.hypotheses] for one in found]
    found = model.generate_batch(
        prompts, min_length=0, max_length=limit, include_prompt_in_result=False, return_end_token=True, **how
    )
    return [[tuple(text) for text in one.sequences_ids] for one in found]


def _load(policy: Policy, path: Path, *, seed: int | None = None) -> Any:
    """The converted model. Its threads take the random seed when they start and never again, hence one for a batch."""
    import ctranslate2

    if seed is not None:
        ctranslate2.set_random_seed(seed)  # of the whole process
    load = ctranslate2.Translator if policy.kind == "seq2seq" else ctranslate2.Generator
    return load(str(path), device="cpu", compute_type="float32", inter_threads=1, intra_threads=torch.get_num_threads())


def _seed(seed: int, draws: Sequence[Draw]) -> int:
    """31 bits that belong to this batch."""
    names = [f"{draw.prompt.id}\x1f{draw.ordinal}\x1f{draw.attempt}" for draw in draws]
    digest = hashlib.sha256("\x1e".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1


def _converter(policy: Policy, folder: Path) -> Any:
    """CTranslate2's own, given the model in memory instead of a checkpoint; it reads the config alone from disk."""
    from ctranslate2.converters import TransformersConverter

    config = copy.deepcopy(policy.base.config)
    config.dtype = "float32"  # unsaid, the converter would ask for it by a name that transformers 5 warns of
    config.save_pretrained(folder)
    converter = TransformersConverter(str(folder))
    converter.load_model = lambda *_, **__: _as_converted(policy.base)
    converter.load_tokenizer = lambda *_, **__: _Numbers(policy)
    return converter


def _as_converted(model: Any) -> Any:
    """A copy of the model's layers over the same weights, with the config that the converter understands.

    A copy, because some converters take the layers apart as they go.
    """
    weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    view = copy.deepcopy(model, memo=weights)
    config = view.config
    if config.model_type == "t5":
        # The logits of a T5 that says “tied” are divided. transformers 5 says so of all, and keeps apart which are.
        config.tie_word_embeddings = config.scale_decoder_outputs
    if config.model_type == "gpt_neox":
        # Their names before transformers 5.
        config.rotary_pct, view.embed_out = config.rope_parameters["partial_rotary_factor"], view.lm_head
    return view


class _Numbers:
    """A tokenizer as the converter sees one: every token is called by its id."""

    def __init__(self, policy: Policy) -> None:
        self._size = policy.vocab_size
        self._start = policy.start_id if policy.kind == "seq2seq" else policy.eos_id
        self.eos_token = self.bos_token = self.unk_token = str(policy.eos_id)
        self.pad_token = str(policy.pad_id)

    def get_vocab(self) -> dict[str, int]:
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int | None) -> str:
        return str(self._start if token is None else token)


def _check(policy: Policy, path: Path) -> None:
    """Raise BackendError where the log-probabilities of some text are not those of the policy."""
    size = min(_PROBE, policy.max_prompt_tokens)
    spread = torch.linspace(0, policy.vocab_size - 1, 2 * size).long()
    prompt, completion = spread[::2][None], spread[1::2].flip(0)[None]
    batches = [
        TokenBatch(ids.to(policy.device), torch.ones_like(ids, dtype=torch.bool)) for ids in (prompt, completion)
    ]
    with torch.no_grad():
        state = policy.read_prompts(batches[0])
        own = read_tokens(policy, state, torch.zeros(1, dtype=torch.long), batches[1]).log_probabilities()[0]
    model = _load(policy, path)
    names = [[str(token) for token in row[0].tolist()] for row in (prompt, completion)]
    if policy.kind == "seq2seq":
        theirs = model.score_batch([names[0]], [names[1]])[0].log_probs
    else:
        theirs = model.score_batch([names[0] + names[1]])[0].log_probs[-size:]
    off = float((torch.tensor(theirs[:size]) - own).abs().max())
    if not off <= TOLERANCE:
        raise BackendError(f"CTranslate2 reads this model otherwise: a log-probability is off by {off:.2g} nats.")
