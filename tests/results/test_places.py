"""Stores elsewhere than in a folder: by URL, in memory; and what killed writers leave behind."""

import functools
import http.server
import os
import threading
import time

import numpy as np
import pytest
from zarr.storage import MemoryStore

import eos_jax as eos
from eos_jax import cli
from eos_jax.results import places, store, verify

pytestmark = pytest.mark.optimised

AXES = {"x": np.linspace(2.0, 3.6, 11), "y": 0.4, "eta": 0.2}


def sweep(out, **settings):
    return eos.sweep(eos.objectives.scalar_product((2, 2)), AXES, 60, out=out, tile=3, **settings)


@pytest.fixture(scope="module")
def expected():
    return eos.sweep(eos.objectives.scalar_product((2, 2)), AXES, 60)


def test_a_store_by_url(expected, capsys, monkeypatch):
    """Written by two shards, resumed after damage, checked and described."""
    pytest.importorskip("fsspec")
    place = "memory://tests/a.zarr"
    sweep(place, backend="shard:0/2")
    assert int((store.open_dataset(place).outcome == 0).sum()) == 5
    assert sweep(place, backend="shard:1/2").load().identical(expected)
    there = places.as_store(place)
    data = places.read(there, "loss/c/1")
    places.put(there, "loss/c/1", data[:-2])
    (line,) = verify.damaged(place)
    assert line.startswith("loss, tile (3,) to (6,)")
    assert store.pending(place).tolist() == [1]
    assert sweep(place).load().identical(expected)
    assert places.read(there, "loss/c/1") == data
    monkeypatch.setenv("XLA_FLAGS", "")  # which the command sets, for good
    cli.main(["info", place])
    assert "tiles: 4 of 4 done" in capsys.readouterr().out
    with pytest.raises(FileExistsError, match="steps: 60 there, 61 now"):
        eos.sweep(eos.objectives.scalar_product((2, 2)), AXES, 61, out=place)


def test_a_folder_by_url(expected, tmp_path):
    assert sweep(f"file://{tmp_path}/s").load().identical(expected)
    assert store.open_dataset(tmp_path / "s").load().identical(expected)


def test_a_store_of_zarrs_own(expected):
    place = MemoryStore()
    assert sweep(place).load().identical(expected)


def test_a_store_is_read_from_a_web_server(expected, tmp_path):
    pytest.importorskip("aiohttp")
    sweep(tmp_path / "s")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert store.open_dataset(f"{url}/s").load().identical(expected)
        with pytest.raises(FileNotFoundError, match="does not exist"):
            store.open_dataset(f"{url}/nothing")
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("place", ["evil://x", "evil+more://x", "simplecache::evil://x"])
def test_a_url_that_is_none_is_refused(place):
    with pytest.raises(ValueError, match="No store can be opened at"):
        sweep(place)


def test_leftovers_of_killed_writers_are_swept_up_when_they_are_old(tmp_path):
    sweep(tmp_path / "s")
    chunks = tmp_path / "s" / "loss" / "c"
    for name, age in (("0.aaaa.partial", 7200), ("1.bbbb.partial", 60)):
        (chunks / name).write_bytes(b"half")
        os.utime(chunks / name, (time.time() - age,) * 2)
    assert verify.damaged(tmp_path / "s") == []
    sweep(tmp_path / "s")
    # the younger one may be somebody's who is writing it
    assert [p.name for p in chunks.glob("*.partial")] == ["1.bbbb.partial"]


def test_progress_is_read_from_what_lies_there(tmp_path):
    sweep(tmp_path / "s", backend="shard:1/2")
    now = time.time()
    for number, age in ((1, 30.0), (3, 10.0)):
        os.utime(tmp_path / "s" / "outcome" / "c" / str(number), (now - age,) * 2)
    found = store.progress(tmp_path / "s")
    assert (found.tiles, found.done, found.lanes) == (4, 2, 5)
    assert found.since == pytest.approx(10, abs=5)
    assert found.rate == pytest.approx(2.5 / 20)  # half of five lanes in each twenty seconds


def test_saving_over_somebodys_folder_is_refused(expected, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="not a result of eos_jax"):
        store.save(expected, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"
    for _ in range(2):  # over a result of ours it is not
        store.save(expected, tmp_path / "ours")
    assert verify.damaged(tmp_path / "ours") == []
