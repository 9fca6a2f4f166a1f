"""Small RoBERTa classifiers in the hub's own format, with a tokenizer of whole words, trained where they are needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
LABELS = ("nothate", "hate")
"""Names and order of the published hate-speech model's labels."""


def word_tokenizer(texts: Sequence[str]) -> Any:
    """Every word and mark of ``texts``, in small letters, is one token."""
    core = Tokenizer(models.WordLevel({word: index for index, word in enumerate(SPECIAL)}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), behavior="removed", invert=True)
    words = {word for text in texts for word, _place in core.pre_tokenizer.pre_tokenize_str(text.lower())}
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *sorted(words)])}
    core.model = models.WordLevel(vocabulary, unk_token="<unk>")
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", cls_token="<s>"
    )


def save_roberta(
    folder: Path,
    texts: Sequence[str],
    *,
    labels: Sequence[str] = LABELS,
    targets: Sequence[int] = (),
    epochs: int = 0,
    layers: int = 2,
    positions: int = 130,
    seed: int = 0,
    **settings: Any,
) -> Path:
    """A RoBERTa of ``layers`` layers, trained ``epochs`` times over ``texts`` with their ``targets``, in ``folder``."""
    tokenizer = word_tokenizer(texts)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)),
        label2id={name: index for index, name in enumerate(labels)},
        **settings,
    )
    torch.manual_seed(seed)
    model = RobertaForSequenceClassification(config)
    _train(model, tokenizer, texts, targets, epochs)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _train(model: Any, tokenizer: Any, texts: Sequence[str], targets: Sequence[int], epochs: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(texts)), 32):
            inputs = tokenizer([texts[row] for row in rows], padding=True, return_tensors="pt")
            optimizer.zero_grad()
            model(**inputs, labels=torch.tensor([targets[row] for row in rows])).loss.backward()
            optimizer.step()
    model.eval()
