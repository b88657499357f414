"""Update rules against loops written by hand, and what optax's rules see of a coupled model."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from tests import oracle

START = np.array([1.6, 1.6, 0.5, 0.5])  # (x, x, y, y)


def gradient(point):
    return oracle.product_gradient(point[:, None])[:, 0]


def ends(rule, eta=0.05, steps=40):
    end = eos.simulate(
        eos.objectives.scalar_product((2, 2)), {"x": START[0], "y": START[2]}, eta, steps, rule
    )
    return float(end["x"]), float(end["y"])


def test_gradient_descent(x64):
    point = START.copy()
    for _ in range(40):
        point = point - 0.05 * gradient(point)
    assert ends(None) == pytest.approx(tuple(point[[0, 2]]), rel=1e-13)
    assert ends(eos.updates.gradient_descent()) == ends(None)
    assert ends(optax.sgd) == pytest.approx(ends(None), rel=1e-13)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov, x64):
    """m' = beta m + g; heavy ball moves by -eta m', Nesterov by -eta (g + beta m')."""
    point, velocity = START.copy(), np.zeros(4)
    for _ in range(40):
        slope = gradient(point)
        velocity = 0.8 * velocity + slope
        point = point - 0.05 * (slope + 0.8 * velocity if nesterov else velocity)
    want = pytest.approx(tuple(point[[0, 2]]), rel=1e-12)
    assert ends(eos.updates.make("sgd", momentum=0.8, nesterov=nesterov)) == want
    assert ends(lambda eta: optax.sgd(eta, 0.8, nesterov)) == want


def test_adam(x64):
    point, first, second = START.copy(), np.zeros(4), np.zeros(4)
    for t in range(1, 41):
        slope = gradient(point)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        point = point - 0.05 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    want = pytest.approx(tuple(point[[0, 2]]), rel=1e-9)
    assert ends(optax.adam) == want
    assert ends(eos.updates.make("adam")) == want


def test_rules_see_the_gradient_of_the_full_space(x64):
    """Normalised descent divides by the norm over all four scalars, each copy counted."""
    normalised = lambda eta: optax.chain(  # noqa: E731
        optax.normalize_by_update_norm(eps=0.0), optax.scale(-eta)
    )
    point = START.copy()
    for _ in range(20):
        slope = gradient(point)
        point = point - 0.005 * slope / np.linalg.norm(slope)
    # at the minimum the direction is what rounding leaves; 20 short steps stay away from it
    assert np.linalg.norm(gradient(point)) > 0.1
    assert ends(normalised, 0.005, 20) == pytest.approx(tuple(point[[0, 2]]), rel=1e-10)


def test_clipping_by_the_global_norm_equals_the_free_model(x64):
    clipped = lambda eta: optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(eta, 0.5))  # noqa: E731
    free = eos.objectives.scalar_product(4)
    start = dict(zip(free.parameters, START))
    end = eos.simulate(free, start, 0.05, 40, clipped)
    assert ends(clipped) == pytest.approx((float(end["x"]), float(end["z"])), rel=1e-12)
    assert ends(clipped) != pytest.approx(ends(lambda eta: optax.sgd(eta, 0.5)), rel=1e-3)


def test_rules_that_need_the_loss(x64):
    """Polyak's step, (L - L*) / |g|^2, needs the value, and the norm over the full space."""
    point = START.copy()
    for _ in range(10):
        slope, value = gradient(point), 0.5 * (1 - point.prod()) ** 2
        point = point - min(0.5, value / (slope @ slope)) * slope
    found = ends(lambda eta: optax.polyak_sgd(max_learning_rate=eta), 0.5, 10)
    assert found == pytest.approx(tuple(point[[0, 2]]), rel=1e-9)


@pytest.mark.parametrize("name", eos.updates.OPTAX_RULES)
def test_every_named_rule_walks_as_optax_does(name, x64):
    """The plain optax loop over the four free scalars."""
    transformation = getattr(optax, name)(0.02)
    point = jnp.array(START)
    state = transformation.init(point)

    @jax.jit
    def step(point, state):
        slope = jax.grad(lambda p: 0.5 * (1 - jnp.prod(p)) ** 2)(point)
        move, state = transformation.update(slope, state, point)
        return optax.apply_updates(point, move), state

    for _ in range(15):
        point, state = step(point, state)
    found = ends(eos.updates.make(name), 0.02, 15)
    # 1e-6: rules that divide by root mean squares turn rounding of tiny slopes into motion
    assert found == pytest.approx((float(point[0]), float(point[2])), rel=1e-6)


def test_copies_stay_equal_under_every_rule(x64):
    """The full space keeps its symmetric plane, or coupling would mean nothing."""
    free = eos.objectives.scalar_product(4)
    start = dict(zip(free.parameters, START))
    for name in ("adam", "rmsprop"):
        end = eos.simulate(free, start, 0.02, 15, eos.updates.make(name))
        assert float(end["x"]) == float(end["y"])
        coupled = ends(eos.updates.make(name), 0.02, 15)
        assert coupled == pytest.approx((float(end["x"]), float(end["z"])), rel=1e-9)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({}, 2.0),
        ({"momentum": 0.0}, 2.0),
        ({"momentum": 0.9}, 2 * 1.9),
        ({"momentum": 0.9, "nesterov": True}, 2 * 1.9 / 2.8),
    ],
)
def test_thresholds_are_where_a_quadratic_starts_to_grow(settings, factor, x64):
    """1/2 a^2 under the rule: stable just below the threshold, unstable just above."""
    rule, eta = eos.updates.make("sgd", **settings), 0.3
    assert float(rule.threshold(eta)) == pytest.approx(factor / eta, rel=1e-14)
    for relative, grows in ((0.97, False), (1.03, True)):
        steepness = relative * float(rule.threshold(eta))
        obj = eos.objectives.from_function(lambda a, s=steepness: 0.5 * s * a * a)
        end = eos.simulate(obj, {"a": 1.0}, eta, 600, rule)["a"]
        assert (abs(float(end)) > 1) == grows


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("adm", {}, ["'adm'", "adam", "gradient_descent"]),
        ("lbfgs", {}, ["'lbfgs'"]),
        ("__class__", {}, ["'__class__'"]),
        ("sgd", {"momentom": 0.9}, ["momentom", "momentum"]),
        ("sgd", {"momentum": "much"}, ["momentum", "'much'"]),
        ("adam", {"b1": "x"}, ["b1", "'x'"]),
        ("adam", {"learning_rate": 0.1}, ["learning_rate"]),
        ("gradient_descent", {"momentum": 0.9}, ["no settings", "momentum"]),
    ],
)
def test_names_and_settings_that_do_not_fit_are_refused(name, settings, words):
    with pytest.raises(ValueError) as refusal:
        eos.updates.make(name, **settings)
    for word in words:
        assert word in str(refusal.value)


def test_what_is_no_rule_is_refused(paper):
    for rule in ("adam", 3, optax.adam(0.1)):
        with pytest.raises(ValueError, match="`update` must be an Update or a function"):
            eos.simulate(paper, {"x": 1.0, "y": 0.5}, 0.1, 3, rule)
