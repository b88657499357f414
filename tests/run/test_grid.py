"""Axes to lanes to tiles: every lane once, in C order, from its own coordinates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from eos_jax import rules
from eos_jax.run.grid import make_grid, starts, tile_shape, tiles

shapes = st.lists(st.integers(1, 7), max_size=4).map(tuple)


@given(shape=shapes, lanes=st.integers(1, 200))
def test_tiles_are_contiguous_ranges_that_cover_every_lane_once(shape, lanes):
    block = tile_shape(shape, lanes)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    seen = []
    for tile in tiles(shape, block):
        part = numbers[tile.slices].ravel()
        assert 1 <= part.size <= lanes
        assert np.array_equal(part, np.arange(part[0], part[0] + part.size))
        assert tile.shape == numbers[tile.slices].shape
        seen.append(part)
    assert np.array_equal(np.concatenate(seen), numbers.ravel())


@given(shape=shapes, lanes=st.integers(1, 200))
def test_tiles_are_as_large_as_they_may_be(shape, lanes):
    """Widening the block along any axis would exceed the lanes or break the contiguous range."""
    block = tile_shape(shape, lanes)
    cut = [axis for axis in range(len(shape)) if block[axis] < shape[axis]]
    if cut:
        last = cut[-1]
        assert all(b == 1 for b in block[:last])
        assert int(np.prod(block)) // block[last] * (block[last] + 1) > lanes


@given(
    sizes=st.tuples(*[st.integers(0, 5)] * 3),
    order=st.permutations(["x", "y", "eta"]),
    tile=st.integers(1, 70),
)
def test_lanes_start_where_their_coordinates_say(sizes, order, tile):
    """0 stands for a number in place of an array."""
    values = {
        name: np.linspace(1 + k, 2 + k, size) if size else 1.5 + k
        for k, (name, size) in enumerate(zip(("x", "y", "eta"), sizes))
    }
    axes = {name: values[name] for name in order}
    paper, rule = eos.objectives.scalar_product((2, 2)), rules.gradient_descent()
    grid = make_grid(paper, rule, axes, "float64", "product")
    assert grid.dims == tuple(name for name in order if np.ndim(values[name]))
    whole = np.meshgrid(*(np.atleast_1d(values[name]) for name in order), indexing="ij")
    want = {name: lanes.ravel() for name, lanes in zip(order, whole)}
    pieces = [
        starts(grid, piece, ("eta",)) for piece in tiles(grid.shape, tile_shape(grid.shape, tile))
    ]
    for name in order:
        assert np.array_equal(np.concatenate([piece[name] for piece in pieces]), want[name])


def test_names_that_results_use_are_refused():
    for name in ("eta", "loss", "steps", "outcome", "sharpness", "lane", "step", "seed"):
        obj = eos.objectives.from_function(lambda p: sum(p.values()), parameters=(name,))
        with pytest.raises(ValueError, match=f"cannot be named `{name}`"):
            eos.sweep(obj, {name: [1.0, 2.0], "eta": 0.1}, 3)


def test_integers_and_single_precision_become_the_sweep_dtype(paper):
    axes = {"x": np.arange(1, 4), "y": np.float32(0.5), "eta": 1}
    for dtype in ("float32", "float64"):
        grid = make_grid(paper, rules.gradient_descent(), axes, dtype, "product")
        assert {v.dtype.name for v in grid.values.values()} == {dtype}


def test_numbers_too_large_for_the_dtype_are_invalid_starts(paper):
    found = eos.sweep(paper, {"x": [1e300, 1.0], "y": 0.5, "eta": 0.1}, 3, dtype="float32")
    assert found.outcome.values.tolist() == [eos.Outcome.INVALID, eos.Outcome.UNDECIDED]
