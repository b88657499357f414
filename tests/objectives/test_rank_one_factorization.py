"""Theorem 3.2's objective: its floor, its symmetries, and the scalar problem it turns into."""

import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import theory
from eos_jax.objectives import rank_one_factorization


def by_definition(x, y):
    outer = np.outer(x, y)
    return np.linalg.norm(np.eye(len(x)) - outer @ outer) ** 2 / 4


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_loss_is_the_frobenius_norm(dimension):
    rng = np.random.default_rng(dimension)
    for _ in range(5):
        x, y = rng.standard_normal((2, dimension))
        loss = eos.loss(rank_one_factorization(dimension), {"x": x, "y": y})
        assert np.isclose(loss, by_definition(x, y), rtol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_floor_is_reached_at_parallel_vectors_and_nowhere_undercut(dimension):
    rng = np.random.default_rng(3)
    obj = rank_one_factorization(dimension)
    assert obj.floor == (dimension - 1) / 4
    x = rng.standard_normal(dimension)
    for sign in (1, -1):
        minimum = {"x": x, "y": sign * x / (x @ x)}
        assert np.isclose(eos.loss(obj, minimum), obj.floor, atol=1e-15)
        slopes = eos.gradient(obj, minimum)
        assert max(np.abs(g).max() for g in slopes.values()) < 1e-14
    points = {name: rng.standard_normal((1000, dimension)) for name in "xy"}
    assert np.all(eos.loss(obj, points) >= obj.floor)
    end = eos.simulate(obj, {"x": 1.5 * x, "y": minimum["y"] + 0.1}, 0.01, 3000)
    assert abs(eos.loss(obj, end) - obj.floor) < 1e-15


def test_orthogonal_long_vectors_are_a_valley_of_other_minima():
    """The loss is d/4 wherever x.y = 0; no direction leads down from there if |x| |y| > sqrt 2."""
    obj = rank_one_factorization(2)
    for length, stable in ((1.5, True), (1.3, False)):
        point = {"x": jnp.array([length, 0.0]), "y": jnp.array([0.0, 1.0])}
        assert eos.loss(obj, point) == 0.5
        assert max(np.abs(g).max() for g in eos.gradient(obj, point).values()) == 0
        lowest = np.linalg.eigvalsh(eos.hessian(obj, point))[0]
        assert (lowest > -1e-12) == stable
        moved = {"x": point["x"] + 0.01, "y": point["y"]}
        end = eos.loss(obj, eos.simulate(obj, moved, 0.05, 3000))
        assert np.isclose(end, 0.5 if stable else 0.25, atol=1e-12)


def test_gradient_by_finite_differences():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 3))
    h = 1e-6
    numeric = [
        (by_definition(x + h * e, y) - by_definition(x - h * e, y)) / (2 * h) for e in np.eye(3)
    ]
    exact = eos.gradient(rank_one_factorization(3), {"x": x, "y": y})["x"]
    assert np.allclose(exact, numeric, atol=1e-8)


def test_rotations_and_exchange_of_x_and_y_change_nothing():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((2, 4))
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    obj = rank_one_factorization(4)
    here = eos.sharpness(obj, {"x": x, "y": y})
    for x2, y2 in ((rotation @ x, rotation @ y), (y, x)):
        assert np.isclose(eos.sharpness(obj, {"x": x2, "y": y2}), here, rtol=1e-12)


def test_aligned_vectors_move_as_the_coupled_scalars():
    direction = np.array([0.6, 0.0, 0.8])
    vectors, scalars = (
        eos.simulate(obj, start, 0.2, 30)
        for obj, start in (
            (rank_one_factorization(3), {"x": 2.5 * direction, "y": 0.4001 * direction}),
            (eos.objectives.scalar_product((2, 2)), {"x": 2.5, "y": 0.4001}),
        )
    )
    for name in "xy":
        assert np.allclose(vectors[name], scalars[name] * direction, rtol=1e-10)


def test_sharpness_at_an_aligned_minimum_is_twice_the_squared_lengths():
    x = jnp.array([1.5, -0.5, 1.0])
    x = jnp.asarray(x, float)
    y = x / (x @ x)
    sharpness = eos.sharpness(rank_one_factorization(3), {"x": x, "y": y})
    assert np.isclose(sharpness, 2 * (x @ x + y @ y), rtol=1e-12)


def test_orbit_with_a_kick_ends_inside_the_theorems_interval():
    eta, rng = 0.1, np.random.default_rng(6)
    x = rng.standard_normal(3)
    x *= 3.4 / np.linalg.norm(x)
    y = x / (x @ x) * 1.05 + 0.02 * rng.standard_normal(3)
    obj = rank_one_factorization(3)
    late = eos.simulate(obj, {"x": x, "y": y}, eta, 300)
    end = eos.simulate(obj, {"x": late["x"], "y": late["y"] * 1.001}, eta, 20_000)
    squares = float(sum(v @ v for v in end.values()))
    cosine = end["x"] @ end["y"] / jnp.sqrt((end["x"] @ end["x"]) * (end["y"] @ end["y"]))
    low, high = theory.theorem_3_2_interval(eta)
    assert low < squares < high
    assert abs(abs(cosine) - 1) < 1e-12
    # the end of the coupled scalars at this eta, whose sharpness is twice the squared lengths
    assert np.isclose(2 * squares, 19.953850246384, atol=1e-4)


@pytest.mark.parametrize("dimension", [0, -1, 2.5, "2", None])
def test_wrong_dimension_is_refused(dimension):
    with pytest.raises(
        ValueError, match="Argument `dimension` must be a positive integer, but got"
    ):
        rank_one_factorization(dimension)
