"""Thresholds of optimizers against the optimizers, on a quadratic."""

import numpy as np
import pytest

from eos_jax import theory


def heavy_ball(sharpness, eta, beta):
    x = previous = 1.0
    while True:
        x, previous = x - eta * sharpness * x + beta * (x - previous), x
        yield x


def nesterov(sharpness, eta, beta):
    x = previous = 1.0
    while True:
        ahead = x + beta * (x - previous)
        x, previous = ahead - eta * sharpness * ahead, x
        yield x


def adam_frozen(sharpness, eta, beta1):
    x, momentum = 1.0, 0.0
    while True:
        momentum = beta1 * momentum + (1 - beta1) * sharpness * x
        x = x - eta * momentum
        yield x


@pytest.mark.parametrize(
    "rule, threshold, beta",
    [
        *((heavy_ball, theory.heavy_ball_threshold, b) for b in (0.0, 0.3, 0.9, -0.4, -0.9)),
        *((nesterov, theory.nesterov_threshold, b) for b in (0.0, 0.3, 0.9, -0.2, -0.4, -0.6)),
        *((adam_frozen, theory.adam_threshold, b) for b in (0.0, 0.3, 0.9)),
    ],
)
def test_momentum_thresholds_separate_decay_from_growth(rule, threshold, beta):
    for eta in (0.05, 0.4):
        for factor, shrinks in ((0.99, True), (1.01, False)):
            orbit = rule(factor * threshold(eta, beta), eta, beta)
            size = 1.0
            while 1e-3 < size < 1e3:  # of ten steps, since orbits may circle
                size = max(abs(next(orbit)) for _ in range(10))
            assert (size < 1) == shrinks


@pytest.mark.parametrize("eta, rho, x", [(0.1, 0.05, 1.0), (0.5, 1.0, 0.2), (0.2, 1e-9, 3.0)])
def test_sam_threshold_is_where_one_step_reflects(eta, rho, x):
    # The gradient norm depends on the sharpness: solve S = threshold(S |x|), then take the step.
    low, high = 1e-9, 2 / eta
    for _ in range(200):
        middle = (low + high) / 2
        above = middle > theory.sam_threshold(eta, rho, middle * x)
        low, high = (low, middle) if above else (middle, high)
    assert np.isclose(x - eta * low * (x + rho), -x, rtol=1e-12)
    norm = low * x
    printed = norm / (2 * rho) * (np.sqrt(1 + 8 * rho / (eta * norm)) - 1)
    assert np.isclose(theory.sam_threshold(eta, rho, norm), printed, rtol=1e-6)


def test_sam_without_radius_and_momentum_without_momentum_are_gradient_descent():
    assert theory.sam_threshold(0.3, 0.0, 1.0) == pytest.approx(2 / 0.3)
    for threshold in (
        theory.heavy_ball_threshold,
        theory.nesterov_threshold,
        theory.adam_threshold,
    ):
        assert threshold(0.3, 0.0) == pytest.approx(2 / 0.3)
