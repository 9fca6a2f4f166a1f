"""A project's prompt template, by the rules of the library that fills it in."""

from annotation.models import Project
from rlhf.exceptions import ConfigError
from rlhf.prompting import PromptFormat, placeholders
from workers.exceptions import ConfigInvalid

_NO_EXAMPLES = (
    "template has {examples}, but a project has none to put there: write the examples themselves into the template. "
    "For the text itself write {{examples}}."
)


def project_format(project: Project) -> PromptFormat:
    """What the project's models read for a prompt. Raises ConfigError for a template at fault."""
    return PromptFormat(project.prompt_template)


def template_check(template: str) -> None:
    """Raise ConfigInvalid for a template that no project can have."""
    try:
        PromptFormat(template)
        if "examples" in placeholders(template):
            raise ConfigError(_NO_EXAMPLES)
    except ConfigError as error:
        raise ConfigInvalid(f"The {error}", fields={"prompt_template": [f"The {error}"]}) from error
