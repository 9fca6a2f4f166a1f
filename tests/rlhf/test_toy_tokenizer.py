"""The trained tokenizer: nothing is lost, a word is one token wherever it stands."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rlhf.toy_dialogues import Dialogue, dialogues
from rlhf.toy_tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def chosen() -> list[Dialogue]:
    return dialogues(0, 3000, "train")


@pytest.fixture(scope="module")
def tokenizer(chosen: list[Dialogue]) -> Any:
    return train_tokenizer(text for one in chosen for text in (one.text, *one.references))


def test_decoding_gives_the_text_back(tokenizer: Any) -> None:
    for one in dialogues(1, 200, "test"):
        for text in (one.text, *one.references):
            assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.parametrize("text", ["  a  b\n c", "x\n\n y ", "Ünï ’ 😀\n\n  \tq", "I\r\n b", "<b>&amp;</b>", "a .b ,c"])
def test_no_text_is_lost(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_a_word_is_one_token_at_the_start_of_a_line_and_inside(tokenizer: Any) -> None:
    ids = tokenizer("Anna: hi Anna\nAnna: Anna.", add_special_tokens=False)["input_ids"]
    anna = tokenizer("Anna", add_special_tokens=False)["input_ids"]
    assert len(anna) == 1
    assert ids.count(anna[0]) == 4


def test_every_word_of_the_corpus_is_one_token(tokenizer: Any) -> None:
    for one in dialogues(1, 200, "test"):
        for reference in one.references:
            words = reference.replace(".", " .").replace(",", " ,").split()
            assert len(tokenizer(reference, add_special_tokens=False)["input_ids"]) == len(words)


def test_one_end_of_text_is_appended(tokenizer: Any) -> None:
    ids = tokenizer("Anna meets Tom.")["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == 1


def test_training_is_deterministic(tokenizer: Any, chosen: list[Dialogue]) -> None:
    again = train_tokenizer(text for one in chosen for text in (one.text, *one.references))
    assert again.get_vocab() == tokenizer.get_vocab()


def test_the_vocabulary_has_a_limit(chosen: list[Dialogue]) -> None:
    assert len(train_tokenizer((one.text for one in chosen[:200]), vocabulary=400)) <= 400


def test_it_is_saved_in_the_hubs_format(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = dialogues(0, 1, "test")[0].text
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
