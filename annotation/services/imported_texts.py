"""The prompts and completions of rankings made elsewhere: those that are there, and new ones."""

from collections import Counter
from collections.abc import Mapping, Sequence

from django.db.models import Q

from annotation.distribution import split_of
from annotation.importers import RankingReport
from annotation.layouts.base import Candidate, Comparison
from annotation.models import Completion, Project, Prompt
from annotation.texts import content_hash

MAX_ORDINAL = 32_767


def prompts_ensure(
    *, project: Project, comparisons: Sequence[Comparison], name: str, report: RankingReport
) -> dict[int, Prompt]:
    """Each line's prompt, found by its id, else by its words, else made; a line whose id stands for other words has
    none, and is in the report."""
    hashes = {one.line: content_hash(one.prompt) for one in comparisons}
    identities = {one.line: one.prompt_id or hashes[one.line] for one in comparisons}
    worded = {hashes[one.line] for one in comparisons if one.prompt}
    rows = Prompt.objects.filter(project=project).defer("text", "turns", "references")
    known = list(rows.filter(Q(identity__in=set(identities.values())) | Q(content_hash__in=worded)))
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
) -> dict[int, list[Completion]]:
    """Each line's completions. The n-th of the same words by the same source is the n-th there is of them."""
    there: dict[tuple[int, str, str], list[Completion]] = {}
    ordinals: Counter[tuple[int, str]] = Counter()
    for known in Completion.objects.filter(prompt__in={prompt.pk for prompt in prompts.values()}).order_by("ordinal"):
        there.setdefault((known.prompt_id, known.source, known.text), []).append(known)
        ordinals[known.prompt_id, known.source] = known.ordinal + 1
    found: dict[int, list[Completion]] = {}
    fresh: list[Completion] = []
    for one in comparisons:
        prompt = prompts[one.line].pk
        needed = Counter(candidate.source for candidate in one.candidates)
        if any(ordinals[prompt, source] + count > MAX_ORDINAL for source, count in needed.items()):
            report.reject(one.line, f"One source has {MAX_ORDINAL:,} completions of this prompt already.")
            continue
        used: Counter[tuple[int, str, str]] = Counter()
        line = found[one.line] = []
        for candidate in one.candidates:
            key = (prompt, candidate.source, candidate.text)
            same = there.setdefault(key, [])
            if used[key] == len(same):
                same.append(_completion(prompt, candidate, ordinals[prompt, candidate.source]))
                ordinals[prompt, candidate.source] += 1
                fresh.append(same[-1])
            line.append(same[used[key]])
            used[key] += 1
    report.completions += len(Completion.objects.bulk_create(fresh))
    return found


def _completion(prompt: int, candidate: Candidate, ordinal: int) -> Completion:
    return Completion(
        prompt_id=prompt, source=candidate.source, ordinal=ordinal, text=candidate.text, backend="imported"
    )
