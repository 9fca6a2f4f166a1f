"""Snapshots: freezing, reading, comparing."""

from dataclasses import asdict
from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import NEXT_PAGE, KedgeView, answers, page, paged, person
from annotation.api.idempotency import idempotent
from annotation.api.views_exports import OwnFormat
from annotation.exceptions import InvalidInput, NotFound
from annotation.models import Project, Snapshot
from annotation.permissions import project_get
from annotation.snapshot_diff import MOST_SHOWN, SHOWN, snapshot_diff
from annotation.snapshots import FILES, folder_of


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ["sha256", "rankings", "pairs", "retracted", "manifest", "created_at"]
        read_only_fields = fields


class LineDiffSerializer(serializers.Serializer[Any]):
    before = serializers.DictField(allow_null=True, help_text="The line in the first snapshot.")
    after = serializers.DictField(allow_null=True, help_text="The line in the second.")


class ChangeSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    first = LineDiffSerializer(many=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    """From the first snapshot to the second, in rankings."""

    same = serializers.IntegerField()
    added = ChangeSerializer()
    changed = ChangeSerializer(help_text="The same person said something else of the same completions.")
    retracted = ChangeSerializer(help_text="Gone, because it was taken back.")
    gone = ChangeSerializer(help_text="Gone for another reason, such as a reviewer's final ranking.")


def snapshot_get(project: Project, sha256: str) -> Snapshot:
    """The project's snapshot of this name, or NotFound."""
    snapshot = Snapshot.objects.filter(project=project, sha256=sha256).select_related("project").first()
    if snapshot is None:
        raise NotFound(f"This project has no snapshot {sha256[:12]}.")
    return snapshot


class SnapshotsView(KedgeView):
    @extend_schema(operation_id="snapshots", parameters=NEXT_PAGE, responses=answers({200: paged(SnapshotSerializer)}))
    def get(self, request: Request, slug: str) -> Response:
        """The project's snapshots, newest first. ``retracted``: of its rankings, how many were taken back since."""
        project = project_get(slug=slug, user=request.user, capability="export")
        return page(self, Snapshot.objects.filter(project=project), SnapshotSerializer)

    @extend_schema(operation_id="snapshot_freeze", request=None, responses=answers({201: SnapshotSerializer}, 409))
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Freeze the current rankings. The same labels give the same snapshot."""
        project = project_get(slug=slug, user=request.user, capability="export")
        snapshot = services.snapshot_freeze(project=project, actor=person(request))
        return Response(SnapshotSerializer(snapshot).data, status=201)


class SnapshotFileView(KedgeView):
    content_negotiation_class = OwnFormat

    @extend_schema(
        operation_id="snapshot_file",
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(FILES))],
        responses=answers({(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)}),
    )
    def get(self, request: Request, slug: str, sha256: str, name: str) -> FileResponse:
        """Download one of a snapshot's files."""
        project = project_get(slug=slug, user=request.user, capability="export")
        snapshot = snapshot_get(project, sha256)
        if name not in FILES:
            raise NotFound(f"A snapshot has no such file: {', '.join(FILES)}.")
        path = folder_of(snapshot.path) / name
        if not path.is_file():
            raise NotFound(f"{name} is not in the data folder any more: freeze the same labels again.")
        return FileResponse(path.open("rb"), as_attachment=True, filename=f"{sha256[:12]}-{name}")


class SnapshotDiffView(KedgeView):
    @extend_schema(
        operation_id="snapshot_diff",
        parameters=[
            OpenApiParameter("shown", int, default=SHOWN, description=f"Lines of each kind, 0 to {MOST_SHOWN}.")
        ],
        responses=answers({200: DifferenceSerializer}, 409),
    )
    def get(self, request: Request, slug: str, sha256: str, other: str) -> Response:
        """What changed from the first snapshot to the second: counts, and the first lines of each kind."""
        project = project_get(slug=slug, user=request.user, capability="export")
        shown = request.query_params.get("shown", str(SHOWN))
        if not (shown.isascii() and shown.isdigit() and int(shown[:9]) <= MOST_SHOWN):
            message = f"It is a whole number from 0 to {MOST_SHOWN}."
            raise InvalidInput(f"shown: {message}", fields={"shown": [message]})
        found = snapshot_diff(
            before=snapshot_get(project, sha256), after=snapshot_get(project, other), shown=int(shown)
        )
        return Response(asdict(found))
