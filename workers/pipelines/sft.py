"""The project's base model → its anchor: trained on examples, or taken as it is."""

import shutil
from pathlib import Path

from django.conf import settings

from annotation.models import Prompt, Split
from rlhf.artifacts import describe
from rlhf.data import read_examples
from rlhf.exceptions import DataError
from rlhf.models import Policy
from rlhf.toy import train_tiny_policy, train_tiny_policy_on
from rlhf.train_sft import train_sft
from rlhf.types import Artifact, Example
from workers import storage
from workers.config import TOY
from workers.models import ModelKind
from workers.pipelines.context import Context, Publish
from workers.pipelines.publish import publish_model
from workers.services.inputs import EXAMPLES_NONE, EXAMPLES_REFERENCES
from workers.services.templates import project_format

VALIDATION_SHARE = 0.05
VALIDATION_LIMIT = 500


def run(context: Context) -> Publish:
    artifact = _as_it_is(context) if context.input("examples") == EXAMPLES_NONE else _trained(context)
    return publish_model(context, artifact, kind=ModelKind.SFT, parent=None)


def _as_it_is(context: Context) -> Artifact:
    if context.project.base_model == TOY:
        return _toy(context)
    context.reporter.progress(0, 1, f"loading {context.project.base_model}")
    policy = Policy.load(context.project.base_model)
    policy.save(context.draft)
    return describe(context.draft, policy, {"base_model": context.project.base_model})


def _toy(context: Context) -> Artifact:
    """Trained once on the generated corpus, and copied from the cache for every later project."""
    cache = Path(settings.CACHE_DIR) / "toy"
    artifact = train_tiny_policy(cache, seed=context.run.seed, reporter=context.reporter)
    shutil.copytree(artifact.path, context.draft, dirs_exist_ok=True)
    return artifact


def _trained(context: Context) -> Artifact:
    examples = _examples(context)
    if len(examples) < 2:
        raise DataError(f"{len(examples)} examples: at least 2 are needed, one of them to validate on.")
    held = max(1, min(VALIDATION_LIMIT, round(len(examples) * VALIDATION_SHARE)))
    training, validation = examples[held:], examples[:held]
    seed, reporter = context.run.seed, context.reporter
    if context.project.base_model == TOY:
        return train_tiny_policy_on(
            training, validation, context.draft, config=context.config, seed=seed, reporter=reporter
        )
    policy = Policy.load(context.project.base_model, nf4=context.config.method == "qlora")
    return train_sft(context.config, policy, training, validation, context.draft, seed=seed, reporter=reporter)


def _examples(context: Context) -> list[Example]:
    """A file's examples, or the project's own training prompts with their first reference; template applied."""
    source = context.input("examples")
    if source != EXAMPLES_REFERENCES:
        return read_examples(storage.absolute(source), template=project_format(context.project))
    prompts = Prompt.objects.filter(project=context.project, split=Split.TRAIN).order_by("identity")
    return [
        Example(context.templated(prompt.text), str(prompt.references[0])) for prompt in prompts if prompt.references
    ]
