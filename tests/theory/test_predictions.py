"""Predicted ends of orbits against orbits run to their end."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from eos_jax import theory
from tests.theory.models import final_sharpness


@pytest.mark.parametrize(
    "eta, starts, steps, known",
    [
        ("0.2", [("2.5", "0.4001"), ("2.4", "0.43"), ("3", "0.3")], 1700, "9.927360217757"),
        ("0.1", [("3.3", "0.31"), ("3.5", "0.28")], 6000, "19.953850246384"),
    ],
)
def test_final_sharpness_at_high_precision(eta, starts, steps, known):
    for start in starts:
        sharpness = final_sharpness(*start, eta, steps)
        assert mp.nstr(sharpness, len(known) - 1) == known
    eta = float(eta)
    low, high = theory.corollary_3_1_interval(eta)
    assert low < sharpness < high
    # The remainder is about 4 eta^3.
    assert 3 < (sharpness - theory.predicted_sharpness(eta)) / eta**3 < 5
    multiplier = 1 - eta * sharpness
    assert abs(-multiplier - theory.final_multiplier(eta)) < 5 * eta**4
    a = np.float64(mp.sqrt(mp.sqrt(sharpness**2 / 4 - 4))) - (eta**-2 - 4) ** 0.25
    low, high = theory.theorem_3_1_interval(eta)
    assert low < a < high
    assert np.isclose(a, theory.parabola_end(eta), rtol=10 * eta**2)


def scalars_final_gap(n, m, etas, start=30.0):
    """2/eta - S after gradient descent on (1 - X^n Y^m)^2 / 2 from `start` gaps above 2/eta."""
    predicted = 2 / etas - theory.predicted_sharpness_scalars(etas, n, m)
    sharpness = 2 / etas + start * predicted
    y = np.sqrt(m / sharpness)
    for _ in range(60):  # sharpness n / X^2 + m / Y^2 on X^n Y^m = 1, by fixed point
        y = np.sqrt(m / (sharpness - n * y ** (2 * m / n)))
    x = y ** (-m / n) * (1 + 1e-3)
    rate = etas * predicted
    steps = int(np.max(70 / rate))

    def step(_, xy):
        x, y = xy
        product = x**n * y**m
        drive = etas * (product - 1) * product
        return x - drive / x, y - drive / y

    with jax.enable_x64(True):
        x, y = jax.jit(lambda xy: jax.lax.fori_loop(0, steps, step, xy))(
            (jnp.asarray(x), jnp.asarray(y))
        )
        x, y = np.asarray(x), np.asarray(y)
    assert np.all(np.abs(x**n * y**m - 1) < 1e-7)
    # Move to the minimum with the same imbalance, where b would arrive.
    points = np.concatenate([np.repeat(x[:, None], n, 1), np.repeat(y[:, None], m, 1)], 1)
    return 2 / etas - theory.gradient_flow_sharpness(points), predicted


@pytest.mark.parametrize("n, m", [(2, 2), (1, 2), (3, 3), (2, 3), (3, 2), (1, 3)])
def test_gap_laws_at_small_steps(n, m):
    # Steps are chosen so that eta * gap, the rate at which orbits settle, is the same for all laws.
    prefactor = 3 * n / (2 * (m - 1) * (5 * m - 4)) * (m / 2) ** (m / n)
    rates = np.array([4e-3, 2e-3, 1e-3])
    etas = (rates / prefactor) ** (1 / (1 + m / n))
    gap, predicted = scalars_final_gap(n, m, etas)
    error = gap / predicted - 1
    # The error is proportional to eta^(1 + m/n), that is to the rate.
    extrapolated = error[2] + (error[2] - error[1])
    assert np.all(np.abs(error) < 60 * rates), error
    assert abs(extrapolated) < 3e-3, (error, extrapolated)


def test_gap_law_follows_from_the_normal_form():
    m, n, b, eta = sp.symbols("m n b eta", positive=True)
    P = 1 + b
    # One step of P at the threshold, eta X^(2 n / m) = 2 / m, with X frozen.
    step = sp.series((P * (1 - 2 / m * b * P ** (1 - 2 / m)) ** m) - 1, b, 0, 4).removeO()
    linear, square, cube = (sp.simplify(sp.expand(step).coeff(b, i)) for i in (1, 2, 3))
    assert linear == -1
    kappa = 2 * (square**2 + cube)  # b'' = b - kappa b^3
    # dS = -8 n G b^2 / m^2 per two steps, G = (m eta / 2)^(m / n): the parabola ends at 4 n G / ...
    G = (m * eta / 2) ** (m / n)
    law = 2 / eta - 4 * n * G / (m**2 * kappa)
    assert sp.simplify(law - theory.predicted_sharpness_scalars(eta, n, m)) == 0


def product_loss_final_sharpness(slope, product, curvature, eta, imbalance, steps):
    """Sharpness where gradient descent on l(x y) ends, from an imbalance x^2 - y^2."""
    x, y = theory.from_cd(np.sqrt(imbalance), product + 1e-3)
    with jax.enable_x64(True):

        def step(_, xy):
            x, y = xy
            drive = eta * slope(x * y)
            return x - drive * y, y - drive * x

        x, y = jax.jit(lambda xy: jax.lax.fori_loop(0, steps, step, xy))(
            (jnp.float64(x), jnp.float64(y))
        )
    assert abs(float(x * y) - product) < 1e-7
    return curvature * np.sqrt(float(x**2 - y**2) ** 2 + 4 * product**2)


# (l', minimum, l2, l3, l4): log cosh moved to 1; exp(u) - u, moved to 1; the coupled model;
# and sqrt(1 + p^2) of Ahn et al. 2022, whose minimum is at 0
LOSSES = [
    (lambda p: jnp.tanh(p - 1), 1, 1, 0, -2),
    (lambda p: jnp.expm1(p - 1), 1, 1, 1, 1),
    (lambda p: p**3 - p, 1, 2, 6, 6),
    (lambda p: p / jnp.sqrt(1 + p**2), 0, 1, 0, -3),
]


@pytest.mark.parametrize("loss", LOSSES, ids=["log_cosh", "exp", "coupled", "ahn"])
def test_gap_of_a_loss_of_the_product(loss):
    slope, product, *derivatives = loss
    errors = []
    for eta in (0.04, 0.02):
        predicted = theory.predicted_sharpness_of_product_loss(eta, *derivatives)
        gap = 2 / eta - predicted
        start = (2 / eta + 30 * gap) / derivatives[0]
        imbalance = np.sqrt(start**2 - 4 * product**2)
        steps = int(70 / (eta * gap))
        args = (slope, product, derivatives[0], eta, imbalance, steps)
        errors.append((2 / eta - product_loss_final_sharpness(*args)) / gap - 1)
    assert abs(errors[1]) < 0.02
    assert abs(errors[1]) < abs(errors[0]) / 3 + 1e-6  # second order in eta


def test_loss_of_the_product_reproduces_the_coupled_model():
    eta = 0.07
    found = theory.predicted_sharpness_of_product_loss(eta, 2.0, 6.0, 6.0)
    assert np.isclose(found, theory.predicted_sharpness(eta), rtol=1e-15)
    assert np.isclose(found, theory.predicted_sharpness_scalars(eta, 2, 2), rtol=1e-15)
