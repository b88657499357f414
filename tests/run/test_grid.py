"""Axes to lanes to tiles: every lane once, in C order, from its own coordinates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from eos_jax import rules
from eos_jax.run.grid import make_grid, starts, starts_of, tile_shape, tiles

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
        with pytest.raises(ValueError, match=f"whose names no result has, but got `{name}`"):
            eos.sweep(obj, {name: [1.0, 2.0], "eta": 0.1}, 3)


def test_integers_and_single_precision_become_the_sweep_dtype(paper):
    axes = {"x": np.arange(1, 4), "y": np.float32(0.5), "eta": 1}
    for dtype in ("float32", "float64"):
        grid = make_grid(paper, rules.gradient_descent(), axes, dtype, "product")
        assert {v.dtype.name for v in grid.values.values()} == {dtype}


def test_numbers_too_large_for_the_dtype_are_invalid_starts(paper):
    found = eos.sweep(paper, {"x": [1e300, 1.0], "y": 0.5, "eta": 0.1}, 3, dtype="float32")
    assert found.outcome.values.tolist() == [eos.Outcome.INVALID, eos.Outcome.UNDECIDED]


def test_entries_of_arrays_may_be_axes():
    """Two entries of one matrix and one of another: every lane starts where a reader would put it,
    and runs as that start does alone.
    """
    net = eos.objectives.deep_linear_network((2, 2, 2), singular_values=(1.5, 0.5))
    W1, W2 = np.array([[0.5, -0.2], [0.1, 0.4]]), np.array([[0.3, 0.2], [-0.1, 0.6]])
    axes = {"W1": W1, "W1_at_0_1": [-0.3, 0.7, 0.9], "W2_at_1_0": 0.25, "eta": 0.1, "W2": W2,
            "W1_at_1_1": [0.8, 1.2]}  # fmt: skip
    grid = make_grid(net, rules.gradient_descent(), axes, "float64", "product")
    assert (grid.dims, grid.shape) == (("W1_at_0_1", "W1_at_1_1"), (3, 2))
    parts = [starts(grid, t, ("eta",)) for t in tiles(grid.shape, (2, 1))]
    assert {name for part in parts for name in part} == {"W1", "W2", "eta"}
    some = starts_of(grid, np.array([5, 0]), ("eta",))
    np.testing.assert_array_equal(some["W1"], [[[0.5, 0.9], [0.1, 1.2]], [[0.5, -0.3], [0.1, 0.8]]])
    np.testing.assert_array_equal(some["W2"][1], [[0.3, 0.2], [0.25, 0.6]])
    swept = eos.sweep(net, axes, 30, sharpness=None)
    assert swept.outcome.dims == grid.dims and swept.W1_at_0_1.long_name == "start of W1[0, 1]"
    np.testing.assert_array_equal(W1, [[0.5, -0.2], [0.1, 0.4]])  # the caller's own are as before
    for i, j in ((0, 0), (2, 1)):
        first, second = W1.copy(), W2.copy()
        first[0, 1], first[1, 1] = swept.W1_at_0_1[i], swept.W1_at_1_1[j]
        second[1, 0] = 0.25
        alone = eos.sweep(net, {"W1": first, "W2": second, "eta": 0.1}, 30, sharpness=None)
        for name in ("steps", "loss", "W1_final", "W2_final"):
            np.testing.assert_allclose(alone[name], swept[name][i, j], rtol=1e-9, atol=1e-15)


def test_names_that_are_no_entries_are_refused():
    net = eos.objectives.deep_linear_network((2, 2, 2), singular_values=(1.5, 0.5))
    whole = {"W1": np.eye(2), "W2": np.eye(2), "eta": 0.1}
    for name in ("W1_at_2_0", "W1_at_0", "W1_at_0_-1", "W3_at_0_0", "W1_at_", "eta_at_0"):
        with pytest.raises(ValueError, match=f"has `{name}`"):
            eos.sweep(net, {**whole, name: [0.1, 0.2]}, 3)
    with pytest.raises(ValueError, match="lacks `W1`"):
        eos.sweep(net, {"W1_at_0_0": [0.1, 0.2], "W2": np.eye(2), "eta": 0.1}, 3)
