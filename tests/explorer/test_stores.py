"""A store on the page: parts of it as they are, and no more read than is looked at."""

import json

import numpy as np
import pytest
import zarr

import eos_jax as eos
from eos_jax import explorer
from eos_jax.explorer import stores
from tests.explorer.conftest import Client, unpacked


@pytest.fixture(scope="module")
def looker(store):
    with explorer.serve(explorer.context_of(store)) as server:
        yield Client(server.address)


def test_a_part_is_what_the_store_holds(looker, store):
    ranges = {"x": [3, 33, 2], "y": [5, 20, 1]}
    status, body = looker.ask("piece", {"ranges": ranges, "variables": ["steps", "sharpness"]})
    assert status == 200
    head, data = unpacked(body)
    expected = eos.open(store).isel(x=slice(3, 33, 2), y=slice(5, 20))
    for name in ("outcome", "steps", "sharpness"):
        np.testing.assert_array_equal(data[name], expected[name].values)
    np.testing.assert_array_equal(data["axis:y"], expected.y.values)
    assert head["dims"] == ["x", "y"]


def test_axes_may_be_exchanged(looker, store):
    ranges = {"y": [0, 24, 1], "x": [0, 40, 1]}
    _, body = looker.ask("piece", {"ranges": ranges, "variables": []})
    np.testing.assert_array_equal(unpacked(body)[1]["outcome"], eos.open(store).outcome.values.T)


@pytest.mark.parametrize(
    ("ranges", "more", "words"),
    [
        ({"x": [0, 41, 1], "y": [0, 24, 1]}, {}, "has 40 values"),
        ({"x": [5, 5, 1], "y": [0, 24, 1]}, {}, "has 40 values"),
        ({"x": [0, 40, 0], "y": [0, 24, 1]}, {}, "by 0"),
        ({"x": [0, 40, 1]}, {}, "two dimensions"),
        ({"x": [0, 40, 1], "z": [0, 1, 1]}, {}, "two dimensions"),
        ({"x": [0, 40, 1], "y": [0, 24, 1]}, {"variables": ["nothing"]}, "no map of `nothing`"),
        ({"x": [0, 40, 1], "y": [0, 24, 1]}, {"fixed": {"eta": 0}}, "two dimensions"),
    ],
)
def test_parts_that_are_not_there_are_refused(looker, ranges, more, words):
    assert words in looker.refused("piece", {"ranges": ranges, "variables": [], **more})


def test_the_page_learns_what_the_store_holds_and_can_run_its_orbits(looker, store):
    _, known = looker.ask("start")
    assert known["store"]["sizes"] == {"x": 40, "y": 24}
    axis = known["store"]["axes"]["x"]
    assert (axis["start"], axis["stop"], axis["log"]) == (3.0, 3.4, False)
    assert axis["values"] == eos.open(store).x.values.tolist()
    assert known["store"]["fixed"]["eta"] == 0.2 and known["computes"]
    x, y = (float(eos.open(store)[n][7]) for n in ("x", "y"))
    question = {"configuration": known["configuration"], "start": {"x": x, "y": y}}
    _, found = looker.ask("orbit", question)
    assert found["steps"] == int(eos.open(store).steps[7, 7])


def test_a_store_of_somebodys_own_loss_is_shown_without_orbits(tmp_path):
    own = eos.objectives.from_function(lambda a, b: (a * b - 1) ** 2, name="mine")
    eos.sweep(own, {"a": [0.5, 1.0], "b": [0.5, 1.0, 1.5], "eta": 0.1}, 50, out=tmp_path / "s")
    assert not explorer.context_of(tmp_path / "s").computes


def test_one_dimension_is_no_map(tmp_path, paper):
    eos.sweep(paper, {"x": [2.0, 2.5], "y": 0.4, "eta": 0.1}, 50, out=tmp_path / "s")
    with pytest.raises(ValueError, match="two dimensions"):
        explorer.context_of(tmp_path / "s")


def test_axes_in_even_ratios_are_logarithmic(tmp_path, paper):
    axes = {"x": np.linspace(2, 3, 4), "y": 0.4, "eta": np.geomspace(0.01, 1, 5)}
    eos.sweep(paper, axes, 5, out=tmp_path / "s")
    described = stores.described(eos.open(tmp_path / "s"))
    assert described["axes"]["eta"]["log"] and not described["axes"]["x"]["log"]


def test_a_store_of_a_hundred_million_lanes_is_read_in_part(tmp_path, paper, monkeypatch):
    """Its chunks are not even there: what is read is counted, chunk by chunk."""
    path, side = tmp_path / "large", 10_000
    small = {"x": np.linspace(2, 3, 4), "y": np.linspace(0.1, 0.5, 4), "eta": 0.1}
    eos.sweep(paper, small, 50, out=tmp_path / "small", keep=["steps"])
    group = zarr.open_group(tmp_path / "small")
    whole = zarr.create_group(path, attributes=dict(group.attrs))
    for name, array in group.arrays():
        shape = tuple(side if n == 4 else n for n in array.shape)
        made = whole.create_array(
            name, shape=shape, dtype=array.dtype, attributes=dict(array.attrs), fill_value=0,
            chunks=(26, side) if len(shape) == 2 else shape or "auto",
            dimension_names=array.metadata.dimension_names,
        )  # fmt: skip
        if len(shape) < 2:
            made[...] = np.linspace(0, 1, side) if shape else array[...]
    read = []
    get = zarr.storage.LocalStore.get

    def counted(self, key, *args, **kwargs):
        read.append(key)
        return get(self, key, *args, **kwargs)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    with explorer.serve(explorer.context_of(path)) as server:
        client = Client(server.address)
        client.ask("start")
        assert not [key for key in read if key.startswith("outcome/c")]
        ranges = {"x": [5000, 5052, 1], "y": [100, 600, 1]}
        _, body = client.ask("piece", {"ranges": ranges, "variables": ["steps"]})
    assert unpacked(body)[1]["outcome"].shape == (52, 500)
    chunks = {key for key in read if key.startswith(("outcome/c/", "steps/c/"))}
    assert len(chunks) <= 2 * 3
    assert json.loads(eos.open(path).attrs["configuration"])
