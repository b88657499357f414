"""Checks of the closed forms, each against a derivation that does not use them.

Three kinds of evidence: sympy expands the exact map of gradient descent, mpmath iterates it at high
precision, and the plain definition (a Hessian, a gradient, one step of an optimizer) is evaluated.
The last part takes the errata of the submission one by one.
"""

import doctest
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from eos_jax import theory

ETAS = np.array([0.01, 0.05, 0.2, 0.45])


def gd_coupled(x, y, eta):
    """One step of gradient descent on (1 - x y z w)^2 / 2 at (x, y, x, y), in any arithmetic."""
    residual = x**2 * y**2 - 1
    return x - eta * x * y**2 * residual, y - eta * x**2 * y * residual


def final_sharpness(x, y, eta, steps):
    """Sharpness of the minimum that b -> 0 leads to: c is kept, d is put to 1."""
    eta, x, y = mp.mpf(eta), mp.mpf(x), mp.mpf(y)
    for _ in range(steps):
        x, y = gd_coupled(x, y, eta)
    assert abs((x * y) ** 2 - 1) < mp.mpf(10) ** -8  # c^2 is settled to the square of this
    return 2 * mp.sqrt((x**2 - y**2) ** 2 + 4)


# Minima and sharpness ---------------------------------------------------------------------------


def full_hessian():
    names = sp.symbols("x y z w", real=True)
    x, y, z, w = names
    hessian = sp.hessian((1 - x * y * z * w) ** 2 / 2, names)
    return hessian.subs({z: x, w: y}), x, y


def test_eos_minimum_is_a_minimum_of_sharpness_two_over_eta():
    for eta in ETAS:
        x, y = theory.eos_minimum(eta)
        values = np.array([x, y, x, y])
        with jax.enable_x64(True):
            hessian = jax.hessian(lambda v: 0.5 * (1 - jnp.prod(v)) ** 2)(jnp.asarray(values))
        assert x > y > 0
        assert np.isclose(x * y, 1, rtol=1e-14)
        assert np.isclose(np.linalg.eigvalsh(hessian)[-1], 2 / eta, rtol=1e-12)
        assert np.isclose(theory.sharpness_at_minimum(values), 2 / eta, rtol=1e-12)
    assert np.allclose(theory.stability_threshold(ETAS), 2 / ETAS)


def test_stability_threshold_separates_decay_from_growth():
    eta = 0.3
    for factor, shrinks in ((0.99, True), (1.01, False)):
        multiplier = 1 - eta * factor * theory.stability_threshold(eta)
        assert (abs(multiplier) < 1) == shrinks


def test_hessian_eigenvalues_are_the_roots_of_the_characteristic_polynomial():
    hessian, x, y = full_hessian()
    lam = sp.Symbol("lam")
    g, s = x * y, x**2 + y**2
    # l1 and l2 enter through their sum and product, as read off the closed form.
    total = s * (3 * g**2 - 1)
    product = (total**2 - s**2 * (1 - 3 * g**2) ** 2 - 4 * g**2 * (3 - 10 * g**2 + 7 * g**4)) / 4
    quartic = (
        (lam**2 - total * lam + product) * (lam - x**2 * (1 - g**2)) * (lam - y**2 * (1 - g**2))
    )
    assert sp.expand((hessian - lam * sp.eye(4)).det(method="berkowitz") - quartic) == 0


@settings(max_examples=100, deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_hessian_eigenvalues_agree_with_a_numerical_solver(x, y):
    p = np.array([x, y, x, y])
    others = np.array([[np.prod(np.delete(p, [i, j])) for j in range(4)] for i in range(4)])
    gradient = np.array([np.prod(np.delete(p, i)) for i in range(4)])
    hessian = np.outer(gradient, gradient) + (np.prod(p) - 1) * others * (1 - np.eye(4))
    expected = np.linalg.eigvalsh(hessian)
    scale = 1 + np.abs(expected).max()
    assert np.allclose(np.sort(theory.hessian_eigenvalues(x, y)), expected, atol=1e-7 * scale)


def test_hessian_eigenvalues_stay_real_at_a_double_root():
    # At x = y, g^2 = 1/2 the discriminant vanishes.
    x = np.float64(2) ** -0.25
    assert np.allclose(theory.hessian_eigenvalues(x, x)[:2], 2**-0.5 / 2, atol=1e-7)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_sharpness_at_minimum_is_the_largest_hessian_eigenvalue(n):
    with jax.enable_x64(True):
        x = jnp.linspace(0.5, 2.0, n)
        x = x.at[0].set(1 / jnp.prod(x[1:]))
        hessian = jax.hessian(lambda v: 0.5 * (1 - jnp.prod(v)) ** 2)(x)
        assert np.isclose(theory.sharpness_at_minimum(x), jnp.linalg.eigvalsh(hessian)[-1])


def flow(x, time_step=2e-3, steps=20_000):
    """Classical Runge-Kutta on gradient flow of (1 - prod x)^2 / 2."""

    def slope(x):
        others = [np.prod(np.delete(x, i)) for i in range(len(x))]
        return (1 - np.prod(x)) * np.array(others)

    for _ in range(steps):
        k1 = slope(x)
        k2 = slope(x + time_step / 2 * k1)
        k3 = slope(x + time_step / 2 * k2)
        k4 = slope(x + time_step * k3)
        x = x + time_step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if abs(np.prod(x) - 1) < 1e-13:
            break
    return x


@pytest.mark.parametrize(
    "start", [[1.5, 0.4, 1.5, 0.4], [2.0, 0.3, -0.5], [0.3, 2.0], [1.4, 1.2, 0.9], [1.5, 0.0, 0.7]]
)
def test_gradient_flow_sharpness_matches_the_integrated_flow(start):
    start = np.array(start)
    end = flow(start)
    assert np.isclose(np.prod(end), 1, atol=1e-9)
    assert np.isclose(theory.gradient_flow_sharpness(start), np.sum(1 / end**2), rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8))
