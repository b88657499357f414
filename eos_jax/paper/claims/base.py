"""What a claim is: one line of mathematics and a short function that measures whether it holds."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]


class Measurement(NamedTuple):
    """What a check found.

    Attributes:
      prediction: what theory says, a number or an interval as text.
      measured: what was found.
      error: what is compared with the tolerance, >= 0; 0 where a predicate holds.
      tolerance: the largest error that passes.
      note: settings, reasons for the tolerance, what was derived, which wrong form fails and how.
    """

    prediction: float | str
    measured: float | str
    error: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; false if it is NaN."""
        return bool(self.error <= self.tolerance)


class Claim(NamedTuple):
    """One claim.

    Attributes:
      name: the name of the function that checks it.
      statement: the mathematics, one line.
      source: paper and theorem, equation or figure, or "derived".
      check: quick -> Measurement; quick means fewer or coarser runs of the same thing.
      figure: name of the figure that shows it, if one does.
    """

    name: str
    statement: str
    source: str
    check: Callable[[bool], Measurement]
    figure: str = ""

    def code(self) -> tuple[str, int, str]:
        """The file that checks it, the line where that begins, and the lines themselves.

        Example:
          >>> from eos_jax.paper.claims import claims
          >>> file, line, text = claims["full_space_step"].code()
          >>> file, "def full_space_step(quick: bool)" in text
          ('eos_jax/paper/claims/theorems.py', True)
        """
        lines, first = inspect.getsourcelines(self.check)
        file = Path(inspect.getfile(self.check)).resolve().relative_to(ROOT)
        return file.as_posix(), first, inspect.cleandoc("\n" + "".join(lines))


claims: dict[str, Claim] = {}
"""All claims by name, in the order of the files and of the functions in them."""


def claim(*, statement: str, source: str, name: str | None = None, figure: str = "") -> Callable:
    """Register a function quick -> Measurement as a claim, under its own name.

    Args:
      statement: the mathematics, one line.
      source: paper and theorem, equation or figure, or "derived".
      name: another name, for one function that checks several claims.
      figure: name of the figure that shows it.

    Returns:
      A decorator that leaves the function as it is.

    Raises:
      ValueError: if the name is taken or not in lower case with underscores, or if statement or
        source are empty or longer than a line.

    Example:
      >>> from eos_jax.paper.claims import Measurement, claim, claims
      >>> @claim(statement="1 + 1 = 2", source="Peano 1889")
      ... def one_and_one(quick):
      ...     return Measurement(2, 1 + 1, error=0, tolerance=0)
      >>> claims.pop("one_and_one").check(True).passed
      True
    """

    def register(check: Callable[[bool], Measurement]) -> Callable[[bool], Measurement]:
        chosen = name or getattr(check, "__name__", "")
        if chosen in claims or not re.fullmatch(r"[a-z][a-z0-9_]*", chosen):
            raise ValueError(
                f"Argument `name` must be new and in lower case with underscores, but got {chosen}."
            )
        for what, text in (("statement", statement), ("source", source)):
            if not text.strip() or "\n" in text:
                raise ValueError(f"Argument `{what}` must be one line, but got {text!r}.")
        claims[chosen] = Claim(chosen, statement, source, check, figure)
        return check

    return register


def number(prediction: float, measured: float, tolerance: float, note: str = "") -> Measurement:
    """A measurement of one number, its error relative to the prediction.

    Example:
      >>> number(2.0, 2.001, 1e-2).passed
      True
    """
    prediction, measured = float(prediction), float(measured)
    return Measurement(prediction, measured, abs(measured / prediction - 1), tolerance, note)


def predicate(prediction: str, measured: str, holds: bool, note: str = "") -> Measurement:
    """A measurement that holds or does not.

    Example:
      >>> predicate("grows", "fell", False).passed
      False
    """
    return Measurement(prediction, measured, 0.0 if holds else 1.0, 0.0, note)


def interval(lower, upper, lowest, highest, note: str = "") -> Measurement:
    """All values within an open interval: the error is how far the extremes leave it.

    Example:
      >>> interval(0.0, 1.0, 0.2, 0.9).passed, interval(0.0, 1.0, 0.2, 1.5).error
      (True, 0.5)
    """
    outside = float(max(lower - lowest, highest - upper, 0.0))
    touches = outside == 0 and not lower < lowest <= highest < upper  # or NaN
    return Measurement(
        f"({lower:.6g}, {upper:.6g})",
        f"[{lowest:.6g}, {highest:.6g}]",
        float("inf") if touches else outside,
        0.0,
        note,
    )


def corrected(printed: float, right: float, tolerance: float, note: str = "") -> Measurement:
    """A measurement of a correction: the right form is within the tolerance, the printed far off.

    The error is that of the corrected form, infinite if the printed one is not 10 times beyond
    the tolerance.

    Example:
      >>> corrected(printed=0.5, right=1e-9, tolerance=1e-6).passed
      True
      >>> corrected(printed=1e-7, right=1e-9, tolerance=1e-6).passed
      False
    """
    fails = printed > 10 * tolerance
    return Measurement(
        f"corrected form off by <= {tolerance:.1g}, printed one not",
        f"corrected off by {right:.3g}, printed by {printed:.3g}",
        float(right) if fails else float("inf"),
        tolerance,
        note,
    )
