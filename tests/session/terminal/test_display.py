"""When it is shown what goes on, and in which words."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from itertools import pairwise

import pytest

from tests.helpers.fake_engine import Clock
from tests.helpers.fake_screen import FakeScreen, on, pass_time
from whisper_speedtest.measure.steps import Activity, Step
from whisper_speedtest.session.terminal.display import Display, Shown, sentence

TIMED = Step(Activity.TIMED_CALL, 1, 3, call=2, calls=3)
UNTIMED = Step(Activity.UNTIMED_CALL, 1, 3)


# On a terminal


def test_line_appears_after_a_second_and_moves_every_second() -> None:
    """The status line appears after a second, and is rewritten every second if no clock runs."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("models: verifying 3")):
        pass_time(display, clock, 0.9)
        assert screen.seen == []
        pass_time(display, clock, 3.0)

    assert screen.seen == [
        (1.0, "models: verifying 3, 1 s"),
        (2.0, "models: verifying 3, 2 s"),
        (3.0, "models: verifying 3, 3 s"),
        (pytest.approx(3.9), "cleared"),
    ]


def test_line_is_rewritten_every_five_seconds_while_a_clock_runs() -> None:
    """While a clock runs, the status line is rewritten every five seconds, and not before."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("toy")):
        clock.take(2.0)
        display.tell(TIMED)
        waits = pass_time(display, clock, 14.0)

    # Between the steps, at 2 s, no clock runs yet.
    assert screen.times == [2.0, 7.0, 12.0]
    assert min(waits) == 5.0, "expected no more to be done beside a clock than to look every 5 s"


def test_calls_that_are_shorter_are_shown_between_them() -> None:
    """Between calls of under five seconds, the status line is written at most once a second."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("toy")):
        for _ in range(40):
            display.tell(TIMED)
            clock.take(0.4)
            display.look()

    shown = [round(when / 0.4, 6) for when in screen.times]
    assert shown == [*range(3, 40, 3)], "expected it at the beginning of a call, after over 1 s"


def test_nothing_is_written_between_the_untimed_call_and_the_timed_one() -> None:
    """The display writes nothing between the untimed call and the timed one, however late it is."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("toy")):
        display.tell(UNTIMED)
        clock.take(100.0)
        display.tell(TIMED)
        assert screen.times == []
        clock.take(4.9)
        display.look()
        assert screen.times == []
        clock.take(0.1)
        display.look()
        assert screen.times == [105.0]


@pytest.mark.parametrize(
    "first", [Activity.TIMED_CALL, Activity.LOAD, Activity.VERIFY, Activity.EMPTY_CALLS]
)
def test_something_may_be_written_between_other_steps(first: Activity) -> None:
    """The display may write between two steps if the second need not follow at once."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("toy")):
        display.tell(TIMED._replace(activity=first))
        clock.take(4.0)
        display.tell(TIMED)

    assert screen.times == [4.0]


@pytest.mark.property
@pytest.mark.parametrize("rewrites", [True, False], ids=["terminal", "log"])
def test_no_silence_is_longer_than_ten_seconds(rewrites: bool) -> None:
    """The display is silent for ten seconds at most, in a log for nine, whatever a test does."""
    from hypothesis import given
    from hypothesis import strategies as st

    steps = st.lists(st.tuples(st.sampled_from(Activity), st.floats(0.01, 90.0)), min_size=1)

    @given(steps)
    def hold(steps: list[tuple[Activity, float]]) -> None:
        clock, screen, display = on(rewrites=rewrites)
        wake = clock.now
        with display.showing(Shown("toy")):
            for activity, seconds in steps:
                display.tell(Step(activity, 1, 3))
                end = clock.now + seconds
                while wake < end:
                    clock.now = max(wake, clock.now)
                    wake = clock.now + display.look()
                clock.now = end
        times = [0.0, *screen.times, clock.now - 1000]
        longest = max(after - before for before, after in pairwise(times))
        most = 10.0 if rewrites else 9.0
        assert longest <= most + 1e-6, f"silent for {longest} s: {steps}"

    hold()


def test_inner_takes_the_place_of_the_outer() -> None:
    """What is shown within something else takes its place, and gives it back with its step."""
    clock, screen, display = on(rewrites=True)

    with display.showing(Shown("outer")):
        display.tell(UNTIMED)
        with display.showing(Shown("inner")):
            pass_time(display, clock, 1.5)
        pass_time(display, clock, 1.5)

    assert [line for _, line in screen.seen] == [
        "inner, 1 s",
        "cleared",
        "outer, process 1 of 3, untimed call, 2 s",
        "cleared",
    ]
    assert screen.begun == 1, "expected pytest's own output to be flushed only where none captures"


