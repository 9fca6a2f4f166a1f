"""Bodies and answers of projects, tasks and rankings."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.base import StrictSerializer
from annotation.licence import MAX_LICENSE
from annotation.models import (
    Assignment,
    Membership,
    Project,
    Ranking,
    RankingMethod,
    Role,
    SkipReason,
    Strategy,
)
from annotation.ranking import FULL, MAX_TEXT, Answer, Rewrite, Span, method_of, pairs_of
from annotation.services.projects import MAX_QUOTA


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = [
            "slug",
            "name",
            "guidelines",
            "prompt_template",
            "completions_per_prompt",
            "raters_per_task",
            "overlap_share",
            "overlap_raters",
            "criteria",
            "lease_minutes",
            "best_worst",
            "paused",
            "strategy",
            "random_share",
            "gold_share",
            "gold_before_trust",
            "gold_pass",
            "repeat_share",
            "min_rankings",
            "min_reward_accuracy",
            "base_model",
            "data_license",
            "created_at",
        ]
        read_only_fields = fields


class ProjectChangeSerializer(StrictSerializer):
    """What a project's lead may change. Rules beyond types are the service's."""

    name = serializers.CharField(max_length=200)
    guidelines = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=100_000)
    prompt_template = serializers.CharField(trim_whitespace=False, max_length=10_000)
    completions_per_prompt = serializers.IntegerField(min_value=2, max_value=9)
    raters_per_task = serializers.IntegerField(min_value=1, max_value=9)
    overlap_share = serializers.FloatField(min_value=0, max_value=1)
    overlap_raters = serializers.IntegerField(min_value=2, max_value=9)
    criteria = serializers.ListField(child=serializers.CharField(max_length=50), max_length=20)
    lease_minutes = serializers.IntegerField(min_value=1, max_value=1440)
    best_worst = serializers.BooleanField()
    paused = serializers.BooleanField()
    strategy = serializers.ChoiceField(choices=Strategy.choices)
    random_share = serializers.FloatField(min_value=0, max_value=1)
    gold_share = serializers.FloatField(min_value=0, max_value=1)
    gold_before_trust = serializers.IntegerField(min_value=0, max_value=1000)
    gold_pass = serializers.FloatField(min_value=0, max_value=1)
    repeat_share = serializers.FloatField(min_value=0, max_value=1)
    min_rankings = serializers.IntegerField(min_value=0, max_value=10_000_000)
    min_reward_accuracy = serializers.FloatField(min_value=0, max_value=1)
    base_model = serializers.CharField(max_length=500)
    data_license = serializers.CharField(allow_blank=True, max_length=MAX_LICENSE)


class ProjectCreateSerializer(StrictSerializer):
    slug = serializers.SlugField(max_length=50)
    name = serializers.CharField(max_length=200)
    guidelines = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=100_000)
    prompt_template = serializers.CharField(required=False, trim_whitespace=False, max_length=10_000)
    completions_per_prompt = serializers.IntegerField(required=False, min_value=2, max_value=9)
    raters_per_task = serializers.IntegerField(required=False, min_value=1, max_value=9)
    overlap_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    overlap_raters = serializers.IntegerField(required=False, min_value=2, max_value=9)
    criteria = serializers.ListField(required=False, child=serializers.CharField(max_length=50), max_length=20)
    lease_minutes = serializers.IntegerField(required=False, min_value=1, max_value=1440)
    best_worst = serializers.BooleanField(required=False)
    paused = serializers.BooleanField(required=False)
    strategy = serializers.ChoiceField(required=False, choices=Strategy.choices)
    random_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    gold_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    gold_before_trust = serializers.IntegerField(required=False, min_value=0, max_value=1000)
    gold_pass = serializers.FloatField(required=False, min_value=0, max_value=1)
    repeat_share = serializers.FloatField(required=False, min_value=0, max_value=1)
    min_rankings = serializers.IntegerField(required=False, min_value=0, max_value=10_000_000)
    min_reward_accuracy = serializers.FloatField(required=False, min_value=0, max_value=1)
    base_model = serializers.CharField(required=False, max_length=500)
    data_license = serializers.CharField(required=False, allow_blank=True, max_length=MAX_LICENSE)


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username", read_only=True)
    role = serializers.ChoiceField(choices=Role.choices, read_only=True)

    class Meta:
        model = Membership
        fields = ["username", "role", "daily_quota", "paused", "created_at"]
        read_only_fields = fields


class MemberSetSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)
    daily_quota = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_QUOTA,
        help_text="Rankings a day; null: no limit. Kept when it is not given.",
    )
    paused = serializers.BooleanField(required=False, help_text="Nothing new is handed out to this person.")


class BlindCompletionSerializer(serializers.Serializer[Any]):
    """A completion as an annotator sees it: its text, and never who wrote it."""

    id = serializers.IntegerField()
    text = serializers.CharField()


class TurnSerializer(serializers.Serializer[Any]):
    speaker = serializers.CharField()
    text = serializers.CharField()


class TaskSerializer(serializers.Serializer[Assignment]):
    """A task in an annotator's hands, its completions in the order in which they are shown."""

    task = serializers.IntegerField(source="task_id")
    lease_expires = serializers.DateTimeField()
    prompt = serializers.CharField(source="prompt.text")
    turns = TurnSerializer(many=True, allow_null=True, source="prompt.turns", help_text="Of a conversation, else null.")
    completions = serializers.SerializerMethodField()
    method = serializers.SerializerMethodField(help_text="What is asked: the whole order, or best and worst alone.")
    criteria = serializers.ListField(child=serializers.CharField(), source="task.project.criteria")
    draft = serializers.DictField(allow_null=True)
    draft_saved_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(BlindCompletionSerializer(many=True))
    def get_completions(self, assignment: Assignment) -> list[dict[str, Any]]:
        return blind(assignment.display_order, assignment.texts)

    @extend_schema_field(serializers.ChoiceField(choices=RankingMethod.choices))
    def get_method(self, assignment: Assignment) -> str:
        best_worst = assignment.task.project.best_worst
        return method_of(completions=len(assignment.display_order), best_worst=best_worst)


