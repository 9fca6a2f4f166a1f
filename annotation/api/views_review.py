"""A reviewer's work: the queue of tasks that need a decision, the decision, and labels taken back."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import NEXT_PAGE, KedgeView, StrictSerializer, answers, page, paged, person, read
from annotation.api.idempotency import idempotent
from annotation.api.serializers import AnswerSerializer, RankedSerializer, answer_of, ranked
from annotation.api.views_projects import person_named
from annotation.disagreement import THRESHOLD
from annotation.exceptions import InvalidInput, NotFound
from annotation.models import Retraction
from annotation.permissions import project_get
from annotation.review import REASONS, Case, review_case, review_queue

MOST = 200


class QueueRowSerializer(serializers.Serializer[Any]):
    task = serializers.IntegerField()
    raters = serializers.IntegerField()
    disagreement = serializers.FloatField(allow_null=True, source="concern.disagreement")
    pairs = serializers.IntegerField(source="concern.pairs", help_text="What the disagreement rests on.")
    reasons = serializers.ListField(child=serializers.ChoiceField(choices=list(REASONS)), source="concern.reasons")


class ReviewQueueSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Of all that wait.")
    results = QueueRowSerializer(many=True)


class RaterSerializer(serializers.Serializer[Any]):
    """What one rater said. Who it was is not told."""

    rater = serializers.IntegerField(help_text="From 1, in an order that tells nothing.")
    ranking = serializers.IntegerField(source="pk")
    groups = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    strengths = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    none_acceptable = serializers.BooleanField()
    flags = serializers.DictField(child=serializers.CharField())
    rationale = serializers.CharField()


class ReviewedTextSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    text = serializers.CharField()


class CaseSerializer(serializers.Serializer[Any]):
    task = serializers.IntegerField(source="task.pk")
    prompt = serializers.CharField(source="task.prompt.text")
    completions = ReviewedTextSerializer(many=True)
    disagreement = serializers.FloatField(allow_null=True, source="concern.disagreement")
    reasons = serializers.ListField(child=serializers.CharField(), source="concern.reasons")
    skips = serializers.DictField(child=serializers.IntegerField(), help_text="{reason: people}")
    rankings = RaterSerializer(many=True)
    final = RankedSerializer(allow_null=True)


class AskedSerializer(serializers.Serializer[Any]):
    added = serializers.BooleanField(help_text="False where a place was free already.")


class RetractionCreateSerializer(StrictSerializer):
    annotator = serializers.CharField(required=False, max_length=150, help_text="A user name.")
    batch = serializers.CharField(required=False, max_length=200, help_text="An import's name.")
    reason = serializers.CharField(max_length=2000)
    requeue = serializers.BooleanField(required=False, default=False, help_text="Others rank the tasks instead.")


class RetractionSerializer(serializers.ModelSerializer[Retraction]):
    annotator = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    actor = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Retraction
        fields = ["id", "annotator", "batch", "reason", "rankings", "requeued", "actor", "at", "undone_at"]
        read_only_fields = fields


class ReviewView(KedgeView):
    @extend_schema(
        operation_id="review_queue",
        parameters=[
            OpenApiParameter("threshold", float, default=THRESHOLD, description="Least disagreement, 0 to 1."),
            OpenApiParameter("limit", int, default=50, description=f"At most {MOST}."),
        ],
        responses=answers({200: ReviewQueueSerializer}),
    )
    def get(self, request: Request, slug: str) -> Response:
        """Tasks that need a decision: raters disagree (most first), flags, several skips, nobody sure.

        Tasks that you ranked yourself are for the other reviewers.
        """
        project = project_get(slug=slug, user=request.user, capability="review")
        threshold = _number(request, "threshold", THRESHOLD, 1)
        limit = int(_number(request, "limit", 50, MOST))
        rows = review_queue(project=project, reviewer=person(request), threshold=threshold)
        return Response(ReviewQueueSerializer({"count": len(rows), "results": rows[:limit]}).data)


class CaseView(KedgeView):
    @extend_schema(operation_id="review_case", responses=answers({200: CaseSerializer}))
    def get(self, request: Request, slug: str, task: int) -> Response:
        """One task with its rankings side by side, without names."""
        return Response(case_as_json(_case(request, slug, task)))


class FinalView(KedgeView):
    @extend_schema(
        operation_id="task_adjudicate", request=AnswerSerializer, responses=answers({201: RankedSerializer}, 409)
    )
    @idempotent
    def post(self, request: Request, slug: str, task: int) -> Response:
        """Set the final ranking: it alone teaches, the others stay, overruled."""
        case = _case(request, slug, task)
        answer = answer_of(read(AnswerSerializer, request))
        final = services.task_adjudicate(task=case.task, answer=answer, actor=person(request))
        return Response(ranked(final), status=201)

    @extend_schema(operation_id="adjudication_undo", responses=answers({204: None}, 409))
    @idempotent
    def delete(self, request: Request, slug: str, task: int) -> Response:
        """Take the final ranking off: the others count again."""
        case = _case(request, slug, task)
        if case.final is None:
            raise NotFound("This task has no final ranking.")
        services.adjudication_undo(ranking=case.final, actor=person(request))
        return Response(status=204)


class AskAgainView(KedgeView):
    @extend_schema(operation_id="task_ask_again", request=None, responses=answers({200: AskedSerializer}, 409))
    @idempotent
    def post(self, request: Request, slug: str, task: int) -> Response:
        """Have one more person rank the task, before the others. Asking twice asks once."""
        case = _case(request, slug, task)
        return Response({"added": services.task_ask_again(task=case.task, actor=person(request))})


class LeaveView(KedgeView):
    @extend_schema(operation_id="task_leave", request=None, responses=answers({204: None}))
    @idempotent
    def post(self, request: Request, slug: str, task: int) -> Response:
        """Leave the rankings as they are; the task comes back when somebody ranks it later."""
        services.task_leave(task=_case(request, slug, task).task, actor=person(request))
        return Response(status=204)


class RetractionsView(KedgeView):
    @extend_schema(
        operation_id="retractions", parameters=NEXT_PAGE, responses=answers({200: paged(RetractionSerializer)})
    )
    def get(self, request: Request, slug: str) -> Response:
        """What was taken back, newest first."""
        project = project_get(slug=slug, user=request.user, capability="see_quality")
        rows = Retraction.objects.filter(project=project).select_related("annotator", "actor")
        return page(self, rows, RetractionSerializer)

    @extend_schema(
        operation_id="retraction_create",
        request=RetractionCreateSerializer,
        responses=answers({201: RetractionSerializer}, 409),
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Take back every current label of an annotator or of an import.

        The next snapshot is without them; earlier ones, and the models that were trained on those, say so.
        """
        project = project_get(slug=slug, user=request.user, capability="manage")
        body = read(RetractionCreateSerializer, request)
        name = body.pop("annotator", None)
        annotator = None if name is None else person_named(name)
        made = services.retraction_create(project=project, annotator=annotator, actor=person(request), **body)
        return Response(RetractionSerializer(made).data, status=201)


