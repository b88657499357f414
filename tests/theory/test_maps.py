"""Maps against gradient descent: expanded by sympy, iterated by mpmath, and as code."""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from eos_jax import theory
from tests.theory.models import degree_2_error, gd_coupled


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


def test_degree_2_two_step_map():
    assert max(degree_2_error(half=True)) < 1e-3


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
