"""What was trained from what: runs, rounds, model versions, metrics and evaluations."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.models import Completion, Project, Snapshot, Split


class RunKind(models.TextChoices):
    SFT = "sft"
    GENERATE = "generate"
    REWARD = "reward"
    PPO = "ppo"
    DPO = "dpo"
    EVALUATE = "evaluate"


class RunState(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Algorithm(models.TextChoices):
    PPO = "ppo"
    DPO = "dpo"


class RoundState(models.TextChoices):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Round(models.Model):
    """One turn of the loop: snapshot, reward model, policy, evaluation, next completions."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="rounds")
    number = models.PositiveIntegerField()
    algorithm = models.CharField(max_length=4, choices=Algorithm)
    state = models.CharField(max_length=10, choices=RoundState, default=RoundState.RUNNING)
    config = models.JSONField(default=dict, help_text="{reward: {…}, ppo or dpo: {…}, evaluate: {…}, generate: {…}}")
    seed = models.BigIntegerField(default=0)
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="rounds", null=True)
    plan = models.JSONField(default=list, help_text="[{kind, policy?}]: the kinds of its runs, by position.")
    force = models.BooleanField(default=False, help_text="Whoever started it said to go on whatever a gate says.")
    forced = models.BooleanField(
        default=False, help_text="A gate said no and was overruled; the audit trail says by whom."
    )
    gate = models.JSONField(default=dict, help_text="{passed, reasons}")
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="round_number_once"),
            models.UniqueConstraint(fields=["project"], condition=Q(state="running"), name="round_one_running"),
            models.CheckConstraint(condition=Q(state__in=RoundState.values), name="round_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.project.slug} round {self.number}"


class RoundEvent(models.Model):
    """The append-only history of a round's state."""

    round = models.ForeignKey(Round, models.CASCADE, related_name="events")
    old = models.CharField(max_length=10, blank=True)
    new = models.CharField(max_length=10)
    message = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)


class Run(models.Model):
    """One job: reads immutable inputs, writes immutable outputs."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="runs")
    round = models.ForeignKey(Round, models.CASCADE, related_name="runs", null=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Place in its round.")
    kind = models.CharField(max_length=10, choices=RunKind)
    state = models.CharField(max_length=10, choices=RunState, default=RunState.QUEUED)
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    inputs = models.JSONField(default=dict, help_text="{snapshot: sha256, policy: slug, reward: slug, …}")
    output = models.JSONField(default=dict)
    progress = models.FloatField(default=0.0, help_text="0 to 1")
    phase = models.CharField(max_length=100, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True, help_text="When its message last went to the queue.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Fences every write of the process that runs it.")
    max_attempts = models.PositiveSmallIntegerField(default=3)
    cancel_requested = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    worker = models.CharField(max_length=200, blank=True)
    code_version = models.CharField(max_length=100, blank=True)
    packages = models.JSONField(default=dict)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="run_state_known"),
            models.CheckConstraint(condition=Q(kind__in=RunKind.values), name="run_kind_known"),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at"], name="run_by_time"),
            models.Index(fields=["state", "heartbeat_at"], name="run_heartbeat"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.kind})"


class RunEvent(models.Model):
    """The append-only history of a run: its states and the lines of its log."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    attempt = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=20, help_text="state, log, stop-rule, warning, error")
    message = models.TextField()
    data = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["run", "id"], name="event_by_run")]


class Metric(models.Model):
    run = models.ForeignKey(Run, models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=60)
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name", "step"], name="metric_once")]


class ModelKind(models.TextChoices):
    BASE = "base"
    SFT = "sft"
    REWARD = "reward"
    POLICY = "policy"


class ModelState(models.TextChoices):
    CANDIDATE = "candidate"
    PROMOTED = "promoted"
    ARCHIVED = "archived"


class ModelVersion(models.Model):
    """A model that exists on disk, with where it came from."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="models")
    slug = models.SlugField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=ModelKind)
    method = models.CharField(max_length=40, blank=True, help_text="sft, reward, ppo, dpo, or imported")
    parent = models.ForeignKey("self", models.PROTECT, related_name="children", null=True)
    run = models.ForeignKey(Run, models.PROTECT, related_name="models", null=True)
    path = models.CharField(max_length=500, help_text="Folder below the data folder, a local folder, or a hub name.")
    sha256 = models.CharField(max_length=64, blank=True)
    trainable_parameters = models.BigIntegerField(default=0)
    total_parameters = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=ModelState, default=ModelState.CANDIDATE)
    facts = models.JSONField(default=dict, help_text="What its run reported: accuracy, gain and bias, KL, stop rule, …")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=ModelKind.values), name="model_kind_known"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(kind="sft", state="promoted"), name="model_one_anchor"
            ),
            models.UniqueConstraint(
                fields=["project"], condition=Q(kind="policy", state="promoted"), name="model_one_current_policy"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class CompletionReward(models.Model):
    """What a reward model thinks of a completion that people ranked; annotators never see it."""

    model = models.ForeignKey(ModelVersion, models.CASCADE, related_name="completion_rewards")
    completion = models.ForeignKey(Completion, models.CASCADE, related_name="+")
    log_odds = models.FloatField(help_text="The difference of two is the log-odds that the first is preferred.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "completion"], name="completion_reward_once")]


class Evaluation(models.Model):
    """What one model version scored on one split, with the decoding it was measured under."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="evaluations")
    model = models.ForeignKey(ModelVersion, models.CASCADE, related_name="evaluations")
    split = models.CharField(max_length=10, choices=Split)
    decoding = models.JSONField()
    metrics = models.JSONField(help_text="{name: {value, low, high, n}}")
    samples = models.JSONField(default=list, help_text="[{prompt, reference, text, reward}]")
    reward_table = models.JSONField(default=list, help_text="[{prompt, before, after, reward_before, reward_after}]")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["model", "-created_at"], name="evaluation_by_model")]
