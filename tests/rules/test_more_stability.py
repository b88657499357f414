"""Thresholds of rules that do more than filter gradients, against NumPy and the map itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eos_jax as eos
from eos_jax import measures, rules
from eos_jax.rules import stability
from tests.rules.examples import LABELLED, numbers, sample, walk

pytestmark = pytest.mark.slow

POINT = {"x": np.asarray(1.4), "y": np.asarray(0.7)}


def grid(**axes):
    """Every combination, as arrays of one length."""
    return {n: a.ravel() for n, a in zip(axes, np.meshgrid(*axes.values(), indexing="ij"))}


def first_unstable(radius, guess):
    """Where a spectral radius passes 1 for good beyond a guess that is meant to be the place."""
    low, high = 0.9 * guess, 1.1 * guess
    assert radius(low) < 1 < radius(high)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) <= 1 else (low, middle)
    return low


def radius_of(matrix_of):
    return lambda sharpness: np.abs(np.linalg.eigvals(matrix_of(sharpness))).max()


# Jacobians of (x, m) on 1/2 bend x^2, written by hand
def decoupled(bend, eta, momentum, weight_decay):
    return np.array([[1 - eta * weight_decay - eta * bend, -eta * momentum], [bend, momentum]])


def coupled(bend, eta, momentum, weight_decay):
    pull = bend + weight_decay
    return np.array([[1 - eta * pull, -eta * momentum], [pull, momentum]])


def averaged(bend, eta, momentum):
    kept = 1 - momentum
    return np.array([[1 - eta * kept * bend, -eta * momentum], [kept * bend, momentum]])


def aware(bend, eta, rho):
    return np.array([[1 - eta * bend * (1 + rho * bend)]])


def cycle(bend, **etas):
    return np.array([[np.prod([1 - eta * bend for eta in etas.values()])]])


ETA, BETA, DECAY = np.array([1e-3, 0.3]), np.array([0.0, 0.5, 0.95]), np.array([0.0, 0.1, 1.5])
# unstable from 5.8 to 7.6 alone, below some 12: (1 - l)(1 - l/3)(1 - 0.09 l)^2 is -0.9 at 8
WINDOW = {f"eta_{k}": np.array([v]) for k, v in zip("ABCD", (1.0, 1 / 3, 0.09, 0.09))}
PAIR = {"eta_A": np.array([1e-3, 0.3]), "eta_B": np.array([0.005, 0.31, 4.0])}
CASES = {
    "decoupled": (
        rules.decayed_heavy_ball(), decoupled, grid(eta=ETA, momentum=BETA, weight_decay=DECAY), 1
    ),
    "coupled": (
        rules.decayed_heavy_ball(coupled=True), coupled,
        grid(eta=ETA, momentum=BETA, weight_decay=DECAY), 1,
    ),
    "averaged": (rules.averaged_momentum(), averaged, grid(eta=ETA, momentum=BETA), 1),
    "sam": (
        rules.sam(normalised=False), aware, grid(eta=ETA, rho=np.array([0.0, 1e-3, 0.4, 50])), 1
    ),
    "cycle of two": (rules.cyclic_gradient_descent(), cycle, grid(**PAIR), 2),
    "cycle of three": (
        rules.cyclic_gradient_descent(phases=3), cycle, grid(**PAIR, eta_C=np.array([0.02, 0.7])), 3
    ),
    "a window": (rules.cyclic_gradient_descent(phases=4), cycle, grid(**WINDOW), 4),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_formula_spectral_radius_and_numpy_agree(name, x64):
    """To 1e-9 over the grid: the rule's own, the linearised map's, and eigenvalues by hand."""
    rule, matrix_of, hyper, period = CASES[name]

    @jax.jit
    @jax.vmap
    def both(hyper):
        here = sample(LABELLED, rule, POINT, rule.init(LABELLED, POINT, hyper), hyper)
        return measures.threshold(here), stability.parabola_threshold(here, period)

    formula, radius = (np.asarray(found) for found in both(hyper))
    np.testing.assert_allclose(formula, radius, rtol=1e-9)
    for k, found in enumerate(formula):
        own = {n: v[k] for n, v in hyper.items()}
        by_hand = first_unstable(radius_of(functools.partial(matrix_of, **own)), found)
        assert found == pytest.approx(by_hand, rel=1e-9), own


def test_where_a_schedule_stands_sets_its_threshold(x64):
    """2/eta_t of the step that comes: eta/4, eta/2, 3 eta/4, eta, and half of it after a cosine."""
    warmed, cosine = rules.warmup_gradient_descent(4.0), rules.cosine_gradient_descent(20.0)
    for rule, after, want in ((warmed, 0, 4), (warmed, 2, 4 / 3), (warmed, 9, 1), (cosine, 10, 2)):
        hyper = numbers(rule, eta=0.01)
        params, state = walk(rule, POINT, hyper, after)
        found = float(measures.threshold(sample(LABELLED, rule, params, state, hyper)))
        assert found == pytest.approx(want * 2 / 0.01, rel=1e-12)


def test_normalised_sam_keeps_the_size_where_its_threshold_says(x64):
    """On l x^2/2 with the gradient l x: |x'| = |x| exactly where l is the threshold at |g|."""
    x, rule = 0.37, rules.sam(rho=0.2)
    hyper = numbers(rule, eta=0.6)

    def kept(bend):
        line = eos.objectives.from_function(lambda a: bend * a * a / 2, name="line")
        moved, _ = rule.step(line, {"a": jnp.asarray(x)}, (), hyper)
        here = sample(line, rule, {"a": jnp.asarray(x)}, (), hyper)
        return float(moved["a"]) + x, float(measures.threshold(here))

    # l (x + rho) eta = 2 x, and the threshold at |g| = l x is l itself there
    edge = 2 * x / (0.6 * (x + 0.2))
    assert kept(edge)[0] == pytest.approx(0, abs=1e-12)
    assert kept(edge)[1] == pytest.approx(edge, rel=1e-9)
    at_rest = {"a": jnp.asarray(0.0)}
    line = eos.objectives.from_function(lambda a: a * a / 2, name="line")
    assert float(measures.threshold(sample(line, rule, at_rest, (), hyper))) == 0


