"""Periods, doublings and splittings against maps whose answers are known in closed form."""

import numpy as np
import pytest

from eos_jax.analysis import FEIGENBAUM
from eos_jax.analysis.periods import (
    doubling,
    doublings,
    period,
    splitting_point,
)

pytestmark = pytest.mark.slow


def logistic(x, r):
    return r * x * (1 - x)


def test_period_of_known_cycles():
    time = np.arange(200)
    orbits = np.stack([np.ones(200), (-1.0) ** time, time % 3, np.sqrt(time)], axis=1)
    assert period(orbits, 1e-12).tolist() == [1, 2, 3, 0]
    noisy = (-1.0) ** time + 1e-6 * np.random.default_rng(0).normal(size=200)
    assert period(noisy, 1e-12) == 0
    assert period(noisy, 1e-4) == 2


def test_period_wants_enough_of_the_orbit():
    with pytest.raises(ValueError, match="Argument `orbit` must have at least 16 times, but got 9"):
        period(np.zeros(9), 1e-9, longest=8)


def test_doublings_of_the_logistic_map():
    found = doublings(logistic, 0.6, 2.9, 7)
    assert abs(found[0] - 3) < 1e-13
    assert abs(found[1] - (1 + 6**0.5)) < 1e-13
    ratios = np.diff(found)[:-1] / np.diff(found)[1:]
    assert abs(ratios[-1] - FEIGENBAUM) < 2e-3
    assert np.all(np.diff(np.abs(ratios - FEIGENBAUM)) < 0)


def test_doubling_that_newton_cannot_find_is_nan():
    assert np.isnan(doubling(lambda x, r: x + 1 + 0 * r, 1, 0.0, 0.0)).all()


def test_splitting_point_is_carried_past_the_samples():
    # the cubic normal form about its doubling at p = 1: branches at +-sqrt(p - 1)
    p = np.linspace(1.6, 1.0, 4001)
    curve = (-1.0) ** np.arange(4001) * np.sqrt(p - 1)
    assert abs(splitting_point(p, curve, 1.2, 1.5) - 1) < 1e-3
    curved = (-1.0) ** np.arange(4001) * np.sqrt((p - 1) + 0.3 * (p - 1) ** 2)
    assert abs(splitting_point(p, curved, 1.2, 1.5) - 1) < 1e-3
    assert np.isnan(splitting_point(p, curve, 3.0, 4.0))
