"""Minima that are hard to judge: at the threshold, in many dimensions, above a wrong floor."""

import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import Outcome, outcomes
from tests.acceptance import oracle

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_millionths_beside_the_threshold_decide(paper, dtype):
    """On both sides of the valley at (x, 1/x), where the sharpness is 2 (x^2 + 1/x^2)."""
    # beside the valley the sharpness differs by three times the offset, enough to mislead
    x, single = np.array([1.5, 2.0, 3.0]), dtype == "float32"
    offset = np.array([-6e-7, -1e-8, 0, 1e-8, 6e-7]) * (30 if single else 1)
    beside = np.array([-2e-6, -5e-7, 5e-7, 2e-6]) * (30 if single else 1)
    part = 1 + beside
    x, offset, part = (v.ravel() for v in np.meshgrid(x, offset, part, indexing="ij"))
    eta = part * 2 / (2 * (x**2 + 1 / x**2))
    axes = {"x": x, "y": (1 + offset) / x, "eta": eta}
    found = eos.sweep(paper, axes, 20, combine="zip", dtype=dtype)
    assert np.array_equal(found.outcome.values == Outcome.CONVERGED, part < 1)
    assert np.array_equal(found.steps.values[part < 1], np.zeros((part < 1).sum()))


@pytest.mark.slow
def test_the_sharpness_of_the_minimum_has_the_gap_of_the_series(paper):
    """2/eta - S = eta/2 - (129/32) eta^3 + (2483/128) eta^5, from starts on the two-step parabola.

    There x^2 - y^2 = (a + (eta^-2 - 4)^(1/4))^2, xy = 1 + b and b^2 = ak/2 + k^4/16, k^2 = eta.
    """
    eta, a = np.array([0.01, 0.01, 0.003, 0.003]), np.array([0.5, 2.0, 0.5, 2.0])
    k = np.sqrt(eta)
    a = a * k**3
    c, d = a + (eta**-2 - 4) ** 0.25, 1 + np.sqrt(a * k / 2 + k**4 / 16)
    x = np.sqrt((c**2 + np.sqrt(c**4 + 4 * d**2)) / 2)
    found = eos.sweep(paper, {"x": x, "y": d / x, "eta": eta}, 4_000_000, combine="zip")
    assert (found.outcome == Outcome.CONVERGED).all()
    expected = eta / 2 - 129 / 32 * eta**3 + 2483 / 128 * eta**5
    np.testing.assert_allclose(2 / eta - found.sharpness_minimum.values, expected, rtol=1e-3)
    # where the orbit stopped it is off by far more
    assert (abs(found.sharpness - found.sharpness_minimum).isel(lane=[2, 3]) > 1e-3 * 0.0015).all()


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.long)])
def test_the_factorization_converges_at_its_floor(dtype, rng):
    """Its floor is (d - 1)/4 = 1/2, whose rounding must not hide that the lane is there."""
    eta, lanes = 0.2, 12
    start = {n: (0.8 + 0.3 * rng.normal(size=(lanes, 3))).astype(dtype) for n in "xy"}
    found = eos.sweep(
        eos.objectives.rank_one_factorization(3), {**start, "eta": np.full(lanes, eta)}, 3000,
        combine="zip", dtype=dtype,
    )  # fmt: skip

    def loss(z):
        x, y = z[:, :3], z[:, 3:]
        s = (x * y).sum(axis=1)
        return (3 - 2 * s**2 + s**2 * (x * x).sum(axis=1) * (y * y).sum(axis=1)) / 4

    def gradient(z):
        x, y = z[:, :3], z[:, 3:]
        s, p, q = ((a * b).sum(axis=1)[:, None] for a, b in ((x, y), (x, x), (y, y)))
        along = s * (p * q - 2) / 2
        return np.concatenate([along * y + s**2 * q * x / 2, along * x + s**2 * p * y / 2], axis=1)

    z = np.concatenate([start["x"], start["y"]], axis=1)
    label, _, _ = oracle.run(loss, gradient, z, eta, 3000, floor=0.5)
    assert np.array_equal(found.outcome.values, label)
    assert (found.outcome == Outcome.CONVERGED).sum() > lanes / 2
    rounding = 1e-12 if dtype == "float64" else 1e-6
    assert np.allclose(found.loss.where(found.outcome == 1, 0.5), 0.5, rtol=0, atol=rounding)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.long)])
def test_a_cluster_of_a_hundred_eigenvalues(dtype, rng):
    """The largest, 10, with fifty others a millionth below, where iterations hardly tell."""
    bends = np.concatenate([10 - 1e-5 * np.arange(50) / 50, np.linspace(1, 5, 50)])
    objective = eos.objectives.from_function(
        lambda v: 0.5 * jnp.sum(jnp.asarray(bends, v.dtype) * v**2), shapes={"v": (100,)},
        name="cluster",
    )  # fmt: skip
    near = 1e-3 if dtype == "float64" else 1e-2
    eta = 0.2 * np.array([0.5, 1 - near, 1 + near, 1.2])
    found = eos.sweep(objective, {"v": rng.normal(size=(2, 100)), "eta": eta}, 8000, dtype=dtype)
    assert (found.outcome.isel(eta=[0, 1]) == Outcome.CONVERGED).all()
    assert (found.outcome.isel(eta=[2, 3]) != Outcome.CONVERGED).all()
    settled = found.isel(eta=[0, 1])
    assert np.allclose(settled.sharpness, 10, rtol=1e-4)
    assert np.allclose(settled.sharpness_minimum, 10, rtol=1e-4)


def test_a_floor_that_lanes_fall_below_is_reported_and_none_is_converged():
    objective = eos.objectives.from_function(lambda x: (x - 1) ** 2 - 3, floor=0.0, name="wrong")
    with pytest.warns(UserWarning, match="2 lanes ended below the floor 0 of wrong"):
        found = eos.sweep(objective, {"x": [-1.0, 2.0], "eta": 0.1}, 300)
    assert (found.outcome != Outcome.CONVERGED).all()
    assert np.allclose(found.loss, -3)


def test_without_a_rule_to_stop_nothing_is_converged(paper):
    found = eos.sweep(paper, {"x": [1.0, 2.0], "y": [1.0, 0.5], "eta": 0.1}, 40, stop=None)
    assert (found.outcome == Outcome.UNDECIDED).all()
    assert (found.steps == 40).all()


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_the_unit_of_the_loss_does_not_matter_in_single_precision(scale):
    """On scale/2 x^2 from x = 1 a point is within tolerance where x^2 <= 1e-9, in any unit."""
    objective = eos.objectives.from_function(lambda x: scale / 2 * x**2, name="unit")
    start = outcomes.origin(objective, {"x": jnp.float32(1)})
    reached = [
        bool(outcomes.stationary(objective, {"x": jnp.float32(x)}, start, 1e-9))
        for x in (9e-4, 3.3e-5, 3.0e-5, 0.0)
    ]
    assert reached == [False, False, True, True]
