"""Orbits of the two-step ODE against its solution by sympy and against gradient descent."""

import mpmath as mp
import numpy as np
import sympy as sp

from eos_jax import theory
from tests.theory.models import degree_2_step, gd_coupled


def test_orbits_solve_the_two_step_ode():
    a, k = sp.symbols("a k", positive=True)
    u = sp.Function("u")
    # In u = b^2 the ODE is linear: du/da = 2 b db/da, with the code's own slope.
    b = sp.Symbol("b", positive=True)
    slope = sp.nsimplify(sp.expand(2 * b * theory.two_step_slope(a, b, k**2)), rational=True)
    assert sp.simplify(slope - 2 * (16 * b**3 - 8 * a * b * k) / (4 * b * k**3)) == 0
    equation = sp.Eq(u(a).diff(a), slope.subs(b, sp.sqrt(u(a))))
    solution = sp.dsolve(equation, u(a)).rhs
    constant = sp.Symbol("C1")
    evaluate = sp.lambdify((a, k, constant), solution)
    for a_value, k_value, c_value in ((0.3, 0.9, 0.02), (-0.1, 1.2, -0.4), (0.0, 0.5, 1.0)):
        found = theory.two_step_orbit(np.float64(a_value), c_value, k_value**2)
        shift = evaluate(a_value, k_value, 0.0)
        factor = evaluate(a_value, k_value, 1.0) - shift
        # The constant of dsolve may be scaled; at a = 0 the exponential is 1.
        unit = evaluate(1e-300, k_value, 1.0) - evaluate(1e-300, k_value, 0.0)
        assert np.isclose(found, shift + c_value * factor / unit, rtol=1e-12)


def test_parabola_is_the_orbit_without_exponential_and_ends_on_the_minima():
    eta = np.float64(0.09)
    a = np.linspace(-0.003, 0.5, 7)
    assert np.allclose(theory.parabola(a, eta), theory.two_step_orbit(a, 0.0, eta))
    assert np.isclose(theory.parabola(theory.parabola_end(eta), eta), 0, atol=1e-18)
    assert np.isclose(theory.parabola_end(eta), -(0.3**3) / 8)


def test_orbits_of_gradient_descent_follow_the_parabola():
    with mp.workdps(40):
        eta = mp.mpf("1e-3")
        x, y = theory.from_ab(mp.mpf("0.05"), mp.mpf("1e-3"), eta)
        for step in range(40_000):
            x, y = gd_coupled(x, y, eta)
            if step > 20_000 and step % 5000 == 0:
                c, d = mp.sqrt(x**2 - y**2), x * y
                a = c - (eta**-2 - 4) ** mp.mpf(0.25)
                middle = theory.parabola(a, eta)
                # b alternates between two signs; -b b' of neighbours is b^2 to leading order
                x2, y2 = gd_coupled(x, y, eta)
                assert abs(-(d - 1) * (x2 * y2 - 1) / middle - 1) < 0.02


def test_ellipses_are_invariant_under_the_degree_2_model():
    # The orbit climbs one half of an ellipse, to b^2 = 4 C / k^2 at a = 0, and descends the other.
    with mp.workdps(30):
        k = mp.mpf("0.1")
        a, b = mp.mpf("0.005"), mp.mpf("0.01")
        constant = a**2 + b**2 * k**2 / 4
        for _ in range(2850):
            a, b = degree_2_step(a, b, k**2)
            assert abs(b**2 / theory.ellipse_degree_2(a, constant, k**2) - 1) < 0.01
        assert a < -0.0039
