"""Many digits against algebraic numbers, and both kinds of numbers against each other."""

import decimal
from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import pytest

import eos_jax as eos
from eos_jax.analysis import bifurcation, cascade, exact_orbit, logistic, own_map, refined
from eos_jax.analysis.digits import evaluate
from eos_jax.loops.primitives import as_scalars

pytestmark = pytest.mark.slow

BALANCED = eos.objectives.scalar_product((4,))


@pytest.fixture(autouse=True)
def sixty_digits():
    """The context of Python's decimals in these tests; by default it has 28 digits."""
    with decimal.localcontext(prec=60):
        yield


def test_doublings_folds_and_superstable_points_are_algebraic_numbers():
    """1 + sqrt 6, 1 + sqrt 8 and 1 + sqrt 5 of the logistic map, to 40 digits."""
    system = logistic()
    found = [
        cascade(system, {"x": 0.6}, {"r": 2.9}, 2, "r")[1],
        bifurcation("fold", system, {"x": 0.16}, {"r": 3.84}, "r", 3),
        bifurcation("superstable", system, {"x": 0.5}, {"r": 3.2}, "r", 2),
    ]
    for point, square in zip(found, (6, 8, 5)):
        exact = refined(point, system, {"r": point.parameter}, "r", 40)
        assert abs(exact.parameter - 1 - Decimal(square).sqrt()) < Decimal("2e-40")
        assert abs(float(exact.parameter) - point.parameter) < 1e-14


@pytest.mark.long
def test_the_first_doublings_of_balanced_scalars():
    """1/2 exactly, and of two scalars sqrt 5 - 1; the quadruple-precision values lie in reach."""
    first, second = (
        refined(p, BALANCED, p.parameter) for p in cascade(BALANCED, {"x": 1.0}, 0.45, 2)
    )
    assert abs(first.parameter - Decimal("0.5")) < Decimal("1e-39")
    assert abs(second.parameter - Decimal("0.623584636218172")) < Decimal("1e-15")
    pair = eos.objectives.scalar_product((2,))
    flip = cascade(pair, {"x": 1.0}, 0.9, 2)[1]
    assert abs(refined(flip, pair, flip.parameter).parameter + 1 - Decimal(5).sqrt()) < Decimal(
        "2e-40"
    )


def test_a_circles_birth_in_forty_digits():
    """Nesterov, momentum -5/8: eta = 13/20 and the cosine -3/10, exactly."""
    near = {"eta": 0.64, "momentum": -0.625}
    found = bifurcation("neimark_sacker", BALANCED, {"x": 1.01}, near, rule="nesterov")
    exact = refined(found, BALANCED, near, digits=40, rule="nesterov")
    assert abs(exact.parameter - Decimal("0.65")) < Decimal("1e-39")
    assert abs(exact.cosine + Decimal("0.3")) < Decimal("1e-39")
    assert abs(exact.point["x"] - 1) < Decimal("1e-39")


def test_decimals_follow_exact_rationals():
    """Four steps of heavy ball, whose fractions have some thousands of digits by then."""
    rule = eos.rules.heavy_ball()
    start, hyper = {"x": Fraction(3, 4)}, {"eta": Fraction(5, 8), "momentum": Fraction(1, 4)}
    orbit = exact_orbit(BALANCED, start, hyper, 4, rule=rule)
    x, move = Fraction(3, 4), Fraction(0)
    for point in orbit:
        assert point["x"] == x
        move = hyper["momentum"] * move - hyper["eta"] * (x**4 - 1) * x**3
        x = x + move
    with jax.enable_x64(True):
        step = as_scalars(
            lambda x, m, eta, beta: rule.step(BALANCED, {"x": x}, {"x": m},
                                              {"eta": eta, "momentum": beta}),
            *[jnp.float64(1.0)] * 4,
        )  # fmt: skip
    now = [Decimal("0.75"), Decimal(0)]
    for _ in range(4):
        now = evaluate(step, [*now, Decimal("0.625"), Decimal("0.25")], Decimal)
    last = orbit[-1]["x"]
    assert abs(now[0] - Decimal(last.numerator) / Decimal(last.denominator)) < Decimal("1e-57")
    assert len(str(last.denominator)) > 1000


def _sine(x, r):
    return r * jnp.sin(x)


def test_what_has_no_digits():
    with pytest.raises(ValueError, match="must be a point that was found, but got a flip"):
        refined(bifurcation("flip", logistic(), {"x": float("nan")}, {"r": 2.9}, "r"), logistic(),
                {"r": 2.9}, "r")  # fmt: skip
    with pytest.raises(ValueError, match="must be arithmetic"):
        exact_orbit(own_map(_sine, ["x"]), {"x": 1}, {"r": 2}, 1)
