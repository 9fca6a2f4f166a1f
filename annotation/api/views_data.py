"""What goes in in bulk. What goes out: ``views_exports``, ``views_snapshots``."""

from typing import Any, BinaryIO

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import KedgeView, answers, person
from annotation.api.idempotency import idempotent
from annotation.exceptions import InvalidInput
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
from annotation.permissions import project_get
from annotation.readers import MAX_FILE


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
