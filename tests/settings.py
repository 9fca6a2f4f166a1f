# ruff: noqa: F403, F405 -- the product's settings, all of them
"""The product's settings with what tests need changed: a data folder of their own and a cheap hasher."""

import os
import tempfile

os.environ.setdefault("KEDGE_DATA", tempfile.mkdtemp(prefix="kedge-tests-"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The browser tests run Playwright's event loop in the thread that also uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
# What a test needs of a hub it serves itself; whether this machine reaches the real one must not matter.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from webapp.settings import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DATABASES["default"]["CONN_MAX_AGE"] = 0  # threads of live servers must not hold a database that is dropped
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file: in memory, a live server's threads would share one connection and its transactions.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
(DATA_DIR / "static").mkdir(exist_ok=True)  # whitenoise warns when it is not there
