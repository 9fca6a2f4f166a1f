"""Every write of the labelling side, by name."""

from annotation.distribution import leases_expire, task_next
from annotation.services.assignments import (
    assignment_get,
    assignment_release,
    assignment_renew,
    assignment_skip,
    draft_save,
)
from annotation.services.audit import audit_record
from annotation.services.completions import completions_import, completions_store
from annotation.services.people import annotators_add
from annotation.services.projects import member_remove, member_set, project_create, project_update
from annotation.services.prompts import prompts_import, prompts_store
from annotation.services.rankings import answer_submit, ranking_revise, ranking_submit
from annotation.services.snapshots import snapshot_freeze
from annotation.services.tasks import tasks_create

__all__ = [
    "annotators_add",
    "answer_submit",
    "assignment_get",
    "assignment_release",
    "assignment_renew",
    "assignment_skip",
    "audit_record",
    "completions_import",
    "completions_store",
    "draft_save",
    "leases_expire",
    "member_remove",
    "member_set",
    "project_create",
    "project_update",
    "prompts_import",
    "prompts_store",
    "ranking_revise",
    "ranking_submit",
    "snapshot_freeze",
    "task_next",
    "tasks_create",
]
