"""Minima and sharpness against the Hessian, gradient flow integrated, and exact fractions."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from eos_jax import theory
from tests.theory.models import ETAS, full_hessian, gd_coupled

pytestmark = pytest.mark.slow


def test_eos_minimum_is_a_minimum_of_sharpness_two_over_eta():
    for eta in ETAS:
        x, y = theory.eos_minimum(eta)
        values = np.array([x, y, x, y])
        with jax.enable_x64(True):
            hessian = jax.hessian(lambda v: 0.5 * (1 - jnp.prod(v)) ** 2)(jnp.asarray(values))
        assert x > y > 0
        assert np.isclose(x * y, 1, rtol=1e-14)
        assert np.isclose(np.linalg.eigvalsh(hessian)[-1], 2 / eta, rtol=1e-12)
        assert np.isclose(theory.sharpness_at_minimum(values), 2 / eta, rtol=1e-12)
    assert np.allclose(theory.stability_threshold(ETAS), 2 / ETAS)


def test_stability_threshold_separates_decay_from_growth():
    eta = 0.3
    for factor, shrinks in ((0.99, True), (1.01, False)):
        multiplier = 1 - eta * factor * theory.stability_threshold(eta)
        assert (abs(multiplier) < 1) == shrinks


def test_hessian_eigenvalues_are_the_roots_of_the_characteristic_polynomial():
    hessian, x, y = full_hessian()
    lam = sp.Symbol("lam")
    g, s = x * y, x**2 + y**2
    # l1 and l2 enter through their sum and product, as read off the closed form.
    total = s * (3 * g**2 - 1)
    product = (total**2 - s**2 * (1 - 3 * g**2) ** 2 - 4 * g**2 * (3 - 10 * g**2 + 7 * g**4)) / 4
    quartic = (
        (lam**2 - total * lam + product) * (lam - x**2 * (1 - g**2)) * (lam - y**2 * (1 - g**2))
    )
    assert sp.expand((hessian - lam * sp.eye(4)).det(method="berkowitz") - quartic) == 0


@settings(max_examples=100, deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_hessian_eigenvalues_agree_with_a_numerical_solver(x, y):
    p = np.array([x, y, x, y])
    others = np.array([[np.prod(np.delete(p, [i, j])) for j in range(4)] for i in range(4)])
    gradient = np.array([np.prod(np.delete(p, i)) for i in range(4)])
    hessian = np.outer(gradient, gradient) + (np.prod(p) - 1) * others * (1 - np.eye(4))
    expected = np.linalg.eigvalsh(hessian)
    scale = 1 + np.abs(expected).max()
    assert np.allclose(np.sort(theory.hessian_eigenvalues(x, y)), expected, atol=1e-7 * scale)


def test_hessian_eigenvalues_stay_real_at_a_double_root():
    # At x = y, g^2 = 1/2 the discriminant vanishes.
    x = np.float64(2) ** -0.25
    assert np.allclose(theory.hessian_eigenvalues(x, x)[:2], 2**-0.5 / 2, atol=1e-7)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_sharpness_at_minimum_is_the_largest_hessian_eigenvalue(n):
    with jax.enable_x64(True):
        x = jnp.linspace(0.5, 2.0, n)
        x = x.at[0].set(1 / jnp.prod(x[1:]))
        hessian = jax.hessian(lambda v: 0.5 * (1 - jnp.prod(v)) ** 2)(x)
        assert np.isclose(theory.sharpness_at_minimum(x), jnp.linalg.eigvalsh(hessian)[-1])


def flow(x, time_step=2e-3, steps=20_000):
    """Classical Runge-Kutta on gradient flow of (1 - prod x)^2 / 2."""

    def slope(x):
        others = [np.prod(np.delete(x, i)) for i in range(len(x))]
        return (1 - np.prod(x)) * np.array(others)

    for _ in range(steps):
        k1 = slope(x)
        k2 = slope(x + time_step / 2 * k1)
        k3 = slope(x + time_step / 2 * k2)
        k4 = slope(x + time_step * k3)
        x = x + time_step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if abs(np.prod(x) - 1) < 1e-13:
            break
    return x


@pytest.mark.parametrize(
    "start", [[1.5, 0.4, 1.5, 0.4], [2.0, 0.3, -0.5], [0.3, 2.0], [1.4, 1.2, 0.9], [1.5, 0.0, 0.7]]
)
def test_gradient_flow_sharpness_matches_the_integrated_flow(start):
    start = np.array(start)
    end = flow(start)
    assert np.isclose(np.prod(end), 1, atol=1e-9)
    assert np.isclose(theory.gradient_flow_sharpness(start), np.sum(1 / end**2), rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8))
def test_gradient_flow_sharpness_matches_a_bisection(start):
    with mp.workdps(40):
        squares = [mp.mpf(v) ** 2 for v in start]
        excess = [s - min(squares) for s in squares]
        low, high = mp.mpf(-140), mp.mpf(1)  # of the logarithm of the smallest square at the end
        for _ in range(100):
            middle = (low + high) / 2
            too_large = mp.fsum(mp.log(s + mp.exp(middle)) for s in excess) > 0
            low, high = (low, middle) if too_large else (middle, high)
        expected = mp.fsum(1 / (s + mp.exp(low)) for s in excess)
    assert np.isclose(theory.gradient_flow_sharpness(np.array(start)), float(expected), rtol=1e-9)


def test_gradient_flow_sharpness_under_jit_vmap_and_grad():
    starts = np.random.default_rng(0).uniform(0.1, 3.0, (50, 4))
    expected = theory.gradient_flow_sharpness(starts)
    with jax.enable_x64(True):
        mapped = jax.jit(jax.vmap(theory.gradient_flow_sharpness))(jnp.asarray(starts))
        assert mapped.dtype == jnp.float64
        assert np.allclose(mapped, expected, rtol=1e-12)
        x = jnp.array([1.5, 0.3, 0.8])
        gradient = jax.grad(theory.gradient_flow_sharpness)(x)
        step = 1e-6 * np.eye(3)
        numeric = theory.gradient_flow_sharpness(x + step) - theory.gradient_flow_sharpness(
            x - step
        )
        assert np.allclose(gradient, numeric / 2e-6, rtol=1e-6)


def test_gradient_flow_sharpness_is_nan_where_the_flow_ends_at_a_saddle():
    starts = np.array([[1.0, -1.0, 2.0], [0.0, 0.0, 2.0], [1.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    found = np.isnan(theory.gradient_flow_sharpness(starts))
    assert found.tolist() == [True, True, False, False]
    assert np.allclose(flow(starts[0])[:2], 0, atol=1e-6)


def test_gradient_flow_sharpness_never_increases_along_gradient_descent():
    # Kreisler et al. 2023, below 2 sqrt(2) / eta.
    eta, x, y = 0.2, 2.5, 0.4001
    values = []
    for _ in range(200):
        values.append(theory.gradient_flow_sharpness(np.array([x, y, x, y])))
        x, y = gd_coupled(x, y, eta)
    assert 2 / eta < values[0] < 2 * 2**0.5 / eta
    assert np.all(np.diff(values) <= 1e-12)
    assert values[-1] < 2 / eta


@pytest.mark.parametrize("start", [(3, 2, Fraction(1, 2)), (Fraction(7, 3), 0, 1, Fraction(2, 5))])
def test_imbalance_factor_is_exact(start):
    x = [Fraction(v) for v in start]
    eta, product = Fraction(1, 5), np.prod(start)
    others = [np.prod([v for j, v in enumerate(x) if j != i]) for i in range(len(x))]
    stepped = [v - eta * (product - 1) * o for v, o in zip(x, others, strict=True)]
    for i, j in ((0, 1), (1, -1), (-1, 0)):
        expected = (stepped[i] ** 2 - stepped[j] ** 2) / (x[i] ** 2 - x[j] ** 2)
        found = theory.imbalance_factor(np.array([float(v) for v in x]), 0.2, i, j)
        assert np.isclose(found, float(expected), rtol=1e-13)