def least_multiplier(rule, objective, minimum, hyper, state):
    """The least eigenvalue of the step's Jacobian in the parameters, by central differences."""
    flat, unravel = ravel_pytree(minimum)
    step = jax.jit(jax.vmap(
        lambda v: ravel_pytree(rule.step(objective, unravel(v), state, hyper)[0])[0]
    ))  # fmt: skip
    rows = 1e-5 * np.eye(len(flat))
    jacobian = (np.asarray(step(flat + rows)) - np.asarray(step(flat - rows))) / 2e-5
    return np.linalg.eigvals(jacobian).real.min()


def test_shampoo_flips_where_its_preconditioned_sharpness_says(x64):
    """1 - eta S is the multiplier of the linearised step on two layers, by NumPy's eigenvalues."""
    obj = eos.objectives.deep_linear_network((2, 2, 2), (2.0, 1.0))
    first = jnp.array([[1.6, 0.2], [0.0, 1.0]])
    minimum = {"W1": first, "W2": jnp.diag(jnp.array([2.0, 1.0])) @ jnp.linalg.inv(first)}
    rule = rules.shampoo(eps=0.3)
    hyper = numbers(rule, eta=0.01)
    random = np.random.default_rng(0)
    halves = [random.normal(size=(2, 2)) for _ in range(4)]
    sides = [jnp.asarray(h @ h.T + np.eye(2)) for h in halves]
    state = {"W1": (sides[0], sides[1]), "W2": (sides[2], sides[3])}
    found = least_multiplier(rule, obj, minimum, hyper, state)
    here = sample(obj, rule, minimum, state, hyper)._replace(method="power")  # compiles quicker
    curvature = jax.jit(lambda params: measures.curvature(here._replace(params=params)))
    assert 1 - 0.01 * float(curvature(minimum)) == pytest.approx(found, rel=1e-9)
    assert float(measures.threshold(here)) == 2 / 0.01


@pytest.mark.parametrize("norm", ["euclidean", "max", "spectral"])
def test_steepest_descent_flips_at_its_generalised_sharpness(norm, x64):
    """Across the valley of 1/2 (1 - xy)^2 a residual is multiplied by 1 - eta S, |e| << 1."""
    obj = eos.objectives.scalar_product((1, 1))
    rule, eps = rules.steepest_descent(norm), 1e-7
    minimum = {"x": jnp.asarray(1.6), "y": jnp.asarray(1 / 1.6)}
    hyper = numbers(rule, eta=0.1)
    curvature = float(measures.curvature(sample(obj, rule, minimum, (), hyper)))
    want = 1.6**2 + 1.6**-2 if norm == "euclidean" else (1.6 + 1 / 1.6) ** 2
    assert curvature == pytest.approx(want, rel=1e-9)
    near = {**minimum, "y": minimum["y"] * (1 + eps)}
    moved, _ = rule.step(obj, near, (), hyper)
    residual = float(moved["x"] * moved["y"] - 1) / eps
    assert residual == pytest.approx(1 - 0.1 * curvature, rel=1e-5)
