"""Backends: who computes a tile changes nothing; a tile that fails is named and stops no other."""

import json
import pickle

import jax
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.results import store
from eos_jax.run import backends, job
from eos_jax.run.backends import TilesFailed, base, threads
from eos_jax.run.grid import number_of_tiles, tiles
from eos_jax.sweep import _job

pytestmark = pytest.mark.optimised

AXES = {"x": np.linspace(2.0, 3.6, 30), "y": np.linspace(0.1, 0.7, 8), "eta": 0.2}


def sweep(out=None, tile=56, **settings):
    paper = eos.objectives.scalar_product((2, 2))
    return eos.sweep(paper, AXES, 120, out=out, tile=tile, **settings)


def contents(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("backends") / "whole"
    sweep(out)
    return contents(out)


# Shards ------------------------------------------------------------------------------------------


def test_shards_make_the_same_bytes_in_any_order_and_twice(whole, tmp_path):
    for shard in ("2/3", "0/3", "2/3", "1/3"):
        sweep(tmp_path / "s", backend=f"shard:{shard}")
    assert contents(tmp_path / "s") == whole


def test_each_tile_is_in_one_shard():
    numbers = np.flatnonzero(np.random.default_rng(3).random(1000) < 0.3)
    shares = [backends.find(f"shard:{i}/7").share(numbers) for i in range(7)]
    assert np.array_equal(np.sort(np.concatenate(shares)), numbers)


def test_a_shard_leaves_the_other_tiles_alone(tmp_path):
    found = sweep(tmp_path / "s", backend="shard:1/3")
    done = (found.outcome.values.reshape(-1, 8) != 0).all(1)
    assert done.tolist() == [7 <= row < 14 or 28 <= row for row in range(30)]


@pytest.mark.parametrize("option", ["", "3", "3/3", "-1/3", "a/b", "1/0", "1/3/5", "1/3 ", "0x1/3"])
def test_a_shard_that_is_none_is_refused(option, tmp_path):
    with pytest.raises(ValueError, match="i from 0 to n - 1"):
        sweep(tmp_path / "s", backend=f"shard:{option}")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("backend", ["shard:0/2", "dask:local"])
def test_several_processes_need_a_store(backend):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="`out` must be given"):
        sweep(backend=backend)


def test_a_backend_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`backend` must be one of dask, shard, threads"):
        sweep(backend="thread")
    with pytest.raises(ValueError, match="threads no option"):
        sweep(backend="threads:4")


# Tiles that fail ---------------------------------------------------------------------------------


def poisoned(monkeypatch, bad):
    """Make the tiles with these starts raise."""
    real = job.compute

    def compute(work, tile, *rest):
        if bad is None or tile.start in bad:
            raise ArithmeticError(f"poison in {tile.start}")
        return real(work, tile, *rest)

    monkeypatch.setattr(threads, "compute", compute)


def test_a_tile_that_fails_is_named_and_the_others_are_done(whole, tmp_path, monkeypatch):
    poisoned(monkeypatch, {(14, 0)})
    with pytest.raises(TilesFailed, match=r"1 of 5 tiles failed.*\(14, 0\) to \(21, 8\): Arith"):
        sweep(tmp_path / "s")
    assert store.pending(tmp_path / "s").tolist() == [2]
    monkeypatch.undo()
    sweep(tmp_path / "s")
    assert contents(tmp_path / "s") == whole


def test_a_program_that_never_works_stops_at_once_with_its_own_error(tmp_path, monkeypatch):
    poisoned(monkeypatch, None)
    with pytest.raises(ArithmeticError, match="poison"):
        sweep(tmp_path / "s")


def test_a_sink_that_fails_stops_the_sweep(tmp_path, monkeypatch):
    """A full disk is nobody's tile."""

    def writer(place):
        def write(tile, results):
            raise OSError(28, "No space left on device")

        return write

    monkeypatch.setattr(store, "writer", writer)
    with pytest.raises(OSError, match=r"No space left for `.*s`: it needs up to 12.* KiB more"):
        sweep(tmp_path / "s")


