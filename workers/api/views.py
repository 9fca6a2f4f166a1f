"""Runs, rounds, models and evaluations over HTTP."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import NEXT_PAGE, KedgeView, answers, page, paged, person, read
from annotation.api.idempotency import idempotent
from annotation.exceptions import InvalidInput, NotFound
from annotation.models import Project
from annotation.permissions import project_check, project_get
from workers import selectors, services
from workers.api.serializers import (
    EvaluationSerializer,
    MetricsSerializer,
    ModelVersionSerializer,
    RoundCreateSerializer,
    RoundDetailSerializer,
    RoundSerializer,
    RunCreateSerializer,
    RunEventSerializer,
    RunSerializer,
    SuspiciousSerializer,
)
from workers.models import ModelVersion, Round, Run, RunKind, RunState
from workers.suspicious import suspicious_labels

LARGEST_ID = 2**63 - 1


def run_get(request: Request, run_id: int, capability: str) -> Run:
    """The run, if this person may do that with it. What they may not see does not exist for them."""
    runs = Run.objects.select_related("project", "round", "created_by")
    run = runs.filter(pk=run_id).first() if run_id <= LARGEST_ID else None
    if run is None:
        raise NotFound("No such run.")
    project_check(project=run.project, user=request.user, capability=capability)
    return run


def whole_number(request: Request, name: str, *, highest: int = LARGEST_ID) -> int | None:
    """A whole number of the query string, 0 or more; None when it is not there."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > highest:
        message = f"It must be a whole number from 0 to {highest}."
        raise InvalidInput(f"{name}: {message}", fields={name: [message]})
    return int(text)


def choice(request: Request, name: str, known: list[str]) -> str | None:
    text = request.query_params.get(name)
    if text is not None and text not in known:
        message = f"Known are: {', '.join(known)}."
        raise InvalidInput(f"{name}: {message}", fields={name: [message]})
    return text


class RunsView(KedgeView):
    @extend_schema(
        operation_id="run_list",
        parameters=[
            *NEXT_PAGE,
            OpenApiParameter("kind", str, enum=RunKind.values),
            OpenApiParameter("state", str, enum=RunState.values),
        ],
        responses=answers({200: paged(RunSerializer)}),
    )
    def get(self, request: Request, slug: str) -> Response:
        """Runs, newest first."""
        project = project_get(slug=slug, user=request.user, capability="see_training")
        kind, state = choice(request, "kind", RunKind.values), choice(request, "state", RunState.values)
        return page(self, selectors.run_list(project, kind=kind, state=state), RunSerializer)

    @extend_schema(operation_id="run_create", request=RunCreateSerializer, responses=answers({202: RunSerializer}, 409))
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Queue a run. Config and inputs are checked at once; what is left out gets its default."""
        project = project_get(slug=slug, user=request.user, capability="train")
        run = services.run_create(project=project, actor=person(request), **read(RunCreateSerializer, request))
        return _accepted(run)


class RunView(KedgeView):
    @extend_schema(operation_id="run_read", responses=answers({200: RunSerializer}))
    def get(self, request: Request, run: int) -> Response:
        """A run: its state, progress, inputs, output and error."""
        return Response(RunSerializer(run_get(request, run, "see_training")).data)


class RunMetricsView(KedgeView):
    @extend_schema(
        operation_id="run_metrics",
        parameters=[
            OpenApiParameter("after", int, description="Only steps after this one."),
            OpenApiParameter("names", str, description="Comma-separated; all where left out."),
            OpenApiParameter("limit", int, description="Points of each curve at most (2 to 5000)."),
        ],
        responses=answers({200: MetricsSerializer}),
    )
    def get(self, request: Request, run: int) -> Response:
        """The run's curves, for polling: send last_step back as after."""
        found = run_get(request, run, "see_training")
        names = [name for name in request.query_params.get("names", "").split(",") if name]
        limit = whole_number(request, "limit", highest=5000)
        series = selectors.metric_series(
            found,
            names=names or None,
            after=whole_number(request, "after"),
            limit=selectors.SERIES_POINTS if limit is None else max(2, limit),
        )
        return Response({**series, "state": found.state, "progress": found.progress, "phase": found.phase})


class RunEventsView(KedgeView):
    @extend_schema(
        operation_id="run_events",
        parameters=[OpenApiParameter("after", int, description="Only events after the one with this id.")],
        responses=answers({200: RunEventSerializer(many=True)}),
    )
    def get(self, request: Request, run: int) -> Response:
        """The run's log, oldest first, at most 500 at once."""
        found = run_get(request, run, "see_training")
        events = selectors.run_events(found, after=whole_number(request, "after"))
        return Response(RunEventSerializer(events, many=True).data)


