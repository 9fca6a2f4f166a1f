"""Labels before the training: sides that share no prompt, smoothing by agreement, annotators by reliability."""

from dataclasses import replace

import pytest

from rlhf.agreement import pairwise_agreement, wrong_labels
from rlhf.exceptions import ConfigError, DataError
from rlhf.reward_labels import label_facts, smoothed, split_sides, weighed, weights_of
from rlhf.training_config import RewardConfig
from tests.rlhf.learning import Recorder, rankings
from tests.rlhf.test_agreement import drawn
from tests.rlhf.test_reliability import crowd


def test_a_prompt_on_two_sides_is_refused() -> None:
    data = rankings(10)
    leaking = [*data, replace(data[0], split="test", annotator="bob")]
    with pytest.raises(DataError, match=r"Prompt p0-0 .* has rankings on the sides train and test"):
        split_sides(leaking)
    assert [len(side) for side in split_sides(data).values()] == [8, 1, 1]


def test_smoothing_is_the_share_of_wrong_labels_that_the_agreement_means() -> None:
    config = RewardConfig(smoothing_from_agreement=True)
    found = pairwise_agreement(drawn())
    assert found is not None
    used = smoothed(config, drawn())
    assert used.label_smoothing == pytest.approx(wrong_labels(found.value))
    assert 0.05 < used.label_smoothing < 0.3
    assert smoothed(RewardConfig(label_smoothing=0.1), drawn()).label_smoothing == 0.1


def test_smoothing_needs_overlap_and_an_agreement_above_chance() -> None:
    config = RewardConfig(smoothing_from_agreement=True)
    with pytest.raises(DataError, match="needs pairs that two annotators decided"):
        smoothed(config, rankings(5))
    one = replace(rankings(1)[0], groups=((0,), (1,), (2,), (3,)))
    with pytest.raises(DataError, match=r"agree on 0\.00 of the pairs"):
        smoothed(config, [one, replace(one, groups=one.groups[::-1], annotator="bob")])


def test_smoothing_is_given_once() -> None:
    with pytest.raises(ConfigError, match="not both"):
        RewardConfig(label_smoothing=0.1, smoothing_from_agreement=True)


def test_annotators_count_alike_unless_asked_for() -> None:
    data = crowd([1, 1, 0, -1], 40)
    kept, people = weighed(RewardConfig(), data, Recorder())
    assert (kept, people) == (data, {})
    assert weights_of(people, data) == [1.0] * len(data)


def test_who_is_no_better_than_a_coin_is_left_out_and_told() -> None:
    data, told = crowd([1, 1, 1, -1], 60), Recorder()
    kept, people = weighed(RewardConfig(annotator_weights=True), data, told)
    assert {ranking.annotator for ranking in kept} == {"person-0", "person-1", "person-2"}
    assert [kind for kind, message in told.events if "person-3 has reliability -0" in message] == ["warning"]
    assert weights_of(people, kept) == [people[ranking.annotator].weight for ranking in kept]


def test_the_band_stands_beside_the_agreement() -> None:
    facts = label_facts(drawn(), 0)
    assert facts["agreement"] == pairwise_agreement(drawn())
    assert facts["agreement_band"] is not None
    assert label_facts(rankings(5), 0) == {"agreement": None, "agreement_band": None}
