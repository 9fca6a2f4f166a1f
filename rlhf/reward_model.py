"""The reward model: prompt in the encoder once, completion in the decoder, a scalar at EOS.

A folder of a trained reward holds `reward.json`, `heads.safetensors` and one sub-folder with the adapter (or, after
full training, the whole model) of each member. Scoring members give mean − λ·sd, normalised; one more member, trained
on prompts the others never saw, only judges.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rlhf import adapters
from rlhf.exceptions import ModelError, PromptTooLong
from rlhf.hashing import artifact_hash
from rlhf.models import Policy, PromptState
from rlhf.reading import read_tokens
from rlhf.tensors import TokenBatch

SETTINGS = "reward.json"
HEADS = "heads.safetensors"

LIKELIHOOD_SCALE = 10.0
"""Mean log-probabilities differ by tenths between good and bad texts, rewards by ones."""

Role = Literal["scorer", "judge"]
Scores = list[list[float]]


class RewardScorer(Protocol):
    """Anything that scores the completions of each prompt; higher is better."""

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        """One reward for each completion of each prompt, in their order."""

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores | None:
        """The same by a model that the policy was never trained against; None where there is none."""


def shares_encoder(policy: Policy) -> bool:
    """True when no adapter changes how a prompt is read, so that all adapters and the anchor can share the reading."""
    if policy.kind != "seq2seq" or (policy.soft_prompt is not None and not policy.soft_prompt.part_of_anchor):
        return False
    # Not by the word “encoder” in a name: what the encoder holds is what it reads with, its embedding included.
    changed = ("lora_", "modules_to_save")
    names = [name for name, _parameter in policy.base.get_encoder().named_parameters()]
    return not any(part in name for name in names for part in changed)


class RewardHead(nn.Module):
    """A linear map of the last hidden state to a scalar, N(0, 1/√(d+1)) at first (Stiennon et al. 2020).

    ``raw_theta`` is the learnt threshold of ties before softplus (Rao–Kupper). With ``likelihood``, the completion's
    mean log-probability of a token counts too, with a learnt weight that starts at 0: the length-normalised implicit
    reward of SimPO (Meng et al. 2024) beside the explicit one.
    """

    def __init__(
        self, size: int, *, theta: float, likelihood: bool = False, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, generator=generator) / (size + 1) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(()))
        self.raw_theta = nn.Parameter(torch.tensor(theta))
        self.likelihood = nn.Parameter(torch.zeros(())) if likelihood else None

    def forward(self, hidden: Tensor) -> Tensor:
        """``hidden`` [B, D] -> scalars [B].

        The states are first divided by their root mean square: the head's N(0, 1/√(d+1)) is made for states of
        variance 1, and those of a tied T5 (before its d^−½) have 12, so that its first scores would be noise of 3
        nats between the completions of one prompt, which a few hundred rankings cannot unlearn.
        """
        unit = nn.functional.rms_norm(hidden.to(self.weight.dtype), self.weight.shape)
        return unit @ self.weight + self.bias

    @property
    def theta(self) -> Tensor:
        """The threshold of ties, > 0."""
        return nn.functional.softplus(self.raw_theta)


class RewardModel:
    """One member: a policy's body and a scalar head."""

    def __init__(self, policy: Policy, head: RewardHead) -> None:
        self.policy = policy
        self.head = head.to(policy.device)

    def score_tokens(self, state: PromptState, owner: Tensor, completions: TokenBatch) -> Tensor:
        """Raw scores [B] of ``completions`` [B, T], each read after its EOS; ``owner`` [B] points into ``state``."""
        weight = self.head.likelihood
        if weight is None:
            hidden, tokens = self.policy.read_completions(state, owner, completions, logits=False).hidden, None
        else:
            reading = read_tokens(self.policy, state, owner, completions)
            hidden, tokens = reading.hidden, reading.log_probabilities()
        scores: Tensor = self.head(last_states(hidden, completions))
        if weight is not None and tokens is not None:
            scores = scores + LIKELIHOOD_SCALE * weight * tokens.sum(dim=1) / completions.mask.sum(dim=1)
        return scores


def last_states(hidden: Tensor, completions: TokenBatch) -> Tensor:
    """[B, D] of ``hidden`` [B, T + 1, D]: ``hidden[:, length]`` is the state after EOS, the last token, was read."""
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, completions.mask.sum(dim=1)]


@dataclass(frozen=True)
class MemberSettings:
    """One member of an ensemble; (raw + bias)·gain has mean 0 and sd 1 on the reference policy's samples."""

    name: str
    role: Role
    gain: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True)
