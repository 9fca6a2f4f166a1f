"""A database of its own, a crowd of processes on it, and what must hold afterwards."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEED = """
import json
import django
django.setup()
from django.db.models import F
from annotation.models import Completion, Membership, Project, Prompt, Task
from django.contrib.auth import get_user_model
project = Project.objects.create(slug="hammer", name="Hammer", split_salt="hammer", repeat_share=0)
for n in range({people}):
    user = get_user_model().objects.create(username=f"person{{n}}")
    Membership.objects.create(project=project, user=user, role="annotator")
for n in range({tasks}):
    prompt = Prompt.objects.create(project=project, identity=str(n), text=f"Prompt {{n}}", split="train")
    task = Task.objects.create(project=project, prompt=prompt, wanted_raters=1 if n % 3 else 3)
    texts = [Completion(prompt=prompt, source="s", ordinal=k, text=str(k)) for k in range(3)]
    task.completions.set(Completion.objects.bulk_create(texts))
"""
LOOK = """
import json
import django
django.setup()
from annotation.models import Assignment, AssignmentEvent, PreferencePair, Ranking, Task
print(json.dumps({
    "tasks": list(Task.objects.order_by("id").values_list("id", "wanted_raters", "taken", "state")),
    "assignments": list(Assignment.objects.values_list("task_id", "prompt_id", "annotator_id", "state")),
    "rankings": list(Ranking.objects.values_list("assignment__task_id", "annotator_id")),
    "events": AssignmentEvent.objects.filter(new="submitted").count(),
    "pairs": PreferencePair.objects.count(),
}))
"""


class Crowd:
    """``people`` annotators on ``tasks`` tasks, a third of which want three raters."""

    def __init__(self, database: str, data: Path, *, people: int, tasks: int) -> None:
        self.environment = {
            **os.environ,
            "DATABASE_URL": database,
            "KEDGE_DATA": str(data),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONWARNINGS": "ignore",
        }
        self.people, self.tasks = people, tasks
        self._python("-m", "django", "migrate", "--verbosity", "0")
        self._python("-c", SEED.format(people=people, tasks=tasks))

    def work(self, share: float) -> Counter[str]:
        """Everybody at once until nothing is left; what they did, added up."""
        names = [f"person{n}" for n in range(self.people)]
        command = [sys.executable, "-m", "tests.annotation.hammer", str(share)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        workers = [
            subprocess.Popen([*command, *part], cwd=ROOT, env=self.environment, **pipes)
            for part in (names[::2], names[1::2])
        ]
        done: Counter[str] = Counter()
        for worker in workers:
            out, err = worker.communicate(timeout=240)
            assert worker.returncode == 0, err
            done.update(json.loads(out.splitlines()[-1]))
        return done

    def look(self) -> dict[str, list[list[object]]]:
        return json.loads(self._python("-c", LOOK))

    def _python(self, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return run.stdout


def holds_always(found, done):
    """What must hold whatever the order in which things happened."""
    live = Counter(task for task, _, _, state in found["assignments"] if state in ("leased", "submitted"))
    for task, wanted, taken, state in found["tasks"]:
        assert taken == live[task] <= wanted
        assert (state == "full") == (taken == wanted)
    met = Counter((prompt, annotator) for _, prompt, annotator, _ in found["assignments"])
    assert max(met.values()) == 1, "somebody met a prompt twice"
    assert len(found["rankings"]) == len(set(map(tuple, found["rankings"]))) == done["submitted"] + done["late"]
    assert found["events"] == len(found["rankings"])
    assert found["pairs"] == 3 * len(found["rankings"])


def everything_done(found):
    """Nothing was lost: every place of every task holds a ranking."""
    ranked = Counter(task for task, _ in found["rankings"])
    assert {task: wanted for task, wanted, _, _ in found["tasks"]} == dict(ranked)
