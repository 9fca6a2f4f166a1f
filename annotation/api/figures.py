"""The schema of figures. The data are made by ``annotation.stats`` and ``annotation.quality``."""

from typing import Any

from rest_framework import serializers


class FigureSerializer(serializers.Serializer[Any]):
    """A value with its 95 % interval and the number of independent units behind it."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()


class PairwiseSerializer(FigureSerializer):
    agreeing = serializers.IntegerField(help_text="(Pair of people, pair of completions) who say the same, no ties.")
    disagreeing = serializers.IntegerField()


class CriterionSerializer(serializers.Serializer[Any]):
    alpha_ordinal = FigureSerializer(allow_null=True)
    completions = serializers.IntegerField(help_text="Rated by two people or more.")


class GroupSerializer(serializers.Serializer[Any]):
    pairwise_agreement = PairwiseSerializer(allow_null=True)
    alpha_pairs = FigureSerializer(allow_null=True)
    criteria = serializers.DictField(child=CriterionSerializer())
    raters = serializers.IntegerField()
    rankings = serializers.IntegerField()


class VotesSerializer(serializers.Serializer[Any]):
    """Rankings of two completions as votes: first, second, tie."""

    alpha_nominal = FigureSerializer(allow_null=True)
    cohen_kappa = serializers.DictField(
        child=FigureSerializer(allow_null=True), help_text='Keyed "1-2" by places in raters, from 1.'
    )
    raters = serializers.ListField(child=serializers.CharField())
    items = serializers.IntegerField(help_text="Pairs of completions voted on.")


class StretchSerializer(serializers.Serializer[Any]):
    first = serializers.DateField()
    last = serializers.DateField()
    agreement = FigureSerializer(allow_null=True)
    prompts = serializers.IntegerField()


class TogetherSerializer(serializers.Serializer[Any]):
    first = serializers.CharField()
    second = serializers.CharField()
    agreement = FigureSerializer(allow_null=True)
    prompts = serializers.IntegerField()
    comparisons = serializers.IntegerField()


class BandSerializer(serializers.Serializer[Any]):
    """Between which bounds the best possible reward-model accuracy lies."""

    low = serializers.FloatField()
    high = serializers.FloatField()
    lowest = serializers.FloatField()
    highest = serializers.FloatField()
    n = serializers.IntegerField()


class PositionBiasSerializer(serializers.Serializer[Any]):
    share = FigureSerializer()
    p_value = serializers.FloatField()
    first_above_last = serializers.IntegerField()
    trials = serializers.IntegerField()


class SpeedSerializer(serializers.Serializer[Any]):
    median = serializers.FloatField()
    p10 = serializers.FloatField()
    p90 = serializers.FloatField()
    per_pair = serializers.FloatField()
    n = serializers.IntegerField()


class ReliabilitySerializer(serializers.Serializer[Any]):
    """The model of docs/quality.md; gamma and bias are null below 30 shared tasks."""

    shared = serializers.IntegerField(help_text="Tasks that somebody else ranked too.")
    gamma = FigureSerializer(allow_null=True)
    bias = FigureSerializer(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())


class GoldResultSerializer(serializers.Serializer[Any]):
    share = FigureSerializer(help_text="Gold pairs that were right; n = gold tasks.")
    right = serializers.IntegerField()
    pairs = serializers.IntegerField()
    verdict = serializers.ChoiceField(["passed", "failed", "too few"])


class ConsistencySerializer(serializers.Serializer[Any]):
    repeats = serializers.IntegerField()
    same_order = FigureSerializer(allow_null=True)
    pairs = FigureSerializer(allow_null=True, help_text="Decided the same way, of those strict both times.")


class HasteSerializer(serializers.Serializer[Any]):
    share = FigureSerializer(allow_null=True, help_text="Of the timed rankings, those below reading speed.")
    fast = serializers.IntegerField()
    timed = serializers.IntegerField()
    flagged = serializers.BooleanField()


class CyclesSerializer(serializers.Serializer[Any]):
    share = FigureSerializer(allow_null=True, help_text="Cyclic among decided triples; n = prompts.")
    expected = serializers.FloatField(allow_null=True, help_text="Of noisy transitive annotators.")
    cyclic = serializers.IntegerField()
    triples = serializers.IntegerField()
    above = serializers.BooleanField()


class AnnotatorFiguresSerializer(serializers.Serializer[Any]):
    annotator = serializers.CharField()
    rankings = serializers.IntegerField()
    pairs = serializers.IntegerField()
    tie_rate = serializers.FloatField(allow_null=True)
    ties = FigureSerializer(allow_null=True)
    median_seconds = serializers.FloatField(allow_null=True)
    timed = serializers.IntegerField()
    agreement = FigureSerializer(allow_null=True)
    position = PositionBiasSerializer(allow_null=True)
    skips = serializers.IntegerField()
    skipped = FigureSerializer(allow_null=True)
    reliability = ReliabilitySerializer()
    gold = GoldResultSerializer(allow_null=True)
    consistency = ConsistencySerializer(allow_null=True)
    haste = HasteSerializer(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())


class QualitySerializer(serializers.Serializer[Any]):
    rankings = serializers.IntegerField()
    prompts = serializers.IntegerField()
    shared_prompts = serializers.IntegerField(help_text="Ranked by two people or more.")
    comparisons = serializers.IntegerField()
    pairwise_agreement = PairwiseSerializer(allow_null=True, help_text="Ties left out; bootstrap over prompts.")
    alpha_pairs = FigureSerializer(allow_null=True, help_text="Krippendorff's alpha, ordinal, on pair outcomes.")
    criteria = serializers.DictField(child=CriterionSerializer())
    groups = serializers.DictField(child=GroupSerializer())
    votes = VotesSerializer()
    ceiling = BandSerializer(allow_null=True)
    over_time = StretchSerializer(many=True)
    by_annotator_pair = TogetherSerializer(many=True, help_text="At most 200, most shared prompts first.")
    pairs_of_annotators = serializers.IntegerField()
    position = PositionBiasSerializer(allow_null=True)
    ties = FigureSerializer(allow_null=True)
    skipped = FigureSerializer(allow_null=True, help_text="Of the tasks handed out here; n = tasks.")
    speed = SpeedSerializer(allow_null=True)
    haste = HasteSerializer(allow_null=True)
    consistency = ConsistencySerializer(allow_null=True)
    majority_cycles = CyclesSerializer()
    vote_cycles = CyclesSerializer()
    annotators = AnnotatorFiguresSerializer(many=True)


class DaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    person = serializers.IntegerField()
    simulated = serializers.IntegerField()
    imported = serializers.IntegerField()


class AnnotatorRowSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    rankings = serializers.IntegerField()
    today = serializers.IntegerField()
    skips = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    simulated = serializers.BooleanField()
    last = serializers.DateTimeField(allow_null=True)


class QueueSerializer(serializers.Serializer[Any]):
    open = serializers.IntegerField(help_text="Tasks with a free place.")
    full = serializers.IntegerField()
    closed = serializers.IntegerField()
    leased = serializers.IntegerField(help_text="Live leases.")
    wanted = serializers.IntegerField(help_text="Rankings wanted of the tasks that are not closed.")
    remaining = serializers.IntegerField(help_text="Rankings wanted that nobody has taken.")


class StatsSerializer(serializers.Serializer[Any]):
    rankings = serializers.IntegerField()
    simulated = serializers.IntegerField()
    pairs = serializers.IntegerField()
    tied_pairs = serializers.IntegerField()
    none_acceptable = serializers.IntegerField()
    skips = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    per_day = DaySerializer(many=True)
    annotators = AnnotatorRowSerializer(many=True)
    queue = QueueSerializer()
    ranks = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="[place on the page][rank given], both from 0: how often; a tie shares the better rank.",
    )
    strengths = serializers.DictField(child=serializers.IntegerField())
    skip_reasons = serializers.DictField(child=serializers.IntegerField())