def test_what_fails_is_no_longer_shown() -> None:
    """After an error or Ctrl-C, the display clears what it has shown."""
    clock, screen, display = on(rewrites=True)

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), display.showing(Shown("toy")):  # noqa: PT012
            pass_time(display, clock, 1.5)
            raise error
    with display.showing(Shown("brief")):
        pass
    pass_time(display, clock, 9.0)

    assert [line for _, line in screen.seen] == ["toy, 1 s", "cleared"] * 2


def test_test_is_timed_from_its_own_beginning() -> None:
    """The seconds that are shown of a test count from its own beginning, over all its phases."""
    clock, screen, display = on(rewrites=True)
    shown = Shown("toy", since=clock.now - 100)

    for _ in range(2):
        with display.showing(shown):
            pass_time(display, clock, 2.0)

    assert [line for _, line in screen.seen] == ["toy, 101 s", "cleared", "toy, 103 s", "cleared"]


# In a log


def test_log_says_what_goes_on_after_nine_seconds_of_silence() -> None:
    """A log says what goes on after nine seconds of silence, and so nothing of brief steps."""
    clock, screen, display = on(rewrites=False)

    with display.showing(Shown("toy")):
        pass_time(display, clock, 8.9)
        assert screen.seen == []
        waits = pass_time(display, clock, 19.1)

    assert max(waits) == 1.0, "expected it to be seen soon if something else begins"
    assert [line for line in screen.seen if line[1] != "cleared"] == [
        (9.0, "toy, 9 s"),
        (18.0, "toy, 18 s"),
        (27.0, "toy, 27 s"),
    ]


def test_log_says_more_before_a_clock_that_keeps_it_silent() -> None:
    """A log is written to early before a clock that would keep it silent for too long."""
    clock, screen, display = on(rewrites=False)

    with display.showing(Shown("toy")):
        display.tell(Step(Activity.VERIFY, 1, 3))
        pass_time(display, clock, 3.9)
        display.tell(UNTIMED)
        assert screen.times == []
        pass_time(display, clock, 1.0)
        display.tell(TIMED)
        pass_time(display, clock, 12.0)
        display.tell(TIMED)

    assert screen.times == pytest.approx([4.0, 13.0])


def test_verifying_a_load_is_no_clock() -> None:
    """No clock runs as a load is verified, so that a log is not written to early before it."""
    clock, screen, display = on(rewrites=False)

    with display.showing(Shown("toy")):
        clock.take(8.0)
        display.tell(Step(Activity.VERIFY, 1, 3))
        assert screen.times == []
        pass_time(display, clock, 2.0)

    assert screen.times == [9.0]


def test_log_counts_from_what_pytest_wrote_last() -> None:
    """The silence of a log is counted from what pytest wrote last."""
    clock, screen, display = on(rewrites=False)

    clock.take(8.0)
    display.wrote()
    with display.showing(Shown("toy")):
        pass_time(display, clock, 8.9)
        assert screen.seen == []
        pass_time(display, clock, 0.2)

    assert screen.times == [17.0]


def test_log_is_not_written_into_short_calls_either() -> None:
    """A log is not written into calls of less than five seconds, but between them."""
    clock, screen, display = on(rewrites=False)

    with display.showing(Shown("toy")):
        clock.take(3.0)
        display.tell(TIMED)
        pass_time(display, clock, 4.9)
        assert screen.seen == []
        display.tell(TIMED)
        assert screen.times == pytest.approx([7.9])
        pass_time(display, clock, 10.0)

    assert screen.times == pytest.approx([7.9, 16.9])


def test_subject_may_change_as_it_goes_on() -> None:
    """The name of what is shown may change meanwhile, as with the bytes of a download."""
    clock, screen, display = on(rewrites=False)

    display.subject("nothing is shown yet")
    with display.showing(Shown("downloading")):
        display.subject("downloading, 1 MB of 3 MB")
        pass_time(display, clock, 11.0)

    assert screen.seen[0] == (9.0, "downloading, 1 MB of 3 MB, 9 s")


# Without a screen, and the thread


def test_display_without_a_screen_does_nothing() -> None:
    """A display without a screen starts no thread."""
    threads = threading.active_count()
    display = Display(None)

    with display.showing(Shown("toy")):
        display.tell(TIMED)
        assert threading.active_count() == threads
    display.close()


