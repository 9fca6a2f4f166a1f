"""Forms of the project pages. They turn text into values; services judge the values."""

import json
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from annotation.models import Project, Ranking, Role
from annotation.services.projects import EDITABLE, MAX_QUOTA
from workers.models import Algorithm

HELP = {
    "guidelines": "Markdown. Annotators see it beside every task.",
    "prompt_template": "What the model reads: {prompt} stands for the prompt. Examples are written out, as text.",
    "completions_per_prompt": "How many completions are ranked in one task: 2 to 9.",
    "raters_per_task": "How many people rank each task: 1 to 9.",
    "overlap_share": "Share of the tasks that go to several people, so that agreement can be measured: 0 to 1.",
    "overlap_raters": "How many people those tasks go to: 2 to 9.",
    "lease_minutes": "How long a task stays with the person who opened it.",
    "best_worst": "With five completions or more, only the best and the worst are asked for.",
    "paused": "Nothing new is handed out to anybody. What is in somebody’s hands may be finished.",
    "strategy": "Among tasks of one priority. The last one goes by the tasks’ scores; without any, it is at random.",
    "random_share": "Share that the last strategy still draws at random: those alone estimate accuracy.",
    "gold_share": "Share of a trusted annotator’s tasks whose better side is known: 0 to 1. Nobody can tell them.",
    "gold_before_trust": "Gold tasks among a new annotator’s first ones, about every second.",
    "gold_pass": "Who has less of the known pairs right is flagged among the members, and goes on working.",
    "repeat_share": "Share of tasks that the person ranked before, shown in reverse: self-consistency.",
    "min_rankings": "Rankings that a round needs.",
    "min_reward_accuracy": "The reward model’s whole interval must lie above this; 0.5 is chance.",
    "data_license": "What the cards of snapshots and exports state, such as CC-BY-4.0. Empty: that none was stated.",
    "base_model": "“toy” for the small model made here, a hub model such as google/flan-t5-base, or a folder.",
}
LABELS = {
    "completions_per_prompt": "Completions in a task (K)",
    "raters_per_task": "Raters for each task",
    "overlap_share": "Overlap",
    "overlap_raters": "Raters for the overlap",
    "lease_minutes": "Lease, minutes",
    "best_worst": "Best and worst only",
    "paused": "Paused",
    "strategy": "Order of the tasks",
    "random_share": "Share at random",
    "gold_share": "Gold",
    "gold_before_trust": "Gold before trust",
    "gold_pass": "Gold to pass",
    "repeat_share": "Repeats",
    "min_rankings": "Least rankings",
    "min_reward_accuracy": "Least reward accuracy",
    "base_model": "Base model",
    "data_license": "Licence of the data",
    "prompt_template": "Prompt template",
}
# By the names of annotation.layouts: a test sees to it that none is missing.
LAYOUT_NAMES = {
    "rankings": "Our own: groups or ranks",
    "ratings": "Ratings on criteria, by several raters",
    "votes": "Votes on two responses",
    "trl": "TRL: chosen and rejected",
    "hh": "hh-rlhf transcripts",
    "ultrafeedback": "UltraFeedback",
    "openai": "OpenAI’s summary comparisons",
    "labelstudio": "Label Studio, JSON export",
    "argilla": "Argilla, ranking questions",
}


class CriteriaField(forms.CharField):
    """Names, one on each line, as a list."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Everything that may be changed of a project."""

    criteria = CriteriaField(
        required=False, help_text="One on each line. Annotators may rate every completion on each, 1 to 5."
    )

    class Meta:
        model = Project
        fields = list(EDITABLE)
        help_texts = HELP
        labels = LABELS
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 8}),
            "prompt_template": forms.Textarea(attrs={"rows": 3, "class": "code"}),
        }

    def values(self) -> dict[str, Any]:
        """The settings by name, as the project services take them."""
        return {name: self.cleaned_data[name] for name in EDITABLE}


class ProjectCreateForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = [*ProjectForm.Meta.fields, "slug"]
        labels = {**LABELS, "slug": "Address"}
        help_texts = {
            **HELP,
            "slug": "Short name in addresses: letters, digits and hyphens. It cannot be changed later.",
        }