def test_gradient_flow_sharpness_matches_a_bisection(start):
    with mp.workdps(40):
        squares = [mp.mpf(v) ** 2 for v in start]
        excess = [s - min(squares) for s in squares]
        low, high = mp.mpf(-140), mp.mpf(1)  # of the logarithm of the smallest square at the end
        for _ in range(100):
            middle = (low + high) / 2
            too_large = mp.fsum(mp.log(s + mp.exp(middle)) for s in excess) > 0
            low, high = (low, middle) if too_large else (middle, high)
        expected = mp.fsum(1 / (s + mp.exp(low)) for s in excess)
    assert np.isclose(theory.gradient_flow_sharpness(np.array(start)), float(expected), rtol=1e-9)


def test_gradient_flow_sharpness_under_jit_vmap_and_grad():
    starts = np.random.default_rng(0).uniform(0.1, 3.0, (50, 4))
    expected = theory.gradient_flow_sharpness(starts)
    with jax.enable_x64(True):
        mapped = jax.jit(jax.vmap(theory.gradient_flow_sharpness))(jnp.asarray(starts))
        assert mapped.dtype == jnp.float64
        assert np.allclose(mapped, expected, rtol=1e-12)
        x = jnp.array([1.5, 0.3, 0.8])
        gradient = jax.grad(theory.gradient_flow_sharpness)(x)
        step = 1e-6 * np.eye(3)
        numeric = theory.gradient_flow_sharpness(x + step) - theory.gradient_flow_sharpness(
            x - step
        )
        assert np.allclose(gradient, numeric / 2e-6, rtol=1e-6)


