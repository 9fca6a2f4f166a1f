"""The pairs of rankings: always what ``pairs_of`` makes of the stored answer, so that they can be made again."""

from collections.abc import Iterable, Iterator
from typing import Any

from annotation.models import LABEL_KINDS, PreferencePair, Ranking
from annotation.ranking import Answer, pairs_of
from annotation.services.bulk import rows_insert


def pairs_store(rankings: Iterable[Ranking]) -> int:
    """Write the pairs of these rankings, which have none yet, and their prompts at hand; how many.

    Gold would leak what is known, and a repeat would count one opinion twice: they have none. Neither have
    overruled rankings and those that are not current.
    """
    teaching = (one for one in rankings if one.is_current and not one.overruled and one.kind in LABEL_KINDS)
    return rows_insert(model=PreferencePair, rows=(row for ranking in teaching for row in pair_rows(ranking)))


def pair_rows(ranking: Ranking) -> Iterator[dict[str, Any]]:
    """What the stored answer decides, as columns of PreferencePair; the ranking's prompt is at hand."""
    for pair in pairs_of(Answer(ranking.groups, ranking.strengths, method=ranking.method)):
        yield {
            "ranking_id": ranking.pk,
            "project_id": ranking.project_id,
            "prompt_id": ranking.prompt_id,
            "annotator_id": ranking.annotator_id,
            "chosen_id": pair.chosen,
            "rejected_id": pair.rejected,
            "tie": pair.tie,
            "strength": pair.strength,
            "weight": pair.weight,
            "split": str(ranking.prompt.split),
        }