# Memory (R10) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [MemoryError, jax.errors.JaxRuntimeError])
@pytest.mark.parametrize("most", [3, 20, 55])
def test_a_tile_that_does_not_fit_is_cut(error, most, monkeypatch):
    expected = sweep()
    real = job.engine.run_tile

    def run_tile(name, what, begin, *rest):
        if len(begin["x"]) > most:
            raise error("RESOURCE_EXHAUSTED: out of memory")
        return real(name, what, begin, *rest)

    monkeypatch.setattr(job.engine, "run_tile", run_tile)
    found = sweep()
    for name in expected.data_vars:
        assert expected[name].values.tobytes() == found[name].values.tobytes(), name


def test_cutting_ends(monkeypatch):
    calls = []

    def run_tile(name, what, begin, *rest):
        calls.append(len(begin["x"]))
        raise MemoryError

    monkeypatch.setattr(job.engine, "run_tile", run_tile)
    with pytest.raises(MemoryError, match="smaller `tile`"):
        sweep(tile=240)
    assert len(calls) <= base.HOPELESS * 8


def test_another_error_of_the_device_is_not_taken_for_memory(monkeypatch):
    def run_tile(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(job.engine, "run_tile", run_tile)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        sweep()


def test_a_result_beyond_memory_is_refused_before_it_starts():
    axes = {"x": np.linspace(2, 3, 10**6), "y": np.linspace(0, 1, 10**6), "eta": 0.2}
    with pytest.raises(ValueError, match=r"`out` must be given: the result takes .* TiB"):
        eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 10)


# Jobs as values ----------------------------------------------------------------------------------


def own_loss(a, b, X):
    return ((a * X + b) ** 2).mean()


JOBS = {
    "family": lambda: (eos.objectives.scalar_product((2, 2)), eos.rules.adam(), None),
    "own": lambda: (eos.objectives.from_function(own_loss, ("a", "b"), {"X": np.arange(3.0)}),
                    eos.rules.heavy_ball(), eos.observers.maximum("loss")),
    "lambda": lambda: (eos.objectives.from_function(lambda a: (a * a - 1) ** 2),
                       eos.rules.gradient_descent(), eos.observers.lyapunov()),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("family", marks=pytest.mark.long),
        "own",
        pytest.param("lambda", marks=pytest.mark.long),
    ],
)
def test_a_job_travels_to_another_process(kind, tmp_path):
    """What a worker unpacks yields the same bits and has the same mathematics."""
    cloudpickle = pytest.importorskip("cloudpickle")
    objective, rule, observer = JOBS[kind]()
    axes = {n: np.linspace(0.4, 1.2, 5 if i == 0 else 2)
            for i, n in enumerate(objective.parameters)}  # fmt: skip
    work = _job(
        objective, {**axes, "eta": 0.05}, 50, rule=rule, stop=eos.Stop(), observe=observer, every=1,
        sharpness="auto", keep=None, combine="product", dtype="float64", tile=None,
    )  # fmt: skip
    copy = pickle.loads(cloudpickle.dumps(work))
    device = jax.local_devices()[0]
    shape = work.grid.shape
    assert number_of_tiles(shape, shape) == 1
    (tile,) = tiles(shape, shape)
    first, second = (job.compute(each, tile, work.grid.lanes, device) for each in (work, copy))
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


# A cluster ---------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_local_cluster_makes_the_same_bytes(whole, tmp_path):
    pytest.importorskip("distributed")
    sweep(tmp_path / "s", backend="dask:local")
    assert contents(tmp_path / "s") == whole
    assert json.loads(whole["zarr.json"])["attributes"]["engine"] == "registers"


def test_no_scheduler_at_an_address(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("eos_jax.run.backends.dask.TIMEOUT", 0.2)
    with pytest.raises(OSError, match="No scheduler of dask answers"):
        sweep(tmp_path / "s", backend="dask:tcp://127.0.0.1:9")
