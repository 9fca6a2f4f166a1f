"""Every write of the labelling side, by name."""

from annotation.distribution import task_next, task_next_or_why
from annotation.leases import leases_expire
from annotation.services.adjudication import adjudication_undo, task_adjudicate, task_ask_again, task_leave
from annotation.services.answers import answers_forget
from annotation.services.assignments import (
    assignment_get,
    assignment_release,
    assignment_renew,
    assignment_skip,
    draft_save,
)
from annotation.services.audit import audit_record
from annotation.services.completions import completions_import, completions_store
from annotation.services.gold import gold_create, gold_retire
from annotation.services.gold_imports import gold_import
from annotation.services.panels import panel_create
from annotation.services.people import annotators_add
from annotation.services.projects import member_remove, member_set, project_create, project_update
from annotation.services.prompts import prompts_import, prompts_store
from annotation.services.ranking_imports import rankings_import, rankings_store
from annotation.services.rankings import answer_submit, ranking_revise, ranking_submit
from annotation.services.retractions import retraction_create, retraction_undo
from annotation.services.snapshots import snapshot_freeze
from annotation.services.tasks import tasks_create, tasks_prioritise, tasks_score

__all__ = [
    "adjudication_undo",
    "annotators_add",
    "answer_submit",
    "answers_forget",
    "assignment_get",
    "assignment_release",
    "assignment_renew",
    "assignment_skip",
    "audit_record",
    "completions_import",
    "completions_store",
    "draft_save",
    "gold_create",
    "gold_import",
    "gold_retire",
    "leases_expire",
    "member_remove",
    "member_set",
    "panel_create",
    "project_create",
    "project_update",
    "prompts_import",
    "prompts_store",
    "ranking_revise",
    "ranking_submit",
    "rankings_import",
    "rankings_store",
    "retraction_create",
    "retraction_undo",
    "snapshot_freeze",
    "task_adjudicate",
    "task_ask_again",
    "task_leave",
    "task_next",
    "task_next_or_why",
    "tasks_create",
    "tasks_prioritise",
    "tasks_score",
]
