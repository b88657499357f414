"""Tiles on the threads of this process: one at a time for each device, or each core of a CPU."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import jax

from eos_jax.run.backends.base import HOPELESS, Backend, Sink, in_words, register
from eos_jax.run.grid import Tile
from eos_jax.run.job import Job, compute


class _Cancelled(BaseException):
    """Raised in a worker at the end of a round once another has failed or was interrupted."""


@register
def threads(option: str = "") -> Backend:
    """The default: nothing to start, nothing to say."""
    if option:
        raise ValueError(f"Argument `backend` must give threads no option, but got {option!r}.")
    return Backend(run)


def run(
    job: Job,
    tiles: Iterable[Tile],
    lanes: int,
    sink: Sink,
    report: Callable[[float], Any],
    note: Callable[[Any], Any],
    workers: list[jax.Device],
) -> dict[Tile, str]:
    """Run every tile, one at a time on each worker, and write it while the worker goes on.

    An interrupt, or an error of the sink, stops all workers at the end of their rounds. A tile that
    fails does not stop the others, unless the first ones all do.

    Args:
      job: what to run.
      tiles: those that are not done.
      lanes: of a whole tile.
      sink: takes each tile's results, from as many threads as there are workers.
      report: called with numbers of lanes as they are done.
      note: called with what the sink returns.
      workers: a device for each thread.

    Returns:
      What went wrong, by tile.
    """
    cancelled = threading.Event()
    ahead = iter(tiles)
    lock = threading.Lock()
    failed: dict[Tile, Exception] = {}
    refused: list[BaseException] = []  # by whoever is told of progress
    succeeded = threading.Event()

    def on_round(done):
        if cancelled.is_set():
            raise _Cancelled
        with lock:
            try:
                report(done)
            except BaseException as error:
                refused.append(error)
                raise _Cancelled from error

    def attempt(tile, device):
        try:
            found = compute(job, tile, lanes, device, on_round)
        except Exception as error:
            failed[tile] = error
            if len(failed) >= HOPELESS and not succeeded.is_set():
                raise
            return None
        succeeded.set()
        return found

    def write(tile, found):
        seen = sink(tile, found)
        with lock:
            note(seen)

    def work(device, writer):
        written = None
        while True:
            with lock:
                tile = None if cancelled.is_set() else next(ahead, None)
            found = attempt(tile, device) if tile is not None else None
            if written is not None:
                written.result()  # at most one tile waits, so memory stays flat
            if tile is None:
                return
            written = writer.submit(write, tile, found) if found is not None else None

    try:
        _on_all(workers, work, cancelled)
    except _Cancelled:
        raise refused[0] from None
    if failed and not succeeded.is_set():
        raise next(iter(failed.values()))
    return {tile: in_words(error) for tile, error in failed.items()}


def _on_all(workers, work, cancelled) -> None:
    """Work on all devices at once; what ends one is told the others, and raised when all ended."""
    each = len(workers)
    with ThreadPoolExecutor(each) as writer, ThreadPoolExecutor(each) as pool:
        try:
            futures = [pool.submit(work, device, writer) for device in workers]
            for future in as_completed(futures):
                future.result()
        except BaseException:
            cancelled.set()
            raise
