"""The one trail of people's acts."""

from annotation.models import AuditEvent, Project
from annotation.users import User


def audit_record(
    *, verb: str, actor: User | None, project: Project | None = None, target: str = "", **data: object
) -> None:
    """Write down who did what to what. Call it in the transaction of the act itself."""
    AuditEvent.objects.create(project=project, actor=actor, verb=verb, target=target[:200], data=data)
