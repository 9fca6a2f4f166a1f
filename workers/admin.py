"""Runs, rounds, models and what they measured: to be looked at, not changed."""

from django.contrib import admin

from annotation.admin import ReadOnly
from workers import models


@admin.register(models.Run)
class RunAdmin(ReadOnly):
    list_display = ["id", "project", "kind", "state", "attempt", "progress", "phase", "worker", "heartbeat_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["project"]


@admin.register(models.RunEvent)
class RunEventAdmin(ReadOnly):
    list_display = ["id", "run_id", "attempt", "kind", "message", "at"]
    list_filter = ["kind"]


@admin.register(models.Round)
class RoundAdmin(ReadOnly):
    list_display = ["id", "project", "number", "algorithm", "state", "forced", "created_at"]
    list_filter = ["state", "algorithm"]
    list_select_related = ["project"]


@admin.register(models.ModelVersion)
class ModelVersionAdmin(ReadOnly):
    list_display = ["slug", "project", "kind", "method", "state", "sha256"]
    list_filter = ["kind", "state"]
    list_select_related = ["project"]


@admin.register(models.Evaluation)
class EvaluationAdmin(ReadOnly):
    list_display = ["id", "model", "split", "created_at"]
    list_select_related = ["model"]
