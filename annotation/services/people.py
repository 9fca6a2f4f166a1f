"""Many annotators at once, for a team's first day and for load tests."""

import secrets
from typing import TypedDict

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hasher
from django.core.exceptions import ValidationError
from django.db import transaction
from knox.models import AuthToken

from annotation.exceptions import InvalidInput
from annotation.models import Membership, Project, Role
from annotation.services.audit import audit_record
from annotation.users import User

MAX_AT_ONCE = 1000
# The password is drawn at random from 2^96: stretching it adds nothing, and a thousand of them
# would take minutes. Django stretches it to the full count at the first log-in.
ITERATIONS = 10_000


class NewAnnotator(TypedDict):
    username: str
    password: str
    token: str


def annotators_add(
    *,
    project: Project,
    count: int,
    prefix: str = "annotator",
    simulated: bool = False,
    actor: User | None = None,
) -> list[NewAnnotator]:
    """``count`` new people with the role annotator; their passwords and tokens are shown here and never again.

    Names are the prefix and the next free numbers. Simulated annotators get neither password nor token.
    """
    if not 1 <= count <= MAX_AT_ONCE:
        raise InvalidInput(f"{count} annotators: from 1 to {MAX_AT_ONCE} can be added at once.")
    people = get_user_model()
    made: list[NewAnnotator] = []
    try:
        people._meta.get_field("username").clean(f"{prefix}{count}", None)
    except ValidationError as error:
        raise InvalidInput(f"'{prefix}': {error.messages[0]}", fields={"prefix": list(error.messages)}) from error
    with transaction.atomic():
        # One at a time, so that two calls do not draw the same names.
        Project.objects.select_for_update().get(pk=project.pk)
        for username in _free_names(prefix, count):
            user = people(username=username)
            password = "" if simulated else secrets.token_urlsafe(12)
            user.password = _hash(password) if password else "!"
            user.save()
            Membership.objects.create(project=project, user=user, role=Role.ANNOTATOR)
            token = "" if simulated else AuthToken.objects.create(user=user)[1]
            made.append({"username": username, "password": password, "token": token})
        audit_record(verb="annotators.add", actor=actor, project=project, target=prefix, count=count)
    return made


def _free_names(prefix: str, count: int) -> list[str]:
    people = get_user_model()
    taken = set(people.objects.filter(username__startswith=prefix).values_list("username", flat=True))
    names = (f"{prefix}{number:02d}" for number in range(1, len(taken) + count + 1))
    return [name for name in names if name not in taken][:count]


def _hash(password: str) -> str:
    hasher = get_hasher()
    if isinstance(hasher, PBKDF2PasswordHasher):
        return hasher.encode(password, hasher.salt(), iterations=ITERATIONS)
    return hasher.encode(password, hasher.salt())
