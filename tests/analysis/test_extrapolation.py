"""Extrapolated limits against sums that are known."""

import numpy as np
import pytest

from eos_jax.analysis.extrapolation import observed_order, richardson

pytestmark = pytest.mark.slow


def test_polynomials_are_exact():
    h = 0.5 ** np.arange(4)
    limit = richardson(3 - 2 * h**2 + h**4 - 5 * h**6, ratio=2, order=2, spacing=2)
    assert abs(limit.value - 3) < 1e-13


def test_pi_from_polygons_within_its_error_bar():
    sides = 6.0 * 2 ** np.arange(5)
    limit = richardson(sides * np.sin(np.pi / sides), ratio=2, order=2, spacing=2)
    assert abs(limit.value - np.pi) < limit.error < 1e-8


def test_a_wrong_order_shows_in_the_error_bar():
    h = 0.5 ** np.arange(6)
    right = richardson(1 + h, ratio=2, order=1)
    wrong = richardson(1 + h, ratio=2, order=2, spacing=2)
    assert right.error < 1e-12 < 1e-4 < wrong.error


def test_observed_order():
    h = 0.1 / 3.0 ** np.arange(5)
    assert abs(observed_order(h**3 + h**4, 3) - 3) < 0.01


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match=r"`values` and `ratio` must .* got 1 and 2"):
        richardson([1.0], 2)
    with pytest.raises(ValueError, match=r"got 2 and 1"):
        richardson([1.0, 2.0], 1)