def blind(order: Sequence[int], texts: Mapping[int, str]) -> list[dict[str, Any]]:
    """The completions in their stored display order, with nothing that tells where they came from."""
    return [{"id": completion, "text": texts[completion]} for completion in order]


class SpanSerializer(StrictSerializer):
    completion = serializers.IntegerField()
    start = serializers.IntegerField(min_value=0, help_text="First code point.")
    end = serializers.IntegerField(min_value=1, help_text="Code point after the last.")
    label = serializers.CharField(  # type: ignore[assignment]  # the field's name, as it is stored
        required=False, allow_blank=True, default="", max_length=200
    )


class RewriteSerializer(StrictSerializer):
    completion = serializers.IntegerField()
    text = serializers.CharField(trim_whitespace=False, max_length=MAX_TEXT)


class AnswerSerializer(StrictSerializer):
    """A ranking as it is sent. Which completions exist, the service knows."""

    groups = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), max_length=100),
        max_length=100,
        help_text="Completion ids, best group first; two or more ids in one group are a tie.",
    )
    strengths = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=3),
        required=False,
        allow_null=True,
        default=None,
        help_text="One for each boundary between groups: 1 slightly better, 2 better, 3 much better.",
    )
    none_acceptable = serializers.BooleanField(required=False, default=False)
    flags = serializers.DictField(
        child=serializers.CharField(max_length=200), required=False, help_text="{completion id: reason}"
    )
    ratings = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField(min_value=1, max_value=5)),
        required=False,
        help_text="{criterion: {completion id: 1 to 5}}",
    )
    spans = serializers.ListField(child=SpanSerializer(), required=False, max_length=200)
    rationale = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=MAX_TEXT)
    rewrite = RewriteSerializer(required=False, allow_null=True)
    duration_ms = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    method = serializers.ChoiceField(
        choices=RankingMethod.choices,
        required=False,
        default=FULL,
        help_text="best_worst: three groups, the best, all others (not compared with each other), the worst.",
    )

    def validate_flags(self, value: dict[str, str]) -> dict[int, str]:
        return _by_id(value)

    def validate_ratings(self, value: dict[str, dict[str, int]]) -> dict[str, dict[int, int]]:
        return {criterion: _by_id(ratings) for criterion, ratings in value.items()}


