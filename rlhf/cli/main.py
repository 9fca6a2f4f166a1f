"""From the command line's words to an exit code."""

from collections.abc import Sequence

from rlhf.cli.console import ALONE, Console, wrongly_alone
from rlhf.cli.parser import parser
from rlhf.exceptions import RlhfError

DONE, FAILED, STOPPED = 0, 1, 130  # argparse itself exits with 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Raises SystemExit for ``--help`` (0) and for wrong usage (2)."""
    options = parser().parse_args(arguments)
    if why := options.command.usage(options):
        options.refuse(why)
    console = Console()
    if wrongly_alone():
        console.event("warning", ALONE)
    try:
        options.command.run(options, console)
    except RlhfError as error:
        console.fail(f"{type(error).__name__}: {error}")
        return FAILED
    except OSError as error:
        # The disk, the network or a right that is missing: nothing a traceback would explain.
        console.fail(f"{type(error).__name__}: {error}")
        return FAILED
    except KeyboardInterrupt:
        console.fail("Stopped.")
        return STOPPED
    finally:
        console.close()
    return DONE
