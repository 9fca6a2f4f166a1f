"""The growing cache holds what transformers' own would."""

import torch
from transformers import DynamicCache, LlamaConfig, MistralConfig
from transformers.cache_utils import DynamicSlidingWindowLayer

from rlhf.cache import GrowingLayer, growing_cache

CONFIG = LlamaConfig(num_hidden_layers=2)


def test_it_equals_transformers_own_through_growth_and_reordering() -> None:
    ours, theirs = growing_cache(CONFIG), DynamicCache(config=CONFIG)
    draw = torch.Generator().manual_seed(0)
    rows = 3
    for step in range(150):
        width = 5 if step == 0 else 1
        for layer in range(2):
            keys, values = (torch.randn((rows, 4, width, 8), generator=draw) for _ in range(2))
            own, other = ours.update(keys, values, layer), theirs.update(keys, values, layer)
            assert all(torch.equal(one, two) for one, two in zip(own, other, strict=True))
        if step % 20 == 0:
            index = torch.randint(rows, (rows + 1,), generator=draw)
            ours.batch_select_indices(index)
            theirs.batch_select_indices(index)
            rows += 1
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_a_step_writes_in_place() -> None:
    layer = GrowingLayer()  # type: ignore[no-untyped-call]  # transformers' own
    layer.update(torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4))
    layer.update(torch.ones(2, 1, 1, 4), torch.ones(2, 1, 1, 4))
    place = layer.keys.data_ptr()
    for _ in range(40):
        layer.update(torch.ones(2, 1, 1, 4), torch.ones(2, 1, 1, 4))
    assert layer.keys.data_ptr() == place
    assert layer.keys.shape == (2, 1, 44, 4)


def test_layers_that_forget_stay_as_they_are() -> None:
    cache = growing_cache(MistralConfig(num_hidden_layers=2, sliding_window=4))
    assert [type(layer) for layer in cache.layers] == [DynamicSlidingWindowLayer] * 2
