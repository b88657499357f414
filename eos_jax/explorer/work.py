"""What can be asked, and one piece of work at a time.

A question may come by HTTP or from a notebook; here it is parsed, waits for its turn, is answered,
and stopped where nobody waits for it any more.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from eos_jax.explorer import answers, questions
from eos_jax.explorer.answers import Context
from eos_jax.explorer.messages import as_json

JSON, BYTES = "application/json", "application/octet-stream"


class Asked(NamedTuple):
    """One kind of question: how it is parsed, answered, and what the answer is.

    Attributes:
      kind: a class of `eos_jax.explorer.questions`.
      answer: a function of context and question, and of a report of lanes done where `long`.
      media: the type of the answer.
      long: whether it is computed, one at a time, and can be stopped.
    """

    kind: type
    answer: Callable[..., Any]
    media: str = JSON
    long: bool = False


QUESTIONS = {
    "system": Asked(questions.System, answers.system),
    "text": Asked(questions.Sheet, answers.text),
    "window": Asked(questions.Window, answers.window, BYTES, long=True),
    "piece": Asked(questions.Piece, answers.piece, BYTES, long=True),
    "orbit": Asked(questions.Orbit, answers.orbit, long=True),
    "picture": Asked(questions.Sheet, answers.picture, "image/png", long=True),
    "netcdf": Asked(questions.Sheet, answers.netcdf, "application/x-netcdf", long=True),
}
"""What can be asked, by the last part of the address."""


PLAIN = ("start", "palettes", "progress")
"""What can be asked without saying more."""


class Left(Exception):
    """Raised in the midst of work whose reader has gone."""


class Work:
    """What is being computed, one at a time."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self.done, self.began = 0.0, None

    @contextlib.contextmanager
    def alone(self, stopped: Callable[[], None]) -> Generator[Callable[[float], None]]:
        """Wait for one's turn; gives a function to report lanes to, which raises if stopped."""
        while not self._busy.acquire(timeout=0.05):
            stopped()
        try:
            self.done, self.began = 0.0, time.monotonic()

            def report(lanes: float) -> None:
                self.done += lanes
                stopped()

            stopped()
            yield report
        finally:
            self.began = None
            self._busy.release()

    def progress(self) -> dict[str, Any]:
        """Lanes done and seconds since it began; None where nothing is computed."""
        began = self.began
        return {"done": self.done, "seconds": None if began is None else time.monotonic() - began}


def answered(
    context: Context, work: Work, name: str, text: bytes, stopped: Callable[[], None]
) -> bytes:
    """The answer to a question.

    Args:
      context: what the page was opened with.
      work: whose turn it has to wait for.
      name: one of `PLAIN`, or of `QUESTIONS`.
      text: the question as JSON; not looked at for the former.
      stopped: called every now and then; raises `Left` if nobody waits.

    Raises:
      ValueError: if it is no question, or asks for too much.
      Left: if nobody waits.
    """
    if name == "start":
        return as_json(answers.start(context))
    if name == "palettes":
        return as_json(answers.palettes())
    if name == "progress":
        return as_json(work.progress())
    asked = QUESTIONS[name]
    question = questions.parse(text, asked.kind)
    if asked.long:
        with work.alone(stopped) as report:
            found = asked.answer(context, question, report)
    else:
        found = asked.answer(context, question)
    return found if isinstance(found, bytes) else as_json(found)
