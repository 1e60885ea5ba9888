"""The progress line: what runs, how long, how much longer; and silence where nobody watches."""

import io

import pytest

from grokverify._progress import Progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def test_the_line_tells_what_runs_and_how_long_it_will_take(clock, capsys):
    expected = {"m:a": 10.0, "m:b": 30.0, "m:c": 50.0}
    progress = Progress(["m:a", "m:b", "m:c"], 2, expected, io.StringIO(), clock)
    clock.now = 4.0
    assert progress.line() == "0 of 3 done in 4 s, about 41 s to go; running a, b (4 s)"
    clock.now = 10.0
    progress.finished("m:a", 10.0, "[1/3] a")
    clock.now = 75.0
    assert (
        progress.line() == "1 of 3 done in 1 min 15 s, about 0 s to go; running b, c (1 min 05 s)"
    )
    progress.finished("m:b", 30.0, "[2/3] b")
    progress.finished("m:c", 30.0, "[3/3] c")
    assert progress.line() == "3 of 3 done in 1 min 15 s"
    assert capsys.readouterr().out == "[1/3] a\n[2/3] b\n[3/3] c\n"


def test_without_an_earlier_run_the_mean_of_this_one_is_expected(clock):
    progress = Progress(["a", "b", "c"], 1, None, io.StringIO(), clock)
    assert progress.line() == "0 of 3 done in 0 s; running a (0 s)"
    progress.finished("a", 8.0, "")
    assert "about 16 s to go; running b" in progress.line()


def test_nothing_is_written_where_nobody_watches(clock, capsys):
    plain = io.StringIO()
    with Progress(["a"], 1, None, plain, clock) as progress:
        progress.finished("a", 1.0, "a is done")
    assert plain.getvalue() == ""
    assert capsys.readouterr().out == "a is done\n"


def test_a_terminal_gets_a_line_that_is_wiped_in_the_end(clock):
    screen = Terminal()
    with Progress(["a"], 1, None, screen, clock) as progress:
        progress._over.wait(1.3)
    assert "0 of 1 done in 0 s; running a (0 s)" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert not progress._thread.is_alive()