def test_thread_shows_what_goes_on_and_ends_with_it() -> None:
    """A single thread writes all that is shown, and ends with it, also after Ctrl-C."""
    seen = threading.Event()

    blocked: set[int] = set()

    class Watched(FakeScreen):
        def show(self, line: str) -> None:
            super().show(line)
            blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            seen.set()

    clock = Clock()
    screen = Watched(clock)
    display = Display(screen, clock)
    threads = threading.active_count()

    for _ in range(2):
        with (
            suppress(KeyboardInterrupt),
            display.showing(Shown("outer")),
            display.showing(Shown("inner")),
        ):
            clock.take(1.0)
            assert threading.active_count() == threads + 1
            assert seen.wait(60), "expected the thread to write by itself"
            seen.clear()
            raise KeyboardInterrupt

        assert threading.active_count() == threads
    assert {signal.SIGINT, signal.SIGALRM} <= blocked, "expected them to interrupt the main thread"


def test_display_that_was_closed_shows_nothing() -> None:
    """A display that was closed shows nothing, and can be closed again."""
    clock, screen, display = on(rewrites=True)
    display.close()

    with display.showing(Shown("toy")):
        pass_time(display, clock, 9.0)
    display.close()

    assert screen.seen == []
    assert screen.closed


# Words


def left(seconds: float) -> str:
    """Return as many seconds left as have passed."""
    return f"about {seconds:.0f} s left"


TOY = Shown("lightning-whisper-mlx[medium-fp16] long", "medium-fp16 long", 1000.0, left)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (None, "lightning-whisper-mlx[medium-fp16] long"),
        (Step(Activity.LOAD, 2, 3), "process 2 of 3, loading"),
        (Step(Activity.UNTIMED_CALL, 1, 3), "process 1 of 3, untimed call"),
        (Step(Activity.TIMED_CALL, 1, 3, 1), "process 1 of 3, call 1"),
        (Step(Activity.TIMED_CALL, 1, 3, 2, 3), "process 1 of 3, call 2 of 3"),
        (
            Step(Activity.TIMED_CALL, 1, 3, 2, 3, again=True),
            "process 1 of 3, call 2 of 3 again, as others used the machine",
        ),
        (Step(Activity.CLIP, 1, 1, 2, 40), "process 1 of 1, clip 2 of 40"),
        (Step(Activity.EMPTY_CALLS, 3, 3), "process 3 of 3, empty calls"),
    ],
)
def test_line_says_case_process_call_and_times(step: Step | None, words: str) -> None:
    """The status line has case, process, call, time passed and time left, in this order."""
    line = sentence(TOY, step, 1063.0, 500)

    assert line.endswith(f"{words}, 63 s, about 63 s left")
    assert line.startswith("lightning-whisper-mlx[medium-fp16] long, ")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        *(
            (width, f"{TOY.subject}, process 1 of 3, call 2 of 3, 63 s, about 63 s left")
            for width in (120, 92, 91)
        ),
        *(
            (width, "medium-fp16 long, process 1 of 3, call 2 of 3, 63 s, about 63 s left")
            for width in (90, 80, 68)
        ),
        *(
            (width, "medium-fp16 long, call 2 of 3, 63 s, about 63 s left")
            for width in (67, 60, 52)
        ),
        *((width, "medium-fp16 long, call 2 of 3, 63 s") for width in (51, 40, 35)),
        *((width, "medium-fp16 long, 63 s") for width in (34, 22)),
        (21, "medium-fp16 lo…, 63 s"),
        (8, "m…, 63 s"),
        (7, "medium-"),
        (1, "m"),
        (0, ""),
    ],
)
def test_narrow_line_leaves_out_what_says_least(width: int, line: str) -> None:
    """A narrow status line drops library, process, time left and call, and then cuts the name."""
    assert sentence(TOY, TIMED, 1063.0, width) == line


def test_characters_of_two_columns_count_twice() -> None:
    """Characters that take two columns of the terminal count twice."""
    assert sentence(Shown("録音", since=1000.0), None, 1001.0, 9) == "録音, 1 s"
    assert sentence(Shown("録音録音", since=1000.0), None, 1001.0, 11) == "録音…, 1 s"
    assert sentence(Shown("録音", since=1000.0), None, 1001.0, 3) == "録"


def test_nothing_in_a_name_moves_the_cursor() -> None:
    """An escape sequence in the name of a file is shown as text without control characters."""
    assert sentence(Shown("a\x1b[2J\nb", since=1000.0), None, 1001.0, 80) == "a?[2J?b, 1 s"
