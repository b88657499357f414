"""Windows of the logistic map, whose folds are known, and of heavy ball."""

import math

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import bifurcation, logistic, windows
from eos_jax.analysis.windows import _returns_earlier

pytestmark = pytest.mark.slow

BALANCED = eos.objectives.scalar_product((4,))


def test_the_windows_of_the_logistic_map():
    """Of periods up to 5 beyond r = 3.7: 5, 3, 5, 4 and, narrower than this grid, 5 at 3.9903."""
    found = windows(logistic(), {"x": 0.3}, {"r": np.linspace(3.7, 3.98, 600)}, "r", longest=5)
    assert [w.period for w in found] == [5, 3, 5, 4]
    opens = [w.fold.parameter for w in found]
    np.testing.assert_allclose(opens, [3.738172, 1 + math.sqrt(8), 3.905572, 3.960102], atol=1e-6)
    assert abs(opens[1] - 1 - math.sqrt(8)) < 1e-12
    for window in found:
        assert window.fold.parameter < window.flip.parameter
        assert window.fold.coefficient > 0 and window.flip.coefficient > 0
        assert abs(window.fold.multipliers[0] - 1) < 1e-5


@pytest.mark.long
def test_a_window_under_momentum():
    """Its fold lies below what orbits from this start show: another attractor is there as well. The
    determinant of a step is the momentum, so that the multipliers at the fold are 1 and beta^3.
    """
    hyper = {"eta": np.linspace(0.73, 0.745, 31), "momentum": 0.02}
    (found,) = windows(BALANCED, {"x": 0.9}, hyper, rule="heavy_ball", longest=3)
    assert found.period == 3 and found.fold.parameter < 0.7355 < found.flip.parameter < 0.74
    np.testing.assert_allclose(found.fold.multipliers, [1, 0.02**3], rtol=1e-6)


def test_a_doubled_cycle_opens_no_window():
    """Beyond the flip of a window's own cycle the grid shows period 6, which no fold bears: where
    f^6 has a multiplier of 1 the 3-cycle folds, or flips.
    """
    grid = np.concatenate([[3.8], np.linspace(3.842, 3.847, 6)])
    assert windows(logistic(), {"x": 0.3}, {"r": grid}, "r") == []
    for period, earlier in ((3, False), (6, True)):
        fold = bifurcation("fold", logistic(), {"x": 0.16}, {"r": 3.835}, "r", period)
        assert fold.found
        assert _returns_earlier(logistic(), fold, "r", {}) is earlier


def test_where_there_is_none():
    assert windows(logistic(), {"x": 0.3}, {"r": np.linspace(3.0, 3.5, 50)}, "r") == []


def test_what_cannot_be_meant():
    for hyper in ({"eta": 0.5}, {"eta": [0.6, 0.5]}, {}):
        with pytest.raises(ValueError, match="must give eta as a rising array"):
            windows(BALANCED, {"x": 0.9}, hyper)
