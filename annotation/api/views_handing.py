"""What decides who gets which task: priorities, gold, panels."""

from dataclasses import asdict

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import KedgeView, answers, person, read
from annotation.api.handing import (
    ChangedSerializer,
    GoldCreateSerializer,
    GoldSerializer,
    PanelCreatedSerializer,
    PanelCreateSerializer,
    PanelSerializer,
    PrioritySerializer,
)
from annotation.api.idempotency import idempotent
from annotation.exceptions import InvalidInput
from annotation.gold import gold_rows
from annotation.panels import panel_result
from annotation.permissions import project_get
from annotation.texts import text_problem


class TasksView(KedgeView):
    @extend_schema(
        operation_id="tasks_prioritise", request=PrioritySerializer, responses=answers({200: ChangedSerializer}, 409)
    )
    @idempotent
    def patch(self, request: Request, slug: str) -> Response:
        """Change the priority of the tasks of some prompts, of an import's batch, or of a round."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        values = read(PrioritySerializer, request)
        changed = services.tasks_prioritise(
            project=project,
            priority=values["priority"],
            prompts=values.get("prompts"),
            batch=values.get("batch"),
            round_number=values.get("round"),
            actor=person(request),
        )
        return Response({"changed": changed})


class GoldListView(KedgeView):
    @extend_schema(operation_id="gold", responses=answers({200: GoldSerializer(many=True)}))
    def get(self, request: Request, slug: str) -> Response:
        """Gold tasks, newest first, with how people did on each."""
        project = project_get(slug=slug, user=request.user, capability="gold")
        return Response(GoldSerializer(gold_rows(project), many=True).data)

    @extend_schema(
        operation_id="gold_create", request=GoldCreateSerializer, responses=answers({201: GoldSerializer}, 409)
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Make a gold task out of a prompt, its completions, and which of them is known to be better than which."""
        project = project_get(slug=slug, user=request.user, capability="gold")
        task = services.gold_create(project=project, actor=person(request), **read(GoldCreateSerializer, request))
        made = next(row for row in gold_rows(project) if row.task.pk == task.pk)
        return Response(GoldSerializer(made).data, status=201)


class GoldView(KedgeView):
    @extend_schema(operation_id="gold_retire", responses=answers({204: None}, 409))
    @idempotent
    def delete(self, request: Request, slug: str, gold: int) -> Response:
        """Hand a gold task out no more. What people said of it still counts."""
        project = project_get(slug=slug, user=request.user, capability="gold")
        services.gold_retire(project=project, task_id=gold, actor=person(request))
        return Response(status=204)


class PanelsView(KedgeView):
    @extend_schema(
        operation_id="panel",
        parameters=[OpenApiParameter("new", str, required=True), OpenApiParameter("old", str, required=True)],
        responses=answers({200: PanelSerializer}),
    )
    def get(self, request: Request, slug: str) -> Response:
        """How often annotators, who saw neither name, preferred `new` to `old`."""
        project = project_get(slug=slug, user=request.user, capability="see_training")
        new, old = request.query_params.get("new", ""), request.query_params.get("old", "")
        if not new or not old or text_problem(new + old):
            raise InvalidInput("Name both: ?new=…&old=…", fields={"new": ["Name both sources."]})
        return Response(PanelSerializer(asdict(panel_result(project, new=new, old=old))).data)

    @extend_schema(
        operation_id="panel_create",
        request=PanelCreateSerializer,
        responses=answers({201: PanelCreatedSerializer}, 409),
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Put comparisons of two sources, blind, among the annotators' tasks."""
        project = project_get(slug=slug, user=request.user, capability="train")
        values = read(PanelCreateSerializer, request)
        return Response(
            {"created": services.panel_create(project=project, actor=person(request), **values)}, status=201
        )
