"""Addresses below ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from workers.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/runs/", views.RunsView.as_view(), name="api_runs"),
    path("projects/<slug:slug>/rounds/", views.RoundsView.as_view(), name="api_rounds"),
    path("projects/<slug:slug>/rounds/<int:number>/", views.RoundView.as_view(), name="api_round"),
    path("projects/<slug:slug>/models/", views.ModelsView.as_view(), name="api_models"),
    path("projects/<slug:slug>/evaluations/", views.EvaluationsView.as_view(), name="api_evaluations"),
    path("projects/<slug:slug>/suspicious/", views.SuspiciousView.as_view(), name="api_suspicious"),
    path("runs/<int:run>/", views.RunView.as_view(), name="api_run"),
    path("runs/<int:run>/metrics/", views.RunMetricsView.as_view(), name="api_run_metrics"),
    path("runs/<int:run>/events/", views.RunEventsView.as_view(), name="api_run_events"),
    path("runs/<int:run>/cancel/", views.RunCancelView.as_view(), name="api_run_cancel"),
    path("runs/<int:run>/retry/", views.RunRetryView.as_view(), name="api_run_retry"),
    path("models/<slug:model>/promote/", views.ModelPromoteView.as_view(), name="api_model_promote"),
]
