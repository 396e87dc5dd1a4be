"""Makes calls to a child process, one at a time, and turns every failure into an EngineError."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.errors import describe
from whisper_speedtest.engine.checkout import end
from whisper_speedtest.engine.errors import (
    LAST_LINES,
    EngineError,
    EngineTimeoutError,
    how_it_ended,
    last_lines,
    meanwhile,
)
from whisper_speedtest.engine.interrupts import signals_held
from whisper_speedtest.engine.wire import WireError, size_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from adapters.base import Audio
    from whisper_speedtest.engine.wire import Wire

SECONDS_TO_END = 10.0
"""How long a child that has closed its connection may take to end, as for writing a core dump."""


class Child:
    """The process of an engine, and the failure that ends it.

    It fails if it ends by itself, answers too late or with something unreadable, or if a time limit
    or Ctrl-C interrupts a call. Then it is ended, and every further call raises the same failure,
    as nothing can be trusted after a crash.
    """

    def __init__(self, label: str, log: Path, tidy: Callable[[], None]) -> None:
        """Start nothing. `label` is the subject of each error; `log` takes the child's output.

        `tidy` is called after a failed process has ended, to remove what it left half written.
        """
        self.failure: EngineError | None = None
        self.closed = False
        self._label = label
        self._log = log
        self._tidy = tidy
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None
        self._limit: float | None = None
        self._deadline = 0.0
        self._unanswered: str | None = None
        """The call that has not been answered yet."""
        self._transcribed = 0
        """How many transcriptions have returned."""

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            EngineError: It is not running.
        """
        self.require("pid")
        if self._process is None:
            raise EngineError(f"{self._label}: expected a running engine, got none; launch it")
        return self._process.pid

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let the calls in the block take so many seconds together; end the child after that.

        A block within another has a time of its own; after it the outer one's holds again.
        """
        outer = self._limit, self._deadline
        self._limit, self._deadline = seconds, time.monotonic() + seconds
        try:
            yield
        finally:
            self._limit, self._deadline = outer

    def require(self, method: str) -> None:
        """Raise the failure if there is one, and an error if the child was closed."""
        if self.failure is not None:
            raise self.failure
        if self.closed:
            raise EngineError(
                f"{self._label}: expected an open engine for {method}, got one that was "
                "closed; make a new one"
            )

    def start(self, start: Callable[[BinaryIO], tuple[subprocess.Popen[bytes], Wire]]) -> None:
        """Start the process, whose output goes to `log`, and wait for its greeting.

        Call it within `failing_in`.
        """
        with signals_held(), self._log.open("wb") as log:
            self._process, self._wire = start(log)
        self._unanswered = "launch"
        with self._reading("launch"):
            self._await_answer("launch")
            self._wire.await_greeting()
        self._unanswered = None

    def ask(self, method: str, *arguments: Any, audio: Audio | None = None) -> Any:
        """Make a call, and return what the process answers."""
        self.require(method)
        if self._wire is None:
            raise EngineError(
                f"{self._label}: expected a running engine for {method}, got one that was not "
                "started; call launch or ready first"
            )
        with self.failing_in(method):
            if self._unanswered is not None:
                # An interrupt came while another one was being handled.
                raise self.fail(f"stopped during {self._unanswered}, which had not returned")
            self._unanswered = method
            with self._reading(method):
                self._wire.send([method, arguments, size_of(audio)], audio)
                self._await_answer(method)
                answer = self._wire.receive()
            self._unanswered = None
        match answer:
            case {"error": str(error)}:
                failure = self.fail(f"{method} raised {error}")
                failure.raised_in = method
                raise failure
            case {"value": value}:
                if method == "transcribe":
                    self._transcribed += 1
                return value
        raise self.fail(f"expected an answer to {method}, got {answer!r:.80}")

    @contextmanager
    def failing_in(self, method: str) -> Iterator[None]:
        """Turn any exception in the block into the failure, and end the process."""
        try:
            yield
        except EngineError:
            raise
        except Exception as error:
            raise self.fail(f"{method} raised {describe(error)}") from error
        except BaseException as error:
            # A time limit or Ctrl-C came while the child was at work. The child may still answer,
            # and its answer would be taken for that of the next call, so it has to end.
            started = meanwhile(self._process)
            note = str(self.fail(f"stopped during {method}, which had not returned{started}"))
            if isinstance(error, KeyboardInterrupt):
                note = note.partition(LAST_LINES)[0]  # Ctrl-C has nothing to do with its output.
            error.add_note(note)
            raise

    def fail(self, what: str, kind: type[EngineError] = EngineError) -> EngineError:
        """End the process, and return the error that this and every further call raises."""
        message = f"{self._label}: {what}"
        # Set at once, so that the child counts as failed if the rest is interrupted.
        self.failure = kind(message)
        self.close()
        self._tidy()
        self.failure = kind(f"{message}{LAST_LINES}\n{last_lines(self._log)}")
        return self.failure

    def close(self) -> None:
        """End the process and whatever it started; safe to call at any time, and again."""
        try:
            self._end()
        except BaseException:  # An interrupt came before everything was ended.
            self._end()
            raise

    def _end(self) -> None:
        self.closed = True
        if self._process is not None:
            end(self._process)
        if self._wire is not None:
            self._wire.close()
        self._process = self._wire = None

    @contextmanager
    def _reading(self, method: str) -> Iterator[None]:
        """Turn errors of reading an answer into the failure, which says how the process ended."""
        try:
            yield
        except (EOFError, OSError) as error:
            assert self._process is not None
            when = method
            if method == "transcribe" and self._transcribed:
                when += f", after {self._transcribed} that returned"
            ended = how_it_ended(self._process, SECONDS_TO_END, when, self._log)
            raise self.fail(ended) from error
        except WireError as error:
            raise self.fail(f"its answer to {method} could not be read: {error}") from error

    def _await_answer(self, method: str) -> None:
        """Wait for the answer to `method`; raise the failure if it is late."""
        assert self._wire is not None
        if self._limit is not None:
            left = max(0.0, self._deadline - time.monotonic())
            if not self._wire.has_come(left) or time.monotonic() > self._deadline:
                late = f"{method} did not end within {self._limit:g} s{meanwhile(self._process)}"
                raise self.fail(late, EngineTimeoutError)
