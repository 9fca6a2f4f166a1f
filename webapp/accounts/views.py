"""Django's own log-in and password views with the product's templates, and where people land."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy

from annotation.models import Role
from webapp.accounts.navigation import memberships_of


@login_required
def landing(request: HttpRequest) -> HttpResponse:
    """An annotator of one project starts to rank; a member of one project sees it; else all projects."""
    memberships = memberships_of(request)
    if len(memberships) != 1:
        return redirect("home")
    page = "rank" if memberships[0].role == Role.ANNOTATOR else "project"
    return redirect(page, memberships[0].project.slug)


class LogIn(auth.LoginView):
    template_name = "accounts/login.html"
    redirect_authenticated_user = True


class LogOut(auth.LogoutView):
    http_method_names = ["post", "options"]


class PasswordChange(SuccessMessageMixin, auth.PasswordChangeView):  # type: ignore[type-arg] # not generic at run time
    template_name = "accounts/password_change.html"
    success_url = reverse_lazy("landing")
    success_message = "Your password is changed."


class PasswordReset(auth.PasswordResetView):
    template_name = "accounts/password_reset.html"
    email_template_name = "accounts/mail/password_reset.txt"
    subject_template_name = "accounts/mail/password_reset_subject.txt"


class PasswordResetSent(auth.PasswordResetDoneView):
    template_name = "accounts/password_reset_sent.html"


class PasswordResetConfirm(auth.PasswordResetConfirmView):
    template_name = "accounts/password_set.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is set: log in with it.")
        return super().form_valid(form)
