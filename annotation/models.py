"""What people label, what they said, and what is derived from it.

A Ranking is the source of truth; a PreferencePair is derived from its current revision in the
same transaction; a Snapshot freezes both.
"""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from annotation.texts import content_hash


class Role(models.TextChoices):
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    LEAD = "lead"


class Split(models.TextChoices):
    """By hash of the prompt's identity, fixed for the project's life."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Project(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    guidelines = models.TextField(blank=True, help_text="Markdown, shown to annotators.")
    prompt_template = models.TextField(default="{prompt}", help_text="What the model reads; {prompt} is replaced.")
    completions_per_prompt = models.PositiveSmallIntegerField(
        default=4, validators=[MinValueValidator(2), MaxValueValidator(9)]
    )
    raters_per_task = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    overlap_share = models.FloatField(
        default=0.15,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of tasks that go to overlap_raters people, so that agreement can be measured.",
    )
    overlap_raters = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(2), MaxValueValidator(9)]
    )
    criteria = models.JSONField(
        default=list, blank=True, help_text="Names of the criteria a completion may be rated on."
    )
    lease_minutes = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(1440)]
    )
    min_rankings = models.PositiveIntegerField(default=500, help_text="Gate: rankings a round needs.")
    min_reward_accuracy = models.FloatField(
        default=0.55,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Gate: the lower bound of the reward model's held-out accuracy must be above this.",
    )
    base_model = models.CharField(
        max_length=500, default="toy", help_text="'toy', a hub model's name, or a local folder."
    )
    split_salt = models.CharField(max_length=64, help_text="Keys the split and the pseudonyms; the slug unless given.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(completions_per_prompt__gte=2, completions_per_prompt__lte=9), name="project_k_2_to_9"
            ),
            models.CheckConstraint(
                condition=Q(overlap_share__gte=0, overlap_share__lte=1), name="project_overlap_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]


class Prompt(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="prompts")
    identity = models.CharField(max_length=200, help_text="The external id, else the content hash.")
    external_id = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    content_hash = models.CharField(max_length=64, help_text="sha256 of the text (UTF-8, NFC).")
    references = models.JSONField(default=list, blank=True, help_text="Reference completions, best known answers.")
    split = models.CharField(max_length=10, choices=Split)
    batch = models.CharField(max_length=200, blank=True, help_text="The import it came from.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "identity"], name="prompt_identity_once"),
            models.CheckConstraint(condition=Q(split__in=Split.values), name="prompt_split_known"),
        ]
        indexes = [
            models.Index(fields=["project", "split"], name="prompt_by_split"),
            models.Index(fields=["project", "content_hash"], name="prompt_by_content"),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.content_hash = content_hash(self.text)
        super().save(*args, **kwargs)


class Completion(models.Model):
    """One text that answers a prompt. Two systems may have written the same words."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="completions")
    source = models.CharField(max_length=200, help_text="The model version's slug, or the imported system's name.")
    ordinal = models.PositiveSmallIntegerField(default=0)
    text = models.TextField(blank=True)
    sampling = models.JSONField(default=dict, blank=True)
    backend = models.CharField(max_length=50, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "source", "ordinal"], name="completion_once")]


class TaskState(models.TextChoices):
    OPEN = "open"  # fewer live or submitted assignments than wanted
    FULL = "full"  # as many as wanted
    CLOSED = "closed"  # withdrawn


