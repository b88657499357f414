"""Bifurcation diagrams against known doublings and folds, and against the maps themselves."""

import math

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import base, bifurcation_diagram, diagrams, logistic

pytestmark = pytest.mark.slow

AXES = {"x": 0.3, "r": np.linspace(2.6, 3.9, 131)}


@pytest.fixture(scope="module")
def diagram():
    return bifurcation_diagram(logistic(), AXES, 2000, free="r", doublings=2, sharpness=None,
                               stop=eos.Stop(longest_period=3))  # fmt: skip


def special(ds, kind, period):
    mine = (ds.special_kind.values == diagrams.KINDS.index(kind)) & (ds.special_phase.values == 0)
    return ds.special_r.values[mine & (ds.special_period.values == period)]


def test_the_logistic_maps_branches(diagram):
    """Flips at 3 and 1 + sqrt 6, the window of period 3 from 1 + sqrt 8, no branch twice."""
    np.testing.assert_allclose(special(diagram, "flip", 1), [3], atol=1e-12)
    np.testing.assert_allclose(special(diagram, "flip", 2), [1 + math.sqrt(6)], atol=1e-12)
    np.testing.assert_allclose(special(diagram, "fold", 3), [1 + math.sqrt(8)], atol=1e-12)
    branches = np.unique(np.stack([diagram.cycle_branch, diagram.cycle_period]), axis=1)[1]
    assert sorted(branches.tolist()) == [1, 2, 3, 4, 6, 12]
    assert diagram.attrs["cascades"].startswith("flips of period 1, 2, 4 at r = 3, 3.44949, 3.544")
    assert diagram.attrs["windows"] == "period 3 from r = 3.82842712 to 3.84149901"
    assert diagram.attrs["circles"] == "none"


def test_each_row_is_on_a_cycle_with_its_multiplier(diagram):
    r, x = diagram.cycle_r.values, diagram.cycle_x.values
    for period in (1, 2, 3, 4):
        mine = diagram.cycle_period.values == period
        y, slope = x[mine], 1.0
        for _ in range(period):
            y, slope = r[mine] * y * (1 - y), slope * r[mine] * (1 - 2 * y)
        np.testing.assert_allclose(y, x[mine], atol=1e-9)
        found = diagram.cycle_multiplier.values[mine]
        np.testing.assert_allclose(found, np.abs(slope), atol=1e-6)
        assert (diagram.cycle_stable.values[mine] == (np.abs(slope) < 1)).all()
        if period > 1:  # the other phases are the orbit of the first
            first, second = (diagram.cycle_phase.values[mine] == phase for phase in (0, 1))
            one = x[mine][first]
            np.testing.assert_allclose(x[mine][second], r[mine][first] * one * (1 - one), atol=1e-9)
    ends = [r[diagram.cycle_period.values == 1].min(), r[diagram.cycle_period.values == 1].max()]
    np.testing.assert_allclose(ends, [2.6, 3.9])


def test_nesterovs_circle_is_on_the_diagram():
    """eta = 13/20; and no branch is beyond it, since the minimum flips nowhere."""
    ds = bifurcation_diagram(
        eos.objectives.scalar_product((4,)), {"x": 1.01, "momentum": -0.625, "eta": [0.6, 0.7]},
        2000, rule="nesterov",
    )  # fmt: skip
    assert ds.attrs["circles"] == "period 1 at eta = 0.65, attracts"
    assert ds.attrs["branches"] == "1, of period 1" and ds.attrs["cascades"] == "none"
    assert (ds.cycle_stable.values == (ds.cycle_eta.values < 0.65)).all()
    np.testing.assert_allclose(ds.cycle_eta.values[[0, -1]], [0.6, 0.7], rtol=1e-12)


def test_a_kill_loses_the_branch_in_work(tmp_path, monkeypatch):
    followed, before = [], diagrams._family

    def family(system, params, *rest, **more):
        if len(followed) == 1:
            raise KeyboardInterrupt
        followed.append(params)
        return before(system, params, *rest, **more)

    arguments = logistic(), AXES, 2000
    given = {"free": "r", "doublings": 0, "sharpness": None, "stop": eos.Stop(longest_period=3),
             "out": tmp_path / "d.zarr"}  # fmt: skip
    monkeypatch.setattr(diagrams, "_family", family)
    with pytest.raises(KeyboardInterrupt):
        bifurcation_diagram(*arguments, **given)
    followed.clear()
    monkeypatch.setattr(diagrams, "_family", lambda *a, **k: followed.append(0) or before(*a, **k))
    found = bifurcation_diagram(*arguments, **given)
    assert len(followed) == len(np.unique(found.cycle_branch)) - 1, "the first was followed again"
    whole = bifurcation_diagram(*arguments, **{**given, "out": None})
    assert found.load().drop_attrs().equals(whole.drop_attrs())
    assert base.findings(found) == base.findings(whole)


@pytest.mark.parametrize(
    ("axes", "more", "message"),
    [
        ({"eta": 0.5}, {}, "`within` must be low and high, values of `eta`, but got 0.5, 0.5"),
        ({"eta": [0.4, 0.5], "momentum": [0.1, 0.2]}, {"rule": "heavy_ball"}, "one number for `mo"),
        ({"eta": [0.4, 0.5]}, {"free": "r"}, "`free` must be one of eta"),
        ({"eta": [0.4, 0.5]}, {"doublings": -1}, "`doublings` must be"),
    ],
)
def test_what_cannot_be_meant(axes, more, message):
    with pytest.raises(ValueError, match=message):
        bifurcation_diagram(eos.objectives.scalar_product((4,)), {"x": 0.9, **axes}, 100, **more)
