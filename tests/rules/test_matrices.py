"""Muon and Shampoo against NumPy on a deep linear network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.curvature.norm_balls import NORMS, steepest
from eos_jax.curvature.rotations import polar_factor
from tests.rules.examples import numbers, walk

pytestmark = pytest.mark.slow

NET = eos.objectives.deep_linear_network((3, 2, 4), (2.0, 1.0, 0.5))
RANDOM = np.random.default_rng(5)
START = {n: RANDOM.normal(size=s) for n, s in zip(NET.parameters, NET.shapes)}
TARGET = np.zeros((4, 3))
TARGET[range(3), range(3)] = (2.0, 1.0, 0.5)


def gradients(point):
    error = point["W2"] @ point["W1"] - TARGET
    return {"W1": point["W2"].T @ error, "W2": error @ point["W1"].T}


def by_hand(step, state, steps=6):
    point = dict(START)
    for _ in range(steps):
        slopes = gradients(point)
        for n in point:
            move, state[n] = step(slopes[n], state[n])
            point[n] = point[n] - 0.05 * move
    return point


def polar(matrix):
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def quintic(matrix):
    """The published five steps, by singular values: a s + b s^3 + c s^5."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ np.diag(values) @ right


@pytest.mark.parametrize(("steps", "factor"), [(0, polar), (5, quintic)])
def test_muon(steps, factor, x64):
    def step(g, m):
        m = 0.8 * m + g
        return factor(g + 0.8 * m), m

    rule = rules.muon(momentum=0.8, newton_schulz=steps)
    found, _ = walk(rule, START, numbers(rule), 6, NET)
    want = by_hand(step, {n: np.zeros_like(v) for n, v in START.items()})
    for n in START:
        # 1e-7 is what the published form adds to the norm
        np.testing.assert_allclose(found[n], want[n], rtol=1e-6 if steps else 1e-10)


def power(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def test_shampoo(x64):
    def step(g, sides):
        left, right = sides[0] + g @ g.T, sides[1] + g.T @ g
        return power(left, -0.25) @ g @ power(right, -0.25), (left, right)

    rule = rules.shampoo(eps=0.1)
    found, _ = walk(rule, START, numbers(rule), 6, NET)
    state = {n: (0.1 * np.eye(v.shape[0]), 0.1 * np.eye(v.shape[1])) for n, v in START.items()}
    want = by_hand(step, state)
    for n in START:
        np.testing.assert_allclose(found[n], want[n], rtol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_the_steepest_direction_has_norm_one_and_reaches_the_dual_norm(norm, x64):
    tree = {"a": jnp.asarray(RANDOM.normal(size=(3, 2))), "b": jnp.asarray(RANDOM.normal(size=2))}
    size = {
        "euclidean": lambda t: np.sqrt(sum(np.sum(v**2) for v in t.values())),
        "max": lambda t: max(np.abs(v).max() for v in t.values()),
        "spectral": lambda t: max(np.linalg.norm(np.atleast_2d(v), 2) for v in t.values()),
    }[norm]
    direction, dual = steepest(tree, norm)
    arrays = {n: np.asarray(v) for n, v in direction.items()}
    assert size(arrays) == pytest.approx(1, rel=1e-12)
    reached = sum(np.sum(arrays[n] * np.asarray(tree[n])) for n in arrays)
    assert reached == pytest.approx(float(dual), rel=1e-12)
    for _ in range(200):  # and no other direction of the ball reaches further
        other = {n: RANDOM.normal(size=v.shape) for n, v in tree.items()}
        assert sum(np.sum(other[n] * np.asarray(tree[n])) for n in tree) <= reached * size(other)


def test_a_polar_factor_leaves_out_what_is_rounding(x64):
    low = RANDOM.normal(size=(4, 1)) @ RANDOM.normal(size=(1, 3))
    values = np.linalg.svd(np.asarray(polar_factor(jnp.asarray(low))))[1]
    np.testing.assert_allclose(values, [1, 0, 0], atol=1e-12)
    assert float(polar_factor(jnp.asarray(0.0))) == 0
    np.testing.assert_allclose(jax.jit(polar_factor)(jnp.asarray([3.0, 4.0])), [0.6, 0.8])
