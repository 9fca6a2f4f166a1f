"""What people label, what they said, and what is derived from it."""

from annotation.models.projects import Membership, Project, Role, Strategy
from annotation.models.rankings import (
    PreferencePair,
    Ranking,
    RankingMethod,
    RankingOrigin,
    RankingQuerySet,
    Retraction,
    Snapshot,
)
from annotation.models.records import AuditEvent, IdempotentRequest
from annotation.models.tasks import (
    LABEL_KINDS,
    PLACED_KINDS,
    Assignment,
    AssignmentEvent,
    AssignmentState,
    SkipReason,
    Task,
    TaskKind,
    TaskState,
    texts_of,
)
from annotation.models.texts import Completion, Prompt, Split

__all__ = [
    "LABEL_KINDS",
    "PLACED_KINDS",
    "Assignment",
    "AssignmentEvent",
    "AssignmentState",
    "AuditEvent",
    "Completion",
    "IdempotentRequest",
    "Membership",
    "PreferencePair",
    "Project",
    "Prompt",
    "Ranking",
    "RankingMethod",
    "RankingOrigin",
    "RankingQuerySet",
    "Retraction",
    "Role",
    "SkipReason",
    "Snapshot",
    "Split",
    "Strategy",
    "Task",
    "TaskKind",
    "TaskState",
    "texts_of",
]
