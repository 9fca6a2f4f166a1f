"""An annotator's work: the next task, its draft, its ranking."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import NEXT_PAGE, KedgeView, answers, page, paged, person, read, shared
from annotation.api.idempotency import idempotent
from annotation.api.serializers import (
    AnswerSerializer,
    DraftSavedSerializer,
    DraftSerializer,
    ProgressSerializer,
    RankedSerializer,
    RankingSerializer,
    RenewedSerializer,
    SkipSerializer,
    TaskSerializer,
    answer_of,
    ranked,
)
from annotation.distribution import Waiting
from annotation.permissions import project_get
from annotation.selectors import annotator_progress, ranking_get, rankings_of


class NextTaskView(KedgeView):
    @extend_schema(
        operation_id="task_next",
        request=None,
        parameters=[OpenApiParameter("ahead", bool, description="The one after the task on the screen.")],
        responses=answers({200: TaskSerializer, 204: None}),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Your oldest live lease, else a new one; 204 when there is none for you.

        The header `Kedge-Reason` of a 204 says why: nothing_left, project_paused, person_paused or quota_reached.

        Sending it twice hands out nothing twice, so it takes no Idempotency-Key.
        """
        project = project_get(slug=slug, user=request.user, capability="annotate")
        ahead = request.query_params.get("ahead", "").lower() in {"1", "true"}
        found = services.task_next_or_why(project=project, annotator=person(request), ahead=ahead)
        if isinstance(found, Waiting):
            return Response(status=204, headers={"Kedge-Reason": found.value})
        return Response(shared(TaskSerializer).to_representation(found))


class RankTaskView(KedgeView):
    @extend_schema(operation_id="task_rank", request=AnswerSerializer, responses=answers({201: RankedSerializer}, 409))
    @idempotent
    def post(self, request: Request, task: int) -> Response:
        """Rank a task that you hold."""
        assignment = services.assignment_get(task_id=task, annotator=person(request))
        ranking = services.answer_submit(assignment=assignment, answer=answer_of(read(AnswerSerializer, request)))
        return Response(ranked(ranking), status=201)


class DraftView(KedgeView):
    @extend_schema(
        operation_id="task_draft", request=DraftSerializer, responses=answers({200: DraftSavedSerializer}, 409)
    )
    @idempotent
    def put(self, request: Request, task: int) -> Response:
        """Keep what is on your screen."""
        assignment = services.assignment_get(task_id=task, annotator=person(request))
        saved = services.draft_save(assignment=assignment, draft=read(DraftSerializer, request)["draft"])
        return Response(DraftSavedSerializer(saved).data)


class SkipView(KedgeView):
    @extend_schema(operation_id="task_skip", request=SkipSerializer, responses=answers({204: None}, 409))
    @idempotent
    def post(self, request: Request, task: int) -> Response:
        """Leave this task to others for good, and say why."""
        assignment = services.assignment_get(task_id=task, annotator=person(request))
        services.assignment_skip(assignment=assignment, **read(SkipSerializer, request))
        return Response(status=204)


class RenewView(KedgeView):
    @extend_schema(operation_id="task_renew", request=None, responses=answers({200: RenewedSerializer}, 409))
    def post(self, request: Request, task: int) -> Response:
        """Hold this task for another lease while you work on it; eight leases in all.

        Sending it twice renews nothing twice, so it takes no Idempotency-Key.
        """
        assignment = services.assignment_get(task_id=task, annotator=person(request))
        return Response(RenewedSerializer(services.assignment_renew(assignment=assignment)).data)


class ReleaseView(KedgeView):
    @extend_schema(operation_id="task_release", request=None, responses=answers({204: None}, 409))
    @idempotent
    def post(self, request: Request, task: int) -> Response:
        """Give this task back."""
        services.assignment_release(assignment=services.assignment_get(task_id=task, annotator=person(request)))
        return Response(status=204)


class RankingView(KedgeView):
    @extend_schema(operation_id="ranking_read", responses=answers({200: RankingSerializer}))
    def get(self, request: Request, ranking: int) -> Response:
        """A ranking with its task, for its annotator and for reviewers."""
        return Response(RankingSerializer(ranking_get(ranking_id=ranking, user=person(request))).data)

    @extend_schema(
        operation_id="ranking_revise", request=AnswerSerializer, responses=answers({200: RankedSerializer}, 409)
    )
    @idempotent
    def put(self, request: Request, ranking: int) -> Response:
        """Replace a ranking by a new revision; the old one is kept."""
        current = ranking_get(ranking_id=ranking, user=person(request))
        answer = answer_of(read(AnswerSerializer, request))
        return Response(ranked(services.ranking_revise(ranking=current, answer=answer, actor=person(request))))


class MyRankingsView(KedgeView):
    @extend_schema(
        operation_id="rankings_mine", parameters=NEXT_PAGE, responses=answers({200: paged(RankingSerializer)})
    )
    def get(self, request: Request, slug: str) -> Response:
        """Your own current rankings, newest first: what an undo opens again."""
        project = project_get(slug=slug, user=request.user, capability="annotate")
        return page(self, rankings_of(project=project, annotator=person(request)), RankingSerializer)


class ProgressView(KedgeView):
    @extend_schema(operation_id="progress", responses=answers({200: ProgressSerializer}))
    def get(self, request: Request, slug: str) -> Response:
        """How far you and the project are."""
        project = project_get(slug=slug, user=request.user, capability="annotate")
        return Response(annotator_progress(project=project, annotator=person(request)))
