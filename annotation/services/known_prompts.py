"""Which prompts of a file are in the project already."""

from collections.abc import Iterable
from itertools import chain

from annotation.models import Project, Prompt


def prompts_known(*, project: Project, identities: Iterable[str], contents: Iterable[str]) -> list[Prompt]:
    """The prompts with one of these identities or content hashes, without their texts.

    Two look-ups: SQLite answers one with OR between them by reading every prompt of the project.
    """
    rows = Prompt.objects.filter(project=project).defer("text", "turns", "references")
    found = chain(rows.filter(identity__in=set(identities)), rows.filter(content_hash__in=set(contents)))
    return list({prompt.pk: prompt for prompt in found}.values())
