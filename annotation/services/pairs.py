"""The pairs of rankings: always what ``pairs_of`` makes of the stored answer, so that they can be made again."""

from collections.abc import Iterable

from annotation.models import LABEL_KINDS, PreferencePair, Ranking
from annotation.ranking import Answer, pairs_of

ROWS_AT_ONCE = 2000


def pairs_store(rankings: Iterable[Ranking]) -> int:
    """Write the pairs of these rankings, which have none yet, and their prompts at hand; how many.

    Gold would leak what is known, and a repeat would count one opinion twice: they have none. Neither have
    overruled rankings and those that are not current.
    """
    waiting: list[PreferencePair] = []
    stored = 0
    for ranking in rankings:
        if ranking.is_current and not ranking.overruled and ranking.kind in LABEL_KINDS:
            waiting += pair_rows(ranking)
        if len(waiting) >= ROWS_AT_ONCE:
            stored += len(PreferencePair.objects.bulk_create(waiting))
            waiting = []
    return stored + len(PreferencePair.objects.bulk_create(waiting))


def pair_rows(ranking: Ranking) -> Iterable[PreferencePair]:
    """What the stored answer decides, not yet in the database; its prompt is at hand."""
    for pair in pairs_of(Answer(ranking.groups, ranking.strengths, method=ranking.method)):
        yield PreferencePair(
            ranking=ranking,
            project_id=ranking.project_id,
            prompt_id=ranking.prompt_id,
            annotator_id=ranking.annotator_id,
            chosen_id=pair.chosen,
            rejected_id=pair.rejected,
            tie=pair.tie,
            strength=pair.strength,
            weight=pair.weight,
            split=ranking.prompt.split,
        )
