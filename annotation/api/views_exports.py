"""What goes out in bulk: pairs and rankings, as lines, Parquet or a folder for HF `datasets`."""

import tempfile
from typing import Any, BinaryIO

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from annotation.api.base import KedgeView, answers
from annotation.dataset_folder import dataset_zip
from annotation.exporters import (
    FORMATS,
    LAYOUTS,
    LINES,
    Export,
    as_lines,
    as_parquet,
    file_name,
    format_check,
    pairs_export,
    rankings_export,
)
from annotation.permissions import project_get

_IN_MEMORY = 8 * 1024 * 1024
_FORMAT = OpenApiParameter("format", str, enum=list(FORMATS), default="jsonl")
_FILES: dict[Any, Any] = {(200, media.partition(";")[0]): OpenApiTypes.BINARY for media in FORMATS.values()}


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
        parameters=[_FORMAT, OpenApiParameter("layout", str, enum=list(LAYOUTS), default="trl")],
        responses=answers(_FILES),
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """The pairs that models learn from, streamed. ``trl`` is TRL's preference layout without ties,
        ``trl_conversational`` the same as messages; ``full`` adds
        ``ranking, annotator, strength, tie, weight, split``.

        ``datasets`` is a zip of the folder that HF `datasets` loads, by split, with its card. In CSV a text that
        begins with ``= + - @``, a tab or a carriage return gets an apostrophe before it, so that no spreadsheet runs
        it. JSONL and Parquet hold every text as it is: train from those.
        """
        project = project_get(slug=slug, user=request.user, capability="export")
        layout = request.query_params.get("layout", "trl")
        return _sent(pairs_export(project=project, layout=layout), request)


class RankingsView(KedgeView):
    content_negotiation_class = OwnFormat

    @extend_schema(operation_id="rankings", parameters=[_FORMAT], responses=answers(_FILES))
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """Every current label with all that its annotator said, streamed: one row for each ranking.

        Overruled ones are in it and say so; labels that were taken back, gold and repeats are not.
        """
        project = project_get(slug=slug, user=request.user, capability="export")
        return _sent(rankings_export(project=project), request)


def _sent(export: Export, request: Request) -> HttpResponseBase:
    wanted = request.query_params.get("format", "jsonl")
    format_check(wanted)
    name = file_name(export, wanted)
    if wanted not in LINES:
        return FileResponse(_as_file(export, wanted), as_attachment=True, filename=name, content_type=FORMATS[wanted])
    response = StreamingHttpResponse(as_lines(export, wanted), content_type=FORMATS[wanted])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _as_file(export: Export, wanted: str) -> BinaryIO:
    file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- the response closes it
    if wanted == "parquet":
        as_parquet(export, file)
    else:
        dataset_zip(export, file)
    file.seek(0)
    return file  # type: ignore[no-any-return]  # a spooled file is a BinaryIO in all but its type
