"""Lyapunov exponents of maps for which they are known."""

import math

import pytest

from eos_jax.analysis.lyapunov import lyapunov_exponent

pytestmark = pytest.mark.slow


def test_fully_developed_chaos_has_log_2():
    found = lyapunov_exponent(lambda x: 4 * x * (1 - x), 0.3, 200_000)
    assert abs(found - math.log(2)) < 5e-3


def test_a_stable_fixed_point_has_the_log_of_its_multiplier():
    assert abs(lyapunov_exponent(lambda x: 2.7 * x * (1 - x), 0.3, 1000) - math.log(0.7)) < 1e-9


def test_a_stable_cycle_has_half_the_log_of_its_multiplier():
    r = 3.2  # multiplier of the 2-cycle: 4 + 2 r - r^2
    expected = math.log(abs(4 + 2 * r - r**2)) / 2
    assert abs(lyapunov_exponent(lambda x: r * x * (1 - x), 0.3, 1000) - expected) < 1e-9
