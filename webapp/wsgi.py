"""The WSGI entry point that granian serves."""

import gc
import os

import scipy.optimize  # noqa: F401 -- commands do without it; the first annotator must not wait for it
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
application = get_wsgi_application()
# What is loaded stays: the collector need not go through it again and again while people wait.
gc.collect()
gc.freeze()