class Task(models.Model):
    """One prompt with K of its completions, to be ranked by ``wanted_raters`` people."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="tasks")
    completions = models.ManyToManyField(Completion, related_name="tasks")
    wanted_raters = models.PositiveSmallIntegerField(default=1)
    taken = models.PositiveSmallIntegerField(default=0, help_text="Assignments leased or submitted.")
    priority = models.SmallIntegerField(default=0)
    round_number = models.PositiveIntegerField(default=0, help_text="The round whose policies wrote the completions.")
    state = models.CharField(max_length=8, choices=TaskState, default=TaskState.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(taken__lte=F("wanted_raters")), name="task_taken_at_most_wanted"),
            models.CheckConstraint(condition=Q(state__in=TaskState.values), name="task_state_known"),
            models.UniqueConstraint(fields=["prompt", "round_number"], name="task_once_a_round"),
        ]
        indexes = [models.Index(fields=["project", "state", "-priority", "id"], name="task_next")]


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

    task = models.ForeignKey(Task, models.CASCADE, related_name="assignments")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="+")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="assignments")
    state = models.CharField(max_length=10, choices=AssignmentState, default=AssignmentState.LEASED)
    display_order = models.JSONField(help_text="Completion ids as shown, first to last.")
    leased_at = models.DateTimeField()
    lease_expires = models.DateTimeField()
    shown_at = models.DateTimeField(null=True, blank=True, help_text="Null while it is only fetched ahead.")
    draft = models.JSONField(null=True, blank=True)
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=20, blank=True, choices=SkipReason)
    skip_note = models.TextField(blank=True)

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


class RankingOrigin(models.TextChoices):
    PERSON = "person"
    SIMULATED = "simulated"
    IMPORTED = "imported"


class Ranking(models.Model):
    """One revision of what one annotator said of one task. Revisions are never changed or deleted."""

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="rankings")
    project = models.ForeignKey(Project, models.CASCADE, related_name="rankings")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="rankings")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="rankings")
    revision = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    origin = models.CharField(max_length=10, choices=RankingOrigin, default=RankingOrigin.PERSON)
    groups = models.JSONField(help_text="Completion ids, best group first; two or more ids in one group are a tie.")
    strengths = models.JSONField(null=True, blank=True, help_text="Per boundary: 1 slightly, 2 better, 3 much better.")
    none_acceptable = models.BooleanField(default=False)
    flags = models.JSONField(default=dict, blank=True, help_text="{completion id: reason}")
    ratings = models.JSONField(default=dict, blank=True, help_text="{criterion: {completion id: 1 to 5}}")
    spans = models.JSONField(default=list, blank=True)
    rationale = models.TextField(blank=True)
    rewrite = models.JSONField(null=True, blank=True, help_text="{completion, text}: a demonstration")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "revision"], name="ranking_revision_once"),
            models.UniqueConstraint(fields=["assignment"], condition=Q(is_current=True), name="ranking_one_current"),
        ]
        indexes = [
            models.Index(fields=["project", "is_current", "created_at"], name="ranking_by_time"),
            models.Index(fields=["annotator", "project", "-id"], name="ranking_by_annotator"),
        ]


class PreferencePair(models.Model):
    """``chosen`` was ranked above ``rejected``; for a tie the two are in id order."""

    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="pairs")
    project = models.ForeignKey(Project, models.CASCADE, related_name="pairs")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="pairs")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="pairs")
    chosen = models.ForeignKey(Completion, models.CASCADE, related_name="+")
    rejected = models.ForeignKey(Completion, models.CASCADE, related_name="+")
    tie = models.BooleanField(default=False)
    strength = models.PositiveSmallIntegerField(null=True, blank=True)
    weight = models.FloatField(help_text="1 / number of pairs of its ranking.")
    split = models.CharField(max_length=10, choices=Split)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "chosen", "rejected"], name="pair_once"),
            models.CheckConstraint(condition=~Q(chosen=F("rejected")), name="pair_of_two"),
        ]
        indexes = [models.Index(fields=["project", "split"], name="pair_by_split")]


class Snapshot(models.Model):
    """An immutable export of the current rankings, named by the hash of its canonical lines."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="snapshots")
    sha256 = models.CharField(max_length=64)
    rankings = models.PositiveIntegerField()
    pairs = models.PositiveIntegerField()
    manifest = models.JSONField()
    path = models.CharField(max_length=500, help_text="Folder below the data folder.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="snapshot_once")]


class AuditEvent(models.Model):
    """Who did what to what, when: the one trail of people's acts."""

    project = models.ForeignKey(Project, models.SET_NULL, related_name="audit_events", null=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    verb = models.CharField(max_length=50)
    target = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-at"], name="audit_by_time")]


class IdempotentRequest(models.Model):
    """The answer that was given to a write, so that the same write sent again gets it again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="sha256 of method, path and body.")
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_once")]
