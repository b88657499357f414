"""The paper's models stepped by hand, in any arithmetic: what closed forms are held against."""

import mpmath as mp
import numpy as np
import sympy as sp

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


def full_hessian():
    names = sp.symbols("x y z w", real=True)
    x, y, z, w = names
    hessian = sp.hessian((1 - x * y * z * w) ** 2 / 2, names)
    return hessian.subs({z: x, w: y}), x, y


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
