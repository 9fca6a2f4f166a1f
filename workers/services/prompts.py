"""The prompts a training reads: frozen into a file that is named by its content."""

import hashlib
import json
import os
import unicodedata
from pathlib import Path

from annotation.models import Project, Prompt
from annotation.texts import content_hash
from workers import storage
from workers.exceptions import NotReady


def prompts_freeze(*, project: Project) -> str:
    """Write the project's prompts, one canonical line each, sorted; the sha256 of the file names it.

    The same prompts give the same hash on any database: no ids, no times. Raises NotReady without prompts.
    """
    lines = sorted({_line(prompt) for prompt in Prompt.objects.filter(project=project).iterator()})
    if not lines:
        raise NotReady(f"{project.slug} has no prompts: import some first.")
    content = "\n".join(lines).encode() + b"\n"
    sha256 = hashlib.sha256(content).hexdigest()
    path = prompts_path(project, sha256)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(content)
        os.replace(draft, path)
    return sha256


def prompts_path(project: Project, sha256: str) -> Path:
    return storage.project_folder(project) / "prompts" / f"{sha256}.jsonl"


def _line(prompt: Prompt) -> str:
    text = unicodedata.normalize("NFC", prompt.text)
    references = [unicodedata.normalize("NFC", str(reference)) for reference in prompt.references]
    row = {"id": content_hash(text), "references": references, "split": prompt.split, "text": text}
    return json.dumps(row, ensure_ascii=False, sort_keys=True)
