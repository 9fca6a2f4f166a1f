"""Accounts made for people who are invited to a project."""

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from annotation.exceptions import Conflict
from annotation.models import Project, Role
from annotation.services import member_set
from webapp.accounts.models import User


class InvitationTokens(PasswordResetTokenGenerator):
    """Ends with its first use: the hash covers the password. No password-reset link passes for one."""

    key_salt = "webapp.accounts.services.InvitationTokens"


invitation_tokens = InvitationTokens()


def invitation_create(*, project: Project, actor: User, username: str, email: str, role: Role) -> User:
    """An account without a password, and its place in the project. Raises Conflict where the name is taken."""
    try:
        with transaction.atomic():
            user = User(username=username, email=email)
            user.set_unusable_password()
            user.save()
            member_set(project=project, user=user, role=role, actor=actor)
    except IntegrityError as error:
        raise Conflict(f"There is an account {username} already.", fields={"username": ["Taken."]}) from error
    return user


def invitation_path(user: User) -> tuple[str, str]:
    """What the link to set the first password is made of: (uid, token)."""
    if user.has_usable_password():
        # The link sets a password: for a living account it would be a way to take it over.
        raise Conflict(f"{user.username} has a password already: they can reset it themselves.")
    return urlsafe_base64_encode(force_bytes(user.pk)), invitation_tokens.make_token(user)


def invitation_send(*, user: User, project: Project, actor: User, link: str) -> bool:
    """Mail the link; False where there is no address to send it to."""
    if not user.email:
        return False
    days = settings.PASSWORD_RESET_TIMEOUT // 86400
    context = {"user": user, "project": project, "actor": actor, "link": link, "days": days}
    text = render_to_string("accounts/mail/invitation.txt", context)
    send_mail(f"You are invited to {project.name}", text, None, [user.email])
    return True
