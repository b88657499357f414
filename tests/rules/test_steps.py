"""Our own steps against loops in plain NumPy and against optax, and what rules see of copies."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import rules
from tests import oracle
from tests.rules.examples import LABELLED, numbers, walk

pytestmark = pytest.mark.slow

START = np.array([1.6, 1.6, 0.5, 0.5])  # (x, x, y, y)
POINT = {"x": START[0], "y": START[2]}


def gradient(point):
    return oracle.product_gradient(point[:, None])[:, 0]


def ends(rule, steps=40, objective=LABELLED, **given):
    end, _ = walk(rule, POINT, numbers(rule, **given), steps, objective)
    return float(end["x"]), float(end["y"])


def by_hand(step, steps=40, state=0.0):
    """What `step(point, gradient, state, t) -> (point, state)` walks to."""
    point = START.copy()
    for t in range(1, steps + 1):
        point, state = step(point, gradient(point), state, t)
    return pytest.approx((point[0], point[2]), rel=1e-10)


def test_gradient_descent(x64):
    want = by_hand(lambda p, g, s, t: (p - 0.05 * g, s))
    assert ends(rules.gradient_descent()) == want
    both = rules.gradient_descent(parameters=("x", "y"))
    assert ends(both, eta_x=0.05, eta_y=0.05) == want
    eta = np.array([0.05, 0.05, 0.01, 0.01])
    want = by_hand(lambda p, g, s, t: (p - eta * g, s))
    assert ends(both, eta_x=0.05, eta_y=0.01) == want
    assert ends(both, eta_x=0.05, eta_y=0.05) != want


def test_gradient_descent_is_the_pullback_of_the_step_size(x64):
    """The published bits hang on this form: -eta enters the backward pass at its top."""

    def written_out(params, eta):
        loss = lambda p: LABELLED.full_loss({n: (p[n], params[n]) for n in ("x", "y")})  # noqa: E731
        value, pullback = jax.vjp(loss, params)
        (move,) = pullback(jnp.asarray(-eta, value.dtype))
        return {n: params[n] + move[n] for n in ("x", "y")}

    rule = lambda p, eta: rules.gradient_descent().step(LABELLED, p, (), {"eta": eta})[0]  # noqa: E731
    trace = lambda f: str(jax.make_jaxpr(f)(POINT, 0.05))  # noqa: E731
    assert trace(rule) == trace(written_out)


def heavy(p, g, u, t):
    u = 0.8 * u + g
    return p - 0.05 * u, u


def nesterov(p, g, u, t):
    u = 0.8 * u + g
    return p - 0.05 * (g + 0.8 * u), u


def rms(p, g, v, t):
    v = 0.7 * v + 0.3 * g**2
    return p - 0.05 * g / np.sqrt(v + 1e-3), v


def adam(p, g, state, t, decay=0.0):
    m, v = 0.7 * state[0] + 0.3 * g, 0.9 * state[1] + 0.1 * g**2
    size = np.sqrt(v / (1 - 0.9**t)) + 1e-3
    return p - 0.05 * (m / (1 - 0.7**t) / size + decay * p), (m, v)


def adamw(p, g, state, t):
    return adam(p, g, state, t, 0.2)


def lion(p, g, m, t):
    return p - 0.05 * (np.sign(0.7 * m + 0.3 * g) + 0.2 * p), 0.9 * m + 0.1 * g


def summed(p, g, s, t):
    s = s + g**2
    return p - 0.05 * g / np.sqrt(s + 1e-3), s


def ahead(p, g, state, t):
    m, v = 0.7 * state[0] + 0.3 * g, 0.9 * state[1] + 0.1 * g**2
    shown = 0.7 * m / (1 - 0.7 ** (t + 1)) + 0.3 * g / (1 - 0.7**t)
    return p - 0.05 * shown / (np.sqrt(v / (1 - 0.9**t)) + 1e-3), (m, v)


def by_signs(p, g, state, t):
    m, v = 0.7 * state[0] + 0.3 * g, state[1] - 0.1 * np.sign(state[1] - g**2) * g**2
    size = np.sqrt(v / (1 - 0.9**t)) + 1e-3
    return p - 0.05 * m / (1 - 0.7**t) / size, (m, v)


def sign(p, g, s, t):
    return p - 0.05 * np.sign(g), s


def normalised(p, g, s, t):
    return p - 0.05 * g / np.linalg.norm(g), s


def averaged(p, g, m, t):
    m = 0.8 * m + 0.2 * g
    return p - 0.05 * m, m


def decoupled(p, g, m, t):
    m = 0.8 * m + g
    return p - 0.05 * (m + 0.2 * p), m


def coupled(p, g, m, t):
    return heavy(p, g + 0.2 * p, m, t)


def aware(p, g, s, t):
    return p - 0.05 * gradient(p + 0.1 * g / np.linalg.norm(g)), s


def aware_of_the_slope(p, g, s, t):
    return p - 0.05 * gradient(p + 0.1 * g), s


def cyclic(p, g, s, t):
    return p - (0.02, 0.03, 0.04)[(t - 1) % 3] * g, s


def warmed(p, g, s, t):
    return p - 0.05 * min(1, t / 7) * g, s


def cosine(p, g, s, t):
    return p - 0.05 * min(1, t / 7) * (1 + np.cos(np.pi * min(1, (t - 1) / 30))) / 2 * g, s


def root(p, g, s, t):
    return p - 0.05 * g / (2 * np.sqrt(0.5 * (np.prod(p) - 1) ** 2)), s


def max_norm(p, g, s, t):
    return p - 0.05 * np.abs(g).sum() * np.sign(g), s


NUMBERS = {"momentum": 0.8, "decay": 0.7, "eps": 1e-3, "b1": 0.7, "b2": 0.9, "weight_decay": 0.2,
           "rho": 0.1, "warmup": 7.0, "horizon": 30.0, "initial_accumulator_value": 0.3,
           "eta_A": 0.02, "eta_B": 0.03, "eta_C": 0.04}  # fmt: skip
# fixed-length rules: few steps, so that the direction is not what rounding leaves at the minimum
BY_HAND = [
    ("heavy_ball", heavy, 40, 0.0),
    ("nesterov", nesterov, 40, 0.0),
    ("rmsprop", rms, 40, 0.0),
    ("adam", adam, 40, (0.0, 0.0)),
    ("adamw", adamw, 40, (0.0, 0.0)),
    ("adagrad", summed, 40, 0.3),
    ("nadam", ahead, 20, (0.0, 0.0)),
    ("yogi", by_signs, 20, (1e-6, 1e-6)),
    ("lion", lion, 20, 0.0),
    ("sign_gradient_descent", sign, 5, 0.0),
    ("normalised_gradient_descent", normalised, 10, 0.0),
    ("root_gradient_descent", root, 10, 0.0),
    ("averaged_momentum", averaged, 40, 0.0),
    ("decayed_heavy_ball", decoupled, 40, 0.0),
    (("decayed_heavy_ball", {"coupled": True}), coupled, 40, 0.0),
    ("sam", aware, 40, 0.0),
    (("sam", {"normalised": False}), aware_of_the_slope, 40, 0.0),
    (("cyclic_gradient_descent", {"phases": 3}), cyclic, 40, 0.0),
    ("warmup_gradient_descent", warmed, 40, 0.0),
    ("cosine_gradient_descent", cosine, 40, 0.0),
    ("steepest_descent", max_norm, 40, 0.0),
]


@pytest.mark.parametrize(("name", "step", "steps", "state"), BY_HAND, ids=lambda v: str(v)[:20])
def test_steps_by_hand(name, step, steps, state, x64):
    name, settings = name if isinstance(name, tuple) else (name, {})
    assert ends(rules.make(name, **settings), steps, **NUMBERS) == by_hand(step, steps, state)


def test_normalised_descent_stays_where_the_gradient_vanishes(x64):
    rule = rules.normalised_gradient_descent()
    end, _ = walk(rule, {"x": 2.0, "y": 0.5}, numbers(rule), 3)
    assert (float(end["x"]), float(end["y"])) == (2.0, 0.5)


def test_the_root_is_that_of_the_loss_over_its_floor(x64):
    """sqrt(L - 3) = |a| for a^2 + 3: steps of eta, to the minimum and no further."""
    lifted = eos.objectives.from_function(lambda a: a * a + 3, floor=3.0, name="lifted")
    rule = rules.root_gradient_descent()
    for steps, want in ((1, 2.5), (6, 0.0), (7, 0.0)):
        end, _ = walk(rule, {"a": 3.0}, numbers(rule, eta=0.5), steps, lifted)
        assert float(end["a"]) == pytest.approx(want, abs=1e-12)


OPTAX = {
    "heavy_ball": lambda eta: optax.sgd(eta, 0.9),
    "nesterov": lambda eta: optax.sgd(eta, 0.9, nesterov=True),
    "sign_gradient_descent": optax.sign_sgd,
}


@pytest.mark.parametrize(
    "name", sorted(name for name in rules.registry if name in OPTAX or hasattr(optax, name))
)
def test_every_rule_of_optax_walks_as_optax_does(name, x64):
    """The plain optax loop over the four free scalars, with the defaults of both."""
    transformation = OPTAX.get(name, getattr(optax, name, None))(0.02)
    steps = 6 if name in ("sign_gradient_descent", "lion") else 60
    point = jnp.array(START)
    state = transformation.init(point)

    @jax.jit
    def step(point, state):
        slope = jax.grad(lambda p: 0.5 * (1 - jnp.prod(p)) ** 2)(point)
        move, state = transformation.update(slope, state, point)
        return optax.apply_updates(point, move), state

    for _ in range(steps):
        point, state = step(point, state)
    # 1e-8: rules that divide by root mean squares turn rounding of tiny slopes into motion
    want = pytest.approx((float(point[0]), float(point[2])), rel=1e-8)
    assert ends(rules.make(name), steps, eta=0.02) == want


def test_copies_stay_equal_under_every_rule(x64):
    """The full space keeps its symmetric plane, or coupling would mean nothing."""
    free = eos.objectives.scalar_product(4)
    start = dict(zip(free.parameters, START))
    for name in ("adam", "rmsprop", "nadam", "normalised_gradient_descent"):
        rule = rules.make(name)
        end, _ = walk(rule, start, numbers(rule, eta=0.02), 10, free)
        assert float(end["x"]) == float(end["y"])
        coupled = ends(rule, 10, eta=0.02)
        assert coupled == pytest.approx((float(end["x"]), float(end["z"])), rel=1e-9)


def test_single_precision_adam_is_that_of_optax():
    """Powers carried as floats correct the bias as well as optax's counts do, for 2000 steps."""
    rule, twin = rules.adam(), rules.from_optax(optax.adam)
    point = {n: np.float32(v) for n, v in POINT.items()}
    ours, theirs = (
        walk(r, point, numbers(r, np.float32, eta=1e-3), 2000)[0]["x"] for r in (rule, twin)
    )
    assert float(ours) == pytest.approx(float(theirs), rel=2e-4)
