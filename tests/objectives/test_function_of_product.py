"""Losses of one product: derivatives as formulas, eigenvalues, and where orbits end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

import eos_jax as eos
from eos_jax import theory
from eos_jax.objectives import function_of_product
from eos_jax.objectives.function_of_product import (
    LINKS,
    link_derivatives,
    link_function,
    link_minimum,
)

pytestmark = pytest.mark.slow

S, T = sp.symbols("s t", real=True)
FORMULAS = {
    "square": (S - T) ** 2 / 2,
    "root": sp.sqrt(1 + (S - T) ** 2),
    "log_cosh": sp.log(sp.cosh(S - T)),
    "cross_entropy": sp.log(1 + sp.exp(S)) - T * S,
}
CASES = [("square", 2.0), ("root", 0.5), ("log_cosh", -0.5), ("cross_entropy", 0.8)]


@pytest.mark.parametrize("link, target", CASES)
def test_values_and_four_derivatives_are_those_of_the_formula(link, target):
    formula = FORMULAS[link].subs(T, sp.Rational(str(target)))
    points = ["-3", "-1/4", "0", "7/10", "2", "6"]
    derivative = link_function(link, target)
    for order in range(5):
        exact = [formula.diff(S, order).subs(S, sp.Rational(p)).evalf(30) for p in points]
        found = jax.jit(jax.vmap(derivative))(jnp.array([float(sp.Rational(p)) for p in points]))
        assert np.allclose(found, np.array(exact, float), rtol=1e-12, atol=1e-13)
        derivative = jax.grad(derivative)


@pytest.mark.parametrize("link, target", CASES)
def test_minimum_is_where_the_slope_vanishes_and_the_floor_its_value(link, target):
    product, value = link_minimum(link, target)
    zeroth, first, second, *_ = link_derivatives(link, target)
    obj = function_of_product(link, target)
    around = eos.loss(obj, {"x": 1.0, "y": np.linspace(product - 3, product + 3, 601)})
    assert abs(first) < 1e-15
    assert second > 0
    assert np.isclose(zeroth, value, atol=1e-15)
    assert obj.floor == value
    assert np.all(around >= value - 1e-15)
    assert np.argmin(around) == 300


def test_derivatives_of_the_logistic_loss_in_closed_form():
    p = 0.8
    derivatives = link_derivatives("cross_entropy", p)
    variance = p * (1 - p)
    expected = [variance, variance * (1 - 2 * p), variance * (1 - 6 * variance)]
    assert np.allclose(derivatives[2:], expected, rtol=1e-12)
    assert np.isclose(derivatives[0], -p * np.log(p) - (1 - p) * np.log(1 - p))


@pytest.mark.parametrize("value", [1e-8, 1e-3, 0.9999999, 1.0000001, 30.0, 1e4])
def test_log_cosh_keeps_its_digits_near_zero_and_far_away(value):
    exact = float(sp.log(sp.cosh(sp.Float(repr(value), 60))).evalf(40))
    function = link_function("log_cosh")
    assert np.isclose(function(value), exact, rtol=1e-14, atol=0)
    assert function(-value) == function(value)


@pytest.mark.parametrize("link, target", CASES)
def test_closed_eigenvalues_are_those_of_the_hessian(link, target):
    obj = function_of_product(link, target)
    points = {"x": jnp.array([2.0, -0.3, 0.0, 0.0, 1.0]), "y": jnp.array([0.5, 1.7, 2.0, 0.0, 1.0])}
    dense = np.linalg.eigvalsh(eos.hessian(obj, points))
    assert np.allclose(
        np.sort(jnp.stack(jax.vmap(obj.eigenvalues)(points), axis=-1)), dense, atol=1e-14
    )


def test_gradient_by_finite_differences():
    for link, target in CASES:
        obj, h = function_of_product(link, target), 1e-6
        numeric = eos.loss(obj, {"x": jnp.array([1.3 + h, 1.3 - h]), "y": 0.6})
        exact = eos.gradient(obj, {"x": 1.3, "y": 0.6})["x"]
        assert np.isclose((numeric[0] - numeric[1]) / (2 * h), exact, atol=1e-9)


def final_sharpness(obj, start, eta, steps):
    end = eos.simulate(obj, start, eta, steps)
    return float(jnp.max(jnp.stack(obj.eigenvalues(end)))), end


@pytest.mark.parametrize("link, target", [("cross_entropy", 0.8), ("root", 0.0), ("log_cosh", 0.0)])
def test_final_sharpness_is_the_predicted_one_with_an_error_of_higher_order(link, target):
    misses = []
    _, _, *derivatives = map(float, link_derivatives(link, target))
    product, _ = link_minimum(link, target)
    for eta in (0.1, 0.05):
        y = (2.4 / eta / derivatives[0]) ** 0.5
        sharpness, _ = final_sharpness(
            function_of_product(link, target), {"x": product / y + 0.02, "y": y}, eta, 400_000
        )
        gap = 2 / eta - theory.predicted_sharpness_of_product_loss(eta, *derivatives)
        misses.append((2 / eta - sharpness) / gap - 1)
    assert abs(misses[1]) < 0.02
    assert abs(misses[1]) < 0.6 * abs(misses[0])  # it shrinks with eta


def test_square_link_ends_balanced_at_large_steps():
    """Wang et al. 2022: steps up to about 4/L converge, |x - y|^2 <= 2/eta - 2 mu at the end."""
    obj, eta = function_of_product("square", 1.0), 0.2
    starts = {"x": 3.6, "y": 0.1}
    assert eos.sharpness(obj, starts) > 2 / eta
    _, end = final_sharpness(obj, starts, eta, 20_000)
    assert abs(end["x"] * end["y"] - 1) < 1e-10
    assert (end["x"] - end["y"]) ** 2 <= 2 / eta - 2 + 1e-9


@pytest.mark.parametrize("link", ["root", "log_cosh"])
def test_threshold_of_ahn_et_al(link):
    """A start above y^2 - x^2 = 2/eta ends just below it in y^2, one below stays where it is."""
    obj, eta = function_of_product(link), 0.1
    _, above = final_sharpness(obj, {"x": 0.1, "y": 25**0.5}, eta, 100_000)
    _, below = final_sharpness(obj, {"x": 0.1, "y": 15**0.5}, eta, 100_000)
    assert 0 < 2 / eta - above["y"] ** 2 < 2 * eta
    assert abs(below["y"] ** 2 - 15) < 0.1


def test_every_link_has_defaults():
    for link in LINKS:
        assert np.isfinite(function_of_product(link).floor)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"link": "cube"}, "Argument `link` must be one of square, root"),
        ({"link": "cross_entropy", "target": 1.0}, "strictly between 0 and 1"),
        ({"link": "cross_entropy", "target": 0.0}, "strictly between 0 and 1"),
        ({"link": "square", "target": float("nan")}, "Argument `target` must be a finite number"),
        ({"link": "square", "target": "1"}, "Argument `target` must be a finite number"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        function_of_product(**settings)
