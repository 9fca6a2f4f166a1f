"""What a long step shows, on a terminal and in a file."""

import io

from workers.terminal import TerminalReporter, printable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_a_line_at_each_tenth():
    out = io.StringIO()
    reporter = TerminalReporter(out)
    for done in range(1, 101):
        reporter.progress(done, 100, "ranking")
    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-1] == "  ranking: 100 of 100"


def test_a_terminal_gets_a_bar_for_each_phase():
    out = Terminal()
    reporter = TerminalReporter(out)
    reporter.progress(1, 2, "one")
    reporter.metrics(1, {"loss": 0.5})
    reporter.progress(1, 2, "two")
    reporter.close()
    assert "one" in out.getvalue()
    assert "two" in out.getvalue()


def test_control_characters_of_a_message_are_not_obeyed():
    out = io.StringIO()
    TerminalReporter(out).event("warning", "bad \x1b[31mtext")
    assert "\x1b" not in out.getvalue()
    assert "warning" in out.getvalue()
    assert printable("a\nb\tc\x07") == "a\nb\tc\N{REPLACEMENT CHARACTER}"
