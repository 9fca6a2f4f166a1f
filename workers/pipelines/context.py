"""What every pipeline is given, and how it finds its inputs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.models import Project, Snapshot, Split
from rlhf.types import Prompt, Ranking
from workers import storage
from workers.config import config_parse
from workers.models import ModelKind, ModelVersion, Run
from workers.reporter import RunReporter
from workers.services.prompts import prompts_path
from workers.services.registry import model_get, project_anchor
from workers.services.templates import project_format


@dataclass(frozen=True)
class Context:
    """One attempt of one run. ``draft`` is the empty folder its artifact is written to."""

    run: Run
    attempt: int
    draft: Path
    reporter: RunReporter

    @property
    def project(self) -> Project:
        return self.run.project

    @property
    def config(self) -> Any:
        """The dataclass of the run's kind."""
        return config_parse(self.run.kind, self.run.config)

    def input(self, name: str) -> str:
        return str(self.run.inputs.get(name, ""))

    def anchor(self) -> ModelVersion:
        return project_anchor(self.project)

    def model(self, name: str, kind: ModelKind | None = None) -> ModelVersion:
        return model_get(self.project, self.input(name), kind)

    def prompts(self, *splits: Split) -> list[Prompt]:
        """The frozen prompts of these splits as the model reads them, template applied, in the file's order."""
        return list(self._prompts({str(split) for split in splits}))

    def _prompts(self, splits: set[str]) -> Iterator[Prompt]:
        with prompts_path(self.project, self.input("prompts")).open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row["split"] in splits:
                    yield Prompt(id=row["id"], text=self.templated(row["text"]), references=tuple(row["references"]))

    def templated(self, text: str) -> str:
        return project_format(self.project).apply(text)

    def rankings(self) -> list[Ranking]:
        """The snapshot's rankings, template applied."""
        from rlhf.data import read_rankings

        snapshot = Snapshot.objects.get(project=self.project, sha256=self.input("snapshot"))
        return list(
            read_rankings(storage.absolute(snapshot.path) / "rankings.jsonl", template=project_format(self.project))
        )


# Writes what the pipeline made, inside the transaction that ends the run, and returns the run's output.
Publish = Callable[[], dict[str, Any]]
Pipeline = Callable[[Context], Publish]
