"""Many orbits: convert, check, run, label."""

import contextlib
import errno
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from eos_jax import curvature, machine, measures, rules
from eos_jax.checks import check_choice, check_count, sized
from eos_jax.loops.tiles import BLOCK
from eos_jax.objectives.base import Objective
from eos_jax.objectives.own import as_objective
from eos_jax.observers import Observer, as_observers, trace
from eos_jax.outcomes import Stop, checked
from eos_jax.results import labels, provenance
from eos_jax.rules import Rule
from eos_jax.run import backends
from eos_jax.run.backends import TilesFailed
from eos_jax.run.engine import choose
from eos_jax.run.estimate import needed_memory, seconds_of_lane
from eos_jax.run.grid import lanes_of, make_grid, number_of_tiles, tile_shape, tiles
from eos_jax.run.job import Job, bare_program, bytes_of_lane, default_tile
from eos_jax.run.job import results as results_of

if TYPE_CHECKING:  # Zarr is imported where something is stored: other sweeps do not wait for it
    from eos_jax.results.places import Place

DTYPES = ("float64", "float32")


def sweep(
    objective: Objective | Callable,
    axes: Mapping[str, Any],
    steps: int,
    *,
    rule: Rule | Callable | str | None = None,
    stop: Stop | None = Stop(),  # noqa: B008  an immutable default
    observe: Observer | Mapping[str, Observer] | None = None,
    every: int = 1,
    sharpness: str | None = "auto",
    keep: Sequence[str] | None = None,
    combine: str = "product",
    dtype: str = "float64",
    out: "Place | None" = None,
    force: bool = False,
    tile: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    engine: str = "auto",
    backend: str = "threads",
    progress: bool | Callable[[float], Any] | None = None,
) -> xr.Dataset:
    """Run every start with every set of hyperparameters until its fate is decided.

    Args:
      objective: what is descended; a function of scalar parameters does as well.
      axes: for each parameter and each hyperparameter of the rule, such as `eta`, a number, or an
        array of shape (n,) (for a parameter that is not a scalar: its shape, or (n,) + its shape).
        An entry of a parameter that is an array may have an axis of its own, `W_at_0_2` for
        W[0, 2], besides the parameter. `eos_jax.along` lets several vary along one dimension.
        Hyperparameters with a default need not be given; a `seed` that is not given is the number
        of the lane.
      steps: the horizon: steps at most.
      rule: how a step is taken; gradient descent by default. A function from hyperparameters to an
        optax transformation, such as `optax.adam`, does as well, or a rule's name.
      stop: when a lane is decided; None runs every lane to the horizon.
      observe: what to record, an observer or several by name; each becomes a variable, or one for
        each entry of its result, `name_entry`. A lane's record ends at its deciding step.
      every: steps between samples for observers; the start is the first.
      sharpness: how it is measured: "auto", "exact", "power", "lanczos" (see `eos_jax.sharpness`),
        or None for not at all, when nothing can be called converged.
      keep: names of the variables wanted besides `outcome`; all by default.
      combine: "product" of the axes, or "zip" of axes of one length, along a dimension `lane`.
      dtype: "float64" or "float32".
      out: folder or URL of a Zarr store to write tile by tile. A store of the same configuration is
        resumed; one of another is refused. Without it the result stays in memory.
      force: resume a store although versions, device or XLA's options differ.
      tile: lanes that are computed and written at once; by default chosen for the device.
      devices: where to run; by default all local devices of the default backend.
      engine: "registers" runs steps that are lists of scalar operations as machine code of the
        CPU, "plain" runs anything by XLA; "auto" takes registers where it can. Which one ran, and
        why, is in the attributes.
      backend: who computes the tiles: "threads" of this process; "shard:i/n" for every n-th tile on
        them, of a sweep that n processes do without knowing of each other; "dask:ADDRESS" for the
        workers of a dask.distributed cluster, "dask:local" for one of processes started here.
      progress: show a progress bar; by default on a terminal or in a notebook. A function is
        called instead with numbers of lanes as they are done; what it raises stops the sweep.

    Returns:
      A dataset with dimensions in the order of the axes and, per lane, `outcome` (see
      `eos.Outcome`), `steps` until decided, and at the last point (that at which the lane was
      decided, or that at the horizon) `loss`, `sharpness` (of the full Hessian), the rule's
      `threshold`, its `curvature` where that is not the sharpness, and `x_final`, ...;
      `sharpness_minimum` is the sharpness of the minimum that a lane within tolerance of one
      belongs to. NaN where nothing finite can be said. Results do not depend on `tile` or
      `devices`.

    Raises:
      ValueError: if an argument does not fit; the message names it.
      FileExistsError: if `out` holds something else, or a result of another configuration.
      TilesFailed: if some tiles could not be computed; the others are in the store.

    Warns:
      UserWarning: if lanes fell clearly below the floor that the objective gives.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.sweep(obj, {"x": np.linspace(2, 3, 5), "y": 0.3, "eta": 0.2}, steps=2000)
      >>> ds.outcome.values
      array([1, 1, 1, 1, 1], dtype=uint8)
      >>> print(float(ds.sharpness.max().round(3)))
      9.927

    Source: the labels, Zhu et al. 2023, sections 3 and 4.3; a lane that passes close to a minimum
    sharper than the threshold goes on.
    """
    job = _job(
        objective, axes, steps, rule=rule, stop=stop, observe=observe, every=every,
        sharpness=sharpness, keep=keep, combine=combine, dtype=dtype, tile=tile,
    )  # fmt: skip
    return _run(job, "Orbits", out, force, tile, devices, progress, engine, backend)


