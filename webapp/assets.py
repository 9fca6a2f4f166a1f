"""The files of other people that the pages use, found in ``node_modules`` under short names.

Nothing else of ``node_modules`` is served. ``package-lock.json`` pins every version.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.files.storage import FileSystemStorage, Storage

from webapp.env import BASE_DIR

Messages = list[CheckMessage]  # the finder's own ``list`` hides the builtin inside its class
NODE_MODULES = BASE_DIR / "node_modules"
ICONS = (
    "anchor",
    "ban",
    "book-open",
    "check",
    "chevron-down",
    "chevron-up",
    "cloud-off",
    "flag",
    "fold-vertical",
    "grip-vertical",
    "highlighter",
    "history",
    "key-round",
    "keyboard",
    "lock",
    "log-out",
    "monitor",
    "moon",
    "pencil",
    "plus",
    "skip-forward",
    "star",
    "strikethrough",
    "sun",
    "triangle-alert",
    "undo-2",
    "user",
    "x",
)
# Name under STATIC_URL -> path below node_modules.
ASSETS: Mapping[str, str] = {
    "vendor/pico.css": "@picocss/pico/css/pico.min.css",
    "vendor/sortable.js": "sortablejs/modular/sortable.esm.js",
    "vendor/uplot.js": "uplot/dist/uPlot.esm.js",
    "vendor/uplot.css": "uplot/dist/uPlot.min.css",
    **{f"vendor/icons/{name}.svg": f"lucide-static/icons/{name}.svg" for name in ICONS},
}


class NodeStorage(FileSystemStorage):
    """Reads the short names of ``ASSETS``, so that ``collectstatic`` copies each file under its own."""

    def path(self, name: str) -> str:
        return str(NODE_MODULES / ASSETS[name])


class NodeFinder(BaseFinder):
    """Finds exactly the files of ``ASSETS``."""

    def __init__(self, app_names: Iterable[str] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage = NodeStorage(location=NODE_MODULES)

    def check(self, **kwargs: Any) -> Messages:
        missing = [path for path in ASSETS.values() if not (NODE_MODULES / path).is_file()]
        if not missing:
            return []
        hint = "Run `npm ci`; `make setup` does it."
        # A warning: the servers need the files, the workers do not.
        return [
            CheckWarning(f"{len(missing)} front-end files are missing, {missing[0]} first.", hint=hint, id="kedge.W001")
        ]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001 -- Django's signature
        found = [self.storage.path(path)] if path in ASSETS and self.storage.exists(path) else []
        return found if find_all else (found[0] if found else [])

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        for name in ASSETS:
            if self.storage.exists(name):
                yield name, self.storage
