"""The people behind imported rankings: accounts that nobody can log in to."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from django.contrib.auth import get_user_model

from annotation.exceptions import ImportRefused
from annotation.models import Project

MAX_USERNAME = 150


def rater_username(*, project: Project, rater: str) -> str:
    """``SLUG.rater``: a valid username of this project alone, and another one for each rater's name.

    Signs that no username may hold become ``_``, and then a part of the name's hash tells names apart.
    """
    name = unicodedata.normalize("NFKC", rater)
    clean = re.sub(r"[^\w.@+-]", "_", name)
    username = f"{project.slug}.{clean}"
    if clean != rater or len(username) > MAX_USERNAME:
        digest = hashlib.sha256(rater.encode()).hexdigest()[:12]
        username = f"{username[: MAX_USERNAME - 13]}-{digest}"
    return username


def raters_ensure(*, project: Project, raters: Iterable[str], known: dict[str, int]) -> int:
    """Put every rater's user id into ``known``; how many accounts were made.

    They are inactive, without password and without membership. ImportRefused when an account that
    somebody uses has such a name: nobody's words are put into another's mouth.
    """
    people = get_user_model()
    wanted = {rater_username(project=project, rater=rater): rater for rater in raters if rater not in known}
    there = list(people.objects.filter(username__in=wanted))
    for user in there:
        if user.is_active or user.has_usable_password():
            raise ImportRefused(
                f"The account {user.get_username()!r} is in use, and rankings are not imported in its name: rename "
                "the rater in the file, or the account."
            )
    missing = wanted.keys() - {user.get_username() for user in there}
    made = [people(username=username, is_active=False) for username in sorted(missing)]
    for user in made:
        user.set_unusable_password()
    for user in [*there, *people.objects.bulk_create(made)]:
        known[wanted[user.get_username()]] = user.pk
    return len(made)
