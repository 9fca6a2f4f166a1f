"""Projects and the people in them."""

from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotation.exceptions import Conflict, InvalidInput, NotFound, StaleTransition
from annotation.leases import lease_end
from annotation.licence import licence_problem
from annotation.models import Assignment, AssignmentState, Membership, Project, Role
from annotation.services.audit import audit_record
from annotation.signals import base_model_chosen, prompt_template_chosen
from annotation.texts import text_problem
from annotation.users import User

MAX_QUOTA = 10_000
EDITABLE = (
    "name",
    "guidelines",
    "prompt_template",
    "completions_per_prompt",
    "raters_per_task",
    "overlap_share",
    "overlap_raters",
    "criteria",
    "lease_minutes",
    "best_worst",
    "paused",
    "strategy",
    "random_share",
    "gold_share",
    "gold_before_trust",
    "gold_pass",
    "repeat_share",
    "min_rankings",
    "min_reward_accuracy",
    "base_model",
    "data_license",
)


def project_create(*, actor: User | None, slug: str, name: str, split_salt: str = "", **values: Any) -> Project:
    """A new project, led by ``actor``. ``split_salt`` (default: the slug) can never be changed again."""
    project = Project(slug=slug, name=name, split_salt=split_salt or slug, created_by=actor)
    _base_model_ask(project, values)
    with transaction.atomic():
        _apply(project, values)
        try:
            with transaction.atomic():
                project.save()
        except IntegrityError as error:
            message = "There is a project with this address already: choose another."
            raise InvalidInput(message, fields={"slug": [message]}) from error
        if actor is not None:
            Membership.objects.create(project=project, user=actor, role=Role.LEAD)
        audit_record(verb="project.create", actor=actor, project=project, target=slug)
    return project


def project_update(*, project: Project, actor: User | None, **values: Any) -> Project:
    """Change what may be changed (``EDITABLE``); raises InvalidInput with the fields at fault."""
    _base_model_ask(project, values)
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        before = {name: getattr(project, name) for name in values if name in EDITABLE}
        _apply(project, values)
        project.save(update_fields=list(before) or None)
        changed = {name: values[name] for name, old in before.items() if old != values[name]}
        audit_record(verb="project.update", actor=actor, project=project, target=project.slug, **changed)
    return project


def _base_model_ask(project: Project, values: dict[str, Any]) -> None:
    """Whoever knows models may refuse this one; outside the transaction, because the answer may come over a network."""
    name = values.get("base_model", project.base_model)
    if project.pk is None or name != project.base_model:
        base_model_chosen.send(sender=Project, project=project, name=str(name))


def _apply(project: Project, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise InvalidInput(f"'{name}' is no setting of a project.", fields={name: ["Unknown setting."]})
        setattr(project, name, value)
    fields = {name: [problem] for name in EDITABLE if (problem := _problem(name, getattr(project, name)))}
    if fields:
        raise InvalidInput(" ".join(messages[0] for messages in fields.values()), fields=fields)
    if "prompt_template" in values:
        prompt_template_chosen.send(sender=Project, project=project, template=project.prompt_template)
    try:
        project.full_clean(exclude=["created_by"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        detail = " ".join(f"{name}: {messages[0]}" for name, messages in error.message_dict.items())
        raise InvalidInput(detail, fields=error.message_dict) from error


def _problem(name: str, value: Any) -> str | None:
    if isinstance(value, str) and (problem := text_problem(value)):
        return problem
    if name == "prompt_template" and "{prompt}" not in str(value):
        return "The template has no {prompt}: the model would never see the prompt."
    if name == "data_license":
        return licence_problem(str(value))
    if name == "criteria":
        if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one.strip()) <= 50 for one in value):
            return "Criteria are a list of names of at most 50 characters."
        if len(value) > 20 or len(set(value)) < len(value):
            return "At most 20 criteria, each once."
        return next((problem for one in value if (problem := text_problem(one))), None)
    return None


class Workload(TypedDict, total=False):
    """How much a member is given to do."""

    daily_quota: int | None  # rankings a day; None: no limit
    paused: bool  # nothing new is handed out


def member_set(
    *, project: Project, user: User, role: Role | str, actor: User | None, **workload: Unpack[Workload]
) -> Membership:
    """Give a person a role, and change what of their workload is given. The last lead keeps their role."""
    if role not in Role.values:
        message = f"'{role}' is no role: {', '.join(Role.values)}."
        raise InvalidInput(message, fields={"role": [message]})
    quota = workload.get("daily_quota")
    if quota is not None and not 0 <= quota <= MAX_QUOTA:
        message = f"{quota} rankings a day: from 0 to {MAX_QUOTA}, or nothing for no limit."
        raise InvalidInput(message, fields={"daily_quota": [message]})
    values = {"role": Role(role).value, **workload}
    with transaction.atomic():
        if role != Role.LEAD:
            _keep_a_lead(project, user)
        membership, _ = Membership.objects.update_or_create(project=project, user=user, defaults=values)
        audit_record(verb="member.set", actor=actor, project=project, target=user.get_username(), **values)
    return membership


def member_remove(*, project: Project, user: User, actor: User | None) -> None:
    """Take a person out. What they ranked stays; what they hold goes back to the others."""
    with transaction.atomic():
        _keep_a_lead(project, user)
        if not Membership.objects.filter(project=project, user=user).delete()[0]:
            raise NotFound("This person is not in the project.")
        held = Assignment.objects.filter(annotator=user, task__project=project, state=AssignmentState.LEASED)
        for assignment in held.order_by("task_id"):
            try:
                lease_end(assignment=assignment)
            except StaleTransition:
                continue  # submitted or expired in between: nothing is held any more
        audit_record(verb="member.remove", actor=actor, project=project, target=user.get_username())


def _keep_a_lead(project: Project, user: User) -> None:
    # Locked, so that two leads who remove each other at once do not both succeed.
    leads = list(Membership.objects.select_for_update().filter(project=project, role=Role.LEAD))
    if [lead.user_id for lead in leads] == [user.pk]:
        raise Conflict("This is the project's last lead: make somebody else a lead first.")