def _job(
    objective, axes, steps, *, rule, stop, observe, every, sharpness, keep, combine, dtype, tile
) -> Job:
    """The arguments of `sweep`, converted and checked."""
    objective, rule = as_objective(objective), rules.as_rule(rule)
    observers = as_observers(observe)
    _check_counts(steps, every, tile)
    check_choice("dtype", dtype, DTYPES)
    check_choice("sharpness", sharpness, (*curvature.METHODS, None))
    stop = checked(stop, dtype) if stop is not None else None
    grid = make_grid(objective, rule, axes, dtype, combine)
    job = Job(
        objective, rule, grid, steps, stop, dtype, tuple(observers.items()), every, sharpness,
        tuple(keep) if keep is not None else None,
    )  # fmt: skip
    _check_names(job)
    return job


def orbits(
    objective: Objective | Callable,
    axes: Mapping[str, Any],
    steps: int,
    *,
    every: int = 1,
    last: int | None = None,
    record: Sequence[str] | None = None,
    rule: Rule | Callable | str | None = None,
    sharpness: str | None = "auto",
    combine: str = "product",
    dtype: str = "float64",
    out: "Place | None" = None,
    force: bool = False,
    tile: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    progress: bool | Callable[[float], Any] | None = None,
) -> xr.Dataset:
    """Whole orbits, step by step: every point, its loss, its sharpness and the threshold.

    A sweep without deciding, whose observer is `eos_jax.observers.trace`.

    Args:
      objective: as in `sweep`.
      axes: as in `sweep`.
      steps: number of steps.
      every: steps between the points that are kept.
      last: keep that many of the last samples; all by default.
      record: names of measures and parameters to record; by default the parameters, `loss`,
        `sharpness`, the rule's `threshold`, and its `curvature` where that is not the sharpness.
      rule: as in `sweep`.
      sharpness: as in `sweep`.
      combine: as in `sweep`.
      dtype: as in `sweep`.
      out: as in `sweep`.
      force: as in `sweep`.
      tile: as in `sweep`.
      devices: as in `sweep`.
      progress: as in `sweep`.

    Returns:
      A dataset with the axes' dimensions and `step`: `loss`, `sharpness`, `threshold` and
      `x_orbit`, ...; and `outcome`, which is undecided where the horizon was reached.

    Raises:
      ValueError: if an argument does not fit; the message names it.
      FileExistsError: as in `sweep`.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> ds = eos.orbits(obj, {"x": 2.5, "y": 0.4001, "eta": [0.2, 0.25]}, steps=1000)
      >>> dict(ds.sizes)
      {'eta': 2, 'step': 1001}

    Source: Zhu et al. 2023, figure 2a.
    """
    objective, rule = as_objective(objective), rules.as_rule(rule)
    _check_counts(steps, every, tile)
    if last is not None:
        check_count("last", last, least=1)
    check_choice("dtype", dtype, DTYPES)
    check_choice("sharpness", sharpness, (*curvature.METHODS, None))
    if record is None:
        own = () if rule.curvature is measures.sharpness else ("curvature",)
        limit = () if rule.threshold is None else ("threshold",)
        record = (*objective.parameters, "loss", "sharpness", *own, *limit)
    names = {n: f"{n}_orbit" if n in objective.parameters else n for n in record}
    observer = trace(last=last, **{kept: name for name, kept in names.items()})
    grid = make_grid(objective, rule, axes, dtype, combine)
    job = Job(
        objective, rule, grid, steps, None, dtype, (("", observer),), every, sharpness,
        tuple(names.values()),
    )  # fmt: skip
    return _run(job, "Orbits, step by step,", out, force, tile, devices, progress)


