"""Addresses below ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path, register_converter
from django.urls.converters import IntConverter

from annotation.api import views_data as data
from annotation.api import views_exports as exports
from annotation.api import views_handing as handing
from annotation.api import views_projects as projects
from annotation.api import views_rankings_import as rankings_import
from annotation.api import views_review as review
from annotation.api import views_snapshots as snapshots
from annotation.api import views_tasks as tasks


class KeyConverter(IntConverter):
    """A row's key: no more digits than the databases' integers hold."""

    regex = "[0-9]{1,18}"


register_converter(KeyConverter, "key")

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/", projects.ProjectsView.as_view(), name="api-projects"),
    path("projects/<slug:slug>/", projects.ProjectView.as_view(), name="api-project"),
    path("projects/<slug:slug>/members/", projects.MembersView.as_view(), name="api-members"),
    path("projects/<slug:slug>/members/<str:username>/", projects.MemberView.as_view(), name="api-member"),
    path("projects/<slug:slug>/stats/", projects.StatsView.as_view(), name="api-stats"),
    path("projects/<slug:slug>/quality/", projects.QualityView.as_view(), name="api-quality"),
    path("projects/<slug:slug>/prompts/import/", data.PromptsImportView.as_view(), name="api-prompts-import"),
    path(
        "projects/<slug:slug>/completions/import/", data.CompletionsImportView.as_view(), name="api-completions-import"
    ),
    path(
        "projects/<slug:slug>/rankings/import/",
        rankings_import.RankingsImportView.as_view(),
        name="api-rankings-import",
    ),
    path("projects/<slug:slug>/pairs/", exports.PairsView.as_view(), name="api-pairs"),
    path("projects/<slug:slug>/rankings/", exports.RankingsView.as_view(), name="api-rankings"),
    path("projects/<slug:slug>/snapshots/", snapshots.SnapshotsView.as_view(), name="api-snapshots"),
    path(
        "projects/<slug:slug>/snapshots/<slug:sha256>/<str:name>/",
        snapshots.SnapshotFileView.as_view(),
        name="api-snapshot-file",
    ),
    path(
        "projects/<slug:slug>/snapshots/<slug:sha256>/diff/<slug:other>/",
        snapshots.SnapshotDiffView.as_view(),
        name="api-snapshot-diff",
    ),
    path("projects/<slug:slug>/review/", review.ReviewView.as_view(), name="api-review"),
    path("projects/<slug:slug>/review/<key:task>/", review.CaseView.as_view(), name="api-review-case"),
    path("projects/<slug:slug>/review/<key:task>/final/", review.FinalView.as_view(), name="api-review-final"),
    path("projects/<slug:slug>/review/<key:task>/again/", review.AskAgainView.as_view(), name="api-review-again"),
    path("projects/<slug:slug>/review/<key:task>/leave/", review.LeaveView.as_view(), name="api-review-leave"),
    path("projects/<slug:slug>/retractions/", review.RetractionsView.as_view(), name="api-retractions"),
    path(
        "projects/<slug:slug>/retractions/<key:retraction>/undo/",
        review.RetractionUndoView.as_view(),
        name="api-retraction-undo",
    ),
    path("projects/<slug:slug>/tasks/next/", tasks.NextTaskView.as_view(), name="api-task-next"),
    path("projects/<slug:slug>/tasks/", handing.TasksView.as_view(), name="api-tasks"),
    path("projects/<slug:slug>/gold/", handing.GoldListView.as_view(), name="api-gold"),
    path("projects/<slug:slug>/gold/<key:gold>/", handing.GoldView.as_view(), name="api-gold-task"),
    path("projects/<slug:slug>/panels/", handing.PanelsView.as_view(), name="api-panels"),
    path("projects/<slug:slug>/rankings/mine/", tasks.MyRankingsView.as_view(), name="api-rankings-mine"),
    path("projects/<slug:slug>/progress/", tasks.ProgressView.as_view(), name="api-progress"),
    path("tasks/<key:task>/ranking/", tasks.RankTaskView.as_view(), name="api-task-ranking"),
    path("tasks/<key:task>/draft/", tasks.DraftView.as_view(), name="api-task-draft"),
    path("tasks/<key:task>/skip/", tasks.SkipView.as_view(), name="api-task-skip"),
    path("tasks/<key:task>/release/", tasks.ReleaseView.as_view(), name="api-task-release"),
    path("tasks/<key:task>/renew/", tasks.RenewView.as_view(), name="api-task-renew"),
    path("rankings/<key:ranking>/", tasks.RankingView.as_view(), name="api-ranking"),
]
