"""Tiles on the threads of this process: one at a time for each device, or each core of a CPU."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax
import numpy as np

from eos_jax.run.grid import Tile
from eos_jax.run.job import Job, compute

Sink = Callable[[Tile, dict[str, np.ndarray]], Any]
"""Where the results of a tile go: into memory, or a store."""


class _Cancelled(Exception):
    """Raised in a worker at the end of a round once another has failed or was interrupted."""


def run(
    job: Job,
    tiles: Iterable[Tile],
    lanes: int,
    sink: Sink,
    report: Callable[[float], Any],
    workers: list[jax.Device],
) -> None:
    """Run every tile, one at a time on each worker, and write it while the worker goes on.

    An error or an interrupt stops all workers at the end of their rounds.

    Args:
      job: what to run.
      tiles: those that are not done.
      lanes: of a whole tile.
      sink: takes each tile's results, from as many threads as there are workers.
      report: called with numbers of lanes as they are done.
      workers: a device for each thread.
    """
    cancelled = threading.Event()
    ahead = iter(tiles)
    lock = threading.Lock()

    def on_round(done):
        if cancelled.is_set():
            raise _Cancelled
        with lock:
            report(done)

    def work(device, writer):
        written = None
        while True:
            with lock:
                tile = None if cancelled.is_set() else next(ahead, None)
            found = compute(job, tile, lanes, device, on_round) if tile is not None else None
            if written is not None:
                written.result()  # at most one tile waits, so memory stays flat
            if tile is None:
                return
            written = writer.submit(sink, tile, found)

    each = len(workers)
    with ThreadPoolExecutor(each) as writer, ThreadPoolExecutor(each) as pool:
        futures = []
        try:
            futures += [pool.submit(work, device, writer) for device in workers]
            for future in as_completed(futures):
                future.result()
        except BaseException:
            cancelled.set()
            raise
