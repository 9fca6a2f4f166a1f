"""Model versions: registered with their lineage, promoted, and found again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from annotation.models import Project
from annotation.users import User
from rlhf.types import Artifact
from workers import storage
from workers.exceptions import ConfigInvalid, ModelMissing, NotReady, StaleTransition
from workers.models import ModelKind, ModelState, ModelVersion, Run, RunState
from workers.states import model_move


def model_register(
    *,
    run: Run,
    attempt: int,
    draft: Path,
    artifact: Artifact,
    facts: Mapping[str, Any],
    kind: ModelKind,
    parent: ModelVersion | None,
) -> ModelVersion:
    """Publish a run's draft folder as a model version. One transaction: fence, row, rename.

    Raises StaleTransition when the run is no longer this attempt's.
    """
    with transaction.atomic():
        # A write, not a read: it holds the row until the commit, so nobody takes the run over meanwhile.
        owned = Run.objects.filter(pk=run.pk, attempt=attempt, state=RunState.RUNNING)
        if owned.update(attempt=attempt) != 1:
            raise StaleTransition(f"Run {run.pk} was taken over: attempt {attempt} may not publish its model.")
        slug = _slug_free(_slug(run))
        final = storage.model_folder(run.project, slug)
        model = ModelVersion.objects.create(
            project=run.project,
            slug=slug,
            kind=kind,
            method=run.kind,
            parent=parent,
            run=run,
            path=storage.relative(final),
            sha256=artifact.sha256,
            trainable_parameters=artifact.trainable_parameters,
            total_parameters=artifact.total_parameters,
            size_bytes=storage.folder_bytes(draft),
            facts=dict(facts),
        )
        storage.draft_publish(draft, final)
    return model


def _slug(run: Run) -> str:
    """``<project>-r2-ppo`` in a round, ``<project>-sft`` for the anchor, ``<project>-run12-ppo`` for the rest."""
    if run.round is not None:
        return f"{run.project.slug}-r{run.round.number}-{run.kind}"
    return f"{run.project.slug}-sft" if run.kind == "sft" else f"{run.project.slug}-run{run.pk}-{run.kind}"


def _slug_free(slug: str) -> str:
    number, free = 1, slug
    while ModelVersion.objects.filter(slug=free).exists():
        number += 1
        free = f"{slug}-{number}"
    return free


def project_anchor(project: Project) -> ModelVersion:
    """The SFT model that all RL starts from and is measured against, for the project's life.

    Raises NotReady when there is none yet.
    """
    anchor = ModelVersion.objects.filter(project=project, kind=ModelKind.SFT, state=ModelState.PROMOTED).first()
    if anchor is None:
        raise NotReady(
            f"{project.slug} has no anchor yet: an sft run makes it from the base model '{project.base_model}'."
        )
    return anchor


def model_get(project: Project, slug: str, kind: ModelKind | None = None) -> ModelVersion:
    """The project's model version of that slug (and kind). Raises ModelMissing."""
    found = ModelVersion.objects.filter(project=project, slug=slug)
    if kind is not None:
        found = found.filter(kind=kind)
    model = found.first()
    if model is None:
        raise ModelMissing(f"{project.slug} has no {kind or 'model'} '{slug}'.")
    return model


def model_newest(project: Project, kind: ModelKind) -> ModelVersion | None:
    """The newest version of a kind that is not archived."""
    versions = ModelVersion.objects.filter(project=project, kind=kind).exclude(state=ModelState.ARCHIVED)
    return versions.order_by("-pk").first()


def policy_current(project: Project) -> ModelVersion:
    """The policy that writes completions: the promoted one, else the newest, else the anchor. Raises NotReady."""
    policies = ModelVersion.objects.filter(project=project, kind=ModelKind.POLICY)
    promoted = policies.filter(state=ModelState.PROMOTED).first()
    return promoted or model_newest(project, ModelKind.POLICY) or project_anchor(project)


def model_promote(*, model: ModelVersion, actor: User | None) -> ModelVersion:
    """Make a policy the project's current one; the one before it is archived and can be promoted again.

    Raises StaleTransition when it is promoted already, ConfigInvalid when it is no policy.
    """
    if model.kind != ModelKind.POLICY:
        raise ConfigInvalid(f"{model.slug} is a {model.kind} model: only a policy can be promoted.")
    with transaction.atomic():
        for before in ModelVersion.objects.select_for_update().filter(
            project_id=model.project_id, kind=ModelKind.POLICY, state=ModelState.PROMOTED
        ):
            if before.pk == model.pk:
                raise StaleTransition(f"{model.slug} is promoted already.")
            model_move(
                model=before,
                old=ModelState.PROMOTED,
                new=ModelState.ARCHIVED,
                actor=actor,
                message=f"{model.slug} took its place",
            )
        model.refresh_from_db(fields=["state"])
        model_move(model=model, old=ModelState(model.state), new=ModelState.PROMOTED, actor=actor)
    model.refresh_from_db(fields=["state"])
    return model


def anchor_set(*, model: ModelVersion) -> bool:
    """Make an SFT model the anchor unless the project has one; True when it did."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=model.project_id)
        anchors = ModelVersion.objects.filter(project_id=model.project_id, kind=ModelKind.SFT)
        if anchors.filter(state=ModelState.PROMOTED).exists():
            return False
        model_move(model=model, old=ModelState.CANDIDATE, new=ModelState.PROMOTED, actor=None, message="the anchor")
    return True
