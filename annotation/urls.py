"""The pages of the labelling side; full paths, mounted at the root."""

from django.urls import path

from annotation import views

urlpatterns = [
    path("projects/<slug:slug>/rank/", views.rank, name="rank"),
]