class RetractionUndoView(KedgeView):
    @extend_schema(operation_id="retraction_undo", request=None, responses=answers({200: RetractionSerializer}, 409))
    @idempotent
    def post(self, request: Request, slug: str, retraction: int) -> Response:
        """Make the labels current again, with the pairs they had."""
        project = project_get(slug=slug, user=request.user, capability="manage")
        found = Retraction.objects.filter(project=project, pk=retraction).select_related("annotator", "project").first()
        if found is None:
            raise NotFound("No such retraction.")
        undone = services.retraction_undo(retraction=found, actor=person(request))
        return Response(RetractionSerializer(undone).data)


def case_as_json(case: Case) -> dict[str, Any]:
    """The case as CaseSerializer says."""
    for number, one in enumerate(case.rankings, start=1):
        one.rater = number  # type: ignore[attr-defined]  # its name on this page
    completions = sorted(case.task.completions.all(), key=lambda one: one.pk)
    whole = {
        "task": case.task,
        "completions": completions,
        "concern": case.concern,
        "skips": case.skips,
        "rankings": case.rankings,
        "final": ranked(case.final) if case.final else None,
    }
    return dict(CaseSerializer(whole).data)


def _case(request: Request, slug: str, task: int) -> Case:
    project = project_get(slug=slug, user=request.user, capability="review")
    return review_case(project=project, task_id=task)


def _number(request: Request, name: str, default: float, most: float) -> float:
    text = request.query_params.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        message = f"It is a number from 0 to {most}."
        raise InvalidInput(f"{name}: {message}", fields={name: [message]})
    return value