class MemberForm(forms.Form):
    """Somebody who has an account already."""

    username = forms.CharField(max_length=254, label="User name or e-mail")
    role = forms.ChoiceField(choices=Role.choices)


class MemberChangeForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
    daily_quota = forms.IntegerField(required=False, min_value=0, max_value=MAX_QUOTA)
    paused = forms.BooleanField(required=False)


class RetractionForm(forms.Form):
    """Whose labels are taken back, and why."""

    what = forms.ChoiceField(label="Labels of", help_text="A person, or an import.")
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Whoever reads the models’ history will ask.",
    )
    requeue = forms.BooleanField(required=False, label="Hand the tasks to others")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = Ranking.objects.labels().filter(project=project)
        people = labels.order_by("annotator__username").values_list("annotator__username", flat=True).distinct()
        batches = labels.exclude(batch="").order_by("batch").values_list("batch", flat=True).distinct()
        field = self.fields["what"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            ("", "Choose"),
            ("People", [(f"annotator:{name}", name) for name in people[:500]]),
            ("Imports", [(f"batch:{name}", name) for name in batches[:500]]),
        ]

    def values(self) -> dict[str, Any]:
        """As ``retraction_create`` takes them."""
        which, _, name = self.cleaned_data["what"].partition(":")
        person = get_user_model()._default_manager.get(username=name) if which == "annotator" else None
        said = {"reason": self.cleaned_data["reason"], "requeue": self.cleaned_data["requeue"]}
        return {**said, "annotator": person, "batch": name if which == "batch" else ""}


class FileForm(forms.Form):
    """A file, or text pasted in its place."""

    dry_run = forms.BooleanField(required=False)  # the second button
    file = forms.FileField(
        required=False,
        help_text="JSONL, a JSON list, CSV or Parquet, also gzipped.",
        widget=forms.FileInput(attrs={"accept": ".jsonl,.ndjson,.json,.csv,.tsv,.gz,.parquet"}),
    )
    text = forms.CharField(
        required=False,
        strip=False,
        label="Or paste JSON lines",
        widget=forms.Textarea(attrs={"rows": 6, "class": "code"}),
    )
    example = ""  # a line, shown where nothing is pasted yet

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].widget.attrs["placeholder"] = self.example

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("file")) == bool((data.get("text") or "").strip()):
            raise forms.ValidationError("Choose a file or paste some lines: one of the two.")
        return data


class GoldForm(FileForm):
    example = '{"prompt": "Ann: …", "completions": ["…", "…"], "pairs": [[0, 1]]}'


class ImportForm(FileForm):
    example = '{"id": "d1", "dialogue": "Ann: …", "summary": "…"}'
    what = forms.ChoiceField(
        choices=[
            ("prompts", "Prompts"),
            ("completions", "Completions of other models"),
            ("rankings", "Rankings made elsewhere"),
        ],
        label="What",
        initial="prompts",
    )
    layout = forms.ChoiceField(
        choices=[("", "–"), *LAYOUT_NAMES.items()],
        required=False,
        label="Layout",
        help_text="Of rankings: which tool or data set wrote them.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("what") == "rankings" and not data.get("layout"):
            self.add_error("layout", "Choose the layout of the rankings.")
        return data


class RoundForm(forms.Form):
    algorithm = forms.ChoiceField(
        choices=[(Algorithm.PPO, "PPO, against the reward model"), (Algorithm.DPO, "DPO, from the pairs themselves")],
        initial=Algorithm.PPO,
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 1, initial=0, help_text="The same seed and labels give the same models."
    )
    config = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 5, "class": "code", "placeholder": '{"ppo": {"kl_target": 4}}'}),
        label="Settings",
        help_text="JSON with reward, ppo or dpo, evaluate, generate. Empty: the defaults.",
    )
    force = forms.BooleanField(required=False, label="Start although the gate says no")

    def clean_config(self) -> dict[str, Any]:
        text = self.cleaned_data["config"].strip()
        try:
            config = json.loads(text or "{}")
        except json.JSONDecodeError as error:
            raise forms.ValidationError(f"This is no JSON: line {error.lineno}, {error.msg}.") from error
        if not isinstance(config, dict):
            raise forms.ValidationError("This must be a JSON object: {…}.")
        return config
