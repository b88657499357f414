"""Tiles on a cluster of dask.distributed: on workers that are there, or on processes started here.

The job travels once to each worker, which compiles its programs once and writes its tiles itself;
what comes back says that a tile is done. No more tiles are under way than keep the workers busy.
A worker that dies is replaced, and its tiles are done by others. A tile whose workers keep dying is
tried again alone, when nothing else can be to blame, before it is said to have failed.
"""

import contextlib
import functools
import hashlib
import importlib.util
import logging
import math
import os
import pickle
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.metadata import version
from typing import Any

import jax

from eos_jax.run import lane
from eos_jax.run.backends.base import HOPELESS, Backend, Sink, in_words, register
from eos_jax.run.grid import Tile
from eos_jax.run.job import Job, bare_program, compute

WAYS = 64
"""Workers that a default tile is small enough for; how many there will be is not known."""

TIMEOUT = 30.0
"""Seconds that a scheduler has to answer in."""

PATIENCE = "24h"
"""Time that a worker process which died has to start again in; then it would be given up, and with
the last one the sweep would wait for ever. A busy machine needs more than dask's 15 seconds."""

CLOSING = 10.0
"""Seconds that worker processes have to end in; what they wrote is on the disk."""

RETRIES = 2
"""How often a tile that raises an error is tried again."""


@register
def dask(option: str) -> Backend:
    """The workers of the scheduler at an address, or "local" for processes started here."""
    if not option:
        raise ValueError(
            "A scheduler must be an address, such as tcp://host:8786, or local, but got none."
        )
    if not importlib.util.find_spec("distributed"):
        raise ValueError("A scheduler needs dask.distributed: install eos_jax[dask].")
    return Backend(functools.partial(run, option), ways=WAYS, remote=True)


def run(
    address: str,
    job: Job,
    tiles: Iterable[Tile],
    lanes: int,
    sink: Sink,
    report: Callable[[float], Any],
    note: Callable[[Any], Any],
    workers: list[jax.Device],
) -> dict[Tile, str]:
    """Run every tile on some worker, which writes it; see `eos_jax.run.backends.threads.run`."""
    import cloudpickle  # comes with dask

    payload = cloudpickle.dumps((job, lanes, sink, _circumstances(job)))
    with _client(address, workers) as client, client.as_current():
        if not _threads(client):
            warnings.warn(
                f"The scheduler at {address} has no workers yet; waiting for one.",
                UserWarning,
                stacklevel=4,
            )
        # kept by the scheduler, so that workers that come later get it too
        plugin = _programs(payload)
        client.register_plugin(plugin)
        try:
            return _all(client, plugin.name, iter(tiles), report, note)
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone
                client.unregister_worker_plugin(plugin.name)


def _all(client, name, ahead, report, note) -> dict[Tile, str]:
    """Keep the workers busy until no tile is left."""
    failed: dict[Tile, str] = {}
    suspects: list[Tile] = []
    succeeded = 0
    for tile, found, error in _in_any_order(client, name, ahead):
        if error is None:
            succeeded += 1
            report(math.prod(tile.shape))
            note(found)
        elif type(error).__name__ == "KilledWorker":
            suspects.append(tile)  # or one of those that its workers had beside it
        else:
            failed[tile] = in_words(error)
            if len(failed) >= HOPELESS and not succeeded:
                raise error
    for suspect in suspects:
        for tile, found, error in _in_any_order(client, name, iter([suspect])):
            if error is None:
                report(math.prod(tile.shape))
                note(found)
            else:
                failed[tile] = "every worker that took it died"
    return failed


def _in_any_order(client, name, ahead) -> Iterator[tuple[Tile, Any, BaseException | None]]:
    """Tiles as they are done, each with what the sink returned, or with its error."""
    from distributed import as_completed

    under_way: dict[Any, Tile] = {}

    def submit():
        for tile in ahead:
            future = client.submit(
                _tile, name, tile, key=f"tile-{uuid.uuid4().hex}", pure=False, retries=RETRIES
            )
            under_way[future] = tile
            return [future]
        return []

    # one being computed by each thread and one that waits for it
    first = [future for _ in range(2 * max(1, _threads(client))) for future in submit()]
    completed = as_completed(first)
    for future in completed:
        tile = under_way.pop(future)
        found, error = _outcome(future)
        room = 2 * max(1, _threads(client)) - len(under_way)
        for _ in range(min(room, 2)):
            for more in submit():
                completed.add(more)
        yield tile, found, error


