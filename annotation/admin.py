"""Django's stock admin. What is derived or a trail can be looked at, and not changed."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from annotation import models
from annotation.services import audit_record
from annotation.users import User

if TYPE_CHECKING:
    Stock = admin.ModelAdmin[Any]  # generic in its stubs alone
else:
    Stock = admin.ModelAdmin


class ReadOnly(Stock):
    """Its rows follow from what people did: changing them here would make the trail a lie."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(models.Project)
class ProjectAdmin(Stock):
    list_display = ["slug", "name", "base_model", "created_at"]
    search_fields = ["slug", "name"]
    readonly_fields = ["slug", "split_salt", "created_by"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a project without a lead and an audit event is made by no service

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(models.Membership)
class MembershipAdmin(Stock):
    list_display = ["project", "user", "role"]
    list_filter = ["role"]
    autocomplete_fields = ["project"]
    raw_id_fields = ["user"]
    list_select_related = ["project", "user"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 -- Django's
        super().save_model(request, obj, form, change)
        _audit("member.set", request, obj, role=obj.role)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _audit("member.remove", request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for membership in queryset:
            self.delete_model(request, membership)


def _audit(verb: str, request: HttpRequest, membership: Any, **data: object) -> None:
    actor = cast(User, request.user)  # the admin lets nobody else in
    name = membership.user.get_username()
    audit_record(verb=verb, actor=actor, project=membership.project, target=name, **data)


@admin.register(models.Prompt)
class PromptAdmin(ReadOnly):
    list_display = ["identity", "project", "split", "batch"]
    list_filter = ["split"]
    search_fields = ["identity"]
    list_select_related = ["project"]


@admin.register(models.Completion)
class CompletionAdmin(ReadOnly):
    list_display = ["id", "prompt_id", "source", "ordinal", "backend"]
    search_fields = ["source"]


@admin.register(models.Task)
class TaskAdmin(ReadOnly):
    list_display = ["id", "project", "prompt_id", "state", "taken", "wanted_raters", "priority", "round_number"]
    list_filter = ["state"]
    list_select_related = ["project"]


@admin.register(models.Assignment)
class AssignmentAdmin(ReadOnly):
    list_display = ["id", "task_id", "annotator", "state", "lease_expires", "skip_reason"]
    list_filter = ["state"]
    list_select_related = ["annotator"]


@admin.register(models.Ranking)
class RankingAdmin(ReadOnly):
    list_display = ["id", "project", "annotator", "revision", "is_current", "origin", "created_at"]
    list_filter = ["origin", "is_current"]
    list_select_related = ["project", "annotator"]


@admin.register(models.PreferencePair)
class PreferencePairAdmin(ReadOnly):
    list_display = ["id", "ranking_id", "chosen_id", "rejected_id", "tie", "strength", "split"]
    list_filter = ["tie", "split"]


@admin.register(models.Snapshot)
class SnapshotAdmin(ReadOnly):
    list_display = ["sha256", "project", "rankings", "pairs", "created_at"]
    list_select_related = ["project"]


@admin.register(models.AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ["at", "actor", "verb", "target", "project"]
    list_filter = ["verb"]
    list_select_related = ["actor", "project"]
