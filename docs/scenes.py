"""What ``make demo`` has none of, for as long as its pictures are taken: a pair, best and worst, gold, nothing left.

Written straight into the database of the served product, so that no import starts a training; taken out afterwards.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils import timezone

from annotation.models import Assignment, AuditEvent, Completion, Project, Prompt, Role, Task
from annotation.services import gold_create, member_set, project_create, ranking_submit, tasks_create
from annotation.users import User

PAIR, FIVE, DONE = "pictures-pair", "pictures-five", "pictures-done"
NAMES = {PAIR: "Pairs", FIVE: "Best and worst", DONE: "Nothing left"}
TURNS = [
    ("User", "My landlord wants to keep the whole deposit, 1,200 euros, because of two holes in the kitchen wall."),
    ("Assistant", "Did you sign a protocol when you moved out, and does it mention the holes?"),
    ("User", "Yes, on 3 May. Mrs Brandt wrote “two dowel holes, kitchen” and nothing else. I offered to fill them."),
    ("Assistant", "Then she knows what was there. Has she sent you an estimate of the costs?"),
    ("User", "No, only an e-mail that the money is gone. What can I do now?"),
]
ANSWERS = [
    "Write to Mrs Brandt: ask for a bill within 14 days and for the rest of the 1,200 euros. Two holes cost far less.",
    "You should sue her at once.",
    "Dowel holes are normal wear in most places. Ask for the deposit in writing, name the protocol, set a date.",
    "I am sorry to hear that! Landlords can be difficult. Perhaps you can talk to Mr Brandt again and find a solution.",
    "The deposit is 2,100 euros, so a lawyer is worth it. Do not fill the holes.",
]
GOLD = (
    "Ann: The train leaves at 8:10, not at 8.\nTom: Good that you say it.",
    "The train leaves at 8:10.",
    "It leaves at 8.",
)
WRONG_GOLD = (
    "Eve: Lunch at noon?\nMax: One is better.\nEve: Fine.",
    "They have lunch at noon.",
    "They have lunch at one.",
)


@contextmanager
def scenes(*, lead: str, annotator: str) -> Iterator[None]:
    """The projects of ``NAMES``, led by one and ranked in by the other."""
    people = {name: get_user_model().objects.get_by_natural_key(name) for name in (lead, annotator)}
    scenes_remove()  # of a run that was cut off
    for slug, name in NAMES.items():
        count = 5 if slug == FIVE else 2
        project = project_create(
            actor=people[lead], slug=slug, name=name, completions_per_prompt=count, best_worst=True, overlap_share=0.0
        )
        member_set(project=project, user=people[annotator], role=Role.ANNOTATOR, actor=None)
        _task(project, ANSWERS[:1] + ANSWERS[3:4] if count == 2 else ANSWERS)
    _gold(Project.objects.get(slug=PAIR))
    try:
        yield
    finally:
        scenes_remove()


def scenes_remove() -> None:
    AuditEvent.objects.filter(project__slug__in=NAMES).delete()
    Assignment.objects.filter(task__project__slug__in=NAMES).delete()
    Project.objects.filter(slug__in=NAMES).delete()


def drafts_forget(annotator: str) -> None:
    """Every picture begins with nothing placed."""
    Assignment.objects.filter(annotator__username=annotator).update(draft=None)


def _task(project: Project, texts: Sequence[str]) -> None:
    turns = [{"speaker": speaker, "text": text} for speaker, text in TURNS]
    text = "\n".join(f"{speaker}: {said}" for speaker, said in TURNS)
    prompt = Prompt.objects.create(project=project, identity="deposit", text=text, turns=turns, split="train")
    Completion.objects.bulk_create(
        Completion(prompt=prompt, source="model", ordinal=place, text=one) for place, one in enumerate(texts)
    )
    tasks_create(project=project, round_number=0)


def _gold(project: Project) -> None:
    """Two gold tasks that seven people answered: one is fine, of one the better side is wrong."""
    people = get_user_model().objects.filter(username__startswith="simulated").order_by("pk")
    for number, (prompt, better, worse) in enumerate((GOLD, WRONG_GOLD)):
        task = gold_create(project=project, prompt=prompt, completions=[better, worse], pairs=[(0, 1)], actor=None)
        Task.objects.filter(pk=task.pk).update(wanted_raters=9)
        for person in people:
            _answer(task, person, right=number == 0)


def _answer(task: Task, person: User, *, right: bool) -> None:
    order = sorted(task.completions.values_list("pk", flat=True))
    now = timezone.now()
    assignment = Assignment.objects.create(
        task=task,
        prompt_id=task.prompt_id,
        annotator=person,
        display_order=order,
        leased_at=now,
        shown_at=now,
        lease_expires=now + timedelta(minutes=30),
    )
    Task.objects.filter(pk=task.pk).update(taken=F("taken") + 1)
    ranking_submit(assignment=assignment, groups=[[one] for one in (order if right else order[::-1])])
