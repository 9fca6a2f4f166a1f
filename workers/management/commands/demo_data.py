"""``manage.py demo_data``: the demo project, made or completed."""

from typing import Any

from django.core.management.base import BaseCommand

from workers.demo import demo_prepare
from workers.terminal import TerminalReporter


class Command(BaseCommand):
    help = "Make the demo project with its policy, rankings and first round; what is there is kept."

    def handle(self, *args: Any, **options: Any) -> None:
        reporter = TerminalReporter()
        try:
            demo_prepare(reporter=reporter)
        finally:
            reporter.close()
