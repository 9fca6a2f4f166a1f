"""Which names can be a base model, found out without loading one: a web process has no torch."""

from collections.abc import Callable

from annotation.models import Project
from rlhf import hub
from rlhf.exceptions import ModelError
from workers.config import TOY
from workers.exceptions import ConfigInvalid
from workers.models import ModelKind, ModelState, ModelVersion


def base_model_form(name: str) -> None:
    """Raise ConfigInvalid when ``name`` can be no model: neither 'toy', nor a folder that is there, nor a hub name."""
    _checked(name, hub.name_check)


def base_model_check(name: str) -> None:
    """`base_model_form`, and ConfigInvalid for a folder that holds no model and for a name unknown to the hub.

    A hub that does not answer within seconds is no reason to refuse: the machine that trains may reach it.
    """
    _checked(name, hub.model_check)


def base_model_free(project: Project) -> None:
    """Raise ConfigInvalid when the project has its anchor: KL and reward are measured from it for good."""
    if project.pk is None:
        return
    if ModelVersion.objects.filter(project=project, kind=ModelKind.SFT, state=ModelState.PROMOTED).exists():
        raise _refused(
            f"The anchor of {project.slug} has been made from '{project.base_model}', and every KL and reward is "
            "measured from it: start a new project for another base model."
        )


def _checked(name: str, check: Callable[[str], None]) -> None:
    if name == TOY:
        return
    try:
        check(name)
    except ModelError as error:
        raise _refused(
            f"This can be no base model: {error}. Give '{TOY}', a hub model's name such as 'google/flan-t5-base', or "
            "a local folder."
        ) from error


def _refused(message: str) -> ConfigInvalid:
    return ConfigInvalid(message, fields={"base_model": [message]})
