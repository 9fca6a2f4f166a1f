"""Projects and who is in them."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from annotation.licence import MAX_LICENSE


class Role(models.TextChoices):
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    LEAD = "lead"


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
    data_license = models.CharField(
        max_length=MAX_LICENSE,
        blank=True,
        help_text="What the cards of snapshots and exports state, such as CC-BY-4.0.",
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
    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships", db_index=False)
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