class RewardSettings:
    """Everything of an ensemble that is not a tensor. ``penalty`` is λ in mean − λ·sd."""

    adaptation: Literal["lora", "full"]
    members: tuple[MemberSettings, ...]
    penalty: float
    tie_rule: str
    anchor_sha256: str  # of the weights that the adapters were trained on; on others they would score nonsense
    data_sha256: str
    max_prompt_tokens: int
    max_completion_tokens: int
    gain: float = 1.0
    bias: float = 0.0

    @classmethod
    def read(cls, folder: Path) -> "RewardSettings":
        """From ``folder``'s reward.json; ModelError where it is missing or not one of ours."""
        try:
            values = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            members = tuple(MemberSettings(**member) for member in values.pop("members"))
            return cls(members=members, **values)
        except FileNotFoundError as error:
            raise ModelError(f"{folder} holds no reward model: {SETTINGS} is missing.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{folder / SETTINGS} is not a reward model's settings: {error}") from error

    def write(self, folder: Path) -> None:
        """Canonical JSON: the same settings give the same bytes."""
        text = json.dumps(asdict(self), sort_keys=True, indent=1)
        (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


class RewardEnsemble:
    """A trained reward: the members' bodies behind one policy, their heads and their normalisation."""

    def __init__(
        self,
        settings: RewardSettings,
        bodies: Mapping[str, Policy],
        heads: Mapping[str, RewardHead],
        *,
        batch: int = 64,
    ) -> None:
        self.settings = settings
        self._bodies = bodies
        self._heads = heads
        self._batch = batch

    def with_settings(self, settings: RewardSettings) -> "RewardEnsemble":
        """The same members under another normalisation."""
        return RewardEnsemble(settings, self._bodies, self._heads, batch=self._batch)

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        """Normalised mean − λ·sd over the scoring members (population sd), one list for each prompt."""
        rows = self._normalised(self._members("scorer"), prompts, completions)
        if not rows.shape[1]:
            return _nested(rows[0], completions)  # torch warns of the deviation of nothing
        pessimistic = rows.mean(dim=0) - self.settings.penalty * rows.std(dim=0, correction=0)
        return _nested((pessimistic + self.settings.bias) * self.settings.gain, completions)

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores | None:
        """Normalised scores of the judging member; None when the ensemble has none."""
        judges = self._members("judge")
        return _nested(self._normalised(judges, prompts, completions)[0], completions) if judges else None

    @torch.no_grad()
    def raw(self, names: Sequence[str], prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Tensor:
        """Scores of the members ``names`` as their heads give them [members, all completions], on the CPU.

        Raises PromptTooLong for a text that does not fit.
        """
        parts = [
            self._read(names, [prompts[row] for row in chunk], [completions[row] for row in chunk])
            for chunk in _chunks(completions, self._batch)
        ]
        return torch.cat([torch.zeros(len(names), 0), *parts], dim=1)

    def _read(self, names: Sequence[str], prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Tensor:
        """One batch by each member. Tokens are encoded once, and the prompt read once where no adapter changes that."""
        policy = self._bodies[names[0]]
        encoded = policy.encode_prompts(prompts)
        texts = policy.encode_completions([text for row in completions for text in row])
        owner = [index for index, row in enumerate(completions) for _ in row]
        owners = torch.tensor(owner, dtype=torch.long, device=policy.device)
        shared = (
            policy.read_prompts(encoded) if len(set(self._bodies.values())) == 1 and shares_encoder(policy) else None
        )
        scores = []
        for name in names:
            body = self._activate(name)
            state = body.read_prompts(encoded) if shared is None else shared
            scores.append(RewardModel(body, self._heads[name]).score_tokens(state, owners, texts).float().cpu())
        return torch.stack(scores)

    def _normalised(
        self, members: Sequence[MemberSettings], prompts: Sequence[str], completions: Sequence[Sequence[str]]
    ) -> Tensor:
        """[members, all completions]."""
        raw = self.raw([member.name for member in members], prompts, completions)
        bias, gain = (torch.tensor([[getattr(member, key)] for member in members]) for key in ("bias", "gain"))
        return (raw + bias) * gain

    def reads(self, prompt: str, completions: Sequence[str]) -> bool:
        """Whether all members can read these texts: none over the limit, and no prompt without a token."""
        body = self._bodies[self.settings.members[0].name]
        try:
            body.encode_prompts([prompt])
            body.encode_completions(list(completions))
        except (PromptTooLong, ModelError):
            return False
        return True

    @property
    def scorers(self) -> list[str]:
        """Names of the scoring members."""
        return [member.name for member in self._members("scorer")]

    def log_odds(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        """The scoring members' mean raw reward of each completion: a difference of two is the log-odds, by the model's
        Bradley and Terry, that the first is preferred. Raises PromptTooLong for a text that does not fit."""
        return _nested(self.raw(self.scorers, prompts, completions).mean(dim=0), completions)

    @torch.no_grad()
    def states(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[NDArray[np.float64]]:
        """What the first scoring member's head reads: its states [texts, D] after EOS, for each prompt.

        Raises PromptTooLong for a text that does not fit.
        """
        body = self._activate(self.scorers[0])
        found: list[NDArray[np.float64]] = [np.zeros((0, body.hidden_size)) for _ in completions]
        for chunk in _chunks(completions, self._batch):
            texts = body.encode_completions([text for row in chunk for text in completions[row]])
            owner = torch.tensor([place for place, row in enumerate(chunk) for _ in completions[row]])
            state = body.read_prompts(body.encode_prompts([prompts[row] for row in chunk]))
            hidden = body.read_completions(state, owner.to(body.device), texts, logits=False).hidden
            last = last_states(hidden, texts).double().cpu().numpy()
            ends = np.cumsum([len(completions[row]) for row in chunk])
            found_here = np.split(last, ends[:-1])
            for row, own in zip(chunk, found_here, strict=True):
                found[row] = own
        return found

    def theta(self, name: str) -> float:
        """The learnt threshold of ties of member ``name``."""
        return float(self._heads[name].theta.detach())

    def _members(self, role: Role) -> list[MemberSettings]:
        return [member for member in self.settings.members if member.role == role]

    def _activate(self, name: str) -> Policy:
        """The body of ``name``, the shared one switched to its adapter; whole models need no switch."""
        if self.settings.adaptation == "lora":
            self._bodies[name].model.set_adapter(name, inference_mode=True)
        return self._bodies[name]


def _chunks(completions: Sequence[Sequence[str]], size: int) -> Iterator[list[int]]:
    """Rows of prompts that hold about ``size`` completions together; at least one row each, none without texts."""
    chunk: list[int] = []
    held = 0
    for row, texts in enumerate(completions):
        if chunk and held + len(texts) > size:
            yield chunk
            chunk, held = [], 0
        if texts:
            chunk.append(row)
            held += len(texts)
    if chunk:
        yield chunk


def _nested(flat: Tensor, like: Sequence[Sequence[str]]) -> Scores:
    values = iter(flat.tolist())
    return [[next(values) for _ in texts] for texts in like]


def save_heads(folder: Path, heads: Mapping[str, RewardHead]) -> None:
    """All heads in one safetensors file."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, head in heads.items()
        for key, value in head.state_dict().items()
    }
    save_file(tensors, folder / HEADS)


def load_reward_model(folder: Path, anchor: Path, *, batch: int = 64) -> RewardEnsemble:
    """The reward trained into ``folder`` on the weights of ``anchor``; ModelError with a clear message otherwise."""
    settings = RewardSettings.read(folder)
    if settings.adaptation == "lora" and settings.anchor_sha256 != artifact_hash(anchor):
        raise ModelError(f"{folder} was trained on another anchor than {anchor}: its adapters fit that one alone.")
    try:
        tensors = load_file(folder / HEADS)
    except FileNotFoundError as error:
        raise ModelError(f"{folder} holds no reward model: {HEADS} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / HEADS} is damaged: {error}; train the reward model again.") from error
    bodies = _load_bodies(folder, anchor, settings)
    heads = {}
    for member in settings.members:
        likelihood = f"{member.name}.likelihood" in tensors
        head = RewardHead(bodies[member.name].hidden_size, theta=0.0, likelihood=likelihood)
        try:
            head.load_state_dict({key: tensors[f"{member.name}.{key}"] for key in head.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"{folder / HEADS} has no head for member {member.name} that fits: {error}") from error
        heads[member.name] = head.to(bodies[member.name].device)
    return RewardEnsemble(settings, bodies, heads, batch=batch)


def _load_bodies(folder: Path, anchor: Path, settings: RewardSettings) -> dict[str, Policy]:
    """One body for all members with LoRA (their adapters differ by name), one each after full training."""
    limits: dict[str, Any] = {
        "max_prompt_tokens": settings.max_prompt_tokens,
        "max_completion_tokens": settings.max_completion_tokens,
    }
    names = [member.name for member in settings.members]
    if settings.adaptation == "full":
        return {name: Policy.load(folder / name, **limits) for name in names}
    body = Policy.load(anchor, **limits)
    for name in names:
        body.model = adapters.load(body.model, folder / name, name=name)
    return dict.fromkeys(names, body)
