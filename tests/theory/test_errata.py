"""The errata of the submission: the printed form fails, the corrected one passes."""

import mpmath as mp
import numpy as np
import sympy as sp

from eos_jax import theory
from tests.theory.models import (
    degree_2_error,
    final_sharpness,
    full_hessian,
    gd_coupled,
    isotropic_loss,
    isotropic_run,
)


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
