"""Every address of the product."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from webapp.dashboard.health import healthz, readyz

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("webapp.dashboard.urls")),
    path("", include("annotation.urls")),
    path("accounts/", include("webapp.accounts.urls")),
    path("api/", include("webapp.api")),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
