"""The paged optimiser against torch's own. Without CUDA bitsandbytes runs the same class on plain memory."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.exceptions import Cancelled
from rlhf.optimisers import adamw
from rlhf.training import LoopConfig, train
from rlhf.types import Silent
from tests.rlhf.test_training import Notes, _problem

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = LoopConfig(learning_rate=0.05, checkpoint_every=2)
pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")


def test_its_steps_are_torchs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pages = [torch.nn.Parameter(torch.randn(300, 400, device=DEVICE)) for _ in range(2)]  # large enough for a page
    pages[1].data = pages[0].data.clone()
    both = [
        adamw([{"params": [page], "lr": 0.01}], weight_decay=0.1, epsilon=1e-6, paged=paged)
        for page, paged in zip(pages, (False, True), strict=True)
    ]
    for _step in range(5):
        gradient = torch.randn(300, 400, device=DEVICE)
        for page, optimiser in zip(pages, both, strict=True):
            page.grad = gradient.clone()
            optimiser.step()
    assert torch.allclose(pages[0], pages[1], atol=1e-5)


def test_a_broken_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    model, task = _problem()
    train(CONFIG, replace(task, paged=True), seed=0, reporter=Silent())
    again, task = _problem()
    with pytest.raises(Cancelled):
        train(
            CONFIG, replace(task, paged=True), seed=0, reporter=Notes(stop_after=5), checkpoint=tmp_path / "checkpoint"
        )
    again, task = _problem()
    train(CONFIG, replace(task, paged=True), seed=0, reporter=Silent(), checkpoint=tmp_path / "checkpoint")
    assert torch.equal(again.weight, model.weight)
