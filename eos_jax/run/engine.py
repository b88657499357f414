"""Which engine runs a program, and why.

`registers` runs steps that are lists of scalar operations as machine code of the CPU; `plain` runs
anything, by XLA, on any device. Fates and numbers agree within roundings; bits are those of one
engine, so a store is resumed with the one that began it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from eos_jax.checks import check_choice
from eos_jax.loops.scalars import NotScalars
from eos_jax.machine import engine_wanted
from eos_jax.run import plain, registers
from eos_jax.run.lane import Program

ENGINES = ("auto", "registers", "plain")


class Choice(NamedTuple):
    """An engine and the reason for it.

    Attributes:
      engine: "registers" or "plain".
      why: in words.
    """

    engine: str
    why: str


class CannotRun(ValueError):
    """The engine that was asked for cannot run the program; the text says why."""


def choose(program: Program, dtype: str, platform: str, wanted: str = "auto") -> Choice:
    """The engine for a program.

    Args:
      program: what is to run.
      dtype: of the lanes.
      platform: of the devices, such as "cpu".
      wanted: "auto" for registers where they can, or an engine by name.

    Returns:
      The choice.

    Raises:
      CannotRun: if the engine wanted cannot run the program.
    """
    return choose_by(lambda: registers.prepared(program, dtype), platform, wanted)


def choose_by(prepare: Callable[[], Any], platform: str, wanted: str = "auto") -> Choice:
    """The engine for what `prepare` makes lists of scalar operations of, or raises `NotScalars`.

    Args:
      prepare: makes the lists.
      platform: as in `choose`.
      wanted: as in `choose`.

    Returns:
      The choice.

    Raises:
      CannotRun: as `choose`.
    """
    if wanted == "auto":
        wanted = engine_wanted()
    check_choice("engine", wanted, ENGINES)
    if wanted == "plain":
        return Choice("plain", "asked for")
    reason = f"lanes run on {platform}" if platform != "cpu" else ""
    if not reason:
        try:
            prepare()
        except NotScalars as found:
            reason = f"the program has {found}"
    if not reason:
        return Choice("registers", "the program is a list of scalar operations")
    if wanted == "registers":
        raise CannotRun(
            f"Argument `engine` must be plain or auto here, but got registers: {reason}."
        )
    return Choice("plain", reason)


def run_tile(
    engine: str,
    program: Program,
    starts: Mapping[str, np.ndarray],
    horizon: int,
    on_round: Callable[[float], Any] = lambda lanes: None,
) -> dict[str, np.ndarray]:
    """The results of one tile by an engine; see `eos_jax.run.plain.run_tile`."""
    run = registers.run_tile if engine == "registers" else plain.run_tile
    return run(program, starts, horizon, on_round)