class RunCancelView(KedgeView):
    @extend_schema(operation_id="run_cancel", request=None, responses=answers({202: RunSerializer}, 409))
    @idempotent
    def post(self, request: Request, run: int) -> Response:
        """Cancel a queued run at once; a running one stops at its next step."""
        return _accepted(services.run_cancel(run=run_get(request, run, "train"), actor=person(request)))


class RunRetryView(KedgeView):
    @extend_schema(operation_id="run_retry", request=None, responses=answers({202: RunSerializer}, 409))
    @idempotent
    def post(self, request: Request, run: int) -> Response:
        """A new run like one that failed or was cancelled; its round goes on with it."""
        return _accepted(services.run_retry(run=run_get(request, run, "train"), actor=person(request)))


class RoundsView(KedgeView):
    @extend_schema(operation_id="round_list", parameters=NEXT_PAGE, responses=answers({200: paged(RoundSerializer)}))
    def get(self, request: Request, slug: str) -> Response:
        """Rounds, newest first."""
        project = project_get(slug=slug, user=request.user, capability="see_training")
        rounds = selectors.round_list(project).select_related("project")
        return page(self, rounds, RoundSerializer)

    @extend_schema(
        operation_id="round_start", request=RoundCreateSerializer, responses=answers({202: RoundSerializer}, 409)
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Start a round: snapshot, reward model, PPO or DPO, evaluation, next completions."""
        project = project_get(slug=slug, user=request.user, capability="train")
        started = services.round_start(project=project, actor=person(request), **read(RoundCreateSerializer, request))
        body = RoundSerializer(started).data
        return Response(body, status=202, headers={"Location": body["url"]})


class RoundView(KedgeView):
    @extend_schema(operation_id="round_read", responses=answers({200: RoundDetailSerializer}))
    def get(self, request: Request, slug: str, number: int) -> Response:
        """A round with its runs, models and evaluations."""
        project = project_get(slug=slug, user=request.user, capability="see_training")
        return Response(RoundDetailSerializer(round_get(project, number)).data)


def round_get(project: Project, number: int) -> Round:
    rounds = selectors.round_list(project).select_related("project")
    found = rounds.filter(number=number).first() if number <= LARGEST_ID else None
    if found is None:
        raise NotFound("No such round.")
    return found


class ModelsView(KedgeView):
    @extend_schema(
        operation_id="model_list", parameters=NEXT_PAGE, responses=answers({200: paged(ModelVersionSerializer)})
    )
    def get(self, request: Request, slug: str) -> Response:
        """The registry with its lineage, newest first."""
        project = project_get(slug=slug, user=request.user, capability="see_project")
        return page(self, selectors.project_models(project), ModelVersionSerializer)


class ModelPromoteView(KedgeView):
    @extend_schema(operation_id="model_promote", request=None, responses=answers({200: ModelVersionSerializer}, 409))
    @idempotent
    def post(self, request: Request, model: str) -> Response:
        """Make a policy the project's current one."""
        found = ModelVersion.objects.select_related("project").filter(slug=model).first()
        if found is None:
            raise NotFound("No such model.")
        project_check(project=found.project, user=request.user, capability="promote")
        return Response(ModelVersionSerializer(services.model_promote(model=found, actor=person(request))).data)


class EvaluationsView(KedgeView):
    @extend_schema(
        operation_id="evaluation_list", parameters=NEXT_PAGE, responses=answers({200: paged(EvaluationSerializer)})
    )
    def get(self, request: Request, slug: str) -> Response:
        """What each model version scored, newest first: every figure with its interval and n."""
        project = project_get(slug=slug, user=request.user, capability="see_project")
        return page(self, selectors.evaluation_list(project), EvaluationSerializer)


class SuspiciousView(KedgeView):
    @extend_schema(operation_id="suspicious", responses=answers({200: SuspiciousSerializer}))
    def get(self, request: Request, slug: str) -> Response:
        """Labels of which the newest reward model is sure that they are the wrong way round: ask again, never drop."""
        project = project_get(slug=slug, user=request.user, capability="see_quality")
        return Response(suspicious_labels(project))


def _accepted(run: Run) -> Response:
    body = RunSerializer(run).data
    return Response(body, status=202, headers={"Location": body["url"]})
