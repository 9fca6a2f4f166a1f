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


class Strategy(models.TextChoices):
    """In which order tasks of one priority are handed out."""

    FIRST_IN = "first_in", "First in, first out"
    RANDOM = "random", "At random"
    ACTIVE = "active", "Where the reward model is least sure"


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
    best_worst = models.BooleanField(
        default=False, help_text="With five completions or more, ask for the best and the worst only."
    )
    paused = models.BooleanField(default=False, help_text="Nothing new is handed out.")
    strategy = models.CharField(max_length=10, choices=Strategy, default=Strategy.FIRST_IN)
    random_share = models.FloatField(
        default=0.25,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of the tasks that the active strategy draws at random: they alone estimate accuracy.",
    )
    gold_share = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of a trusted annotator's tasks that are gold, where there is gold.",
    )
    gold_before_trust = models.PositiveSmallIntegerField(
        default=20, help_text="Gold tasks that a new annotator ranks before they are trusted, where there is gold."
    )
    gold_pass = models.FloatField(
        default=0.7,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of gold pairs that an annotator must get right.",
    )
    repeat_share = models.FloatField(
        default=0.04,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Share of an annotator's tasks that they ranked before, shown in reverse.",
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
    daily_quota = models.PositiveIntegerField(null=True, blank=True, help_text="Rankings a day; empty: no limit.")
    paused = models.BooleanField(default=False, help_text="Nothing new is handed out to this person.")
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
    text = models.TextField(blank=True, help_text="What the model reads; empty where the source is not known.")
    turns = models.JSONField(null=True, blank=True, help_text="[{speaker, text}] of a conversation.")
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
    drawn_by = models.CharField(
        max_length=10, choices=Strategy, default=Strategy.FIRST_IN, help_text="The strategy that chose the task."
    )

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
    ADJUDICATED = "adjudicated"  # a reviewer's final word


class RankingMethod(models.TextChoices):
    FULL = "full"  # every pair is decided, or a tie
    BEST_WORST = "best_worst"  # the middle group's members were not compared with each other


class Retraction(models.Model):
    """Labels taken back: by whom they were made or in which batch they came, why, and who took them back."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="retractions")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    batch = models.CharField(max_length=200, blank=True)
    reason = models.TextField()
    rankings = models.PositiveIntegerField(help_text="How many were current when they were taken back.")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    requeued = models.BooleanField(default=False, help_text="Its tasks were handed out to others again.")
    at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)


class RankingQuerySet(models.QuerySet["Ranking"]):
    def labels(self) -> "RankingQuerySet":
        """Current rankings that say something new of a prompt: neither gold nor repeats nor retracted ones."""
        return self.filter(is_current=True, kind__in=LABEL_KINDS)

    def training(self) -> "RankingQuerySet":
        """The labels that models learn from: where a reviewer has set the final ranking, that one alone."""
        return self.labels().filter(overruled=False)

    def independent(self) -> "RankingQuerySet":
        """The labels that annotators gave on their own: what agreement is measured on."""
        return self.labels().exclude(origin=RankingOrigin.ADJUDICATED)


class Ranking(models.Model):
    """One revision of what one annotator said of one task. Revisions are never changed or deleted.

    A retracted one is not current: it has no pairs, and ``retraction`` says why.
    """

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="rankings")
    project = models.ForeignKey(Project, models.CASCADE, related_name="rankings")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="rankings")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="rankings")
    revision = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    kind = models.CharField(max_length=8, choices=TaskKind, default=TaskKind.RANK, help_text="Its task's.")
    method = models.CharField(max_length=10, choices=RankingMethod, default=RankingMethod.FULL)
    overruled = models.BooleanField(default=False, help_text="A reviewer has set the final ranking of its task.")
    retraction = models.ForeignKey(Retraction, models.PROTECT, related_name="retracted", null=True, blank=True)
    batch = models.CharField(max_length=200, blank=True, help_text="The import it came from.")
    rater_group = models.CharField(max_length=50, blank=True, help_text="Experts, crowd: as an import calls them.")
    origin = models.CharField(max_length=11, choices=RankingOrigin, default=RankingOrigin.PERSON)
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

    objects = RankingQuerySet.as_manager()

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
    retracted = models.PositiveIntegerField(default=0, help_text="Of its rankings, how many were taken back since.")
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
