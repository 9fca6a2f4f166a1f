"""Registered model versions as the policies of rlhf."""

from pathlib import Path

from annotation.models import Project
from rlhf.models import Policy
from workers import storage
from workers.models import ModelKind, ModelVersion
from workers.services.registry import project_anchor


def folder(model: ModelVersion) -> Path:
    return storage.absolute(model.path)


def policy_load(project: Project, model: ModelVersion, *, max_completion_tokens: int) -> Policy:
    """The anchor, with the adapter of ``model`` on it unless it is the anchor itself."""
    anchor = project_anchor(project)
    adapter = folder(model) if model.kind == ModelKind.POLICY else None
    return Policy.load(folder(anchor), adapter=adapter, max_completion_tokens=max_completion_tokens)