def _by_id(values: dict[str, Any]) -> dict[int, Any]:
    try:
        return {int(completion): value for completion, value in values.items()}
    except ValueError as error:
        raise serializers.ValidationError("The keys are completion ids.") from error


def answer_of(data: dict[str, Any]) -> Answer:
    """The validated body of AnswerSerializer as an Answer."""
    rewrite = data.get("rewrite")
    return Answer(
        groups=data["groups"],
        strengths=data["strengths"],
        none_acceptable=data["none_acceptable"],
        flags=data.get("flags", {}),
        ratings=data.get("ratings", {}),
        spans=tuple(Span(**span) for span in data.get("spans", ())),
        rationale=data.get("rationale", ""),
        rewrite=Rewrite(**rewrite) if rewrite else None,
        duration_ms=data.get("duration_ms"),
        method=data["method"],
    )


class DraftSerializer(StrictSerializer):
    draft = serializers.DictField(allow_null=True, help_text="Whatever the page needs to go on.")


class DraftSavedSerializer(serializers.Serializer[Any]):
    draft_saved_at = serializers.DateTimeField()
    lease_expires = serializers.DateTimeField()


class RenewedSerializer(serializers.Serializer[Any]):
    lease_expires = serializers.DateTimeField()


class SkipSerializer(StrictSerializer):
    reason = serializers.ChoiceField(choices=SkipReason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class RankedSerializer(serializers.Serializer[Any]):
    """The answer to a ranking."""

    ranking = serializers.IntegerField()
    revision = serializers.IntegerField()
    pairs = serializers.IntegerField(help_text="Preference pairs that it made, ties included.")


def ranked(ranking: Ranking) -> dict[str, int]:
    # Those that follow from the answer, not those that were stored: gold has none, and must not be told by it.
    pairs = len(pairs_of(Answer(groups=ranking.groups, strengths=ranking.strengths, method=ranking.method)))
    return {"ranking": ranking.pk, "revision": ranking.revision, "pairs": pairs}


class RankingSerializer(serializers.ModelSerializer[Ranking]):
    """A ranking with its task as it was shown, so that it can be opened again."""

    ranking = serializers.IntegerField(source="pk", read_only=True)
    task = serializers.IntegerField(source="assignment.task_id", read_only=True)
    prompt = serializers.CharField(source="prompt.text", read_only=True)
    turns = TurnSerializer(many=True, allow_null=True, source="prompt.turns", read_only=True)
    completions = serializers.SerializerMethodField()
    criteria = serializers.ListField(child=serializers.CharField(), source="project.criteria", read_only=True)

    class Meta:
        model = Ranking
        fields = [
            "ranking",
            "revision",
            "is_current",
            "task",
            "prompt",
            "turns",
            "completions",
            "criteria",
            "method",
            "groups",
            "strengths",
            "none_acceptable",
            "flags",
            "ratings",
            "spans",
            "rationale",
            "rewrite",
            "duration_ms",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(BlindCompletionSerializer(many=True))
    def get_completions(self, ranking: Ranking) -> list[dict[str, Any]]:
        completions = ranking.assignment.task.completions.all()  # at hand: a page of rankings asks once
        return blind(ranking.assignment.display_order, {one.pk: one.text for one in completions})


class ProgressSerializer(serializers.Serializer[Any]):
    today = serializers.IntegerField(help_text="Tasks that you ranked today.")
    mine = serializers.IntegerField(help_text="Tasks that you ranked in this project.")
    done = serializers.IntegerField(help_text="Rankings of all people in this project.")
    open = serializers.IntegerField(help_text="Rankings that are still wanted.")
