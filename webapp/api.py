"""The API's composition: both packages' endpoints, their schema, and Swagger UI that works offline."""

from csp.constants import SELF
from csp.decorators import csp_update
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

# Swagger UI draws its icons from data: fonts and images, and downloads the schema from here.
docs = csp_update({"img-src": [SELF, "data:"]})(
    SpectacularSwaggerSplitView.as_view(template_name="dashboard/docs.html", url_name="schema")
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include("annotation.api.urls")),
    path("v1/", include("workers.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
]