def _outcome(future) -> tuple[Any, BaseException | None]:
    """What a tile's sink returned, or the error.

    A result whose worker has died since it was done is computed anew when it is asked for, which
    may fail.
    """
    try:
        return future.result(), None
    except Exception as error:
        return None, error


def _threads(client) -> int:
    return sum(client.nthreads().values())


@contextlib.contextmanager
def _client(address, workers):
    """A client of the scheduler at an address, or of one that is started here with its workers."""
    from distributed import Client

    with contextlib.ExitStack() as stack:
        if address == "local":
            address = stack.enter_context(local_cluster(workers)).scheduler_address
        try:
            client = Client(address, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise OSError(f"No scheduler of dask answers at {address}: {error}.") from None
        yield stack.enter_context(client)


@contextlib.contextmanager
def local_cluster(devices: list[jax.Device]) -> Generator[Any]:
    """A scheduler in this process, and a worker process with one thread for each device."""
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    here: dict[str, Any] = {"host": "127.0.0.1", "dashboard": False}
    # processes are spawned: JAX does not survive a fork; a tile bounds what each holds
    options = {**here, "nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    with dask.config.set({"distributed.deploy.lost-worker-timeout": PATIENCE}):
        cluster = SpecCluster(
            scheduler={
                "cls": Scheduler,
                "options": {**here, "port": 0, "dashboard_address": "127.0.0.1:0"},
            },
            workers={
                place: {"cls": Nanny, "options": {**options, "env": _environment(device)}}
                for place, device in enumerate(devices)
            },
            silence_logs=logging.CRITICAL,
        )
        try:
            yield cluster
        finally:
            with contextlib.suppress(Exception):
                # it waits for ever for a worker that died and is being started again
                cluster.close(timeout=CLOSING)


def _environment(device: jax.Device) -> dict[str, str]:
    """What a worker process sees of the machine: of several GPUs its own."""
    if device.platform != "gpu":
        return {}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    place = device.local_hardware_id
    return {
        "CUDA_VISIBLE_DEVICES": visible[place] if visible != [""] else str(place),
        # this process may hold some of the memory
        "XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
    }


def _circumstances(job) -> dict[str, str]:
    """What has to agree for equal bits, and the mathematics that the job stands for."""
    return {
        **{name: version(name) for name in ("jax", "jaxlib")},
        "platform": jax.default_backend(),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        "mathematics": lane.meaning(bare_program(job), job.dtype).sha256,
    }


def _tile(name: str, tile: Tile) -> Any:
    """Compute one tile on a worker and write it."""
    from distributed import get_worker

    worker = get_worker()
    devices = jax.local_devices()
    place = int(worker.name) if str(worker.name).isdecimal() else 0
    plugin: Any = worker.plugins[name]
    job, lanes, sink = _unpacked(plugin.payload)
    return sink(tile, compute(job, tile, lanes, devices[place % len(devices)]))


@functools.lru_cache(maxsize=4)
def _unpacked(payload: bytes) -> tuple[Job, int, Sink]:
    """Job, lanes of a tile and sink: the same objects for every tile, so that programs are found.

    Raises:
      OSError: if they would not come out as they would where they come from.
    """
    job, lanes, sink, meant = pickle.loads(payload)
    here = _circumstances(job)
    other = [f"{key} {here[key]}, not {meant[key]}" for key in meant if here[key] != meant[key]]
    if other:
        raise OSError(f"A worker of the cluster has {'; '.join(other)}.")
    return job, lanes, sink


def _programs(payload: bytes) -> Any:
    """What carries a job to every worker, those that come later included."""
    from distributed import WorkerPlugin

    flags = os.environ.get("XLA_FLAGS", "")

    class Programs(WorkerPlugin):
        def __init__(self) -> None:
            self.payload = payload
            self.name = f"eos_jax-{hashlib.sha256(payload).hexdigest()[:16]}"

        def setup(self, worker: Any) -> None:
            if flags:  # XLA reads them when JAX starts, which it has not where nobody asked it to
                os.environ.setdefault("XLA_FLAGS", flags)

    return Programs()
