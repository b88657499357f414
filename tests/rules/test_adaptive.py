"""Rules that divide by running sizes, where coordinates differ and the Hessian is not diagonal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import measures, rules
from tests.rules.examples import numbers, sample

pytestmark = pytest.mark.slow

ETA, B1, B2, EPS, START = 0.03, 0.9, 0.99, 1e-3, (1.0, -0.4)
HESSIAN = np.array([[3.0, 1.0], [1.0, 2.0]])
BOWL = eos.objectives.from_function(
    lambda a, b: 1.5 * a * a + a * b + b * b, floor=0.0, name="oblong"
)


def gradients(rule, hyper, steps):
    """Those that the rule met on its way, and the state that it came to."""
    params = {n: jnp.asarray(v) for n, v in zip("ab", START)}
    state, met = rule.init(BOWL, params, hyper), []
    step = jax.jit(lambda params, state: rule.step(BOWL, params, state, hyper))
    for _ in range(steps):
        met.append(HESSIAN @ [float(params["a"]), float(params["b"])])
        params, state = step(params, state)
    return met, params, state


def preconditioner(name, met):
    """P of the next step, should its gradient vanish, by the published formulas."""
    v, t = 0.1 if name == "adagrad" else 0.0, len(met) + 1
    for g in [*met, np.zeros(2)]:
        v = v + g**2 if name == "adagrad" else B2 * v + (1 - B2) * g**2
    return np.sqrt(v + EPS) if name == "adagrad" else np.sqrt(v / (1 - B2**t)) + EPS


def step_at_the_minimum(name, relative, scale, t):
    """The Jacobian of (x, m) with P held, the Hessian times a number."""
    b1 = 0.0 if name == "adagrad" else B1
    bend, unit = relative * HESSIAN, np.eye(2)
    mean = np.hstack([(1 - b1) * bend, b1 * unit])
    shown = mean / (1 - b1**t)
    if name == "nadam":
        own = np.hstack([(1 - b1) * bend, 0 * unit]) / (1 - b1**t)
        shown = b1 * mean / (1 - b1 ** (t + 1)) + own
    moved = np.hstack([unit, 0 * unit]) - ETA * shown / scale[:, None]
    return np.vstack([moved, mean])


@pytest.mark.parametrize("name", ["adagrad", "nadam"])
def test_coordinates_with_sizes_of_their_own(name, x64):
    """Curvature over threshold is the number by which the whole map's Hessian may grow."""
    rule = rules.make(name)
    given = {"eta": ETA, "b1": B1, "b2": B2, "eps": EPS}
    hyper = numbers(rule, **{n: v for n, v in given.items() if n in rule.hyperparameters})
    met, params, state = gradients(rule, hyper, 40)

    @jax.jit
    def judged(params, state):
        here = sample(BOWL, rule, params, state, hyper)
        return measures.threshold(here) / measures.curvature(here)

    critical, scale = float(judged(params, state)), preconditioner(name, met)
    assert scale.max() > 1.2 * scale.min()
    for factor in (1 - 1e-9, 1 + 1e-9):
        whole = step_at_the_minimum(name, factor * critical, scale, len(met) + 1)
        assert (np.abs(np.linalg.eigvals(whole)).max() > 1) == (factor > 1)


def test_a_minimum_keeps_who_divides_by_enough(x64):
    """At rest P is eps: |x| ends at 0 above eta l (1 - b1)/(2 + 2 b1), on a 2-cycle below it."""
    axes = {"a": 1.0, "b": 0.0, "eta": 0.1, "b1": 0.5, "b2": 0.9}
    bowl = eos.objectives.from_function(lambda a, b: 1.5 * a * a + b * b, floor=0.0, name="axes")
    least = 0.1 * 3 * 0.5 / 3
    ends = eos.sweep(
        bowl, {**axes, "eps": [0.98 * least, 1.02 * least]}, 5000, rule="adam", stop=None,
        sharpness=None,
    ).a_final.values.ravel()  # fmt: skip
    assert abs(ends[1]) < 1e-15
    # sqrt(v_hat) = 3 |x| fills what eps leaves
    assert abs(ends[0]) == pytest.approx(0.02 * least / 3, rel=1e-6)
