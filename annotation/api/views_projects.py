"""Projects, their people, and what their labels look like."""

from django.contrib.auth import get_user_model
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import NEXT_PAGE, KedgeView, NewestFirst, OldestFirst, answers, page, paged, person, read
from annotation.api.figures import QualitySerializer, StatsSerializer
from annotation.api.idempotency import idempotent
from annotation.api.serializers import (
    MemberSerializer,
    MemberSetSerializer,
    ProjectChangeSerializer,
    ProjectCreateSerializer,
    ProjectSerializer,
)
from annotation.exceptions import Forbidden, NotFound
from annotation.permissions import allowed, may_create_projects, project_get, role_of
from annotation.selectors import members_of, project_quality, project_stats, projects_of
from annotation.texts import text_problem
from annotation.users import User


class ProjectsView(KedgeView):
    @extend_schema(operation_id="projects", parameters=NEXT_PAGE, responses=answers({200: paged(ProjectSerializer)}))
    def get(self, request: Request) -> Response:
        """The projects you are in."""
        return page(self, projects_of(person(request)), ProjectSerializer, paginator=NewestFirst)

    @extend_schema(
        operation_id="project_create", request=ProjectCreateSerializer, responses=answers({201: ProjectSerializer}, 409)
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a project and lead it. For staff and for whoever leads a project already."""
        if not may_create_projects(request.user):
            raise Forbidden("Only leads and staff make projects.")
        project = services.project_create(actor=person(request), **read(ProjectCreateSerializer, request))
        return Response(ProjectSerializer(project).data, status=201)


class ProjectView(KedgeView):
    @extend_schema(operation_id="project", responses=answers({200: ProjectSerializer}))
    def get(self, request: Request, slug: str) -> Response:
        """A project's settings."""
        return Response(ProjectSerializer(project_get(slug=slug, user=request.user, capability="see_project")).data)

    @extend_schema(
        operation_id="project_update",
        request=ProjectChangeSerializer(partial=True),
        responses=answers({200: ProjectSerializer}, 409),
    )
    @idempotent
    def patch(self, request: Request, slug: str) -> Response:
        """Change a project's settings."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        changes = read(ProjectChangeSerializer, request, partial=True)
        return Response(
            ProjectSerializer(services.project_update(project=project, actor=person(request), **changes)).data
        )


class MembersView(KedgeView):
    @extend_schema(operation_id="members", parameters=NEXT_PAGE, responses=answers({200: paged(MemberSerializer)}))
    def get(self, request: Request, slug: str) -> Response:
        """Who is in the project, and as what."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        return page(self, members_of(project), MemberSerializer, paginator=OldestFirst)


class MemberView(KedgeView):
    @extend_schema(
        operation_id="member_set", request=MemberSetSerializer, responses=answers({200: MemberSerializer}, 409)
    )
    @idempotent
    def put(self, request: Request, slug: str, username: str) -> Response:
        """Take a person in, or change their role, their quota, or whether they are given anything new."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        values = read(MemberSetSerializer, request)
        membership = services.member_set(project=project, user=person_named(username), actor=person(request), **values)
        return Response(MemberSerializer(membership).data)

    @extend_schema(operation_id="member_remove", responses=answers({204: None}, 409))
    @idempotent
    def delete(self, request: Request, slug: str, username: str) -> Response:
        """Take a person out. Their rankings stay."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        services.member_remove(project=project, user=person_named(username), actor=person(request))
        return Response(status=204)


class StatsView(KedgeView):
    @extend_schema(operation_id="stats", responses=answers({200: StatsSerializer}))
    def get(self, request: Request, slug: str) -> Response:
        """Throughput, queue and the distribution of labels. Annotators see no other annotator by name."""
        project = project_get(slug=slug, user=request.user, capability="see_project")
        everybody = allowed(role_of(project=project, user=request.user), "see_training")
        return Response(project_stats(project, annotator=None if everybody else person(request)))


class QualityView(KedgeView):
    @extend_schema(operation_id="quality", responses=answers({200: QualitySerializer}))
    def get(self, request: Request, slug: str) -> Response:
        """Agreement with its interval, the ceiling it sets, position bias, speed, and each annotator's figures."""
        project = project_get(slug=slug, user=request.user, capability="see_quality")
        return Response(project_quality(project))


def person_named(username: str) -> User:
    """Whoever has this name, or NotFound."""
    people = get_user_model().objects.filter(username=username) if not text_problem(username) else None
    person = people.first() if people is not None else None
    if person is None:
        raise NotFound("Nobody has this name.")
    return person
