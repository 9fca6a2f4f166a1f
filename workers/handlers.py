"""What workers does when something happens on the labelling side."""

from typing import Any

from django.dispatch import receiver

from annotation.models import Project
from annotation.signals import base_model_chosen, prompt_template_chosen, prompts_imported
from workers import dispatch


@receiver(prompts_imported)
def completions_start(sender: object, project: Project, **kwargs: Any) -> None:
    """Imported prompts get completions by themselves; the signal comes after the import was committed."""
    from workers.services import generation_start  # here, because Django imports this file before it has its models

    if not dispatch.is_held():
        generation_start(project=project)


@receiver(base_model_chosen)
def base_model_refuse(sender: object, project: Project, name: str, **kwargs: Any) -> None:
    """A base model that can be no model, or that an anchor has been made from already, is refused at once."""
    from workers.services import base_model_check, base_model_free

    base_model_free(project)
    base_model_check(name)


@receiver(prompt_template_chosen)
def prompt_template_refuse(sender: object, project: Project, template: str, **kwargs: Any) -> None:
    """A template that could not be filled in is refused where it is written, not by the first run."""
    from workers.services import template_check

    template_check(template)
