"""Bodies and answers of runs, rounds, models and evaluations."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from annotation.api.base import StrictSerializer
from annotation.api.figures import FigureSerializer
from workers.models import Algorithm, Evaluation, ModelVersion, Round, Run, RunEvent, RunKind, RunState
from workers.selectors import retracted_seen, round_detail
from workers.services.runs import SEED_LIMIT


class RunCreateSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=RunKind.choices)
    config = serializers.DictField(required=False, default=dict, help_text="Settings that differ from the defaults.")
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=SEED_LIMIT - 1)
    inputs = serializers.DictField(required=False, default=dict, help_text="What it reads; the newest where left out.")


class RoundCreateSerializer(StrictSerializer):
    algorithm = serializers.ChoiceField(choices=Algorithm.choices)
    config = serializers.DictField(required=False, default=dict, help_text="{reward, ppo or dpo, evaluate, generate}")
    seed = serializers.IntegerField(required=False, default=0, min_value=0, max_value=SEED_LIMIT - 1)
    force = serializers.BooleanField(required=False, default=False, help_text="Overrule the gates; it is written down.")


class RunSerializer(serializers.ModelSerializer[Run]):
    url = serializers.SerializerMethodField()
    project = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    round = serializers.SlugRelatedField[Any](slug_field="number", read_only=True)
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Run
        fields = [
            "id", "url", "project", "round", "position", "kind", "state", "progress", "phase", "config", "seed",
            "inputs", "output", "error", "attempt", "max_attempts", "cancel_requested", "worker", "heartbeat_at",
            "code_version", "packages", "created_by", "created_at", "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_url(self, run: Run) -> str:
        return reverse("api_run", args=[run.pk])


class RunEventSerializer(serializers.ModelSerializer[RunEvent]):
    class Meta:
        model = RunEvent
        fields = ["id", "attempt", "kind", "message", "data", "at"]
        read_only_fields = fields


class MetricsSerializer(serializers.Serializer[Any]):
    series = serializers.DictField(
        child=serializers.ListField(child=serializers.ListField(child=serializers.FloatField())),
        help_text="By name, a list of [step, value].",
    )
    last_step = serializers.IntegerField(allow_null=True, help_text="Send it as ?after= to get what comes next.")
    downsampled = serializers.BooleanField()
    state = serializers.ChoiceField(choices=RunState.choices)
    progress = serializers.FloatField()
    phase = serializers.CharField()


class StepSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field named like a property of Field
    state = serializers.CharField(help_text="planned, or its run's state")
    run = RunSerializer(allow_null=True)


class GateSerializer(serializers.Serializer[Any]):
    passed = serializers.BooleanField(default=False)
    reasons = serializers.ListField(child=serializers.CharField(), default=list)


class RoundSerializer(serializers.ModelSerializer[Round]):
    url = serializers.SerializerMethodField()
    snapshot = serializers.SlugRelatedField[Any](slug_field="sha256", read_only=True)
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    gate = GateSerializer()

    class Meta:
        model = Round
        fields = [
            "url", "number", "algorithm", "state", "seed", "config", "snapshot", "force", "forced", "gate", "error",
            "created_by", "created_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_url(self, obj: Round) -> str:
        return reverse("api_round", args=[obj.project.slug, obj.number])


class SeenSerializer(serializers.Serializer[Any]):
    """Taken-back rankings that a model learnt from, itself or through what it was made from."""

    rankings = serializers.IntegerField(help_text="Of the snapshot that holds most: with several, the least there are.")
    snapshots = serializers.DictField(child=serializers.IntegerField(), help_text="By the snapshots' hashes.")


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    parent = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)  # type: ignore[assignment]  # the name is the field's
    run = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    retracted = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "slug", "kind", "method", "state", "parent", "run", "sha256", "trainable_parameters", "total_parameters",
            "size_bytes", "facts", "retracted", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(SeenSerializer(allow_null=True))
    def get_retracted(self, model: ModelVersion) -> Any:
        known = self.context.setdefault("retracted", {})  # once for all the models of an answer
        if model.project_id not in known:
            known[model.project_id] = retracted_seen(model.project_id)
        return known[model.project_id].get(model.slug)


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    model = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    run = serializers.PrimaryKeyRelatedField[Any](read_only=True)

    class Meta:
        model = Evaluation
        fields = ["id", "model", "run", "split", "decoding", "metrics", "samples", "reward_table", "created_at"]
        read_only_fields = fields


class SuspiciousLabelSerializer(serializers.Serializer[Any]):
    ranking = serializers.IntegerField()
    task = serializers.IntegerField()
    annotator = serializers.CharField()
    prompt = serializers.CharField()
    chosen = serializers.CharField(help_text="What the annotator ranked above.")
    rejected = serializers.CharField()
    probability = serializers.FloatField(help_text="That the rejected one is better, by the model.")
    placed = serializers.BooleanField(help_text="The task is handed out here: it can be asked again.")


class SuspiciousSerializer(serializers.Serializer[Any]):
    """``model`` is null, and nothing is scored, before a reward model has rated the ranked completions."""

    model = serializers.CharField(allow_null=True)
    scored = serializers.IntegerField(help_text="Rankings with a pair that the model rated.")
    suspicious = serializers.IntegerField()
    share = FigureSerializer(allow_null=True, help_text="Wilson's interval, n = scored rankings.")
    labels = SuspiciousLabelSerializer(many=True, help_text="At most 50, surest first.")


class RoundDetailSerializer(RoundSerializer):
    steps = serializers.SerializerMethodField()
    models = serializers.SerializerMethodField()
    evaluations = serializers.SerializerMethodField()

    class Meta(RoundSerializer.Meta):
        fields = [*RoundSerializer.Meta.fields, "steps", "models", "evaluations"]
        read_only_fields = fields

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, obj: Round) -> Any:
        return StepSerializer(round_detail(obj)["steps"], many=True).data

    @extend_schema_field(ModelVersionSerializer(many=True))
    def get_models(self, obj: Round) -> Any:
        return ModelVersionSerializer(round_detail(obj)["models"], many=True).data

    @extend_schema_field(EvaluationSerializer(many=True))
    def get_evaluations(self, obj: Round) -> Any:
        return EvaluationSerializer(round_detail(obj)["evaluations"], many=True).data
