import hashlib

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def lots_draw(apps, schema_editor):
    """A lot for each task that is there: annotation.services.tasks.share_of, as new tasks get it."""
    tasks = apps.get_model("annotation", "Task").objects.select_related("prompt", "project").order_by("pk")
    batch = []
    for task in tasks.iterator(chunk_size=2000):
        name = f"lot:{task.round_number}:{task.project.split_salt}:{task.prompt.identity}"
        task.lot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
        batch.append(task)
        if len(batch) == 2000:
            tasks.model.objects.bulk_update(batch, ["lot"])
            batch = []
    tasks.model.objects.bulk_update(batch, ["lot"])


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Retraction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch", models.CharField(blank=True, max_length=200)),
                ("reason", models.TextField()),
                ("rankings", models.PositiveIntegerField(help_text="How many were current when they were taken back.")),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="task",
            name="task_once_a_round",
        ),
        migrations.AddField(
            model_name="assignment",
            name="drawn_by",
            field=models.CharField(
                choices=[
                    ("first_in", "First in, first out"),
                    ("random", "At random"),
                    ("active", "Where the reward model is least sure"),
                ],
                default="first_in",
                help_text="The strategy that chose the task.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="daily_quota",
            field=models.PositiveIntegerField(blank=True, help_text="Rankings a day; empty: no limit.", null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="paused",
            field=models.BooleanField(default=False, help_text="Nothing new is handed out to this person."),
        ),
        migrations.AddField(
            model_name="project",
            name="best_worst",
            field=models.BooleanField(
                default=False, help_text="With five completions or more, ask for the best and the worst only."
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="gold_before_trust",
            field=models.PositiveSmallIntegerField(
                default=20,
                help_text="Gold tasks that a new annotator ranks before they are trusted, where there is gold.",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="gold_pass",
            field=models.FloatField(
                default=0.7,
                help_text="Share of gold pairs that an annotator must get right.",
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="gold_share",
            field=models.FloatField(
                default=0.05,
                help_text="Share of a trusted annotator's tasks that are gold, where there is gold.",
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="paused",
            field=models.BooleanField(default=False, help_text="Nothing new is handed out."),
        ),
        migrations.AddField(
            model_name="project",
            name="random_share",
            field=models.FloatField(
                default=0.25,
                help_text="Share of the tasks that the active strategy draws at random: they alone estimate accuracy.",
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="repeat_share",
            field=models.FloatField(
                default=0.04,
                help_text="Share of an annotator's tasks that they ranked before, shown in reverse.",
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="strategy",
            field=models.CharField(
                choices=[
                    ("first_in", "First in, first out"),
                    ("random", "At random"),
                    ("active", "Where the reward model is least sure"),
                ],
                default="first_in",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="prompt",
            name="turns",
            field=models.JSONField(blank=True, help_text="[{speaker, text}] of a conversation.", null=True),
        ),
        migrations.AddField(
            model_name="ranking",
            name="batch",
            field=models.CharField(blank=True, help_text="The import it came from.", max_length=200),
        ),
        migrations.AddField(
            model_name="ranking",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rank", "Rank"),
                    ("gold", "Gold"),
                    ("repeat", "Repeat"),
                    ("panel", "Panel"),
                    ("imported", "Imported"),
                ],
                default="rank",
                help_text="Its task's.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="ranking",
            name="method",
            field=models.CharField(
                choices=[("full", "Full"), ("best_worst", "Best Worst")], default="full", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="ranking",
            name="overruled",
            field=models.BooleanField(default=False, help_text="A reviewer has set the final ranking of its task."),
        ),
        migrations.AddField(
            model_name="ranking",
            name="rater_group",
            field=models.CharField(blank=True, help_text="Experts, crowd: as an import calls them.", max_length=50),
        ),
        migrations.AddField(
            model_name="snapshot",
            name="retracted",
            field=models.PositiveIntegerField(default=0, help_text="Of its rankings, how many were taken back since."),
        ),
        migrations.AddField(
            model_name="task",
            name="gold",
            field=models.JSONField(blank=True, help_text="[[better id, worse id], …] of a gold task.", null=True),
        ),
        migrations.AddField(
            model_name="task",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rank", "Rank"),
                    ("gold", "Gold"),
                    ("repeat", "Repeat"),
                    ("panel", "Panel"),
                    ("imported", "Imported"),
                ],
                default="rank",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="lot",
            field=models.FloatField(default=0, help_text="0 to 1, drawn once: the order of the random strategy."),
        ),
        migrations.AddField(
            model_name="task",
            name="repeats",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="repeats",
                to="annotation.assignment",
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="score",
            field=models.FloatField(
                blank=True, help_text="What a ranking of it would teach the reward model.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="prompt",
            name="text",
            field=models.TextField(blank=True, help_text="What the model reads; empty where the source is not known."),
        ),
        migrations.AlterField(
            model_name="ranking",
            name="origin",
            field=models.CharField(
                choices=[
                    ("person", "Person"),
                    ("simulated", "Simulated"),
                    ("imported", "Imported"),
                    ("adjudicated", "Adjudicated"),
                ],
                default="person",
                max_length=11,
            ),
        ),
        migrations.RunPython(lots_draw, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["project", "state", "-priority", "lot"], name="task_next_random"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["project", "state", "-priority", "-score"], name="task_next_active"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["rank", "gold", "repeat", "panel", "imported"])),
                name="task_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "open"), _negated=True), ("kind__in", ("rank", "panel")), _connector="OR"
                ),
                name="task_open_has_places",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "rank")), fields=("prompt", "round_number"), name="task_once_a_round"
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="actor",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="annotator",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="retraction",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="retractions", to="annotation.project"
            ),
        ),
        migrations.AddField(
            model_name="ranking",
            name="retraction",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="retracted",
                to="annotation.retraction",
            ),
        ),
    ]