def test_gradient_flow_sharpness_is_nan_where_the_flow_ends_at_a_saddle():
    starts = np.array([[1.0, -1.0, 2.0], [0.0, 0.0, 2.0], [1.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    found = np.isnan(theory.gradient_flow_sharpness(starts))
    assert found.tolist() == [True, True, False, False]
    assert np.allclose(flow(starts[0])[:2], 0, atol=1e-6)


def test_gradient_flow_sharpness_never_increases_along_gradient_descent():
    # Kreisler et al. 2023, below 2 sqrt(2) / eta.
    eta, x, y = 0.2, 2.5, 0.4001
    values = []
    for _ in range(200):
        values.append(theory.gradient_flow_sharpness(np.array([x, y, x, y])))
        x, y = gd_coupled(x, y, eta)
    assert 2 / eta < values[0] < 2 * 2**0.5 / eta
    assert np.all(np.diff(values) <= 1e-12)
    assert values[-1] < 2 / eta


@pytest.mark.parametrize("start", [(3, 2, Fraction(1, 2)), (Fraction(7, 3), 0, 1, Fraction(2, 5))])
def test_imbalance_factor_is_exact(start):
    x = [Fraction(v) for v in start]
    eta, product = Fraction(1, 5), np.prod(start)
    others = [np.prod([v for j, v in enumerate(x) if j != i]) for i in range(len(x))]
    stepped = [v - eta * (product - 1) * o for v, o in zip(x, others, strict=True)]
    for i, j in ((0, 1), (1, -1), (-1, 0)):
        expected = (stepped[i] ** 2 - stepped[j] ** 2) / (x[i] ** 2 - x[j] ** 2)
        found = theory.imbalance_factor(np.array([float(v) for v in x]), 0.2, i, j)
        assert np.isclose(found, float(expected), rtol=1e-13)


# Coordinates and maps ---------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 10), st.floats(-0.95, 0.95), st.sampled_from(ETAS.tolist()))
def test_coordinates_round_trip(x, ratio, eta):
    y = ratio * x
    assert np.allclose(theory.from_cd(*theory.to_cd(x, y)), (x, y), rtol=1e-12)
    assert np.allclose(theory.from_ab(*theory.to_ab(x, y, eta), eta), (x, y), rtol=1e-7, atol=1e-7)


def test_coordinates_put_the_eos_minimum_at_the_origin():
    for eta in ETAS:
        # sqrt(x^2 - y^2) is ill-conditioned near eta = 1/2, where x = y
        assert np.allclose(theory.to_ab(*theory.eos_minimum(eta), eta), 0, atol=1e-12)
    assert np.isnan(np.asarray(theory.to_cd(jnp.array(1.0), jnp.array(2.0))[0]))


def test_exact_map_is_gradient_descent_symbolically():
    x, y, eta = sp.symbols("x y eta", positive=True)
    x1, y1 = gd_coupled(x, y, eta)
    d, s = x * y, x**2 + y**2
    q = eta * (d**3 - d)
    assert sp.expand(x1**2 - y1**2 - (x**2 - y**2) * (1 - q**2)) == 0
    assert sp.expand(x1 * y1 - (d - q * s + eta**2 * d**3 * (d**2 - 1) ** 2)) == 0
    assert sp.expand((x**2 - y**2) ** 2 + 4 * d**2 - s**2) == 0


@settings(max_examples=100, deadline=None)
@given(st.floats(1, 4), st.floats(0.1, 0.9), st.floats(0.01, 0.4))
def test_exact_map_matches_gradient_descent_in_code(x, ratio, eta):
    y = ratio / x
    stepped = gd_coupled(x, y, eta)
    c, d = theory.step_cd(*theory.to_cd(x, y), eta)
    assert np.allclose((c, d), theory.to_cd(*stepped), rtol=1e-9, atol=1e-9)


def expand(expression, small, order):
    return sp.expand(sp.series(expression, small, 0, order).removeO())


@pytest.fixture(scope="module")
def expansion():
    """The exact map in (a, b) for b = e beta, a k = e^2 alpha, k = e kappa, e -> 0.

    Returned: e; (a, b, eta); one exact step and two, as (change of a, b'). The change of a is
    correct to order e^5, b' to order e^3.
    """
    e, alpha, beta, kappa = sp.symbols("e alpha beta kappa", positive=True)

    def step(a_k, b):
        d, k = 1 + b, e * kappa
        c_k = (1 - 4 * k**4) ** sp.Rational(1, 4) + a_k  # c times k
        drift = expand(d**3 - d, e, 7)
        scale = expand(sp.sqrt(c_k**4 + 4 * k**4 * expand(d**2, e, 5)), e, 5)
        b_next = expand(b - drift * scale + k**4 * d**3 * (d**2 - 1) ** 2, e, 4)
        change = expand(c_k * (sp.sqrt(1 - k**4 * drift**2) - 1), e, 7)
        return change, b_next

    a_k, b = e**2 * alpha, e * beta
    change_1, b_1 = step(a_k, b)
    change_2, b_2 = step(a_k + change_1, b_1)
    start = (a_k / (e * kappa), b, (e * kappa) ** 2)
    one = (sp.expand(change_1 / (e * kappa)), b_1)
    two = (sp.expand((change_1 + change_2) / (e * kappa)), b_2)
    return e, start, one, two


def agrees(expansion, start, exact, claimed):
    """Whether the claimed (a', b') has the exact map's leading order in a' - a and b'."""
    e = expansion
    a_claimed, b_claimed = (sp.nsimplify(sp.expand(v), rational=True) for v in claimed)
    a_error = sp.expand(exact[0] - (a_claimed - start[0]))
    b_error = sp.expand(exact[1] - b_claimed)
    return all(sp.series(v, e, 0, n).removeO() == 0 for v, n in ((a_error, 6), (b_error, 4)))


def test_one_step_map_is_the_leading_order(expansion):
    e, start, one, _ = expansion
    a, b, eta = start
    assert agrees(e, start, one, theory.step_ab(*start))
    k = sp.sqrt(eta)
    wrong_cubic = (a - 2 * b**2 * k**3, -b - 4 * a * b * k - 3 * b**2 + b**3)
    assert not agrees(e, start, one, wrong_cubic)


def test_two_step_map_is_the_leading_order(expansion):
    e, start, _, two = expansion
    a, b, eta = start
    assert agrees(e, start, two, theory.two_step_ab(*start))
    assert not agrees(e, start, two, (a - 4 * b**2 * eta ** sp.Rational(3, 2), b))
    assert sp.expand(theory.two_step_ab(*start)[1] - theory.frozen_two_step(*start)) == 0


def test_one_step_errors_are_of_the_orders_stated():
    # With k fixed and a -> 0 or b -> 0 separately, as the docstring of `step_ab` says.
    with mp.workdps(60):
        for a, b, k in ((1e-3, 1e-4, 1e-3), (1e-2, 1e-6, 1e-2), (1e-6, 1e-3, 1e-2)):
            a, b, k = mp.mpf(a), mp.mpf(b), mp.mpf(k)
            x, y = theory.from_ab(a, b, k**2)
            x1, y1 = gd_coupled(x, y, k**2)
            error = abs(x1 * y1 - 1 - theory.step_ab(a, b, k**2)[1])
            assert error < 20 * (a * b**2 * k + a**2 * b * k**2 + b**2 * k**4)


def degree_2_step(a, b, eta, half=True):
    """Exact step of (1 - x y)^2 / 2, or of (1 - x y)^2, in its own (a, b), at high precision."""
    rate = eta if half else 2 * eta
    offset = (4 / rate**2 - 4) ** mp.mpf(0.25)
    x, y = theory.from_cd(a + offset, 1 + b)
    x, y = x - rate * y * (x * y - 1), y - rate * x * (x * y - 1)
    return mp.sqrt(x**2 - y**2) - offset, x * y - 1


def degree_2_error(half):
    """Relative error of the two-step map in the changes of a and b, at a = b = k = 1/1000."""
    with mp.workdps(60):
        a = b = k = mp.mpf("1e-3")
        exact = degree_2_step(*degree_2_step(a, b, k**2, half), k**2, half)
        claimed = theory.two_step_ab_degree_2(a, b, k**2)
        changes = [
            ((found - v) / (want - v))
            for found, want, v in zip(claimed, exact, (a, b), strict=True)
        ]
        return [float(abs(ratio - 1)) for ratio in changes]


def test_degree_2_two_step_map():
    assert max(degree_2_error(half=True)) < 1e-3


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


def frozen_exact_step(c, d, eta):
    """The exact d-map of the coupled model."""
    return d - eta * (d**3 - d) * mp.sqrt(c**4 + 4 * d**2) + eta**2 * d**3 * (d**2 - 1) ** 2


def doubling(step, start, a_start):
    """The a near `a_start` where a 2-cycle of step(b, a) near `start` has multiplier -1."""

    def equations(b, a):
        image = step(b, a)
        slope = mp.diff(lambda v: step(v, a), b) * mp.diff(lambda v: step(v, a), image)
        return [step(image, a) - b, slope + 1]

    return mp.findroot(equations, (mp.mpf(start), mp.mpf(a_start)))[1]


def test_frozen_doublings_are_where_the_multipliers_are_minus_one():
    eta = mp.mpf("0.01")
    doublings = theory.frozen_doublings(eta)
    cubic = doubling(lambda b, a: theory.frozen_cubic_step(a, b, eta), 0.14, 1.1)
    assert abs(cubic - doublings.period_4) < 1e-9
    assert abs(cubic - mp.mpf("1.119")) < 5e-4
    slope = mp.diff(lambda b: theory.frozen_cubic_step(doublings.period_2, b, eta), 0)
    assert abs(slope + 1) < 1e-9

    # The paper's map takes two steps at once, so its 2-cycle is a fixed point.
    a = doublings.paper_period_4
    assert abs(a - 1.25) < 1e-12
    fixed = mp.sqrt(a * mp.sqrt(eta) / 2)
    assert abs(theory.frozen_two_step(a, fixed, eta) - fixed) < 1e-9
    assert abs(mp.diff(lambda b: theory.frozen_two_step(a, b, eta), fixed) + 1) < 1e-9


def frozen_exact_error(eta):
    """Relative error of `frozen_doublings` for the exact d-map with c held."""
    offset = (eta**-2 - 4) ** mp.mpf(0.25)
    limit = theory.frozen_doublings(eta).period_4
    exact = doubling(lambda b, a: frozen_exact_step(a + offset, 1 + b, eta) - 1, 0.14, limit)
    return abs(exact / limit - 1)


def test_frozen_cubic_map_is_the_small_step_limit_of_the_exact_one():
    error = frozen_exact_error(mp.mpf("0.01"))
    assert 1e-4 < error < 1e-3  # 1.1182 against 1.1189
    assert frozen_exact_error(mp.mpf("0.001")) < error / 50  # second order in eta


@pytest.mark.parametrize("n", [2, 3, 4])
def test_balanced_orbits(n):
    eta = mp.mpf(2) / n
    assert abs(theory.balanced_first_doubling(n) - eta) < 1e-15
    assert abs(mp.diff(lambda u: theory.balanced_step(u, eta, n), 1) + 1) < 1e-9
    x = np.full(n, 1.1)
    stepped = x - 0.2 * (np.prod(x) - 1) * np.prod(x) / x
    assert np.allclose(stepped, theory.balanced_step(1.1, 0.2, n), rtol=1e-13)


@pytest.mark.parametrize("period, known", [(2, "0.623584636218172"), (4, "0.652074992017871")])
def test_balanced_doublings_beyond_the_first(period, known):
    def equations(u, eta):
        v, slope = u, mp.mpf(1)
        for _ in range(period):
            slope *= 1 - eta * (7 * v**6 - 3 * v**2)  # derivative of u - eta (u^7 - u^3)
            v = theory.balanced_step(v, eta, 4)
        return [v - u, slope + 1]

    with mp.workdps(25):
        known = mp.mpf(known)
        u = mp.mpf("0.9")
        for _ in range(600):
            u = theory.balanced_step(u, known - mp.mpf("1e-3"), 4)
        found = mp.findroot(equations, (u, known))[1]
        assert abs(found - known) < 1e-15


# Theorems and predictions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "eta, starts, steps, known",
    [
        ("0.2", [("2.5", "0.4001"), ("2.4", "0.43"), ("3", "0.3")], 1700, "9.927360217757"),
        ("0.1", [("3.3", "0.31"), ("3.5", "0.28")], 6000, "19.953850246384"),
    ],
)
def test_final_sharpness_at_high_precision(eta, starts, steps, known):
    for start in starts:
        sharpness = final_sharpness(*start, eta, steps)
        assert mp.nstr(sharpness, len(known) - 1) == known
    eta = float(eta)
    low, high = theory.corollary_3_1_interval(eta)
    assert low < sharpness < high
    # The remainder is about 4 eta^3.
    assert 3 < (sharpness - theory.predicted_sharpness(eta)) / eta**3 < 5
    multiplier = 1 - eta * sharpness
    assert abs(-multiplier - theory.final_multiplier(eta)) < 5 * eta**4
    a = np.float64(mp.sqrt(mp.sqrt(sharpness**2 / 4 - 4))) - (eta**-2 - 4) ** 0.25
    low, high = theory.theorem_3_1_interval(eta)
    assert low < a < high
    assert np.isclose(a, theory.parabola_end(eta), rtol=10 * eta**2)


def test_theorem_intervals_are_consistent():
    with mp.workdps(50):
        check_theorem_intervals(mp.mpf("1e-9"), 7)


def check_theorem_intervals(eta, K):
    k = mp.sqrt(eta)
    a = theory.theorem_3_1_interval(eta)
    assert abs(a.lower + k**3 * 5 / 3) < 1e-25 and abs(a.upper + k**3 / 10) < 1e-25
    # Corollary 3.1 is the theorem's lower end carried to the sharpness, its upper end rounded up.
    s = [2 * mp.sqrt((v + (eta**-2 - 4) ** mp.mpf(0.25)) ** 4 + 4) for v in a]
    corollary = theory.corollary_3_1_interval(eta)
    assert abs((2 / eta - s[0]) / (2 / eta - corollary.lower) - 1) < 1e-6
    assert s[1] < corollary.upper == 2 / eta
    # Theorem 3.2 is about half the sharpness, x^2 + y^2.
    norms = theory.theorem_3_2_interval(eta)
    assert all(abs(2 * v - w) < 1e-12 for v, w in zip(norms, corollary, strict=True))
    # The bound on eta is that on k, squared; where it holds, starts exist.
    start = theory.theorem_3_1_hypotheses(K, eta)
    assert abs(start.eta_max * (2000 * mp.sqrt(2) * K) ** 2 - 1) < 1e-12
    assert eta < start.eta_max and 0 < start.a_min < start.a_max
    assert abs(start.a_min - 12 * k ** mp.mpf(2.5)) < 1e-20
    assert abs(start.a_max * 4 * K**2 * k - 1) < 1e-12
    assert start.b_max == 1 / K


def isotropic_loss(x, y):
    return np.sum((np.eye(len(x)) - np.outer(x, y) @ np.outer(x, y)) ** 2) / 4


def isotropic_run(eta, steps=4000):
    """Gradient descent on the loss of Theorem 3.2 in R^3, with a kick of y at half time."""
    rng = np.random.default_rng(3)
    x, y = 2.5 * np.eye(3)[0], 0.4 * np.eye(3)[0]
    x, y = x + 0.02 * rng.normal(size=3), y + 0.02 * rng.normal(size=3)
    for step in range(steps):
        if step == steps // 4:
            y = y * (1 + 1e-3)
        outer = np.outer(x, y)
        residual = np.eye(3) - outer @ outer
        # d/dM of ||I - M M||^2 / 4 is -(M^T R + R M^T) / 2
        slope = -(outer.T @ residual + residual @ outer.T) / 2
        x, y = x - eta * slope @ y, y - eta * slope.T @ x
    return x, y


def test_isotropic_gradient_is_that_of_the_loss():
    with jax.enable_x64(True):

        def loss(x, y):
            outer = jnp.outer(x, y)
            return jnp.sum((jnp.eye(3) - outer @ outer) ** 2) / 4

        x, y = jnp.array([1.0, 0.2, -0.3]), jnp.array([0.4, 0.5, 0.1])
        outer = np.outer(x, y)
        residual = np.eye(3) - outer @ outer
        slope = -(outer.T @ residual + residual @ outer.T) / 2
        gradients = jax.grad(loss, (0, 1))(x, y)
        assert np.allclose(gradients, (slope @ y, slope.T @ x))


def scalars_final_gap(n, m, etas, start=30.0):
    """2/eta - S after gradient descent on (1 - X^n Y^m)^2 / 2 from `start` gaps above 2/eta."""
    predicted = 2 / etas - theory.predicted_sharpness_scalars(etas, n, m)
    sharpness = 2 / etas + start * predicted
    y = np.sqrt(m / sharpness)
    for _ in range(60):  # sharpness n / X^2 + m / Y^2 on X^n Y^m = 1, by fixed point
        y = np.sqrt(m / (sharpness - n * y ** (2 * m / n)))
    x = y ** (-m / n) * (1 + 1e-3)
    rate = etas * predicted
    steps = int(np.max(70 / rate))

    def step(_, xy):
        x, y = xy
        product = x**n * y**m
        drive = etas * (product - 1) * product
        return x - drive / x, y - drive / y

    with jax.enable_x64(True):
        x, y = jax.jit(lambda xy: jax.lax.fori_loop(0, steps, step, xy))(
            (jnp.asarray(x), jnp.asarray(y))
        )
        x, y = np.asarray(x), np.asarray(y)
    assert np.all(np.abs(x**n * y**m - 1) < 1e-7)
    # Move to the minimum with the same imbalance, where b would arrive.
    points = np.concatenate([np.repeat(x[:, None], n, 1), np.repeat(y[:, None], m, 1)], 1)
    return 2 / etas - theory.gradient_flow_sharpness(points), predicted


@pytest.mark.parametrize("n, m", [(2, 2), (1, 2), (3, 3), (2, 3), (3, 2), (1, 3)])
def test_gap_laws_at_small_steps(n, m):
    # Steps are chosen so that eta * gap, the rate at which orbits settle, is the same for all laws.
    prefactor = 3 * n / (2 * (m - 1) * (5 * m - 4)) * (m / 2) ** (m / n)
    rates = np.array([4e-3, 2e-3, 1e-3])
    etas = (rates / prefactor) ** (1 / (1 + m / n))
    gap, predicted = scalars_final_gap(n, m, etas)
    error = gap / predicted - 1
    # The error is proportional to eta^(1 + m/n), that is to the rate.
    extrapolated = error[2] + (error[2] - error[1])
    assert np.all(np.abs(error) < 60 * rates), error
    assert abs(extrapolated) < 3e-3, (error, extrapolated)


def test_gap_law_follows_from_the_normal_form():
    m, n, b, eta = sp.symbols("m n b eta", positive=True)
    P = 1 + b
    # One step of P at the threshold, eta X^(2 n / m) = 2 / m, with X frozen.
    step = sp.series((P * (1 - 2 / m * b * P ** (1 - 2 / m)) ** m) - 1, b, 0, 4).removeO()
    linear, square, cube = (sp.simplify(sp.expand(step).coeff(b, i)) for i in (1, 2, 3))
    assert linear == -1
    kappa = 2 * (square**2 + cube)  # b'' = b - kappa b^3
    # dS = -8 n G b^2 / m^2 per two steps, G = (m eta / 2)^(m / n): the parabola ends at 4 n G / ...
    G = (m * eta / 2) ** (m / n)
    law = 2 / eta - 4 * n * G / (m**2 * kappa)
    assert sp.simplify(law - theory.predicted_sharpness_scalars(eta, n, m)) == 0


def product_loss_final_sharpness(slope, product, curvature, eta, imbalance, steps):
    """Sharpness where gradient descent on l(x y) ends, from an imbalance x^2 - y^2."""
    x, y = theory.from_cd(np.sqrt(imbalance), product + 1e-3)
    with jax.enable_x64(True):

        def step(_, xy):
            x, y = xy
            drive = eta * slope(x * y)
            return x - drive * y, y - drive * x

        x, y = jax.jit(lambda xy: jax.lax.fori_loop(0, steps, step, xy))(
            (jnp.float64(x), jnp.float64(y))
        )
    assert abs(float(x * y) - product) < 1e-7
    return curvature * np.sqrt(float(x**2 - y**2) ** 2 + 4 * product**2)


# (l', minimum, l2, l3, l4): log cosh moved to 1; exp(u) - u, moved to 1; the coupled model;
# and sqrt(1 + p^2) of Ahn et al. 2022, whose minimum is at 0
LOSSES = [
    (lambda p: jnp.tanh(p - 1), 1, 1, 0, -2),
    (lambda p: jnp.expm1(p - 1), 1, 1, 1, 1),
    (lambda p: p**3 - p, 1, 2, 6, 6),
    (lambda p: p / jnp.sqrt(1 + p**2), 0, 1, 0, -3),
]


@pytest.mark.parametrize("loss", LOSSES, ids=["log_cosh", "exp", "coupled", "ahn"])
def test_gap_of_a_loss_of_the_product(loss):
    slope, product, *derivatives = loss
    errors = []
    for eta in (0.04, 0.02):
        predicted = theory.predicted_sharpness_of_product_loss(eta, *derivatives)
        gap = 2 / eta - predicted
        start = (2 / eta + 30 * gap) / derivatives[0]
        imbalance = np.sqrt(start**2 - 4 * product**2)
        steps = int(70 / (eta * gap))
        args = (slope, product, derivatives[0], eta, imbalance, steps)
        errors.append((2 / eta - product_loss_final_sharpness(*args)) / gap - 1)
    assert abs(errors[1]) < 0.02
    assert abs(errors[1]) < abs(errors[0]) / 3 + 1e-6  # second order in eta


def test_loss_of_the_product_reproduces_the_coupled_model():
    eta = 0.07
    found = theory.predicted_sharpness_of_product_loss(eta, 2.0, 6.0, 6.0)
    assert np.isclose(found, theory.predicted_sharpness(eta), rtol=1e-15)
    assert np.isclose(found, theory.predicted_sharpness_scalars(eta, 2, 2), rtol=1e-15)


# Optimizers on a quadratic ----------------------------------------------------------------------


def heavy_ball(sharpness, eta, beta):
    x = previous = 1.0
    while True:
        x, previous = x - eta * sharpness * x + beta * (x - previous), x
        yield x


def nesterov(sharpness, eta, beta):
    x = previous = 1.0
    while True:
        ahead = x + beta * (x - previous)
        x, previous = ahead - eta * sharpness * ahead, x
        yield x


def adam_frozen(sharpness, eta, beta1):
    x, momentum = 1.0, 0.0
    while True:
        momentum = beta1 * momentum + (1 - beta1) * sharpness * x
        x = x - eta * momentum
        yield x


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(
    "rule, threshold",
    [
        (heavy_ball, theory.heavy_ball_threshold),
        (nesterov, theory.nesterov_threshold),
        (adam_frozen, theory.adam_threshold),
    ],
)
def test_momentum_thresholds_separate_decay_from_growth(rule, threshold, beta):
    for eta in (0.05, 0.4):
        for factor, shrinks in ((0.99, True), (1.01, False)):
            orbit = rule(factor * threshold(eta, beta), eta, beta)
            sizes = [abs(next(orbit)) for _ in range(600)]
            assert (sizes[-1] < 1e-3) if shrinks else (sizes[-1] > 1e3)


@pytest.mark.parametrize("eta, rho, x", [(0.1, 0.05, 1.0), (0.5, 1.0, 0.2), (0.2, 1e-9, 3.0)])
def test_sam_threshold_is_where_one_step_reflects(eta, rho, x):
    # The gradient norm depends on the sharpness: solve S = threshold(S |x|), then take the step.
    low, high = 1e-9, 2 / eta
    for _ in range(200):
        middle = (low + high) / 2
        above = middle > theory.sam_threshold(eta, rho, middle * x)
        low, high = (low, middle) if above else (middle, high)
    assert np.isclose(x - eta * low * (x + rho), -x, rtol=1e-12)
    norm = low * x
    printed = norm / (2 * rho) * (np.sqrt(1 + 8 * rho / (eta * norm)) - 1)
    assert np.isclose(theory.sam_threshold(eta, rho, norm), printed, rtol=1e-6)


def test_sam_without_radius_and_momentum_without_momentum_are_gradient_descent():
    assert theory.sam_threshold(0.3, 0.0, 1.0) == pytest.approx(2 / 0.3)
    for threshold in (
        theory.heavy_ball_threshold,
        theory.nesterov_threshold,
        theory.adam_threshold,
    ):
        assert threshold(0.3, 0.0) == pytest.approx(2 / 0.3)


# Contracts --------------------------------------------------------------------------------------

CALLS = [
    (theory.eos_minimum, (0.2,)),
    (theory.hessian_eigenvalues, (2.0, 0.4)),
    (theory.to_ab, (2.5, 0.4, 0.2)),
    (theory.from_ab, (0.3, 0.1, 0.2)),
    (theory.step_cd, (2.0, 1.1, 0.2)),
    (theory.step_ab, (0.3, 0.1, 0.2)),
    (theory.two_step_ab, (0.3, 0.1, 0.2)),
    (theory.two_step_ab_degree_2, (0.3, 0.1, 0.2)),
    (theory.frozen_cubic_step, (0.3, 0.1, 0.2)),
    (theory.frozen_doublings, (0.2,)),
    (theory.two_step_slope, (0.3, 0.1, 0.2)),
    (theory.two_step_orbit, (0.03, 0.1, 0.2)),
    (theory.ellipse_degree_2, (0.3, 0.1, 0.2)),
    (theory.theorem_3_1_hypotheses, (2.0, 0.2)),
    (theory.corollary_3_1_interval, (0.2,)),
    (theory.predicted_sharpness, (0.2,)),
    (theory.predicted_sharpness_of_product_loss, (0.2, 2.0, 6.0, 6.0)),
    (theory.final_multiplier, (0.2,)),
    (theory.nesterov_threshold, (0.2, 0.9)),
    (theory.sam_threshold, (0.2, 0.1, 1.0)),
]


@pytest.mark.parametrize("function, arguments", CALLS, ids=[f.__name__ for f, _ in CALLS])
def test_functions_broadcast_follow_the_dtype_and_trace(function, arguments):
    leaves = jax.tree.leaves(function(*map(np.float64, arguments)))
    reference = [np.asarray(leaf) for leaf in leaves]
    # float64 NumPy must not pass through JAX's default float32
    assert all(leaf.dtype == np.float64 for leaf in leaves)
    for dtype in (np.float32, np.float64):
        # An array in one place, Python numbers in the others: these must not widen it.
        for place in range(len(arguments)):
            mixed = list(arguments)
            mixed[place] = np.full((3, 1), arguments[place], dtype)
            for leaf in jax.tree.leaves(function(*mixed)):
                assert isinstance(leaf, float) or (leaf.dtype == dtype and leaf.shape[:2] == (3, 1))
        with jax.enable_x64(True):
            arrays = [jnp.full((2,), v, dtype) for v in arguments]
            for found, expected in zip(
                jax.tree.leaves(jax.jit(jax.vmap(function))(*arrays)), reference, strict=True
            ):
                assert found.dtype == dtype
                tolerance = 50 * np.finfo(dtype).eps
                assert np.allclose(found, expected, rtol=tolerance, atol=4 * tolerance)


@pytest.mark.parametrize(
    "call, name, shown",
    [
        (lambda: theory.stability_threshold(-0.1), "eta", "-0.1"),
        (lambda: theory.stability_threshold(np.array([0.1, 0.0])), "eta", "0.0"),
        (lambda: theory.stability_threshold(float("nan")), "eta", "nan"),
        (lambda: theory.eos_minimum(0.7), "eta", "0.7"),
        (lambda: theory.to_ab(1.0, 1.0, jnp.array(0.5)), "eta", "0.5"),
        (lambda: theory.two_step_orbit(1.0, 1.0, -1.0), "eta", "-1.0"),
        (lambda: theory.two_step_ab(1.0, 1.0, -1.0), "eta", "-1.0"),
        (lambda: theory.balanced_step(1.0, 0.1, 1), "n", "1"),
        (lambda: theory.balanced_first_doubling(1), "n", "1"),
        (lambda: theory.predicted_sharpness_scalars(0.1, 2, 1), "m", "1"),
        (lambda: theory.predicted_sharpness_scalars(0.1, 0, 2), "n", "0"),
        (lambda: theory.predicted_sharpness_of_product_loss(0.1, 0.0, 1, 1), "l2", "0.0"),
        (lambda: theory.predicted_sharpness_of_product_loss(0.1, 1.0, 0.0, 0.0), "l3", "0.0"),
        (lambda: theory.theorem_3_1_hypotheses(0, 0.1), "K", "0"),
        (lambda: theory.heavy_ball_threshold(0.1, 1.0), "beta", "1.0"),
        (lambda: theory.adam_threshold(0.1, -0.5), "beta1", "-0.5"),
        (lambda: theory.sam_threshold(0.1, -1.0, 1.0), "rho", "-1.0"),
        (lambda: theory.sam_threshold(0.1, 1.0, 0.0), "gradient_norm", "0.0"),
        (lambda: theory.imbalance_factor(np.ones(3), 0.1, 3, 0), "i", "3"),
        (lambda: theory.imbalance_factor(np.ones(3), 0.1, 2, -1), "j", "-1"),
    ],
)
def test_bad_arguments_raise_and_name_argument_and_value(call, name, shown):
    with pytest.raises(ValueError, match=rf"Argument `.*{name}.*` must .*, but got {shown}\."):
        call()


def test_the_message_reads_as_promised():
    with pytest.raises(ValueError, match=r"^Argument `eta` must be positive, but got -0\.1\.$"):
        theory.stability_threshold(-0.1)


def test_traced_values_are_not_checked():
    assert float(jax.jit(theory.stability_threshold)(-0.5)) == -4


def test_docstring_examples():
    assert doctest.testmod(theory).failed == 0
    public = [f for n, f in vars(theory).items() if callable(f) and f.__module__ == theory.__name__]
    functions = [f for f in public if not isinstance(f, type) and not f.__name__.startswith("_")]
    assert len(functions) > 30
    for function in functions:
        assert all(word in function.__doc__ for word in ("Args:", "Returns:", "Source:", ">>>"))


# Errata: the printed form fails, the corrected one passes ---------------------------------------


def test_erratum_1_l3_and_l4_contain_g_squared():
    x, y = 1.7, 0.4
    hessian, *symbols = full_hessian()
    matrix = np.array(hessian.subs(dict(zip(symbols, (x, y), strict=True))), float)
    expected = np.linalg.eigvalsh(matrix)
    correct = theory.hessian_eigenvalues(x, y)
    assert np.allclose(np.sort(correct), expected, rtol=1e-9)
    printed = np.array([*correct[:2], x**2 * (1 - x * y), y**2 * (1 - x * y)])
    assert not np.allclose(np.sort(printed), expected, rtol=1e-2)


def test_erratum_2_the_offset_in_the_step_of_a_is_subtracted():
    eta, a, b = 0.1, 0.2, 0.05
    offset = (eta**-2 - 4) ** 0.25
    exact = theory.to_ab(*gd_coupled(*theory.from_ab(a, b, eta), eta), eta)[0]
    stepped = theory.step_cd(a + offset, 1 + b, eta)[0]
    assert np.isclose(-offset + stepped, exact, rtol=1e-12)
    assert not np.isclose(+offset + stepped, exact, rtol=1)


def test_erratum_3_a_falls_with_b_squared():
    k = mp.mpf("1e-3")
    for b in (mp.mpf("1e-3"), mp.mpf("1e-4")):
        with mp.workdps(60):
            x, y = gd_coupled(*theory.from_ab(mp.mpf(0), b, k**2), k**2)
            fall = (k**-4 - 4) ** mp.mpf(0.25) - mp.sqrt(x**2 - y**2)
            assert abs(fall / -theory.step_ab(0, b, k**2)[0] - 1) < 1e-2
            assert abs(fall / (2 * b**3 * k**3) - 1) > 100


def test_erratum_4_the_band_of_figure_2_ends_at_the_threshold():
    eta = 0.2
    sharpness = final_sharpness("2.5", "0.4001", "0.2", 1700)
    assert 2 / eta - 0.1 < sharpness < 2 / eta
    assert not 2 / eta - 0.1 < 2 * eta  # as printed, the band is empty


def test_erratum_5_the_degree_2_loss_needs_its_half():
    assert max(degree_2_error(half=True)) < 1e-3
    assert min(degree_2_error(half=False)) > 0.2  # the change of a is off by more than a factor 2


def test_erratum_6_slope_of_the_degree_2_orbits():
    # Only the corrected form is on record, so likely misprints stand in for the printed one.
    a, b, k = sp.symbols("a b k", positive=True)
    a_next, b_next = theory.two_step_ab_degree_2(a, b, k**2)
    slope = sp.nsimplify(sp.simplify((b_next - b) / (a_next - a)), rational=True, tolerance=1e-12)
    assert sp.simplify(slope + 4 * a / (b * k**2)) == 0
    constant = sp.Symbol("C")
    orbit = theory.ellipse_degree_2(a, constant, k**2)
    assert sp.simplify(orbit.diff(a) / (2 * b) - slope) == 0
    for wrong in (4 * a / (b * k**2), -4 * a * b / k**2, -4 * a / (b * k), -4 * b / (a * k**2)):
        assert sp.simplify(wrong - slope) != 0


def test_erratum_7_minima_of_the_degree_3_model():
    # Only the corrected form is on record, so likely misprints stand in for the printed one.
    def loss(x, y):
        return (1 - x * y * y) ** 2 / 2

    y = np.linspace(0.3, 3, 9)
    assert np.allclose(loss(1 / y**2, y), 0, atol=1e-28)  # sqrt(x) y = 1
    assert np.max(loss(1 / np.sqrt(y), y)) > 0.1  # the root on the other factor
    assert np.max(loss(1 / y, y)) > 0.1  # no root


def test_erratum_8_the_constant_of_corollary_3_1():
    K = 3
    bound = theory.theorem_3_1_hypotheses(K, 1e-12).eta_max
    k_max = 1 / (2000 * 2**0.5 * K)  # Theorem 3.1's own
    assert np.isclose(bound, k_max**2, rtol=1e-14)
    assert np.isclose(bound, 1 / (8_000_000 * K**2), rtol=1e-14)
    # Only the corrected form is on record, so likely misprints stand in for the printed one.
    for wrong in (1 / (8_000_000 * K), 1 / (8_000 * K**2), 1 / (2_000_000 * K**2)):
        assert not np.isclose(wrong, k_max**2, rtol=0.1)


def test_erratum_9_the_loss_of_theorem_3_2_has_a_floor():
    eta, dimension = 0.2, 3
    x, y = isotropic_run(eta)
    floor = (dimension - 1) / 4
    loss = isotropic_loss(x, y)
    assert loss > 0.4  # as printed, it would tend to 0
    assert abs(loss - floor) < 1e-12  # the excess does
    cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert abs(cosine - 1) < 1e-9
    low, high = theory.theorem_3_2_interval(eta)
    assert low < x @ x + y @ y < high
    rng = np.random.default_rng(1)
    assert all(
        isotropic_loss(*rng.normal(size=(2, dimension))) >= floor - 1e-12 for _ in range(200)
    )
