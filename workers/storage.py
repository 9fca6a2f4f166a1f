"""Where artifacts lie: folders below ``DATA_DIR/projects/<slug>/``, whole or not there at all.

A pipeline writes into a draft folder named by its run and attempt; the draft is renamed to its final
name in the transaction that registers it. What a dead attempt left behind is removed by the next.
"""

import os
import shutil
from pathlib import Path

from django.conf import settings

from annotation.models import Project


def data_folder() -> Path:
    return Path(settings.DATA_DIR)


def project_folder(project: Project) -> Path:
    """The folder of everything the project made, not necessarily there yet."""
    return data_folder() / "projects" / project.slug


def relative(path: Path) -> str:
    """How a path below the data folder stands in the database."""
    return path.resolve().relative_to(data_folder().resolve()).as_posix()


def absolute(path: str) -> Path:
    """The folder a database path means. An absolute path stays as it is (a model that lies elsewhere)."""
    return data_folder() / path


def draft_folder(project: Project, *, run_id: int, attempt: int) -> Path:
    """A fresh empty folder for what this attempt writes; drafts of the run's other attempts are removed."""
    parent = project_folder(project) / "drafts"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"run{run_id}-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = parent / f"run{run_id}-{attempt}"
    draft.mkdir()
    return draft


def draft_discard(draft: Path) -> None:
    shutil.rmtree(draft, ignore_errors=True)


def model_folder(project: Project, slug: str) -> Path:
    return project_folder(project) / "models" / slug


def draft_publish(draft: Path, final: Path) -> None:
    """Rename a draft to its final name.

    Call it inside the transaction that writes the row which names ``final``: a folder that is there
    without a row was left by a process that died between the two, so it is replaced.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        shutil.rmtree(final)
    os.replace(draft, final)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
