"""Quadratic regression: the normalised map is the true one, its energy is kept, its end derived."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

import eos_jax as eos
from eos_jax.objectives import quadratic_regression
from eos_jax.objectives.quadratic_regression import (
    final_kernel,
    normalised_coordinates,
    normalised_step,
)


def test_normalised_step_is_gradient_descent():
    curvatures, offset, eta = (2.0, -0.3), 0.4, 0.3
    obj = quadratic_regression(curvatures, offset)
    params = {"x": 0.6, "y": -1.1}
    for _ in range(6):
        value, kernel = normalised_coordinates(params, curvatures, offset, eta)
        backwards = dict(reversed(params.items()))
        assert normalised_coordinates(backwards, curvatures, offset, eta) == (value, kernel)
        expected = normalised_step(value, kernel, eta * curvatures[0] * offset, 0.15)
        params = eos.simulate(obj, params, eta, 1)
        found = normalised_coordinates(params, curvatures, offset, eta)
        assert np.allclose(found, expected, rtol=1e-11)


def test_step_and_energy_from_the_model_itself():
    """With sympy, from z and J of the model: the map in z and T closes, and E is kept."""
    x, y, offset, e = sp.symbols("x y E epsilon")
    z = offset + (x**2 - e * y**2) / 2
    x2, y2 = x - z * sp.diff(z, x), y - z * sp.diff(z, y)
    jacobian = (x, -e * y)
    kernel = sum(j**2 for j in jacobian)
    z2, kernel2 = normalised_step(z, kernel, offset, e)
    moved = {x: x2, y: y2}
    assert sp.expand(z.subs(moved, simultaneous=True) - z2) == 0
    assert sp.expand(kernel.subs(moved, simultaneous=True) - kernel2) == 0
    energy = z - (jacobian[0] ** 2 - jacobian[1] ** 2 / e) / 2
    assert sp.expand(energy - offset) == 0


def test_two_step_map_and_parabola_to_leading_order():
    """With z ~ s, d ~ s^2, eps ~ s^2 the two steps are those in the module's first lines."""
    z, d, energy, e, s = sp.symbols("z d E epsilon s")
    # T that belongs to the slow b = J_2^2 at residual z, when T_0 = 2 + d belongs to it at 0
    slow = e * (2 + d + 2 * energy) / (1 + e)

    def to_kernel(b, value):
        return b * (1 + 1 / e) + 2 * (value - energy)

    first, _ = normalised_step(z, to_kernel(slow, z), energy, e)
    between = slow * (1 + e * z) ** 2
    value, _ = normalised_step(first, to_kernel(between, first), energy, e)
    b = between * (1 + e * first) ** 2
    scaled = {z: s * z, d: s**2 * d, e: s**2 * e}
    z2 = sp.series(sp.simplify(value.subs(scaled, simultaneous=True)), s, 0, 4).removeO()
    d2 = sp.simplify((to_kernel(b, 0) - 2).subs(scaled, simultaneous=True))
    d2 = sp.series(d2, s, 0, 5).removeO()
    miss = sp.expand(z2 - s * z - s**3 * (2 * d * z - 4 * z**3))
    assert miss.coeff(s, 1) == miss.coeff(s, 2) == 0
    assert sp.simplify(miss.coeff(s, 3)).subs(e, 0) == 0
    moved = sp.expand(d2 - s**2 * d)
    assert moved.coeff(s, 2) == moved.coeff(s, 3) == 0
    assert sp.simplify(moved.coeff(s, 4) + 4 * e * (1 + energy) * z**2) == 0
    # w = z^2 = d/2 + eps (1 + E)/4 solves dw/dd = 2 w (2 d - 4 w) / (-4 eps (1 + E) w)
    w = d / 2 + e * (1 + energy) / 4
    assert sp.simplify(sp.diff(w, d) + (2 * d - 4 * w) / (2 * e * (1 + energy))) == 0
    end = sp.solve(w, d)[0]
    assert sp.simplify(2 + end - final_kernel(energy, e)) == 0


@pytest.mark.parametrize("energy", [-0.5, 0.0, 0.5])
def test_orbits_end_where_derived_with_an_error_of_second_order(energy):
    def final(epsilon):
        value, kernel = 0.05, 2.2
        obj = quadratic_regression((1.0, -epsilon), energy)
        # eta = 1: the point with this z and T
        slow = (kernel - 2 * (value - energy)) / (1 + 1 / epsilon)
        start = {"x": (kernel - slow) ** 0.5, "y": slow**0.5 / epsilon}
        assert np.allclose(
            normalised_coordinates(start, (1.0, -epsilon), energy, 1.0), (value, kernel)
        )
        end = eos.simulate(obj, start, 1.0, 60_000)
        value, kernel = normalised_coordinates(end, (1.0, -epsilon), energy, 1.0)
        assert abs(value) < 1e-9
        return float(kernel)

    misses = [(final(e) - final_kernel(energy, e)) / e**2 for e in (0.02, 0.01)]
    assert np.isclose(misses[0], misses[1], rtol=0.25)
    assert abs(misses[1]) < 4


@pytest.mark.parametrize("curvatures", [(1.0, -0.1), (-2.0, 0.5), (1.0, 3.0)])
def test_closed_eigenvalues_are_those_of_the_hessian(curvatures):
    obj = quadratic_regression(curvatures, 0.3)
    points = {"x": jnp.array([0.5, 0.0, -2.0]), "y": jnp.array([1.5, 0.0, 0.3])}
    dense = np.linalg.eigvalsh(eos.hessian(obj, points))
    assert np.allclose(np.sort(jnp.stack(obj.eigenvalues(points), axis=-1)), dense, atol=1e-13)


def test_sharpness_at_a_minimum_is_the_kernel():
    obj = quadratic_regression((1.0, 0.5, -0.25))
    point = {"x": 1.0, "y": 0.0, "z": 2.0}
    assert eos.loss(obj, point) == 0
    assert np.isclose(eos.sharpness(obj, point), 1 + 0.25)


@pytest.mark.parametrize(
    "curvatures, offset, floor",
    [
        ((1.0, -1.0), 3.0, 0.0),
        ((1.0, 2.0), -3.0, 0.0),
        ((1.0, 2.0), 3.0, 4.5),
        ((-1.0,), -2.0, 2.0),
    ],
)
def test_floor_counts_the_offset_only_where_z_cannot_vanish(curvatures, offset, floor):
    obj = quadratic_regression(curvatures, offset)
    assert obj.floor == floor
    start = {name: 1.5 for name in obj.parameters}
    end = eos.simulate(obj, start, 0.01, 20_000)
    assert np.isclose(eos.loss(obj, end), floor, atol=1e-9)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"curvatures": ()}, "Argument `curvatures` must be a sequence"),
        ({"curvatures": 1.0}, "Argument `curvatures` must be a sequence"),
        ({"curvatures": (1.0, 0.0)}, "Argument `curvatures` must not contain 0"),
        ({"curvatures": (1.0, float("nan"))}, "Argument `curvatures` must be a finite number"),
        ({"offset": float("inf")}, "Argument `offset` must be a finite number"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        quadratic_regression(**settings)
