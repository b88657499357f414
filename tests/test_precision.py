"""Which precision an orbit is computed in, and derivatives through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from tests import oracle

pytestmark = [pytest.mark.optimised, pytest.mark.slow]

ETA, STEPS = 0.1, 60  # a long chain of steps, along which single precision would show


def numpy_end(x, y):
    for _ in range(STEPS):
        x, y = oracle.step(x, y, ETA)
    return x, y


START = {"x": np.float64(1.9), "y": np.float64(0.3)}
LANES = {"x": np.linspace(1.2, 1.9, 5), "y": np.full(5, 0.3)}


def single(tree):
    return {name: np.asarray(leaf, np.float32) for name, leaf in tree.items()}


def test_float64_of_numpy_is_computed_in_float64(paper):
    """Although JAX's switch is off; single precision would be wrong by some 1e-7."""
    assert not jax.config.jax_enable_x64
    end = eos.simulate(paper, START, ETA, STEPS)
    ends = eos.iterate(paper, LANES, ETA, STEPS)
    assert {leaf.dtype for leaf in (*end.values(), *ends.values())} == {np.dtype(np.float64)}
    np.testing.assert_allclose([end["x"], end["y"]], numpy_end(1.9, 0.3), rtol=1e-12)
    np.testing.assert_allclose(
        [ends["x"], ends["y"]], numpy_end(LANES["x"], LANES["y"]), rtol=1e-12
    )
    assert not jax.config.jax_enable_x64 and jnp.ones(3).dtype == jnp.float32


def test_a_float64_step_size_is_enough(paper):
    end = eos.simulate(paper, {"x": 1.9, "y": 0.3}, np.float64(ETA), STEPS)
    assert end["x"].dtype == np.float64
    ends = eos.iterate(paper, {"x": 1.9, "y": 0.3}, np.full(2, ETA), STEPS)
    np.testing.assert_allclose(ends["x"], numpy_end(1.9, 0.3)[0], rtol=1e-12)


def test_single_precision_stays_single(paper):
    end = eos.simulate(paper, single(START), np.float32(ETA), STEPS)
    ends = eos.iterate(paper, single(LANES), ETA, STEPS)
    assert {leaf.dtype for leaf in (*end.values(), *ends.values())} == {np.dtype(np.float32)}
    want = numpy_end(np.float32(1.9).astype(float), np.float32(0.3).astype(float))
    np.testing.assert_allclose([end["x"], end["y"]], want, rtol=1e-4)
    assert np.any(np.array([end["x"], end["y"]], float) != want)


def test_numbers_of_python_follow_jax(paper):
    assert eos.simulate(paper, {"x": 1.9, "y": 0.3}, ETA, 3)["x"].dtype == np.float32
    with jax.enable_x64(True):
        assert eos.simulate(paper, {"x": 1.9, "y": 0.3}, ETA, 3)["x"].dtype == np.float64


def test_inside_a_jit_of_ones_own_both_follow_jax(paper):
    def end(x, y):
        return eos.simulate(paper, {"x": x, "y": y}, ETA, STEPS)["x"]

    def ends(x, y):
        return eos.iterate(paper, {"x": x, "y": y}, ETA, STEPS)["x"]

    assert jax.jit(end)(1.9, 0.3).dtype == np.float32
    assert jax.jit(ends)(LANES["x"], LANES["y"]).dtype == np.float32
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(end)(1.9, 0.3), numpy_end(1.9, 0.3)[0], rtol=1e-12)
        found = jax.jit(ends)(LANES["x"], LANES["y"])
    np.testing.assert_allclose(found, numpy_end(LANES["x"], LANES["y"])[0], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_orbits_are_in_the_dtype_asked_for(paper, dtype, given):
    axes = {"x": given(1.9), "y": given(0.3), "eta": ETA}
    found = eos.orbits(paper, axes, STEPS, dtype=dtype)
    assert {found[n].dtype.name for n in ("x_orbit", "loss", "sharpness", "threshold")} == {dtype}
    want = numpy_end(
        np.dtype(dtype).type(given(1.9)).astype(float), float(np.dtype(dtype).type(given(0.3)))
    )
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(found.x_orbit[-1], want[0], rtol=tolerance)


@pytest.mark.parametrize("rule", ["gradient_descent", "heavy_ball"])
@pytest.mark.parametrize("function", [eos.simulate, eos.iterate])
@pytest.mark.parametrize("steps", [1, 30])
def test_derivatives_are_those_of_finite_differences(paper, function, rule, steps, x64):
    """In the start and the hyperparameters, lane by lane, also where steps are fused."""
    at = np.array([[1.5, 1.2, 1.7], [0.5, 0.6, 0.3], [0.1, 0.05, 0.08]])
    if function is eos.simulate:
        at = at[:, 0]

    def total(x, y, eta):
        end = function(paper, {"x": x, "y": y}, eta, steps, rule=rule)
        return jnp.sum(end["x"] ** 2 + 3 * end["y"])

    slopes = jax.grad(total, argnums=(0, 1, 2))(*at)
    value, step = jax.jit(total), 1e-6
    for index in np.ndindex(at.shape):
        by = np.zeros(at.shape)
        by[index] = step
        difference = float(value(*(at + by)) - value(*(at - by))) / (2 * step)
        # rounding / step, and a third derivative times step^2
        assert float(slopes[index[0]][index[1:]]) == pytest.approx(difference, rel=1e-6, abs=1e-8)


def test_derivatives_through_what_is_observed(paper, x64):
    """Of the largest loss along an orbit: that of the loss at the sample where it is largest."""

    def largest(x):
        return eos.simulate(
            paper, {"x": x, "y": 0.4}, 0.2, 20, observe=eos.observers.maximum("loss")
        )

    slope = jax.grad(largest)(2.2)
    step = 1e-6
    difference = (float(largest(2.2 + step)) - float(largest(2.2 - step))) / (2 * step)
    assert float(slope) == pytest.approx(difference, rel=1e-6)
