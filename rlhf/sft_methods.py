"""The four methods of supervised fine-tuning: what each trains, how fast, and what stays of it.

| method | trained | saved |
| --- | --- | --- |
| full | every weight, in fp32 | the model |
| lora | an adapter on the frozen weights | the model with the adapter folded in |
| qlora | an adapter on NF4 weights | the *dequantised* model, the one the adapter was trained on, with it folded in |
| prompt | vectors before every prompt | the base model, and the vectors in peft's format in a folder below |

Each of the four is an anchor: `Policy.load` of its folder is the tuned policy, and PPO, DPO and reward models put their
own adapters on it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from rlhf.config import SFTConfig, SFTMethod
from rlhf.exceptions import ModelError
from rlhf.models import Policy
from rlhf.soft_prompt import word_embedding

LEARNING_RATES: Mapping[SFTMethod, float] = {"full": 1e-4, "lora": 1e-3, "qlora": 1e-3}
SOFT_PROMPT_RATE = 0.3
"""Of a soft prompt, as a share of the word vectors' mean magnitude, which differs between models by orders of magnitude
while Adam's steps know nothing of it. Found on the tiny policy: 0.05 learns too slowly in a few hundred steps."""


def prepare(config: SFTConfig, policy: Policy, *, seed: int) -> float:
    """Leave trainable in ``policy`` what the method trains; the peak of the learning rate.

    Raises ModelError for a policy that the method cannot train.
    """
    if policy.is_quantised != (config.method == "qlora"):
        need = (
            "needs 4-bit weights: load the policy with nf4=True" if config.method == "qlora" else "needs plain weights"
        )
        raise ModelError(f"Method {config.method} {need}.")
    if not policy.is_quantised:
        # Small steps would be lost in bf16.
        policy.model.float()
    if config.method == "full":
        policy.model.requires_grad_(requires_grad=True)
    elif config.method == "prompt":
        policy.add_soft_prompt(config.prompt, seed=seed)
    else:
        policy.add_lora(config.lora, seed=seed)
    return config.learning_rate or _own_rate(config.method, policy)


def paged(config: SFTConfig, policy: Policy) -> bool:
    """True where the optimiser's state may have to leave the device: QLoRA is chosen where memory is short."""
    return config.method == "qlora" and policy.device.type == "cuda"


def facts(config: SFTConfig, policy: Policy) -> dict[str, object]:
    """The method, and how large the trained part is; of a policy that is not merged yet."""
    trained, total = policy.count_parameters()
    return {
        "method": config.method,
        "trained_parameters": trained,
        "adapted_parameters": total,
        "trainable_percent": 100 * trained / total,
        "adapter_bytes": None if config.method == "full" else _adapter_bytes(policy),
    }


def _own_rate(method: SFTMethod, policy: Policy) -> float:
    if method == "prompt":
        return SOFT_PROMPT_RATE * float(word_embedding(policy.base, policy.kind).weight.detach().abs().mean())
    return LEARNING_RATES[method]


def _adapter_bytes(policy: Policy) -> int:
    """Size on disk of the adapter alone, which is merged afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        policy.save_adapter(folder)
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
