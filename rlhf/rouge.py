"""ROUGE F1 exactly as `rouge_score` gives it: stemmer on, the text as it stands.

`rougeLsum` takes newlines as sentence ends, so it equals `rougeL` on text of one line;
`rougeLsum_split` puts a newline after each sentence first. (`rouge_score` would split by an nltk
model that has to be downloaded; ours is a rule and needs no network.)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from rlhf.exceptions import DataError

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum", "rougeLsum_split")
# A full stop after one of these, or after a single capital, ends no sentence.
_ABBREVIATIONS = frozenset(["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e"])
_END = re.compile(r"(?<=[.!?])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[#]?[A-Z0-9])")


@dataclass(frozen=True)
class Rouge:
    """F1 against all references: their mean, and the best of them."""

    mean: float
    best: float


def rouge(prediction: str, references: Sequence[str]) -> dict[str, Rouge]:
    """``NAMES`` → F1 of one prediction. An empty prediction scores 0; no references is a DataError."""
    if not references:
        raise DataError("ROUGE needs at least one reference")
    scores = [_score(prediction, reference) for reference in references]
    return {
        name: Rouge(sum(score[name] for score in scores) / len(scores), max(score[name] for score in scores))
        for name in NAMES
    }


def rouge_table(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, list[Rouge]]:
    """``NAMES`` → one `Rouge` for each prediction, in order."""
    if len(predictions) != len(references):
        raise DataError(f"{len(predictions)} predictions and {len(references)} lists of references")
    rows = [rouge(prediction, own) for prediction, own in zip(predictions, references, strict=True)]
    return {name: [row[name] for row in rows] for name in NAMES}


def tokens(text: str) -> list[str]:
    """What `rouge_score` sees of a text: stems of Latin letters and digits, nothing else."""
    found: list[str] = _tokenizer().tokenize(text)
    return found


def split_sentences(text: str) -> list[str]:
    """Sentences by rule: a newline, or . ! ? before white space and a capital, digit, quote or ``#``."""
    sentences: list[str] = []
    for line in text.split("\n"):
        start = 0
        for match in _END.finditer(line):
            head = line[start : match.start()]
            last = head.rsplit(None, 1)[-1].rstrip(".") if head.strip() else ""
            single = len(last) == 1 and last.isupper() and last != "I"
            if head.endswith(".") and (single or last.lower() in _ABBREVIATIONS):
                continue
            sentences.append(line[start : match.end()].strip())
            start = match.end()
        sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _score(prediction: str, reference: str) -> dict[str, float]:
    scorer = _scorer()
    scores = {name: float(score.fmeasure) for name, score in scorer.score(reference, prediction).items()}
    # Of one sentence each the union LCS is the LCS; its table is the costly part, so it is not built again.
    scores["rougeLsum"] = _summary_level(scorer, prediction, reference, scores["rougeL"])
    ours, theirs = "\n".join(split_sentences(prediction)), "\n".join(split_sentences(reference))
    scores["rougeLsum_split"] = _summary_level(scorer, ours, theirs, scores["rougeL"])
    return scores


def _summary_level(scorer: Any, prediction: str, reference: str, one_sentence: float) -> float:
    if "\n" not in prediction and "\n" not in reference:
        return one_sentence
    return float(_summary_scorer().score(reference, prediction)["rougeLsum"].fmeasure)


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_tokenizer())


@cache
def _summary_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeLsum"], tokenizer=_tokenizer())


@cache
def _tokenizer() -> "_Tokenizer":
    return _Tokenizer()


class _Tokenizer:
    """`rouge_score`'s own tokenizer, remembering stems and texts: references recur for each system."""

    def __init__(self) -> None:
        from rouge_score import tokenize, tokenizers

        stemmer = tokenizers.porter.PorterStemmer()

        class Remembering:
            stem = staticmethod(lru_cache(maxsize=100_000)(stemmer.stem))

        self.tokenize = lru_cache(maxsize=10_000)(lambda text: tokenize.tokenize(text, Remembering))
