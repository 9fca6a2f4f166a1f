"""Rankings made elsewhere, over the API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.base import answers, person
from annotation.api.idempotency import idempotent
from annotation.api.views_data import (
    BODY,
    DRY_RUN,
    ImportReportSerializer,
    ImportView,
    LineSerializer,
    dry_run_of,
    source_of,
)
from annotation.importers import RankingReport, put_aside, rows_from
from annotation.layouts import LAYOUTS, comparisons_of
from annotation.permissions import project_get


class RankingReportSerializer(ImportReportSerializer):
    """``created`` and ``duplicates`` count rankings; what is rejected is a line, or one rater's ranking in it."""

    prompts = serializers.IntegerField()
    completions = serializers.IntegerField()
    tasks = serializers.IntegerField()
    raters = serializers.IntegerField(help_text="Accounts that were made; nobody can log in to them.")
    strict_pairs = serializers.IntegerField()
    tied_pairs = serializers.IntegerField()
    repeated_texts = serializers.IntegerField(help_text="Completions whose words stand in their line already.")
    empty_texts = serializers.IntegerField()
    changed = serializers.IntegerField(help_text="Rejected because the same rater ranked otherwise before.")
    note_count = serializers.IntegerField()
    notes = LineSerializer(many=True, help_text="What was taken, but not all of it or not as it was.")


class RankingsImportView(ImportView):
    @extend_schema(
        operation_id="rankings_import",
        parameters=[OpenApiParameter("layout", str, enum=list(LAYOUTS), required=True), DRY_RUN],
        request=BODY,
        responses=answers({200: RankingReportSerializer}, 409),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Import rankings that people made elsewhere, with their prompts, completions and raters.

        The same ranking again is a duplicate; another one by the same rater is reported and not taken.
        """
        project = project_get(slug=slug, user=request.user, capability="import")
        parse = comparisons_of(request.query_params.get("layout", ""))
        file, items, name = source_of(request)
        report = RankingReport()
        with put_aside(rows_from(file, items, name, ()), parse, report) as good:
            parts = {"good": good, "report": report, "name": name, "dry_run": dry_run_of(request)}
            return self.store(request, project=project, actor=person(request), **parts)

    @idempotent
    def store(self, request: Request, **parts: Any) -> Response:
        return Response(services.rankings_store(**parts).as_dict())
