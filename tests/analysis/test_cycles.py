"""Cycles, their multipliers, where they change: against closed forms and published values."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import (
    FEIGENBAUM,
    bifurcation,
    cascade,
    continuation,
    cycles,
    embedded_cycles,
    henon,
    logistic,
    own_map,
    ratios,
)
from eos_jax.loops import advance

pytestmark = pytest.mark.slow

DOUBLINGS = (0.5, 0.623584636218172, 0.652074992017871)
"""The first three of four balanced scalars, from another program in quadruple precision."""


def rosenbrock(a, b):
    return (1 - a) ** 2 + 5 * (b - a**2) ** 2


def delayed(x, y, r):
    return r * x * (1 - y), x


def test_cycles_embedded_in_full_chaos():
    """f^p has 2^p fixed points at r = 4; all multipliers but those of x = 0 are +-2^p."""
    found = embedded_cycles(logistic(), {"x": np.linspace(0.003, 0.997, 300)}, {"r": 4.0}, 6)
    assert [len(each.found) for each in found] == [2, 1, 2, 3, 6, 9]
    for p, each in enumerate(found, 1):
        sizes = np.abs(each.multipliers[:, 0])
        assert np.all(np.isclose(sizes, 2.0**p, rtol=1e-9) | np.isclose(sizes, 4.0**p, rtol=1e-9))
        assert not each.stable.any()


def test_henons_fixed_points_and_cycle():
    found = cycles(henon(), {"x": [0.6, -1.1], "y": 0.2}, {"a": 1.4, "b": 0.3}, 1)
    root = math.sqrt(0.7**2 + 4 * 1.4)
    np.testing.assert_allclose(found.points["x"][:, 0], [(-0.7 + root) / 2.8, (-0.7 - root) / 2.8])
    x = found.points["x"][:, 0]
    np.testing.assert_allclose(found.multipliers.sum(axis=1), -2.8 * x)
    np.testing.assert_allclose(found.multipliers.prod(axis=1), -0.3)


def test_what_is_no_cycle_is_not_found():
    drift = own_map(_drift, ["x"])
    found = cycles(drift, {"x": [0.0, 1.0]}, {"by": 1.0}, 3)
    assert not found.found.any() and np.isnan(found.multipliers).all() and not found.stable.any()


def _drift(x, by):
    return x + by


def test_special_points_of_the_logistic_map():
    """Flip at 3 with (f''/2)^2 + f'''/6 = 9, superstable 1 + sqrt 5, period 3 from 1 + sqrt 8."""
    flip = bifurcation("flip", logistic(), {"x": 0.6}, {"r": 2.9}, "r")
    assert abs(flip.parameter - 3) < 1e-13 and abs(flip.coefficient - 9) < 1e-9
    superstable = bifurcation("superstable", logistic(), {"x": 0.5}, {"r": 3.2}, "r", 2)
    assert abs(superstable.parameter - 1 - math.sqrt(5)) < 1e-13
    nowhere = bifurcation("flip", logistic(), {"x": math.nan}, {"r": 2.9}, "r")
    assert not nowhere.found
    fold = bifurcation("fold", logistic(), {"x": 0.16}, {"r": 3.84}, "r", 3)
    assert abs(fold.parameter - 1 - math.sqrt(8)) < 1e-13 and fold.coefficient != 0


@pytest.mark.long
def test_a_neimark_sacker_point_with_its_sign():
    """The delayed logistic map at r = 2, theta = pi/3; Kuznetsov, example 4.2: -2 at |q|^2 = 2."""
    found = bifurcation("neimark_sacker", own_map(delayed, ["x", "y"]), {"x": 0.48, "y": 0.48},
                        {"r": 1.9}, "r")  # fmt: skip
    assert abs(found.parameter - 2) < 1e-12 and abs(found.angle - math.pi / 3) < 1e-12
    assert abs(found.coefficient - -1) < 1e-9


def bent(x, q):
    return x**2 / 2 + q * x**4 / 24


@pytest.mark.long
def test_nesterovs_circles_attract_where_a_loss_softens():
    """At eta = 1 - 1/beta with cos = (1 + beta)/(2 beta) the origin lets orbits circle: those of a
    softer loss, q = -1, end on a circle beyond it; of a harder one, before it, starts outside of a
    circle that repels leave, starts inside converge.
    """
    beta, rule = -0.625, "nesterov"
    losses = [eos.objectives.from_function(functools.partial(bent, q=q), name=f"bent{q}",
                                           parameters=("x",)) for q in (-1.0, 1.0)]  # fmt: skip
    found = [
        bifurcation("neimark_sacker", loss, {"x": 0.01}, {"eta": 2.5, "momentum": beta}, rule=rule)
        for loss in losses
    ]
    for point in found:
        assert abs(point.parameter - 2.6) < 1e-12
        assert abs(math.cos(point.angle) + 0.3) < 1e-12
    assert found[0].coefficient < 0 < found[1].coefficient
    assert abs(found[0].coefficient + found[1].coefficient) < 1e-12  # odd in q

    def ends(loss, eta, x):
        axes = {"x": np.multiply(x, 1.0), "eta": 2.6 + eta, "momentum": beta}
        last = eos.orbits(loss, axes, 20_000, last=500, rule=rule, sharpness=None).x_orbit
        return np.abs(last.values).max(axis=-1)

    # |mu| - 1 is |beta| (eta - 2.6)/2; harmonic balance gives it per square of half an amplitude
    radius = 2 * math.sqrt(0.625 * 0.01 / 2 / 0.40625)
    np.testing.assert_allclose(ends(losses[0], 0.01, [0.05, 0.3]), radius, rtol=0.02)
    assert ends(losses[0], -0.01, [0.3])[0] < 1e-9
    inside, outside = ends(losses[1], -0.01, [0.5 * radius, 2 * radius])
    assert inside < 1e-9 and not outside < 1


def test_a_branch_goes_round_its_fold_and_ends_where_it_is_born():
    branch = continuation(logistic(), {"x": 0.16}, {"r": 3.84}, (3.7, 3.9), "r", 3, backwards=True)
    kinds = [(point.kind, round(point.parameter, 9)) for point in branch.special]
    assert kinds == [("fold", 3.828427125), ("flip", 3.841499008)]
    assert branch.parameter.min() > 1 + math.sqrt(8) - 1e-4
    assert branch.stable.any() and not branch.stable.all()
    two = continuation(logistic(), {"x": 0.5}, {"r": 3.3}, (2.5, 3.6), "r", 2, backwards=True)
    assert two.end == "the flip that it is born at, of a cycle of period 1"


@pytest.mark.long
def test_the_same_circle_from_the_full_system_and_on_a_valley():
    """Four scalars that may part: of the same amplitude in each the eigenvector is twice as long.
    Rosenbrock's minimum lets orbits circle where its sharpness is 2.6/eta.
    """
    given = {"hyper": {"eta": 0.64, "momentum": -0.625}, "rule": "nesterov"}
    one, four = (
        bifurcation("neimark_sacker", obj, dict.fromkeys(obj.parameters, 1.0), **given)
        for obj in (eos.objectives.scalar_product((4,)), eos.objectives.scalar_product(4))
    )
    for point in (one, four):
        assert abs(point.parameter - 0.65) < 1e-12 and abs(math.cos(point.angle) + 0.3) < 1e-12
    assert abs(4 * four.coefficient / one.coefficient - 1) < 1e-9
    valley = eos.objectives.from_function(rosenbrock)
    sharpness = np.linalg.eigvalsh([[42.0, -20.0], [-20.0, 10.0]])[-1]
    near = {"eta": 2.5 / sharpness, "momentum": -0.625}
    found = bifurcation("neimark_sacker", valley, {"a": 1.0, "b": 1.0}, near, rule="nesterov")
    assert abs(found.parameter - 2.6 / sharpness) < 1e-12
    assert abs(math.cos(found.angle) + 0.3) < 1e-12 and found.coefficient < 0


@pytest.mark.parametrize(("start", "r", "period", "count"), [(0.6, 2.9, 1, 5), (0.16, 3.84, 3, 4)])
def test_a_branch_stays_with_its_cycle(start, r, period, count):
    """Where cycles of period 16 and 24 repel, others are near; but each keeps its itinerary, on
    which side of the maximum it is. At r = 4 the multiplier of a cycle of period p is 2^p.
    """
    last = cascade(logistic(), {"x": start}, {"r": r}, count, "r", period)[-1]
    branch = continuation(logistic(), last.point, {"r": last.parameter + 1e-9}, (r, 4.0), "r",
                          last.period)  # fmt: skip
    repels = np.abs(branch.multipliers[:, 0]) > 2
    assert len(np.unique(branch.points["x"][repels] > 0.5, axis=0)) == 1
    assert branch.parameter[-1] > 3.95
    if branch.parameter[-1] == 4:
        np.testing.assert_allclose(np.abs(branch.multipliers[-1]), 2.0**last.period, rtol=1e-6)


@pytest.fixture(scope="module")
def balanced():
    return cascade(eos.objectives.scalar_product((4,)), {"x": 1.0}, 0.45, 8)


def test_the_cascade_of_four_balanced_scalars(balanced):
    found = [point.parameter for point in balanced]
    np.testing.assert_allclose(found[:3], DOUBLINGS, rtol=0, atol=1e-14)
    assert [point.period for point in balanced] == [2**j for j in range(8)]
    assert abs(ratios(balanced)[-1] - FEIGENBAUM) < 2e-3
    assert all(point.coefficient > 0 for point in balanced)


@pytest.mark.long
def test_the_same_points_from_the_full_system():
    """Four scalars that may part; at the first flip the minima are a continuum."""
    obj = eos.objectives.scalar_product(4)
    found = cascade(obj, dict.fromkeys(obj.parameters, 1.0), 0.49, 3)
    np.testing.assert_allclose([p.parameter for p in found], DOUBLINGS, rtol=0, atol=1e-12)
    # across the balanced line the coupled gradient has 1 + eta (u^4 - 1) u^2
    u = next(iter(found[1].point.values()))
    v = u - DOUBLINGS[1] * (u**4 - 1) * u**3
    across = np.prod([1 + DOUBLINGS[1] * (w**4 - 1) * w**2 for w in (u, v)])
    np.testing.assert_allclose(found[1].multipliers[1:].real, across, rtol=1e-9)


@pytest.mark.long
def test_momentum_has_flips_folds_and_circles():
    """Heavy ball flips at 2 (1 + beta)/eta; Nesterov's 2-cycle on Rosenbrock's valley sheds a
    circle that attracts, as its orbits show.
    """
    obj = eos.objectives.scalar_product((4,))
    found = cascade(obj, {"x": 1.0}, {"eta": 0.7, "momentum": 0.5}, 5, rule="heavy_ball")
    assert abs(found[0].parameter - 2 * 1.5 / 4) < 1e-12
    assert abs(ratios(found)[-1] - FEIGENBAUM) < 0.01
    valley = eos.objectives.from_function(rosenbrock)
    hyper = {"eta": 0.028, "momentum": 0.6}
    last = cascade(valley, {"a": 1.0, "b": 1.0}, hyper, 2, rule="nesterov")[1]
    branch = continuation(
        valley, last.point, {**hyper, "eta": last.parameter}, (0.02, 0.3), period=2,
        rule="nesterov", state=last.state, backwards=True,
    )  # fmt: skip
    (circle,) = branch.special
    assert circle.kind == "neimark_sacker" and circle.coefficient < 0
    stable = branch.parameter[branch.stable]
    side = 1 if stable.mean() < circle.parameter else -1  # beyond which the cycle repels
    beside = [circle.parameter * (1 + side * part) for part in (-2e-3, 2.5e-4, 1e-3)]
    rule = eos.rules.nesterov()

    def widths_of(eta):
        def step(point):
            return rule.step(valley, *point, {"eta": eta, "momentum": 0.6})

        point = jax.tree.map(lambda leaf: jnp.asarray(leaf) + 1e-4, (circle.point, circle.state))
        point = advance(step, point, 100_000)
        seen = jax.lax.scan(lambda p, _: (step(step(p)), p[0]["a"]), point, length=1000)[1]
        return jnp.ptp(seen)

    with jax.enable_x64(True):
        widths = np.asarray(jax.jit(jax.vmap(widths_of))(jnp.asarray(beside)))
    assert widths[0] < 1e-6 < widths[1] and abs(widths[2] / widths[1] - 2) < 0.3


def test_what_cannot_be_meant():
    with pytest.raises(ValueError, match="`kind` must be one of flip"):
        bifurcation("hopf", logistic(), {"x": 0.5}, {"r": 3.0}, "r")
    with pytest.raises(ValueError, match="`free` must be one of r"):
        cascade(logistic(), {"x": 0.5}, {"r": 3.0}, 2)
    with pytest.raises(ValueError, match="`within` must be an interval around r"):
        continuation(logistic(), {"x": 0.5}, {"r": 3.0}, (3.1, 3.2), "r")
    with pytest.raises(ValueError, match="must take the coordinates y first"):
        own_map(_drift, ["y"])
