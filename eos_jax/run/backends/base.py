"""What a backend is, and what becomes of tiles that fail."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from eos_jax.checks import check_choice
from eos_jax.run.grid import Tile

Sink = Callable[[Tile, dict[str, np.ndarray]], Any]
"""Where the results of a tile go, into memory or a store; it may return a note."""

HOPELESS = 3
"""Tiles that may fail while none succeeds: then it is the program that fails, not the tile."""


class Backend(NamedTuple):
    """Who computes tiles.

    Attributes:
      run: (job, tiles, lanes, sink, report, note, workers) -> {tile: what went wrong}: computes
        tiles, each of at most so many lanes, and gives each to the sink. `report` is called with
        numbers of lanes as they are done, `note` with what the sink returns; `workers` holds a
        device for each that this machine has.
      share: the numbers of the tiles that are not done -> those that are done here.
      ways: among how many machines a sweep is divided, as far as is known.
      remote: whether results are written by other processes, which memory cannot be shared with.
    """

    run: Callable[..., dict[Tile, str]]
    share: Callable[[np.ndarray], np.ndarray] = lambda numbers: numbers
    ways: int = 1
    remote: bool = False


registry: dict[str, Callable[[str], Backend]] = {}
"""What makes backends of their options, by name."""


def register(make: Callable[[str], Backend]) -> Callable[[str], Backend]:
    """Make a backend known by the function's name."""
    registry[getattr(make, "__name__", "")] = make
    return make


def find(text: str) -> Backend:
    """The backend that NAME or NAME:OPTION means.

    Raises:
      ValueError: if the name is unknown or the option does not fit.

    Example:
      >>> find("shard:1/3").share(np.arange(8))
      array([1, 4, 7])
    """
    name, _, option = str(text).partition(":")
    check_choice("backend", name, sorted(registry))
    return registry[name](option)


class TilesFailed(RuntimeError):
    """Some tiles could not be computed; all the others are done."""

    def __init__(self, failures: Mapping[Tile, str], tiles: int) -> None:
        some = [f"tile {t.start} to {t.stop}: {why}" for t, why in list(failures.items())[:5]]
        more = f", and {len(failures) - 5} more" if len(failures) > 5 else ""
        super().__init__(
            f"{len(failures)} of {tiles} tiles failed, the others are done ({'; '.join(some)}"
            f"{more}); the same sweep run again tries them again."
        )
        self.failures = dict(failures)


def in_words(error: BaseException) -> str:
    """What an exception says, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
