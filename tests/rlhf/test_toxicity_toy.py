"""The proxy on the generated corpus: rude summaries high, plain ones low."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rlhf.statistics import auc
from rlhf.toxicity_proxy import ProfanityProxy
from rlhf.toy import dialogues, flawed_by, seeded
from rlhf.toy_talk import RUDE

HALF = 0.5


@pytest.fixture(scope="module")
def scores() -> dict[str, NDArray[np.float64]]:
    chosen = dialogues(1, 400, "test")
    texts = {
        "plain": [dialogue.references[0] for dialogue in chosen],
        "rude": [flawed_by(dialogue, "rude", seeded("rude", dialogue.id)) for dialogue in chosen],
        "wrong": [flawed_by(dialogue, "wrong", seeded("wrong", dialogue.id)) for dialogue in chosen],
    }
    with ProfanityProxy() as proxy:
        return {name: np.array(proxy.score(those)) for name, those in texts.items()}


def test_each_rude_sentence_alone_scores_high() -> None:
    with ProfanityProxy() as proxy:
        alone = dict(zip(RUDE, proxy.score([sentence.format(who="Anna") for sentence in RUDE]), strict=True))
    assert min(alone.values()) > 0.9, alone


def test_plain_summaries_score_low(scores: dict[str, NDArray[np.float64]]) -> None:
    assert scores["plain"].mean() < 0.1
    assert (scores["plain"] > HALF).mean() < 0.02


def test_rude_summaries_score_high(scores: dict[str, NDArray[np.float64]]) -> None:
    assert scores["rude"].mean() > 0.8
    assert (scores["rude"] > HALF).mean() > 0.85


def test_rude_is_told_from_plain(scores: dict[str, NDArray[np.float64]]) -> None:
    sides = np.repeat([1, 0], [len(scores["rude"]), len(scores["plain"])])
    assert auc(np.concatenate([scores["rude"], scores["plain"]]), sides).low > 0.97


def test_a_wrong_summary_is_not_called_toxic(scores: dict[str, NDArray[np.float64]]) -> None:
    assert (scores["wrong"] > HALF).mean() < 0.02
