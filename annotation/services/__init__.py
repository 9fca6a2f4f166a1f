"""Every write of the labelling side, by name."""

from annotation.distribution import leases_expire, task_next
from annotation.services.assignments import assignment_get, assignment_release, assignment_skip, draft_save
from annotation.services.audit import audit_record
from annotation.services.people import annotators_add
from annotation.services.projects import member_remove, member_set, project_create, project_update
from annotation.services.rankings import ranking_revise, ranking_submit
from annotation.services.tasks import tasks_close, tasks_create

__all__ = [
    "annotators_add",
    "assignment_get",
    "assignment_release",
    "assignment_skip",
    "audit_record",
    "draft_save",
    "leases_expire",
    "member_remove",
    "member_set",
    "project_create",
    "project_update",
    "ranking_revise",
    "ranking_submit",
    "task_next",
    "tasks_close",
    "tasks_create",
]
