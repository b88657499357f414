"""Checks of arguments; every message says what must hold and what came."""

import math
import numbers
from collections.abc import Iterable
from typing import Any


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise unless the value is an integer of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"Argument `{name}` must be {kind}, but got {value!r}.")


def check_finite(name: str, value: Any) -> None:
    """Raise unless the value is a finite real number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"Argument `{name}` must be a finite number, but got {value!r}.")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless the value is one of the choices."""
    if value not in tuple(choices):
        raise ValueError(
            f"Argument `{name}` must be one of {', '.join(map(str, choices))}, but got {value!r}."
        )


def check_sizes(sizes: Any, least: int = 2) -> None:
    """Raise unless `sizes` is a sequence of at least `least` positive integers."""
    whole = isinstance(sizes, tuple | list) and all(
        isinstance(n, numbers.Integral) and not isinstance(n, bool) and n > 0 for n in sizes
    )
    if not whole or len(sizes) < least:
        raise ValueError(
            f"Argument `sizes` must be at least {least} positive integers, from the input to the "
            f"output, but got {sizes!r}."
        )


def sized(size: float) -> str:
    """A number of bytes in words.

    Example:
      >>> sized(2_500_000_000)
      '2.33 GiB'
    """
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1000 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
