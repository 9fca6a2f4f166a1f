"""The project pages. Every name here stands in the role matrix of tests/webapp/test_roles.py."""

from django.urls import path

from webapp.dashboard.pages import (
    gold,
    imports,
    labels,
    members,
    projects,
    quality,
    registry,
    review,
    rounds,
    runs,
    snapshots,
)

PROJECT = "projects/<slug:slug>/"

urlpatterns = [
    path("", projects.home, name="home"),
    path("projects/new/", projects.create, name="project_create"),
    path("preview/", projects.preview, name="markdown_preview"),
    path(PROJECT, projects.detail, name="project"),
    path(f"{PROJECT}live/", projects.live, name="project_live"),
    path(f"{PROJECT}settings/", projects.update, name="project_update"),
    path(f"{PROJECT}import/", imports.prompts_import_page, name="prompts_import"),
    path(f"{PROJECT}gold/", gold.tasks, name="gold"),
    path(f"{PROJECT}gold/<int:gold>/retire/", gold.retire, name="gold_retire"),
    path(f"{PROJECT}members/", members.members, name="members"),
    path(f"{PROJECT}members/<str:username>/role/", members.change, name="member_change"),
    path(f"{PROJECT}members/<str:username>/remove/", members.remove, name="member_remove"),
    path(f"{PROJECT}labels/", labels.labels, name="labels"),
    path(f"{PROJECT}quality/", quality.quality, name="quality"),
    path(f"{PROJECT}rounds/", rounds.rounds, name="rounds"),
    path(f"{PROJECT}rounds/<int:number>/", rounds.detail, name="round"),
    path(f"{PROJECT}rounds/<int:number>/live/", rounds.live, name="round_live"),
    path(f"{PROJECT}runs/", runs.runs, name="runs"),
    path(f"{PROJECT}runs/<int:run_id>/", runs.detail, name="run"),
    path(f"{PROJECT}runs/<int:run_id>/status/", runs.status, name="run_status"),
    path(f"{PROJECT}runs/<int:run_id>/log/", runs.log, name="run_log"),
    path(f"{PROJECT}runs/<int:run_id>/cancel/", runs.cancel, name="run_cancel"),
    path(f"{PROJECT}runs/<int:run_id>/retry/", runs.retry, name="run_retry"),
    path(f"{PROJECT}models/", registry.models, name="models"),
    path(f"{PROJECT}models/<slug:model_slug>/promote/", registry.promote, name="model_promote"),
    path(f"{PROJECT}evaluations/", registry.evaluations, name="evaluations"),
    path(f"{PROJECT}snapshots/", snapshots.snapshots, name="snapshots"),
    path(f"{PROJECT}snapshots/diff/", snapshots.difference, name="snapshot_diff"),
    path(f"{PROJECT}review/", review.queue, name="review"),
    path(f"{PROJECT}review/retract/", review.retract, name="retract"),
    path(f"{PROJECT}review/retractions/<int:retraction>/undo/", review.bring_back, name="retraction_undo"),
    path(f"{PROJECT}review/<int:task>/", review.case, name="review_case"),
]
