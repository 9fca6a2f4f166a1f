"""The formula of a step's operations against torch's own counter."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration

from bench.races.flops import Reading, step_flops, step_tokens
from bench.races.material import made_model, made_tokenizer
from bench.races.work import SHAPES, Shape, Work
from rlhf.models import Policy
from rlhf.tensors import TokenBatch

SMALL = Shape(d_model=32, d_ff=64, layers=2, heads=2, d_kv=8, vocabulary=100)


def batch(rows: int, width: int) -> TokenBatch:
    ids = torch.full((rows, width), 7)
    return TokenBatch(ids, torch.ones_like(ids, dtype=torch.bool))


@pytest.mark.parametrize("head", [True, False])
def test_a_reading_is_what_torch_counts(head: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    policy = Policy(made_model(SMALL, seed=0), made_tokenizer(SMALL), "seq2seq")
    policy.base.set_attn_implementation("eager")  # the counter does not know the CPU's fused attention
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        state = policy.read_prompts(batch(3, 11))
        policy.read_completions(state, torch.arange(3), batch(3, 5), logits=head)
    # The product reads one position more than there are tokens: the one after EOS.
    assert counter.get_total_flops() == Reading(prompts=3, source=11, rows=3, target=6, head=head).flops(SMALL)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("flan-t5-small", 76_961_152), ("flan-t5-base", 247_577_856), ("flan-t5-large", 783_150_080)],
)
def test_the_shapes_have_the_parameters_of_the_published_models(name: str, parameters: int) -> None:
    shape = SHAPES[name]
    with torch.device("meta"):
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=shape.vocabulary, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
                num_layers=shape.layers, num_heads=shape.heads, feed_forward_proj="gated-gelu",
            )
        )  # fmt: skip
    head = shape.vocabulary * shape.d_model
    tied = sum(parameter.numel() for parameter in model.parameters())
    assert tied + head == parameters


def test_a_shared_prompt_is_read_once() -> None:
    alone = step_flops(Work("generate", prompts=4, samples=1))
    shared = step_flops(Work("generate", prompts=4, samples=2))
    completion = Reading(0, 200, 4, 60).flops(SHAPES["flan-t5-small"])
    assert shared - alone == completion


def test_a_ppo_step_reads_three_times_and_trains_in_each_epoch() -> None:
    one, two = (Work("ppo", epochs=epochs) for epochs in (1, 2))
    once = step_flops(Work("generate"))
    decoded = Reading(16, 200, 16, 60, encoder=False).flops(SHAPES["flan-t5-small"])
    # The sampling's encoder states serve the policy's reading.
    assert step_flops(one) == pytest.approx(4 * once + decoded)
    assert step_flops(two) == pytest.approx(6 * once + decoded)


def test_without_adapters_in_the_encoder_it_reads_once() -> None:
    once = step_flops(Work("generate"))
    decoded = Reading(16, 200, 16, 60, encoder=False).flops(SHAPES["flan-t5-small"])
    assert step_flops(Work("ppo", decoder_only=True)) == pytest.approx(once + 4 * decoded)


def test_a_minibatch_of_whole_prompts_reads_few() -> None:
    shared = step_flops(Work("ppo", prompts=4, samples=4, minibatch=4))
    alone = step_flops(Work("ppo", prompts=4, samples=4, minibatch=1))
    shape = SHAPES["flan-t5-small"]
    assert alone - shared == pytest.approx(2 * 12 * (Reading(1, 200, 0, 60).flops(shape)))


def test_the_tokens_of_a_step() -> None:
    assert step_tokens(Work("ppo", prompts=4, samples=4, new_tokens=60)) == 960
    assert step_tokens(Work("dpo", rankings=4, completions=4, completion_tokens=40)) == 640


def test_work_comes_back_from_its_file(tmp_path: Path) -> None:
    work = Work("dpo", rankings=2, dtype="bf16")
    work.write(tmp_path)
    assert Work.read(tmp_path) == work
