"""Densities of orbits against those that are known, and what follows a neighbour."""

import math

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import logistic, orbit_diagram, own_map
from eos_jax.loops import llvm

RS = np.array([2.8, 3.2, 3.5, 4.0])


@pytest.fixture(scope="module")
def diagram():
    return orbit_diagram(logistic(), {"x": 0.3, "r": RS}, 100_000, between=(0, 1), bins=400)


def test_points_two_points_four_points(diagram):
    """Cycles lie in the bins of their points, each as often."""
    for r, period in ((2.8, 1), (3.2, 2), (3.5, 4)):
        seen = diagram.density.sel(r=r).values
        x, known = 0.3, set()
        for t in range(4000):
            x = r * x * (1 - x)
            if t >= 4000 - period:
                known.add(int(x * 400))
        assert set(np.flatnonzero(seen)) == known and len(known) == period
        assert set(seen[seen > 0]) == {100_000 // period}


def test_full_chaos_has_its_invariant_density(diagram):
    """Of r = 4: 1/(pi sqrt(x (1 - x))), the arcsine law."""
    seen = np.cumsum(diagram.density.sel(r=4.0).values) / 100_000
    known = 2 / math.pi * np.arcsin(np.sqrt(np.arange(1, 401) / 400))
    assert np.abs(seen - known).max() < 0.006
    assert diagram.attrs["engine"] == ("registers" if llvm.ready() else "plain")
    assert (diagram.density.sum("bin") + diagram.outside == 100_000).all()


def test_xla_counts_the_same(diagram, monkeypatch):
    monkeypatch.setenv("EOS_JAX_ENGINE", "plain")
    found = orbit_diagram(logistic(), {"x": 0.3, "r": RS[:3]}, 100_000, between=(0, 1), bins=400)
    assert found.attrs["engine"] == "plain"
    np.testing.assert_array_equal(found.density, diagram.density.sel(r=RS[:3]))


def bistable(x, push):
    return x - 0.3 * (x**3 - x - push)


def test_followed_columns_jump_at_the_folds():
    """Forwards at push = 2/(3 sqrt 3) = 0.385, backwards at the opposite: hysteresis."""
    axes = {"x": -1.0, "push": np.linspace(-0.6, 0.6, 241)}
    system = own_map(bistable, ["x"])
    jumps = []
    for backwards in (False, True):
        found = orbit_diagram(system, axes, 200, settle=3000, bins=300, between=(-1.5, 1.5),
                              follow="push", backwards=backwards)  # fmt: skip
        place = found.bin.values[found.density.values.argmax(axis=-1)]
        jumps.append(float(found.push[np.argmax(place > 0)]))
    fold = 2 / (3 * math.sqrt(3))
    np.testing.assert_allclose(jumps, [fold, -fold], atol=0.0051)


def test_a_store_goes_on_and_a_default_range_holds_all(tmp_path):
    axes = {"x": [0.3, 0.6], "r": np.linspace(3.0, 3.4, 6)}
    out = tmp_path / "d"
    ds = orbit_diagram(logistic(), axes, 500, bins=50, out=out, tile=3, measure="loss")
    whole = orbit_diagram(logistic(), axes, 500, bins=50, measure="loss")
    assert ds.density.dims == ("x", "r", "bin") and int(ds.outside.max()) == 0
    np.testing.assert_array_equal(ds.density, whole.density)
    again = orbit_diagram(logistic(), axes, 500, bins=50, out=out, tile=3, measure="loss")
    np.testing.assert_array_equal(again.density, whole.density)
    with pytest.raises(FileExistsError, match=r"analysis.bins"):
        orbit_diagram(logistic(), axes, 500, bins=60, out=out, measure="loss")


def test_what_escapes_is_said():
    found = orbit_diagram(logistic(), {"x": 0.3, "r": [3.0, 4.5]}, 100, between=(0, 1))
    assert found.outcome.values.tolist() == [eos.Outcome.UNDECIDED, eos.Outcome.DIVERGED]
    assert found.outside.values.tolist() == [0, 100]


def rosenbrock(a, b):
    return (1 - a) ** 2 + 5 * (b - a**2) ** 2


@pytest.mark.long
def test_any_loss_any_rule(tmp_path):
    """A user's Rosenbrock under Adam, into a store."""
    obj = eos.objectives.from_function(rosenbrock)
    axes = {"a": 0.5, "b": 0.2, "eta": np.geomspace(0.01, 1, 12)}
    ds = orbit_diagram(obj, axes, 2000, rule="adam", measure="loss", out=tmp_path / "r", tile=4)
    assert (ds.density.sum("bin") + ds.outside == 2000).all()


def test_what_cannot_be_meant():
    with pytest.raises(ValueError, match="`follow` must be one of r"):
        orbit_diagram(logistic(), {"x": [0.1, 0.2], "r": [3.0, 3.1]}, 10, follow="x")
    with pytest.raises(ValueError, match="`between` must be low and high"):
        orbit_diagram(logistic(), {"x": 0.1, "r": [3.0, 3.1]}, 10, between=(1, 0))
