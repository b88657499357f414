"""Intervals of the theorems: consistent with each other and with their hypotheses."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

from eos_jax import theory


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
