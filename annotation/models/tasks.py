"""Tasks, and each of them in somebody's hands.

Here and beside: a foreign key with which another index begins has none of its own (``db_index=False``); but a project's
has, since by that one SQLite reads a project's rows in the order of their ids without sorting them.
"""

from collections.abc import Mapping
from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotation.models.projects import Project, Strategy
from annotation.models.texts import Completion, Prompt
from annotation.prepared import Select, key


class TaskKind(models.TextChoices):
    """What a task is for. Annotators cannot tell: neither page nor API says it."""

    RANK = "rank"  # to learn from
    GOLD = "gold"  # the better side is known: tests annotators, and never trains or tests a model
    REPEAT = "repeat"  # an earlier task of one person again: self-consistency, not a second label
    PANEL = "panel"  # two policies, blind: a win rate
    IMPORTED = "imported"  # ranked elsewhere


LABEL_KINDS = (TaskKind.RANK, TaskKind.PANEL, TaskKind.IMPORTED)
PLACED_KINDS = (TaskKind.RANK, TaskKind.PANEL)


class TaskState(models.TextChoices):
    OPEN = "open"  # fewer live or submitted assignments than wanted
    FULL = "full"  # as many as wanted
    CLOSED = "closed"  # withdrawn


class Task(models.Model):
    """One prompt with K of its completions, to be ranked by ``wanted_raters`` people.

    Only ``rank`` and ``panel`` tasks have places and are ever open. Gold, which everybody gets, repeats, which
    are for one person, and imported ones are closed: what hands them out does not look at places.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="tasks")
    completions = models.ManyToManyField(Completion, related_name="tasks")
    kind = models.CharField(max_length=8, choices=TaskKind, default=TaskKind.RANK)
    wanted_raters = models.PositiveSmallIntegerField(default=1)
    taken = models.PositiveSmallIntegerField(default=0, help_text="Assignments leased or submitted.")
    priority = models.SmallIntegerField(default=0)
    round_number = models.PositiveIntegerField(default=0, help_text="The round whose policies wrote the completions.")
    state = models.CharField(max_length=8, choices=TaskState, default=TaskState.OPEN)
    gold = models.JSONField(null=True, blank=True, help_text="[[better id, worse id], …] of a gold task.")
    repeats = models.ForeignKey("Assignment", models.CASCADE, related_name="repeats", null=True, blank=True)
    lot = models.FloatField(default=0, help_text="0 to 1, drawn once: the order of the random strategy.")
    score = models.FloatField(null=True, blank=True, help_text="What a ranking of it would teach the reward model.")
    reviewed_at = models.DateTimeField(null=True, blank=True, help_text="When a reviewer last decided about it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(taken__lte=F("wanted_raters")), name="task_taken_at_most_wanted"),
            models.CheckConstraint(condition=Q(state__in=TaskState.values), name="task_state_known"),
            models.CheckConstraint(condition=Q(kind__in=TaskKind.values), name="task_kind_known"),
            models.CheckConstraint(
                condition=~Q(state=TaskState.OPEN) | Q(kind__in=PLACED_KINDS), name="task_open_has_places"
            ),
            models.UniqueConstraint(
                fields=["prompt", "round_number"], condition=Q(kind="rank"), name="task_once_a_round"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "state", "-priority", "id"], name="task_next"),
            models.Index(fields=["project", "state", "-priority", "lot"], name="task_next_random"),
            models.Index(fields=["project", "state", "-priority", "-score"], name="task_next_active"),
            models.Index(fields=["project"], condition=Q(gold__isnull=False), name="task_gold"),
        ]


TEXTS = Select(lambda: Completion.objects.filter(tasks=key("task")).values_list("id", "text"))


def texts_of(task_id: int) -> Mapping[int, str]:
    """The task's completion texts by their ids."""
    return dict(TEXTS(task=task_id))


class AssignmentState(models.TextChoices):
    LEASED = "leased"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class SkipReason(models.TextChoices):
    UNCLEAR = "unclear", "I cannot tell which is better"
    UNQUALIFIED = "unqualified", "I do not know enough about the subject"
    LANGUAGE = "language", "Wrong language"
    HARMFUL = "harmful", "Harmful or upsetting"
    BROKEN = "broken", "The task is broken"
    OTHER = "other", "Something else"


class Assignment(models.Model):
    """One task in one annotator's hands."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="assignments", db_index=False)
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="+", db_index=False)
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="assignments", db_index=False)
    state = models.CharField(max_length=10, choices=AssignmentState, default=AssignmentState.LEASED)
    display_order = models.JSONField(help_text="Completion ids as shown, first to last.")
    leased_at = models.DateTimeField()
    lease_expires = models.DateTimeField()
    shown_at = models.DateTimeField(null=True, blank=True, help_text="Null while it is only fetched ahead.")
    draft = models.JSONField(null=True, blank=True)
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=20, blank=True, choices=SkipReason)
    skip_note = models.TextField(blank=True)
    drawn_by = models.CharField(
        max_length=10, choices=Strategy, default=Strategy.FIRST_IN, help_text="The strategy that chose the task."
    )

    @cached_property
    def texts(self) -> Mapping[int, str]:
        """What there is to rank: completion texts by their ids."""
        return texts_of(self.task_id)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "annotator"], name="assignment_once"),
            models.CheckConstraint(condition=Q(state__in=AssignmentState.values), name="assignment_state_known"),
        ]
        indexes = [
            models.Index(fields=["annotator", "state", "lease_expires"], name="assignment_mine"),
            models.Index(fields=["state", "lease_expires"], name="assignment_expiry"),
            models.Index(fields=["prompt", "annotator"], name="assignment_seen"),
            models.Index(fields=["annotator", "-id"], name="assignment_recent"),
        ]


class AssignmentEvent(models.Model):
    """The append-only history of an assignment's state."""

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="events")
    old = models.CharField(max_length=10, blank=True)
    new = models.CharField(max_length=10)
    at = models.DateTimeField(auto_now_add=True)