def _run(job, words, out, force, tile, devices, progress, engine="auto", backend="threads"):
    """Run what is not done of a job, into memory or a store, and open the result."""
    machine.claim_process()
    machine.make_room()
    chosen = backends.find(backend)
    workers = machine.workers(list(devices or jax.local_devices()))
    job, plan = _labelled(job, words, workers, engine)
    shape = job.grid.shape
    block = tile_shape(shape, tile or default_tile(job, workers, chosen.ways))
    values = {}
    if out is None:
        _check_memory(job, chosen, backend)
        values = {n: np.full(v.shape, v.fill, v.dtype) for n, v in plan.variables.items()}
        numbers = np.arange(number_of_tiles(shape, block))
        sink = functools.partial(_write_memory, values)
    else:
        from eos_jax.results import store

        block = store.create(out, plan, block, force=force)
        numbers = chosen.share(store.pending(out))
        sink = store.writer(out)
    todo = lanes_of(shape, block, numbers)
    mine = lanes_of(shape, block, chosen.share(np.arange(number_of_tiles(shape, block))))
    below = _Below()
    with (
        tqdm(
            total=mine,
            initial=mine - todo,
            unit="lane",
            unit_scale=True,
            delay=0.5,
            disable=None if progress is None else callable(progress) or not progress,
        ) as bar,
        _space_said(out, todo * bytes_of_lane(job)),
    ):
        report = progress if callable(progress) else bar.update
        failed = chosen.run(
            job, tiles(shape, block, numbers), math.prod(block),
            functools.partial(_write, job, sink), report, below.add, workers,
        )  # fmt: skip
    below.warn(job)
    if failed:
        raise TilesFailed(failed, len(numbers))
    return labels.to_dataset(plan, values) if out is None else store.open_dataset(out)


def _labelled(job, words, workers, engine):
    """The job with its engine, and the layout of its result."""
    results_of(job)  # traces a step: what a rule of one's own does wrong is said before it is run
    choice = choose(bare_program(job), job.dtype, workers[0].platform, engine)
    job = job._replace(engine=choice.engine)
    title = f"{words} of {job.objective.name} under {job.rule.name}"
    configuration = provenance.describe(job)
    attrs = provenance.attributes(configuration, workers[0], title, job.rule.remark, choice)
    return job, labels.layout(job, attrs)


def _check_memory(job, chosen, backend) -> None:
    if chosen.remote or chosen.ways > 1:
        raise ValueError(f"Argument `out` must be given where the backend is {backend}.")
    needed, there = job.grid.lanes * bytes_of_lane(job), machine.memory()
    if needed > there:
        raise ValueError(
            f"Argument `out` must be given: the result takes {sized(needed)}, and this machine has "
            f"{sized(there)} of memory; a store is written tile by tile."
        )


@contextlib.contextmanager
def _space_said(out, needed):
    """Where a disk is full, say how much it would have to hold."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"No space left for `{out}`: it needs up to {sized(needed)} more. Finished tiles are "
            "sound; make room and run the same sweep again.",
        ) from error


def _write(job, sink, tile, results):
    """Give a tile to the sink; how many of its lanes ended below the floor, and the lowest."""
    sink(tile, results)
    floor, stop = job.objective.floor, job.stop
    if floor is None or stop is None or "loss" not in results:
        return 0, math.inf
    resolved = 1e3 * float(np.finfo(job.dtype).eps) * max(abs(floor), 1)
    with np.errstate(invalid="ignore"):
        clearly = results["loss"] < floor - (stop.tolerance or 0) - resolved
    return int(clearly.sum()), float(results["loss"][clearly].min(initial=math.inf))


class _Below:
    """Counts lanes that ended clearly below the objective's floor, which then is none."""

    def __init__(self) -> None:
        self.lanes, self.lowest = 0, math.inf

    def add(self, found: tuple[int, float]) -> None:
        self.lanes, self.lowest = self.lanes + found[0], min(self.lowest, found[1])

    def warn(self, job: Job) -> None:
        if self.lanes:
            name, floor = job.objective.name, job.objective.floor
            warnings.warn(
                f"{self.lanes} lanes ended below the floor {floor:g} of {name}, the lowest at a "
                f"loss of {self.lowest:g}; none of them counts as converged. Give the floor that "
                "the loss has, or floor=None where it is not known.",
                UserWarning,
                stacklevel=4,
            )


