"""Who is in a project, and with which role. New accounts are made by the invitation page."""

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from annotation.exceptions import Conflict, InvalidInput, KedgeError
from annotation.gold import gold_standings
from annotation.models import LABEL_KINDS, Membership, Project, Role
from annotation.services import member_remove, member_set
from annotation.users import User
from webapp.dashboard.forms import MemberChangeForm, MemberForm
from webapp.dashboard.pages.base import actor_of, errors_show, project_page, project_render, refused


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("manage")
def members(request: HttpRequest, project: Project) -> HttpResponse:
    """The members; a POST adds somebody who has an account."""
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            member_add(project, form.cleaned_data["username"], form.cleaned_data["role"], actor_of(request))
        except KedgeError as error:
            errors_show(form, error)
        else:
            messages.success(request, "Added.")
            return redirect("members", project.slug)
    mine = Q(user__rankings__project=project, user__rankings__is_current=True, user__rankings__kind__in=LABEL_KINDS)
    rows = (
        Membership.objects.filter(project=project)
        .select_related("user")
        .annotate(rankings=Count("user__rankings", filter=mine), last=Max("user__rankings__created_at", filter=mine))
        .order_by("user__username")
    )
    standings = gold_standings(project)
    members = [(row, standings.get(row.user.get_username())) for row in rows]
    failed = [row.user.get_username() for row, gold in members if gold is not None and gold.verdict == "failed"]
    context = {"form": form, "members": members, "roles": Role.choices, "failed": failed, "has_gold": bool(standings)}
    return project_render(request, project, "members", context, status=422 if form.errors else 200)


def member_add(project: Project, name: str, role: str, actor: User) -> None:
    """Give the owner of an account a role. An unknown name is refused with where to invite the person."""
    people = get_user_model()._default_manager.filter(is_active=True)
    user = people.filter(Q(username=name) | Q(email__iexact=name, email__gt="")).order_by("pk").first()
    if user is None:
        message = "Nobody here has this name or address: invite them instead."
        raise InvalidInput(message, fields={"username": [message]})
    if Membership.objects.filter(project=project, user=user).exists():
        message = f"{user.get_username()} is a member already: change the role in the table."
        raise Conflict(message, fields={"username": [message]})
    member_set(project=project, user=user, role=role, actor=actor)


@require_POST
@project_page("manage")
def change(request: HttpRequest, project: Project, username: str) -> HttpResponse:
    """Another role, quota or pause for a member."""
    form = MemberChangeForm(request.POST)
    member = get_object_or_404(Membership.objects.select_related("user"), project=project, user__username=username)
    if form.is_valid():
        try:
            changed = member_set(project=project, user=member.user, actor=actor_of(request), **form.cleaned_data)
            messages.success(request, f"{username} is {Role(changed.role).label.lower()} now{_workload(changed)}.")
        except KedgeError as error:
            refused(request, error)
    else:
        wrong = "; ".join(f"{name}: {errors[0]}" for name, errors in form.errors.items())
        messages.error(request, f"Nothing was changed. {wrong}")
    return _back(request, project)


@require_POST
@project_page("manage")
def remove(request: HttpRequest, project: Project, username: str) -> HttpResponse:
    """Take a member out; what they ranked stays."""
    member = get_object_or_404(Membership.objects.select_related("user"), project=project, user__username=username)
    try:
        member_remove(project=project, user=member.user, actor=actor_of(request))
        messages.success(request, f"{username} is out of the project. Their rankings stay.")
    except KedgeError as error:
        refused(request, error)
    return _back(request, project)


def _workload(membership: Membership) -> str:
    quota = "" if membership.daily_quota is None else f", at most {membership.daily_quota} rankings a day"
    return f"{quota}, paused" if membership.paused else quota


def _back(request: HttpRequest, project: Project) -> HttpResponse:
    """The table, or the list of projects for a lead who gave up that role or left."""
    lead = Membership.objects.filter(project=project, user=actor_of(request), role=Role.LEAD).exists()
    return redirect("members", project.slug) if lead else redirect("home")
