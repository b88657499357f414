"""Checks of arguments; every message says what must hold and what came."""

import math
import numbers
from collections.abc import Iterable
from typing import Any


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is an integer of at least `least`; truth is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= least


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise unless the value is an integer of at least `least`."""
    if not is_count(value, least):
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
    whole = isinstance(sizes, tuple | list) and all(map(is_count, sizes))
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
