"""What goes in and out in bulk: imports, pairs, snapshots."""

import tempfile
from typing import Any, BinaryIO

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import NEXT_PAGE, KedgeView, answers, page, paged, person
from annotation.api.idempotency import idempotent
from annotation.exceptions import InvalidInput, NotFound
from annotation.exporters import FORMATS, LAYOUTS, export_check, pairs_as_lines, pairs_as_parquet
from annotation.importers import (
    COMPLETION_NEEDS,
    PROMPT_NEEDS,
    CompletionReport,
    ImportReport,
    completion_of,
    prompt_of,
    put_aside,
    rows_from,
)
from annotation.models import Project, Snapshot
from annotation.permissions import project_get
from annotation.readers import MAX_FILE
from annotation.snapshots import FILES, folder_of

_IN_MEMORY = 8 * 1024 * 1024


class ImportFileSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="JSONL, JSON list, CSV or Parquet; gzip too.")


class LineSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="From 1; the number of the row in a JSON list or Parquet file.")
    error = serializers.CharField()


class ImportReportSerializer(serializers.Serializer[Any]):
    """What became of every line; the lists name the first thousand lines each."""

    created = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected_count = serializers.IntegerField()
    rejected = LineSerializer(many=True)
    duplicate_lines = LineSerializer(many=True)


class CompletionReportSerializer(ImportReportSerializer):
    tasks = serializers.IntegerField(help_text="Tasks that were made of prompts with enough completions.")


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ["sha256", "rankings", "pairs", "manifest", "created_at"]
        read_only_fields = fields


class ImportView(KedgeView):
    """A file as ``multipart/form-data`` (field ``file``), or a JSON list of objects as the body."""

    parser_classes = [JSONParser, MultiPartParser]
    max_body = MAX_FILE + 1024 * 1024


def source_of(request: Request) -> tuple[BinaryIO | None, list[Any] | None, str]:
    """The file, or the objects; and what to call it."""
    if file := request.FILES.get("file"):
        return file.file, None, str(file.name)
    if isinstance(request.data, list):
        return None, request.data, "API"
    message = "Send a file in the form field 'file', or a JSON list of objects."
    raise InvalidInput(message, fields={"file": [message]})


def dry_run_of(request: Request) -> bool:
    """Whether ``?dry_run=1`` stands in the address."""
    given = request.query_params.get("dry_run", "0").lower()
    if given not in ("0", "1", "true", "false"):
        message = f"'dry_run' is 1 or 0, not '{given[:20]}'."
        raise InvalidInput(message, fields={"dry_run": [message]})
    return given in ("1", "true")


DRY_RUN = OpenApiParameter("dry_run", bool, description="1: report what the import would do, and write nothing.")
BODY = {"multipart/form-data": ImportFileSerializer, "application/json": OpenApiTypes.ANY}


class PromptsImportView(ImportView):
    @extend_schema(
        operation_id="prompts_import",
        parameters=[DRY_RUN],
        request=BODY,
        responses=answers({200: ImportReportSerializer}, 409),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Import prompts: prompt (or dialogue, text; or turns, messages), id, references (or summaries, summary).

        Good lines are imported, bad ones are reported; a file that cannot be read to its end imports nothing.
        """
        project = project_get(slug=slug, user=request.user, capability="import")
        file, items, name = source_of(request)
        report = ImportReport()
        with put_aside(rows_from(file, items, name, PROMPT_NEEDS), prompt_of, report) as good:
            parts = {"good": good, "report": report, "name": name, "dry_run": dry_run_of(request)}
            return self.store(request, project=project, actor=person(request), **parts)

    @idempotent  # the key is claimed in the transaction that writes, not in the one that reads the file
    def store(self, request: Request, **parts: Any) -> Response:
        return Response(services.prompts_store(**parts).as_dict())


class CompletionsImportView(ImportView):
    @extend_schema(
        operation_id="completions_import",
        parameters=[DRY_RUN],
        request=BODY,
        responses=answers({200: CompletionReportSerializer}, 409),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Import completions of other models: ``prompt_id`` (or ``prompt``), ``source``, ``completion``.

        Prompts that then have as many completions as a task shows become tasks at once.
        """
        project = project_get(slug=slug, user=request.user, capability="import")
        file, items, name = source_of(request)
        report = CompletionReport()
        with put_aside(rows_from(file, items, name, COMPLETION_NEEDS), completion_of, report) as good:
            parts = {"good": good, "report": report, "name": name, "dry_run": dry_run_of(request)}
            return self.store(request, project=project, actor=person(request), **parts)

    @idempotent
    def store(self, request: Request, **parts: Any) -> Response:
        return Response(services.completions_store(**parts).as_dict())


class OwnFormat(DefaultContentNegotiation):
    """``?format=`` chooses the file's format here, not DRF's renderer; errors are JSON whatever is accepted."""

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class PairsView(KedgeView):
    content_negotiation_class = OwnFormat

    @extend_schema(
        operation_id="pairs",
        parameters=[
            OpenApiParameter("format", str, enum=list(FORMATS), default="jsonl"),
            OpenApiParameter("layout", str, enum=list(LAYOUTS), default="trl"),
        ],
        responses=answers(
            {
                (200, FORMATS["jsonl"]): OpenApiTypes.BINARY,
                (200, "text/csv"): OpenApiTypes.BINARY,
                (200, FORMATS["parquet"]): OpenApiTypes.BINARY,
            }
        ),
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """The current pairs, streamed. ``trl`` is TRL's preference layout without ties; ``full`` adds
        ``ranking, annotator, strength, tie, weight, split``.

        In CSV a text that begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it, so
        that no spreadsheet runs it. JSONL and Parquet hold every text as it is: train from those.
        """
        project = project_get(slug=slug, user=request.user, capability="export")
        format_ = request.query_params.get("format", "jsonl")
        layout = request.query_params.get("layout", "trl")
        export_check(format=format_, layout=layout)
        name = f"{project.slug}-pairs.{format_}"
        if format_ == "parquet":
            return FileResponse(
                _parquet(project, layout), as_attachment=True, filename=name, content_type=FORMATS[format_]
            )
        response = StreamingHttpResponse(
            pairs_as_lines(project=project, format=format_, layout=layout), content_type=FORMATS[format_]
        )
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _parquet(project: Project, layout: str) -> BinaryIO:
    file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- the response closes it
    pairs_as_parquet(project=project, layout=layout, file=file)
    file.seek(0)
    return file  # type: ignore[no-any-return]  # a spooled file is a BinaryIO in all but its type


class SnapshotsView(KedgeView):
    @extend_schema(operation_id="snapshots", parameters=NEXT_PAGE, responses=answers({200: paged(SnapshotSerializer)}))
    def get(self, request: Request, slug: str) -> Response:
        """The project's snapshots, newest first."""
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
        snapshot = Snapshot.objects.filter(project=project, sha256=sha256).first()
        if snapshot is None or name not in FILES:
            raise NotFound("No such file.")
        path = folder_of(snapshot.path) / name
        if not path.is_file():
            raise NotFound(f"{name} is not in the data folder any more: freeze the same labels again.")
        return FileResponse(path.open("rb"), as_attachment=True, filename=f"{sha256[:12]}-{name}")
