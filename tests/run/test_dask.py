"""Workers of a cluster die and are replaced, each sees its own GPU, one tile stops no other."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.results import store
from eos_jax.run.backends import TilesFailed
from eos_jax.run.backends import dask as backend

pytest.importorskip("distributed")
pytestmark = pytest.mark.optimised

GPUS = [SimpleNamespace(platform="gpu", local_hardware_id=i) for i in range(2)]


def sweep(out, **settings):
    axes = {"x": np.linspace(2.0, 3.6, 48), "y": 0.4, "eta": 0.2}
    return eos.sweep(
        eos.objectives.scalar_product((2, 2)), axes, 120, out=out, tile=4, keep=["loss"], **settings
    )


def contents(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the GPUs of this test are not there")
def test_workers_die_one_tile_kills_each_that_takes_it_and_the_rest_is_done(tmp_path, monkeypatch):
    """R2 and R3, with real processes and SIGKILL; and what each of them sees of the GPUs."""
    dask = pytest.importorskip("dask")
    real, seen = store.writer, tmp_path / "seen"
    seen.mkdir()

    def writer(place):
        write = real(place)

        def sink(tile, found):
            device = os.environ["CUDA_VISIBLE_DEVICES"]
            Path(seen, f"{tile.start[0]} {os.getpid()} {device}").touch()
            if (tile.start == (8,) and len(list(seen.glob("8 *"))) == 1) or tile.start == (20,):
                os.kill(os.getpid(), signal.SIGKILL)
            return write(tile, found)

        return sink

    monkeypatch.setattr(store, "writer", writer)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-ab")
    local = backend.local_cluster
    monkeypatch.setattr(backend, "local_cluster", lambda devices: local(GPUS))
    given_up = {"distributed.deploy.lost-worker-timeout": "10ms"}  # as on a busy machine
    # one death of a worker is enough for its tiles to be suspects
    with dask.config.set({"distributed.scheduler.allowed-failures": 0, **given_up}):
        with pytest.raises(
            TilesFailed, match=r"1 of 12 .*\(20,\) to \(24,\): every worker that took it died"
        ):
            sweep(tmp_path / "s", backend="dask:local")
    assert store.pending(tmp_path / "s").tolist() == [5]
    tiles, pids, devices = zip(*(p.name.split(" ") for p in seen.iterdir()))
    assert {int(tile) for tile in tiles} == set(range(0, 48, 4))
    assert len(set(pids)) >= 2 + 2  # two at first; each death brings another, the last maybe not
    assert set(devices) == {"5", "GPU-ab"}
    assert len({(pid, device) for pid, device in zip(pids, devices)}) == len(set(pids))
    monkeypatch.undo()
    sweep(tmp_path / "s")
    sweep(tmp_path / "whole")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_a_scheduler_without_workers_is_said(tmp_path):
    """It may get some later; in the tests a warning is an error, which ends the waiting."""
    with backend.local_cluster([]) as cluster:
        with pytest.raises(UserWarning, match="no workers yet"):
            sweep(tmp_path / "s", backend=f"dask:{cluster.scheduler_address}")


def test_a_result_may_be_lost_after_its_tile_was_done():
    """Its worker has died since, and whoever did the tile again; found by `make soak`."""
    from distributed.scheduler import KilledWorker

    class Lost:
        def exception(self):
            return None

        def result(self):
            raise KilledWorker("tile", SimpleNamespace(address="here"), 3)

    found, error = backend._outcome(Lost())
    assert found is None and isinstance(error, KilledWorker)


@pytest.mark.parametrize(
    ("listed", "expected"), [(None, ["0", "1"]), ("", ["0", "1"]), ("3,GPU-ab", ["3", "GPU-ab"])]
)
def test_a_worker_sees_one_of_the_gpus_that_its_parent_sees(listed, expected, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert [backend._environment(gpu)["CUDA_VISIBLE_DEVICES"] for gpu in GPUS] == expected
    assert backend._environment(SimpleNamespace(platform="cpu")) == {}
