"""The prompts and completions of rankings made elsewhere: those that are there, and new ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from annotation.distribution import split_of
from annotation.importers import RankingReport
from annotation.layouts.base import Comparison
from annotation.models import Completion, Project, Prompt
from annotation.services.bulk import keys_take, rows_insert
from annotation.services.known_prompts import prompts_known
from annotation.texts import content_hash

MAX_ORDINAL = 32_767
Words: TypeAlias = tuple[int, str, str, int]  # prompt, source, text, and the how manyth of these


def prompts_ensure(
    *, project: Project, comparisons: Sequence[Comparison], name: str, report: RankingReport
) -> dict[int, Prompt]:
    """Each line's prompt, found by its id, else by its words, else made; a line whose id stands for other words has
    none, and is in the report."""
    hashes = {one.line: content_hash(one.prompt) for one in comparisons}
    identities = {one.line: one.prompt_id or hashes[one.line] for one in comparisons}
    worded = {hashes[one.line] for one in comparisons if one.prompt}
    known = prompts_known(project=project, identities=identities.values(), contents=worded)
    by_identity = {prompt.identity: prompt for prompt in known}
    by_content = {prompt.content_hash: prompt for prompt in known}
    found: dict[int, Prompt] = {}
    fresh: list[Prompt] = []
    for one in comparisons:
        content, identity = hashes[one.line], identities[one.line]
        prompt = by_identity.get(identity) or (by_content.get(content) if one.prompt else None)
        if prompt is None:
            prompt = _prompt(project, one, identity, content, name)
            fresh.append(prompt)
            by_identity[identity] = by_content[content] = prompt
        elif one.prompt and prompt.content_hash != content:
            report.reject(one.line, f"The id {identity!r} stands for another text already.")
            continue
        found[one.line] = prompt
    report.prompts += len(Prompt.objects.bulk_create(fresh))
    return found


def _prompt(project: Project, comparison: Comparison, identity: str, content: str, name: str) -> Prompt:
    return Prompt(
        project_id=project.pk,
        identity=identity,
        external_id=comparison.prompt_id,
        text=comparison.prompt,
        turns=comparison.turns,
        content_hash=content,
        references=list(comparison.references),
        split=split_of(identity, project.split_salt),
        batch=name,
    )


def completions_ensure(
    *, comparisons: Sequence[Comparison], prompts: Mapping[int, Prompt], report: RankingReport
) -> dict[int, list[int]]:
    """The ids of each line's completions. The n-th of the same words by one source is the n-th there is of them."""
    keys, ordinals = _there({prompt.pk for prompt in prompts.values()})
    found: dict[int, list[Words]] = {}
    fresh: dict[Words, dict[str, Any]] = {}
    for one in comparisons:
        prompt = prompts[one.line].pk
        needed = Counter(candidate.source for candidate in one.candidates)
        if any(ordinals[prompt, source] + count > MAX_ORDINAL for source, count in needed.items()):
            report.reject(one.line, f"One source has {MAX_ORDINAL:,} completions of this prompt already.")
            continue
        found[one.line] = _words(prompt, one)
        for words in found[one.line]:
            if words not in keys and words not in fresh:
                fresh[words] = _row(words, ordinals[prompt, words[1]])
                ordinals[prompt, words[1]] += 1
    keys |= dict(zip(fresh, keys_take(model=Completion, count=len(fresh)), strict=True))
    rows = (row | {"id": keys[words]} for words, row in fresh.items())
    report.completions += rows_insert(model=Completion, rows=rows)
    return {line: [keys[words] for words in those] for line, those in found.items()}


def _there(prompts: set[int]) -> tuple[dict[Words, int], Counter[tuple[int, str]]]:
    """The ids of the prompts' completions, and the next ordinal of each source."""
    keys: dict[Words, int] = {}
    ordinals: Counter[tuple[int, str]] = Counter()
    seen: Counter[tuple[int, str, str]] = Counter()
    rows = Completion.objects.filter(prompt__in=prompts).order_by("ordinal", "id")
    for prompt, source, text, key, ordinal in rows.values_list("prompt_id", "source", "text", "id", "ordinal"):
        keys[prompt, source, text, seen[prompt, source, text]] = key
        seen[prompt, source, text] += 1
        ordinals[prompt, source] = ordinal + 1
    return keys, ordinals


def _words(prompt: int, comparison: Comparison) -> list[Words]:
    seen: Counter[tuple[str, str]] = Counter()
    found: list[Words] = []
    for candidate in comparison.candidates:
        found.append((prompt, candidate.source, candidate.text, seen[candidate.source, candidate.text]))
        seen[candidate.source, candidate.text] += 1
    return found


def _row(words: Words, ordinal: int) -> dict[str, Any]:
    prompt, source, text, _ = words
    return {"prompt_id": prompt, "source": source, "ordinal": ordinal, "text": text, "backend": "imported"}
