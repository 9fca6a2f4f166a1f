"""What annotators said, and what is derived from it.

A Ranking is the source of truth; a PreferencePair is derived from its current revision in the same transaction; a
Snapshot freezes both.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotation.models.projects import Project
from annotation.models.tasks import LABEL_KINDS, Assignment, TaskKind
from annotation.models.texts import Completion, Prompt, Split


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

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="rankings", db_index=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="rankings")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="rankings")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="rankings", db_index=False)
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

    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="pairs", db_index=False)
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
