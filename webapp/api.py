"""The API's composition: both packages' endpoints, their schema, and Swagger UI that works offline."""

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated

from annotation.api.errors import UnknownEndpoint

schema = SpectacularAPIView.as_view(permission_classes=[IsAuthenticated])
# The split view and a template of ours: nothing inline, so the strict content security policy holds here too.
docs = SpectacularSwaggerSplitView.as_view(template_name="dashboard/docs.html", url_name="schema")

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include("annotation.api.urls")),
    path("v1/", include("workers.api.urls")),
    re_path(r"^v1/", UnknownEndpoint.as_view()),  # the last one: whatever else is asked for
    path("schema/", schema, name="schema"),
    path("docs/", login_required(docs), name="docs"),
]