def _check_counts(steps, every, tile) -> None:
    check_count("steps", steps, least=0)
    if steps >= 2**31 - BLOCK:
        raise ValueError(f"Argument `steps` must be below 2^31 - {BLOCK}, but got {steps}.")
    check_count("every", every, least=1)
    if tile is not None:
        check_count("tile", tile, least=1)


def _check_names(job) -> None:
    """Raise unless what is kept exists and observers have names of their own."""
    objective, rule = job.objective, job.rule
    taken = {*objective.parameters, *rule.hyperparameters, *job.grid.dims, "step", "outcome",
             "steps", "loss", "sharpness", "sharpness_minimum", "curvature", "threshold",
             *(f"{name}_final" for name in objective.parameters)}  # fmt: skip
    for name, _ in job.observers:
        if name in taken:
            raise ValueError(
                f"Argument `observe` must give names that results do not have, but got `{name}`."
            )
    if job.keep is not None:
        everything = {*results_of(job._replace(keep=None)), "outcome"}
        unknown = [name for name in job.keep if name not in everything]
        if unknown:
            raise ValueError(
                f"Argument `keep` must name variables among {', '.join(sorted(everything))}, but "
                f"got {', '.join(map(str, unknown))}."
            )


def _write_memory(values, tile, results) -> None:
    for name, part in results.items():
        values[name][tile.slices] = part


class Outline(NamedTuple):
    """What a sweep takes, as far as can be said before it is run.

    Attributes:
      lanes: how many there are.
      tiles: how many.
      tile: shape of one.
      done: lanes that are in the store already.
      disk: bytes of the whole result before compression.
      memory: bytes that this process will hold at most, roughly.
      seconds: what is left takes on this machine, from a sample of the lanes.
      engine: which runs it.
      why: this one.
    """

    lanes: int
    tiles: int
    tile: tuple[int, ...]
    done: int
    disk: int
    memory: int
    seconds: float
    engine: str
    why: str


def outline(
    objective: Objective | Callable,
    axes: Mapping[str, Any],
    steps: int,
    *,
    out: "Place | None" = None,
    force: bool = False,
    tile: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    engine: str = "auto",
    backend: str = "threads",
    **settings: Any,
) -> Outline:
    """What a sweep would take and what of it is done; nothing is written.

    Args:
      objective: as in `sweep`, like all the others.
      axes: as in `sweep`.
      steps: as in `sweep`.
      out: as in `sweep`.
      force: as in `sweep`.
      tile: as in `sweep`.
      devices: as in `sweep`.
      engine: as in `sweep`.
      backend: as in `sweep`.
      settings: the other arguments of `sweep`.

    Returns:
      The outline.

    Raises:
      ValueError: as `sweep`.
      FileExistsError: as `sweep`.

    Example:
      >>> import eos_jax as eos
      >>> from eos_jax.sweep import outline
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> found = outline(obj, {"x": [2.0, 2.5], "y": [0.3, 0.4], "eta": 0.2}, 100)
      >>> found.lanes, found.done
      (4, 0)
    """
    machine.claim_process()
    machine.make_room()
    names = inspect.signature(_job).parameters
    usual = {n: p.default for n, p in inspect.signature(sweep).parameters.items() if n in names}
    given = {**usual, "objective": objective, "axes": axes, "steps": steps, "tile": tile}
    job = _job(**{**given, **settings})
    chosen = backends.find(backend)
    workers = machine.workers(list(devices or jax.local_devices()))
    job, plan = _labelled(job, "Orbits", workers, engine)
    shape = job.grid.shape
    block = tile_shape(shape, tile or default_tile(job, workers, chosen.ways))
    numbers = np.arange(number_of_tiles(shape, block))
    if out is not None:
        from eos_jax.results import store

        if (found := store.agreed(out, plan, force)) is not None:
            block, numbers = found, store.pending(out)
    left = lanes_of(shape, block, numbers)
    labelled = sum(values.nbytes for _, values, _ in plan.coords.values())
    disk = job.grid.lanes * bytes_of_lane(job) + labelled
    share = lanes_of(shape, block, chosen.share(numbers))
    return Outline(
        lanes=job.grid.lanes,
        tiles=number_of_tiles(shape, block),
        tile=block,
        done=job.grid.lanes - left,
        disk=disk,
        memory=needed_memory(job, math.prod(block), len(workers)) + (disk if out is None else 0),
        seconds=share * seconds_of_lane(job, workers),
        engine=job.engine,
        why=plan.attrs["engine_reason"],
    )
