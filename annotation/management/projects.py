"""How commands find a project."""

from django.core.management.base import CommandError

from annotation.models import Project


def project_named(slug: str) -> Project:
    """The project, or a CommandError that names those there are."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none"
        raise CommandError(f"There is no project '{slug}'. There are: {known}.")
    return project
