"""Rules for matrices on an aligned network, where each is a rule for singular values.

W_1 = O diag(a), W_2 = diag(b) O^T, O orthogonal: both gradients have these singular vectors, the
values b (a b - t) and a (a b - t). Nothing in the rules knows of O; NumPy steps a and b alone.
"""

from collections.abc import Callable

import numpy as np

import eos_jax as eos
from eos_jax.paper.claims.base import Measurement, claim

_TARGET = np.array([2.0, 1.0, 0.5])
_STEPS = 12
_TOLERANCE = 1e-12  # rounding, some hundreds of operations on numbers about 1


def _apart(rule: eos.rules.Rule, eta: float, move: Callable, note: str) -> Measurement:
    """The largest distance from W_1 and W_2 to what singular values that move by a rule make.

    Args:
      rule: for matrices.
      eta: its step size.
      move: (a, b, slopes of a, slopes of b, eta, memory) -> a, b, memory; arrays (lanes, 3).
      note: what follows from the rule.
    """
    random = np.random.default_rng(0)
    a, b = random.uniform(0.3, 1.2, (2, 64, 3))
    turned = np.linalg.qr(random.normal(size=(64, 3, 3)))[0]
    network = eos.objectives.deep_linear_network((3, 3, 3), _TARGET)
    starts = {"W1": turned * a[:, None], "W2": (turned * b[:, None]).swapaxes(1, 2)}
    ends = eos.sweep(
        network, {**starts, "eta": np.full(64, eta)}, _STEPS, rule=rule, stop=None, combine="zip",
        sharpness=None,
    )  # fmt: skip
    memory = None
    for _ in range(_STEPS):
        lost = a * b - _TARGET
        a, b, memory = move(a, b, b * lost, a * lost, eta, memory)
    wanted = turned * a[:, None], (turned * b[:, None]).swapaxes(1, 2)
    found = ends.W1_final.values, ends.W2_final.values
    error = float(max(np.abs(one - other).max() for one, other in zip(found, wanted)))
    note = f"64 starts, {_STEPS} steps of eta = {eta}; {note}; tolerance: rounding"
    return Measurement(0.0, error, error, _TOLERANCE, note)


@claim(
    statement="spectral descent moves singular values by the signs of their slopes, all alike",
    source="Bernstein and Newhouse 2024; derived on an aligned network",
)
def spectral_descent_of_singular_values(quick: bool) -> Measurement:
    """a' = a - eta |s| sign(s_a), |s| the sum of the moduli of all slopes."""

    def move(a, b, of_a, of_b, eta, memory):
        pace = eta * (np.abs(of_a) + np.abs(of_b)).sum(1, keepdims=True)
        return a - pace * np.sign(of_a), b - pace * np.sign(of_b), None

    note = "the pace is eta times the nuclear norm of the gradient"
    return _apart(eos.rules.steepest_descent("spectral"), 0.005, move, note)


@claim(
    statement="Muon moves singular values by eta and the sign of Nesterov's momentum of each",
    source="Jordan et al. 2024; derived on an aligned network",
)
def muon_of_singular_values(quick: bool) -> Measurement:
    """m' = beta m + s, a' = a - eta sign(s + beta m')."""
    beta = 0.9

    def move(a, b, of_a, of_b, eta, memory):
        before_a, before_b = memory or (0.0, 0.0)
        now_a, now_b = beta * before_a + of_a, beta * before_b + of_b
        a, b = a - eta * np.sign(of_a + beta * now_a), b - eta * np.sign(of_b + beta * now_b)
        return a, b, (now_a, now_b)

    return _apart(eos.rules.muon(beta, newton_schulz=0), 0.02, move, f"beta = {beta}")


@claim(
    statement="Shampoo is Adagrad of the singular values: a' = a - eta s/sqrt(eps + sum s^2)",
    source="Gupta, Koren and Singer 2018; derived on an aligned network",
)
def shampoo_is_adagrad_of_singular_values(quick: bool) -> Measurement:
    """L^(-1/4) G R^(-1/4) with L = O (eps + sum s^2) O^T, R the same without O."""
    eps = 0.1

    def move(a, b, of_a, of_b, eta, memory):
        sum_a, sum_b = memory or (eps, eps)
        sum_a, sum_b = sum_a + of_a**2, sum_b + of_b**2
        return a - eta * of_a / np.sqrt(sum_a), b - eta * of_b / np.sqrt(sum_b), (sum_a, sum_b)

    return _apart(eos.rules.shampoo(eps), 0.1, move, f"eps = {eps}")
