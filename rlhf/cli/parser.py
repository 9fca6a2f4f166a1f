"""The parser: every command with its options, what it writes, its settings and the exit codes."""

import argparse

from rlhf.cli import dpo, evaluate, generate, ppo, reward, rloo, sft
from rlhf.cli.command import Command
from rlhf.cli.settings_help import settings_lines

COMMANDS: tuple[Command, ...] = (
    sft.COMMAND,
    reward.COMMAND,
    ppo.COMMAND,
    rloo.COMMAND,
    dpo.COMMAND,
    generate.COMMAND,
    evaluate.COMMAND,
)

EXIT_CODES = """\
exit codes:
  0    done
  1    an error: one line on stderr names what was wrong, what was seen and what is allowed
  2    wrong usage of the options
  130  stopped by Ctrl+C; a training with checkpoint_every above 0 goes on when the same command is given again"""


def parser() -> argparse.ArgumentParser:
    """``python -m rlhf``; parsed options hold their ``command``, and ``refuse`` to end with a usage error."""
    whole = argparse.ArgumentParser(
        prog="python -m rlhf",
        description="The learning library without the web: training, generation, evaluation.",
        epilog=f"Results go to files, progress and events to stderr. COMMAND --help has the rest.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=_epilog(command),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.options(one)
        one.set_defaults(command=command, refuse=one.error)
    return whole


def _epilog(command: Command) -> str:
    parts = [f"writes:\n{command.writes}"]
    for cls in command.settings:
        lines = "\n".join(settings_lines(cls))
        parts.append(f"settings ({cls.__name__}), by --set KEY=VALUE or in the --config file:\n{lines}")
    return "\n\n".join([*parts, EXIT_CODES])
