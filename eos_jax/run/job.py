"""A sweep as a value, and what computes one tile of it.

A job holds what to run and nothing of where: `compute` is a pure function of a job and a tile, so
a backend may call it in any thread or process, in any order, twice. What it compiles is kept by
JAX under the job's program, so that all tiles after the first are cheap.
"""

import contextlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from eos_jax.objectives.base import Objective
from eos_jax.observers.base import Observer
from eos_jax.outcomes import Stop
from eos_jax.rules import Rule
from eos_jax.run import engine, lane
from eos_jax.run.grid import Grid, Tile, starts
from eos_jax.simulate import tile_width

_MOST_BYTES = 2**28  # of one tile's records
_HALVINGS = 6  # of a tile that does not fit into memory


class Job(NamedTuple):
    """Everything that a sweep's results follow from, but the machine.

    Attributes:
      objective: what is descended.
      rule: how a step is taken.
      grid: the lanes.
      steps: the horizon.
      stop: when a lane is decided; None runs every lane to the horizon.
      dtype: of the lanes, "float64" or "float32".
      observers: what is recorded, pairs of a name and an observer.
      every: steps between samples.
      sharpness: how it is measured; None for not at all.
      keep: names of the results wanted; None for all.
      engine: what runs it, "registers" or "plain"; see `eos_jax.run.engine`.
    """

    objective: Objective
    rule: Rule
    grid: Grid
    steps: int
    stop: Stop | None
    dtype: str
    observers: tuple[tuple[str, Observer], ...]
    every: int
    sharpness: str | None
    keep: tuple[str, ...] | None
    engine: str = "plain"


def precision(job: Job) -> contextlib.AbstractContextManager:
    """The context in which a job's programs are traced and run."""
    return jax.enable_x64(job.dtype == "float64")


def program(job: Job, lanes: int, platform: str) -> lane.Program:
    """The program for tiles of so many lanes: groups that fit the cache, or fill an accelerator."""
    most = tile_width(job.objective, job.rule, job.dtype) if platform == "cpu" else 2**18
    # a single lane compiles to other instructions, which round differently; where parameters are
    # arrays no bits are promised, and lanes that nobody asked for would cost as much as any
    width = min(most, max(1 if any(job.objective.shapes) else 16, lanes))
    # without observers one program serves every horizon
    every, samples = (job.every, job.steps // job.every + 1) if job.observers else (1, 0)
    return lane.Program(
        job.objective, job.rule, job.stop, job.observers, every, samples, job.sharpness,
        job.keep, width, -(-lanes // width),
    )  # fmt: skip


def bare_program(job: Job) -> lane.Program:
    """The program without the shape of its buffers, on which what it means does not depend."""
    return program(job, 1, "cpu")._replace(width=1, groups=1)


def results(job: Job) -> dict[str, lane.Result]:
    """Names, shapes, dtypes and labels of what each lane yields."""
    return lane.meaning(bare_program(job), job.dtype).results


def bytes_of_lane(job: Job) -> int:
    """Bytes of one lane's results."""
    return sum(math.prod(result.shape) * result.dtype.itemsize for result in results(job).values())


def default_tile(job: Job, workers: list[jax.Device], ways: int = 1) -> int:
    """Lanes of a tile: enough to hide the host, few enough for memory and for every worker.

    Args:
      job: what is to run.
      workers: of this machine.
      ways: how many machines share the work.
    """
    most = 2**19 if workers[0].platform == "cpu" else 2**22
    fit = max(16, _MOST_BYTES // bytes_of_lane(job))
    return max(1, min(most, fit, -(-job.grid.lanes // (len(workers) * ways))))


def compute(
    job: Job,
    tile: Tile,
    lanes: int,
    device: jax.Device,
    on_round: Callable[[float], Any] = lambda lanes: None,
) -> dict[str, np.ndarray]:
    """The results of one tile.

    Args:
      job: what to run.
      tile: which lanes.
      lanes: of a whole tile of the sweep, which buffers are made for.
      device: where to run.
      on_round: called every now and then with the number of lanes done since the last call.

    Returns:
      For each result an array of the tile's shape + its own.

    Raises:
      MemoryError: if not even a small part of the tile fits into memory.
    """

    def run(begin, lanes):
        what = program(job, lanes, device.platform)
        return engine.run_tile(job.engine, what, begin, job.steps, on_round)

    with precision(job), jax.default_device(device):
        begin = starts(job.grid, tile, job.rule.hyperparameters)
        found = _in_parts(run, begin, lanes)
    return {name: values.reshape(tile.shape + values.shape[1:]) for name, values in found.items()}


def _in_parts(run, begin, lanes, halvings=_HALVINGS) -> dict[str, np.ndarray]:
    """Results of all lanes at once or, where memory is short, of one half after the other."""
    try:
        return run(begin, lanes)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not (isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)):
            raise
        if halvings == 0 or lanes < 2:
            raise MemoryError(
                f"{lanes} lanes at once do not fit into memory; give a smaller `tile`."
            ) from error
    half, count = -(-lanes // 2), len(next(iter(begin.values())))
    parts = [
        _in_parts(run, {n: v[first : first + half] for n, v in begin.items()}, half, halvings - 1)
        for first in range(0, count, half)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
