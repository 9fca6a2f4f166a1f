"""The web process: what it imports, and the schema that it publishes."""

import subprocess
import sys

import pytest
from django.core.management import call_command

RESOLVE = """
import sys
import webapp.wsgi
from django.urls import get_resolver

def walk(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            walk(pattern.url_patterns)
        else:
            pattern.callback

walk(get_resolver().url_patterns)
heavy = {"torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes"}
print(sorted(heavy & set(sys.modules)))
"""


def test_no_learning_library_is_imported(tmp_path):
    environment = {"KEDGE_DATA": str(tmp_path), "PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    done = subprocess.run([sys.executable, "-c", RESOLVE], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


@pytest.mark.django_db
def test_the_schema_has_no_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_the_schema_is_served(lead):
    response = lead.get("/api/schema/?format=json")
    assert response.status_code == 200
    assert response.json()["info"]["title"] == "Kedge"


def test_the_reference_loads_its_script_from_an_address_of_its_own(lead):
    page = lead.get("/api/docs/")
    script = lead.get("/api/docs/?script=")
    assert 'src="/api/docs/?script="' in page.content.decode()
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "SwaggerUIBundle" in script.content.decode()
