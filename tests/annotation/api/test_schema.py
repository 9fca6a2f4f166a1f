"""The schema says what the API does."""

from io import StringIO

from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from annotation.api.urls import urlpatterns


def test_the_schema_has_no_warnings():
    err = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO(), stderr=err)
    assert err.getvalue() == ""


def test_every_operation_names_its_errors():
    schema = SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert {"400", "401", "403", "404"} <= set(operation["responses"]), (path, method)
            assert operation["description"], (path, method)
