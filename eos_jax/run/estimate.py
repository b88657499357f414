"""What a sweep will take: measured on a sample of its lanes, counted for its tiles."""

import math
import os
import time

import jax
import numpy as np

from eos_jax.run import engine
from eos_jax.run.grid import starts_of
from eos_jax.run.job import Job, bytes_of_lane, precision, program

_SECONDS = 1.0  # a sample that takes longer says enough
_PATIENCE = 10.0
_FIRST, _GROWTH = 64, 8  # lanes
_COPIES = 6  # of starts and results of a tile under way: buffers, their sorting, one being written


class _Enough(Exception):
    """Raised at the end of a round of a sample that takes too long."""


def seconds_of_lane(job: Job, workers: list[jax.Device]) -> float:
    """Seconds that a lane takes on this machine, with all of it at work.

    Lanes from all over the grid are run, more and more of them, until they take about a second.

    Args:
      job: what to run.
      workers: a device for each.

    Returns:
      Seconds, without compilation and writing.
    """
    lanes = min(_FIRST, job.grid.lanes)
    with precision(job), jax.default_device(workers[0]):
        while True:
            _timed(job, lanes, workers[0])  # compiles
            done, seconds = _timed(job, lanes, workers[0])
            if seconds > _SECONDS / _GROWTH or lanes == min(job.grid.lanes, 2**18):
                return seconds / max(done, 1e-9) / len(workers)
            lanes = min(lanes * _GROWTH, job.grid.lanes, 2**18)


def _timed(job, lanes, device) -> tuple[float, float]:
    """Lanes done, and seconds."""
    numbers = np.linspace(0, job.grid.lanes - 1, lanes).astype(np.int64)
    begin = starts_of(job.grid, numbers, job.rule.hyperparameters)
    done, began = 0.0, time.perf_counter()

    def on_round(more):
        nonlocal done
        done += more
        if time.perf_counter() - began > _PATIENCE:
            raise _Enough

    try:
        what = program(job, lanes, device.platform)
        engine.run_tile(job.engine, what, begin, job.steps, on_round)
        done = float(lanes)
    except _Enough:
        pass
    return done, time.perf_counter() - began


def needed_memory(job: Job, tile: int, workers: int) -> int:
    """Bytes that a process will hold at most while it writes a store, roughly.

    Args:
      job: what to run, of which a sample has been run.
      tile: lanes of one.
      workers: how many tiles are under way at once.
    """
    itemsize = np.dtype(job.dtype).itemsize
    begin = sum(math.prod(s) for s in job.objective.shapes) + len(job.rule.hyperparameters)
    under_way = workers * tile * (itemsize * begin + bytes_of_lane(job)) * _COPIES
    labels = 3 * sum(value.nbytes for value in job.grid.values.values())
    return _resident() + under_way + labels


def _resident() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**29
