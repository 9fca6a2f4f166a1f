"""Several annotators at once, each a thread with a connection of its own. Run by crowd.py, in several processes.

``python -m tests.annotation.hammer SHARE USERNAME…``: everybody works until nothing is left for three tries,
ranks ``SHARE`` of what it gets and lets the rest expire, skips or releases it; prints what was done as JSON.
"""

import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 -- after setup
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from annotation.exceptions import AlreadySubmitted, LeaseLost  # noqa: E402
from annotation.models import Assignment, Project  # noqa: E402
from annotation.services import assignment_release, assignment_skip, ranking_submit, task_next  # noqa: E402


def work(username: str, share: float) -> Counter[str]:
    user = get_user_model().objects.get(username=username)
    project = Project.objects.get(slug="hammer")
    rng = random.Random(username)
    done: Counter[str] = Counter()
    empty = 0
    while empty < 3:
        assignment = task_next(project=project, annotator=user, ahead=rng.random() < 0.3)
        if assignment is None:
            empty += 1
            time.sleep(0.02)
            continue
        empty = 0
        one_act(done, assignment, rng, share)
    connection.close()
    return done


def one_act(done: Counter[str], assignment: Assignment, rng: random.Random, share: float) -> None:
    draw = (rng.random() - share) / (1 - share) if share < 1 else -1.0
    if draw < 0:
        act(done, "submitted", assignment)
    elif draw < 1 / 3:
        assignment_skip(assignment=assignment, reason="other")
        done["skipped"] += 1
    elif draw < 2 / 3:
        assignment_release(assignment=assignment)
        done["released"] += 1
    else:
        Assignment.objects.filter(pk=assignment.pk).update(lease_expires=timezone.now())
        done["expired"] += 1
        if rng.random() < 0.5:
            act(done, "late", assignment)


def act(done: Counter[str], name: str, assignment: Assignment) -> None:
    try:
        ranking_submit(assignment=assignment, groups=[[one] for one in assignment.display_order])
        done[name] += 1
    except (LeaseLost, AlreadySubmitted):
        done["lost"] += 1


if __name__ == "__main__":
    share, *names = sys.argv[1:]
    with ThreadPoolExecutor(len(names)) as pool:
        print(json.dumps(sum(pool.map(work, names, [float(share)] * len(names)), Counter())))
