"""Bodies and answers of what decides who gets which task: priorities, gold, panels."""

from typing import Any, get_args

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.base import StrictSerializer
from annotation.api.figures import FigureSerializer
from annotation.gold import GoldRow, Verdict
from annotation.models import Split
from annotation.ranking import MAX_TEXT
from annotation.services.tasks import MAX_PRIORITY


class PrioritySerializer(StrictSerializer):
    """What is given must all hold of a task; at least one of prompts, batch and round."""

    priority = serializers.IntegerField(
        min_value=-MAX_PRIORITY, max_value=MAX_PRIORITY, help_text="Higher is handed out first; 0 unless set."
    )
    prompts = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=10_000,
        help_text="External ids; content hashes of prompts that have none.",
    )
    batch = serializers.CharField(required=False, max_length=200, help_text="The import that the prompts came from.")
    round = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class ChangedSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="Tasks.")


class GoldCreateSerializer(StrictSerializer):
    prompt = serializers.CharField(trim_whitespace=False, max_length=100_000)
    external_id = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    completions = serializers.ListField(
        child=serializers.CharField(trim_whitespace=False, max_length=MAX_TEXT), min_length=2, max_length=9
    )
    pairs = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        max_length=36,
        help_text="[better, worse]: places from 0 in completions.",
    )


class GoldSerializer(serializers.Serializer[Any]):
    """A gold task and how people did on it."""

    gold = serializers.IntegerField(source="task.pk", help_text="Its id.")
    external_id = serializers.CharField(source="task.prompt.external_id")
    prompt = serializers.CharField(source="task.prompt.text")
    completions = serializers.SerializerMethodField()
    pairs = serializers.SerializerMethodField()
    retired = serializers.BooleanField()
    answers = serializers.IntegerField(source="score.answers")
    pairs_ranked = serializers.IntegerField(source="score.pairs")
    pairs_right = serializers.IntegerField(source="score.right")
    pass_rate = serializers.FloatField(source="score.share", allow_null=True, help_text="Right of the ranked pairs.")
    verdict = serializers.ChoiceField(
        choices=get_args(Verdict),
        help_text="doubtful: the whole interval of pass_rate is below a half, so the gold itself may be wrong.",
    )
    skips = serializers.IntegerField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_completions(self, row: GoldRow) -> list[str]:
        return [one.text for one in _in_order(row)]

    @extend_schema_field(serializers.ListField(child=serializers.ListField(child=serializers.IntegerField())))
    def get_pairs(self, row: GoldRow) -> list[list[int]]:
        place = {one.pk: index for index, one in enumerate(_in_order(row))}
        return [[place[better], place[worse]] for better, worse in row.task.gold or ()]


def _in_order(row: GoldRow) -> list[Any]:
    return sorted(row.task.completions.all(), key=lambda one: one.ordinal)


class PanelCreateSerializer(StrictSerializer):
    new = serializers.CharField(max_length=200, help_text="A model version's slug, or an imported system's name.")
    old = serializers.CharField(max_length=200)
    count = serializers.IntegerField(min_value=1, max_value=100_000)
    split = serializers.ChoiceField(choices=Split.choices, required=False, help_text="All unless given.")
    wanted_raters = serializers.IntegerField(required=False, min_value=1, max_value=9)
    priority = serializers.IntegerField(required=False, min_value=-MAX_PRIORITY, max_value=MAX_PRIORITY)


class PanelCreatedSerializer(serializers.Serializer[Any]):
    created = serializers.IntegerField(help_text="Tasks.")


class PanelSerializer(serializers.Serializer[Any]):
    """How ``new`` did against ``old``."""

    new = serializers.CharField()
    old = serializers.CharField()
    wins = serializers.IntegerField()
    ties = serializers.IntegerField()
    losses = serializers.IntegerField()
    prompts = serializers.IntegerField(help_text="With at least one ranking.")
    open = serializers.IntegerField(help_text="Rankings still wanted.")
    win_rate = FigureSerializer(
        allow_null=True, help_text="Ties count half; bootstrap over prompts; null below ten of them."
    )
