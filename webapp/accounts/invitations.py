"""A lead makes an account with a role and gets a link; the person it is for sets the password with it."""

import logging
from smtplib import SMTPException
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from annotation.exceptions import Conflict, Forbidden, NotFound
from annotation.models import Project, Role
from annotation.permissions import project_get
from webapp.accounts import services
from webapp.accounts.forms import InvitationForm
from webapp.accounts.models import User

logger = logging.getLogger(__name__)


@method_decorator(never_cache, name="dispatch")
class Invite(LoginRequiredMixin, FormView):  # type: ignore[type-arg]  # not generic at run time
    """The form, then the link. A person who has not come yet gets a new link with ``?again=username``."""

    template_name = "accounts/invite.html"
    form_class = InvitationForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated:
            self.project = _project(request, kwargs["slug"])
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        waiting = [user for user in self._members() if not user.has_usable_password()]
        return super().get_context_data(project=self.project, waiting=waiting, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (username := request.POST.get("again")):
            return super().post(request, *args, **kwargs)
        user = next((member for member in self._members() if member.username == username), None)
        if user is None:
            raise Http404
        return self._show(user)

    def form_valid(self, form: InvitationForm) -> HttpResponse:
        data = form.cleaned_data
        try:
            user = services.invitation_create(
                project=self.project,
                actor=self._actor(),
                username=data["username"],
                email=data["email"],
                role=Role(data["role"]),
            )
        except Conflict as error:
            form.add_error("username", error.detail)
            return self.form_invalid(form)
        return self._show(user)

    def _show(self, user: User) -> HttpResponse:
        try:
            uid, token = services.invitation_path(user)
        except Conflict as error:
            messages.error(self.request, error.detail)
            return self.render_to_response(self.get_context_data(form=InvitationForm()))
        link = self.request.build_absolute_uri(reverse("invitation", args=[uid, token]))
        context = {"form": InvitationForm(), "link": link, "invited": user, "sent": self._send(user, link)}
        return self.render_to_response(self.get_context_data(**context))

    def _send(self, user: User, link: str) -> bool:
        try:
            return services.invitation_send(user=user, project=self.project, actor=self._actor(), link=link)
        except (OSError, SMTPException):
            logger.exception("The invitation of %s could not be mailed.", user.username)
            return False

    def _members(self) -> list[User]:
        return list(User.objects.filter(memberships__project=self.project, is_active=True).order_by("username"))

    def _actor(self) -> User:
        return cast(User, self.request.user)  # LoginRequiredMixin lets nobody else in


def _project(request: HttpRequest, slug: str) -> Project:
    try:
        return project_get(slug=slug, user=request.user, capability="manage")
    except NotFound as error:
        raise Http404(error.detail) from error
    except Forbidden as error:
        raise PermissionDenied(error.detail) from error


class Accept(auth.PasswordResetConfirmView):
    """The invitation's link: set a password and be logged in."""

    template_name = "accounts/invitation.html"
    token_generator = services.invitation_tokens
    success_url = reverse_lazy("landing")
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"
