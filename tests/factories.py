"""Objects for tests. A task comes with its prompt and K completions; people are in conftest.py."""

from datetime import timedelta

import factory
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils import timezone
from factory.django import DjangoModelFactory

from annotation.models import (
    Assignment,
    Completion,
    Membership,
    Project,
    Prompt,
    RankingOrigin,
    Role,
    Split,
    Task,
)
from annotation.services import ranking_submit

PASSWORD = "a long enough password"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = settings.AUTH_USER_MODEL
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        password = kwargs.pop("password", PASSWORD)
        return get_user_model().objects.create_user(*args, password=password, **kwargs)


class ProjectFactory(DjangoModelFactory):
    class Meta:
        model = Project

    slug = factory.Sequence(lambda n: f"project{n}")
    name = factory.LazyAttribute(lambda project: project.slug.title())
    completions_per_prompt = 4
    overlap_share = 0.0
    repeat_share = 0.0
    split_salt = factory.SelfAttribute("slug")
    criteria = factory.LazyFunction(lambda: ["helpfulness", "faithfulness"])


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    project = factory.SubFactory(ProjectFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.ANNOTATOR


class PromptFactory(DjangoModelFactory):
    class Meta:
        model = Prompt

    project = factory.SubFactory(ProjectFactory)
    identity = factory.Sequence(lambda n: f"prompt-{n:06d}")
    external_id = factory.SelfAttribute("identity")
    text = factory.Sequence(lambda n: f"Anna: Lunch at {n}?\nTom: Fine.")
    references = factory.LazyFunction(lambda: ["Anna and Tom have lunch."])
    split = Split.TRAIN


class CompletionFactory(DjangoModelFactory):
    class Meta:
        model = Completion

    prompt = factory.SubFactory(PromptFactory)
    source = "toy-sft"
    ordinal = factory.Sequence(lambda n: n % 30000)
    text = factory.Sequence(lambda n: f"They have lunch, version {n}.")


class TaskFactory(DjangoModelFactory):
    """``TaskFactory(project=p)``: a task with ``project.completions_per_prompt`` completions (``k=`` changes it)."""

    class Meta:
        model = Task
        skip_postgeneration_save = True

    project = factory.SubFactory(ProjectFactory)
    prompt = factory.SubFactory(PromptFactory, project=factory.SelfAttribute("..project"))
    wanted_raters = 1

    @factory.post_generation
    def k(self, create, extracted, **kwargs):
        count = extracted or self.project.completions_per_prompt
        self.completions.set(CompletionFactory.create_batch(count, prompt=self.prompt))


class AssignmentFactory(DjangoModelFactory):
    """A live lease, the task's counter not touched: use services.task_next where that matters."""

    class Meta:
        model = Assignment

    task = factory.SubFactory(TaskFactory)
    prompt = factory.SelfAttribute("task.prompt")
    annotator = factory.SubFactory(UserFactory)
    display_order = factory.LazyAttribute(
        lambda assignment: list(assignment.task.completions.order_by("id").values_list("id", flat=True))
    )
    leased_at = factory.LazyFunction(timezone.now)
    lease_expires = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=30))


def ranked(project, annotator, *, groups=None, task=None, origin=RankingOrigin.PERSON, **answer):
    """A ranking through the services; ``groups`` holds places in id order, ``((0,), (1, 2), (3,))``."""
    task = task or TaskFactory(project=project)
    completions = list(task.completions.order_by("id").values_list("id", flat=True))
    places = [(place,) for place in range(len(completions))] if groups is None else groups
    Task.objects.filter(pk=task.pk).update(taken=F("taken") + 1)
    assignment = AssignmentFactory(task=task, annotator=annotator, shown_at=timezone.now())
    return ranking_submit(
        assignment=assignment,
        groups=[[completions[place] for place in group] for group in places],
        origin=origin,
        **answer,
    )
