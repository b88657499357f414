"""The exact series of the final gap, against orbits that know nothing of it."""

from fractions import Fraction

import mpmath as mp
import pytest

from eos_jax.analysis.slow_curve import gap_series

pytestmark = pytest.mark.slow


def test_first_coefficient_is_that_of_the_parabola():
    assert gap_series(1) == (Fraction(1, 2),)


def test_series_predicts_an_orbit_in_many_digits():
    # gradient descent itself, at a step size where four digits more than the leading term show
    coefficients = gap_series(3)
    with mp.workdps(30):
        eta, x, y = mp.mpf("0.05"), mp.mpf("4.6"), mp.mpf("0.2175")
        for _ in range(14_000):
            residual = x**2 * y**2 - 1
            x, y = x - eta * x * y**2 * residual, y - eta * x**2 * y * residual
        assert abs((x * y) ** 2 - 1) < mp.mpf(10) ** -7
        gap = 2 / eta - 2 * mp.sqrt((x**2 - y**2) ** 2 + 4)
        errors, total = [], mp.mpf(0)
        for j, c in enumerate(coefficients):
            total += mp.mpf(c.numerator) / c.denominator * eta ** (2 * j + 1)
            errors.append(abs(total / gap - 1))
    assert errors[0] > 40 * errors[1] and errors[1] > 20 * errors[2]
    assert errors[2] < 1e-3


def test_series_refuses_no_terms():
    with pytest.raises(ValueError, match="Argument `terms` must be a positive integer, but got 0"):
        gap_series(0)
