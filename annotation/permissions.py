"""Who may do what in a project: one table, asked by the API and the pages alike."""

from collections.abc import Mapping

from django.contrib.auth.models import AnonymousUser

from annotation.exceptions import Forbidden, NotFound
from annotation.models import Membership, Project, Role
from annotation.prepared import Select, key, word
from annotation.users import User

_ALL = frozenset(Role)
_TEAM = frozenset({Role.REVIEWER, Role.ENGINEER, Role.LEAD})
_BUILDERS = frozenset({Role.ENGINEER, Role.LEAD})

CAPABILITIES: Mapping[str, frozenset[Role]] = {
    "see_project": _ALL,
    "annotate": _ALL,
    "review": frozenset({Role.REVIEWER, Role.LEAD}),
    "gold": _TEAM,
    "see_quality": frozenset({Role.REVIEWER, Role.LEAD}),
    "see_training": _TEAM,
    "import": _BUILDERS,
    "export": _BUILDERS,
    "train": _BUILDERS,
    "manage": frozenset({Role.LEAD}),
    "promote": frozenset({Role.LEAD}),
}


MEMBER = Select(
    lambda: Membership.objects.select_related("project").filter(project__slug=word("slug"), user=key("user"))
)


def role_of(*, project: Project, user: User | AnonymousUser) -> Role | None:
    """The person's role in the project; None for anybody who is not a member."""
    if not user.is_authenticated or not user.is_active:
        return None
    role = Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
    return Role(role) if role else None


def allowed(role: Role | None, capability: str) -> bool:
    """Denied by default: no role, no capability. An unknown capability is a KeyError, never a yes."""
    return role in CAPABILITIES[capability]


def project_check(*, project: Project, user: User | AnonymousUser, capability: str) -> None:
    """Raise NotFound for non-members (the project does not exist for them), Forbidden for the wrong role."""
    role = role_of(project=project, user=user)
    if role is None:
        raise NotFound("No such project.")
    _require(role, capability)


def _require(role: Role, capability: str) -> None:
    if not allowed(role, capability):
        raise Forbidden(f"Your role in this project is {role.value}: it does not allow this.")


def project_get(*, slug: str, user: User | AnonymousUser, capability: str) -> Project:
    """The project, if this person may do that in it; NotFound or Forbidden otherwise."""
    if not user.is_authenticated or not user.is_active:
        raise NotFound("No such project.")
    # In one query: every request of an annotator begins with it.
    membership: Membership | None = MEMBER.first(slug=slug, user=user.pk)
    if membership is None:
        raise NotFound("No such project.")
    _require(Role(membership.role), capability)
    return membership.project


def may_create_projects(user: User | AnonymousUser) -> bool:
    """Staff, and whoever leads a project already."""
    if not user.is_authenticated or not user.is_active:
        return False
    return bool(user.is_staff) or Membership.objects.filter(user=user, role=Role.LEAD).exists()
