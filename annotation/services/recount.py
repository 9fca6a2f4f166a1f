"""How many of a snapshot's lines were taken back since it was frozen."""

from collections import Counter
from collections.abc import Sequence

from annotation.canonical import canonical_lines, fingerprint
from annotation.exceptions import Conflict
from annotation.models import Project, Ranking, Snapshot
from annotation.snapshots import lines_of


def snapshots_recount(*, project: Project, snapshots: Sequence[Snapshot] | None = None) -> None:
    """Count anew what the project's snapshots (or these) hold of labels that are taken back now.

    Exact by the lines themselves: counted, not added up, so that doing it twice, or after an undo, is right. A
    snapshot whose files are gone gets the most that it can hold. Lock the project's row first.
    """
    if snapshots is None:
        snapshots = list(Snapshot.objects.filter(project=project))
    taken = retracted_lines(project) if snapshots else Counter()
    for snapshot in snapshots:
        try:
            held = _held(snapshot, taken) if taken else 0
        except Conflict:
            held = _at_most(project, snapshot)
        if held != snapshot.retracted:
            Snapshot.objects.filter(pk=snapshot.pk).update(retracted=held)
            snapshot.retracted = held


def retracted_lines(project: Project) -> Counter[bytes]:
    """Fingerprints of the lines that were taken back, and how many rankings say each.

    Every revision counts: an older snapshot holds an older one. A ranking whose revisions say the same counts once.
    """
    gone = Ranking.objects.filter(project=project, retraction__isnull=False)
    revisions = Ranking.objects.filter(project=project, assignment__in=gone.values("assignment"))
    taken: Counter[bytes] = Counter()
    seen: set[bytes] = set()
    assignment = None
    for line in canonical_lines(revisions.order_by("assignment_id", "revision"), project):
        if line.ranking.assignment_id != assignment:
            assignment, seen = line.ranking.assignment_id, set()
        name = fingerprint(line.content)
        if name not in seen:
            seen.add(name)
            taken[name] += 1
    return taken


def _held(snapshot: Snapshot, taken: Counter[bytes]) -> int:
    left = taken.copy()
    held = 0
    for line in lines_of(snapshot):
        name = fingerprint(line)
        if left[name] > 0:
            left[name] -= 1
            held += 1
    return held


def _at_most(project: Project, snapshot: Snapshot) -> int:
    gone = Ranking.objects.filter(project=project, retraction__isnull=False)
    before = Ranking.objects.filter(assignment__in=gone.values("assignment"), created_at__lt=snapshot.created_at)
    return min(snapshot.rankings, before.values("assignment").distinct().count())
