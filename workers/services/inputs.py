"""What a run reads: every input named by a slug or a hash before it starts, so that nothing moves under it."""

from collections.abc import Callable, Mapping
from typing import Any

from annotation.models import Project, Snapshot, Split
from annotation.services import snapshot_freeze
from annotation.users import User
from workers import storage
from workers.config import keys_known
from workers.exceptions import ConfigInvalid, NotReady
from workers.models import ModelKind, RunKind
from workers.services.base_models import base_model_form
from workers.services.prompts import prompts_freeze, prompts_path
from workers.services.registry import model_get, model_newest, policy_current, project_anchor

EXAMPLES_NONE = ""  # the base model as it is
EXAMPLES_REFERENCES = "references"  # the project's prompts of the training split with their references
Inputs = dict[str, str]


def inputs_resolve(*, project: Project, kind: str, given: Mapping[str, Any], actor: User | None) -> Inputs:
    """All inputs of a run of ``kind``: those given, checked, and the newest for those left out.

    Raises ConfigInvalid on an unknown or wrong input, ModelMissing on an unknown slug, NotReady when a
    default does not exist yet.
    """
    if kind == RunKind.SFT:
        base_model_form(project.base_model)
    resolvers = RESOLVERS[kind]
    keys_known(given, list(resolvers), what=f"inputs of {kind}")
    for key, value in given.items():
        if not isinstance(value, str):
            raise ConfigInvalid(f"inputs.{key} is {value!r}: it must be a text.")
    return {key: resolve(project, given.get(key), actor) for key, resolve in resolvers.items()}


def _anchor(project: Project, given: str | None, actor: User | None) -> str:
    anchor = project_anchor(project)
    if given not in (None, anchor.slug):
        raise ConfigInvalid(f"inputs.anchor is '{given}': the anchor of {project.slug} is {anchor.slug}, for its life.")
    return anchor.slug


def _policy(project: Project, given: str | None, actor: User | None) -> str:
    model = model_get(project, given) if given else policy_current(project)
    if model.kind not in (ModelKind.POLICY, ModelKind.SFT):
        raise ConfigInvalid(f"inputs.policy is {model.slug}, a {model.kind} model: it writes no completions.")
    return model.slug


def _reward(project: Project, given: str | None, actor: User | None) -> str:
    if given:
        return model_get(project, given, ModelKind.REWARD).slug
    newest = model_newest(project, ModelKind.REWARD)
    if newest is None:
        raise NotReady(f"{project.slug} has no reward model yet: start a reward run first.")
    return newest.slug


def _reward_if_any(project: Project, given: str | None, actor: User | None) -> str:
    newest = model_newest(project, ModelKind.REWARD)
    return _reward(project, given, actor) if given or newest else ""


def _snapshot(project: Project, given: str | None, actor: User | None) -> str:
    if given is None:
        return str(snapshot_freeze(project=project, actor=actor).sha256)
    if not Snapshot.objects.filter(project=project, sha256=given).exists():
        raise ConfigInvalid(f"{project.slug} has no snapshot {given}: freeze one, or leave inputs.snapshot out.")
    return given


def _prompts(project: Project, given: str | None, actor: User | None) -> str:
    if given is None:
        return prompts_freeze(project=project)
    if not given.isalnum() or not prompts_path(project, given).exists():
        raise ConfigInvalid(f"{project.slug} has no frozen prompts {given}: leave inputs.prompts out to freeze them.")
    return given


def _split(project: Project, given: str | None, actor: User | None) -> str:
    split = given or Split.TEST
    if split not in Split.values:
        raise ConfigInvalid(f"inputs.split is '{split}': it must be one of {', '.join(Split.values)}.")
    return str(split)


def _examples(project: Project, given: str | None, actor: User | None) -> str:
    if given is None:
        return EXAMPLES_NONE
    # A file can only be named by a command on this machine: over the network it would open any path below the folder.
    if given not in (EXAMPLES_NONE, EXAMPLES_REFERENCES) and (
        actor is not None or not storage.absolute(given).is_file()
    ):
        raise ConfigInvalid(f"inputs.examples is '{given}': it must be '{EXAMPLES_REFERENCES}' or left out.")
    return given


Resolver = Callable[[Project, str | None, User | None], str]
RESOLVERS: Mapping[str, Mapping[str, Resolver]] = {
    RunKind.SFT: {"examples": _examples},
    RunKind.GENERATE: {"policy": _policy},
    RunKind.REWARD: {"anchor": _anchor, "snapshot": _snapshot, "prompts": _prompts},
    RunKind.PPO: {"anchor": _anchor, "reward": _reward, "prompts": _prompts},
    RunKind.DPO: {"anchor": _anchor, "snapshot": _snapshot, "reward": _reward_if_any, "prompts": _prompts},
    RunKind.EVALUATE: {"policy": _policy, "reward": _reward_if_any, "prompts": _prompts, "split": _split},
}
