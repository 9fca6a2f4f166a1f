"""The one trail of people's acts."""

from django.db import transaction

from annotation.importers import ImportReport
from annotation.models import AuditEvent, Project
from annotation.users import User


def audit_record(
    *, verb: str, actor: User | None, project: Project | None = None, target: str = "", **data: object
) -> None:
    """Write down who did what to what. Call it in the transaction of the act itself."""
    AuditEvent.objects.create(project=project, actor=actor, verb=verb, target=target[:200], data=data)


def import_end(
    *, verb: str, actor: User | None, project: Project, name: str, report: ImportReport, dry_run: bool
) -> None:
    """The last act of an import's transaction: the trail, or for a trial the rollback of everything."""
    if dry_run:
        transaction.set_rollback(True)
        return
    audit_record(
        verb=verb,
        actor=actor,
        project=project,
        target=name,
        created=report.created,
        duplicates=report.duplicates,
        rejected=report.rejected_count,
    )
