"""SIGINT and SIGTERM of the command: a polite end from its first moment to its last.

The packages that the command imports take seconds, in which Python's own handlers would print a
traceback or end the process without a word.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

KINDS = (signal.SIGINT, signal.SIGTERM)

GRACE = 20.0
"""Seconds that a signal leaves for a polite end. What is on a disk is sound at any moment."""


@contextlib.contextmanager
def heeded(arguments: Sequence[str]) -> Generator[None]:
    """SIGINT and SIGTERM raise KeyboardInterrupt; if that is of no avail, the process ends.

    Args:
      arguments: of the command, which decide on what is said.
    """
    timers: list[threading.Timer] = []

    def interrupted(*_):
        timers.append(threading.Timer(GRACE, leave, [arguments]))
        timers[-1].daemon = True
        timers[-1].start()
        raise KeyboardInterrupt

    before = _handled_by(interrupted)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _handled_by(handler: Callable[..., Any]) -> dict[signal.Signals, Any]:
    """Install a handler; those before it."""
    try:
        return {kind: signal.signal(kind, handler) for kind in KINDS}
    except ValueError:  # not in the main thread, which alone is given signals
        return {}


def farewell(arguments: Sequence[str]) -> str:
    """What is said to who interrupts the command."""
    again = "go on" if arguments[:1] == ["sweep"] else "start anew"
    return f"interrupted; run the same command again to {again}."


def leave(arguments: Sequence[str]) -> None:
    """End the process here and now, with a word."""
    print(f"eos-jax: {farewell(arguments)}", file=sys.stderr, flush=True)
    gone()


def gone() -> None:
    """End the process without tearing anything down."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(130)


def _is_command() -> bool:
    """Whether the process is the command, and not a program, or a worker, that imports eos_jax."""
    if multiprocessing.parent_process() is not None:
        return False
    if sys.argv[0] == "-m":  # until the module is found
        after = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
        return after[:1] in (["eos_jax"], ["eos_jax.cli"])
    return Path(sys.argv[0]).stem == "eos-jax"


if sys.argv and _is_command():
    # nothing has begun that would need tidying up
    _handled_by(lambda *_: leave(sys.argv[1:]))
