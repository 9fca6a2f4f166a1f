"""What there is to rank: prompts and their completions."""

from typing import Any

from django.db import models
from django.db.models import Q

from annotation.models.projects import Project
from annotation.texts import content_hash


class Split(models.TextChoices):
    """By hash of the prompt's identity, fixed for the project's life."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


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

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="completions", db_index=False)
    source = models.CharField(max_length=200, help_text="The model version's slug, or the imported system's name.")
    ordinal = models.PositiveSmallIntegerField(default=0)
    text = models.TextField(blank=True)
    sampling = models.JSONField(default=dict, blank=True)
    backend = models.CharField(max_length=50, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "source", "ordinal"], name="completion_once")]
