"""Thresholds of rules that repeat themselves after some steps or couple coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import measures, rules
from eos_jax.objectives import Objective
from tests.rules.examples import LABELLED, numbers, quadratic, sample, walk

pytestmark = pytest.mark.slow

POINT = {"x": np.asarray(1.4), "y": np.asarray(0.7)}
TURNED = np.array([[1.0, 0.6], [0.6, 2.0]])  # a Hessian that mixes two parameters


def paraboloid(matrix, names=("x", "y"), centre=(0.0, 0.0)):
    """1/2 (p - c)^T M (p - c) of scalars."""

    def loss(full):
        away = jnp.stack([full[name][0] - c for name, c in zip(names, centre)])
        return away @ jnp.asarray(matrix) @ away / 2

    return Objective("paraboloid", loss, names, (1,) * len(names), ((),) * len(names), floor=0.0)


def judged(rule, objective, point, steps=0, **given):
    """Curvature and threshold after some steps, from `point`."""
    hyper = numbers(rule, **given)

    @jax.jit
    def both(hyper):
        params = {n: jnp.asarray(v) for n, v in point.items()}
        state = rule.init(objective, params, hyper)
        for _ in range(steps):
            params, state = rule.step(objective, params, state, hyper)
        here = sample(objective, rule, params, state, hyper)
        return measures.curvature(here), measures.threshold(here)

    return tuple(float(found) for found in both(hyper))


def accumulated(inner, every):
    double = {"accumulator_dtype": jnp.float64}  # optax's own is single: good to 1e-7
    return lambda eta: optax.MultiSteps(inner(eta), every, **double)


def pace(step):
    """Step sizes eta and eta/4 in turn."""
    return jnp.where(step % 2 == 0, 1.0, 0.25)


ETA = 0.05
REPEATING = {
    # x stays for k steps, and then moves by the mean gradient
    "mean of three": (accumulated(optax.sgd, 3), 2 / ETA, 3),
    "momentum of means": (
        accumulated(lambda eta: optax.sgd(eta, 0.5), 2), 2 * (1 + 0.5) / ETA, 2
    ),
    # the sum is a step k times as long
    "sum of three": (
        lambda eta: optax.chain(optax.apply_every(3), optax.sgd(eta)), 2 / (3 * ETA), 3
    ),
    # |(1 - a l)(1 - b l)| = 1 with (a + b)^2 < 8 a b: 1/a + 1/b
    "step sizes in turn": (
        lambda eta: optax.chain(optax.scale_by_schedule(pace), optax.sgd(eta)),
        5 / ETA,
        2,
    ),
    # l (1 + rho l) = 2/eta
    "sam by itself": (
        lambda eta: optax.contrib.sam(optax.sgd(eta), optax.sgd(0.1), opaque_mode=True),
        (np.sqrt(1 + 8 * 0.1 / ETA) - 1) / (2 * 0.1),
        1,
    ),
    "sam in two steps": (
        lambda eta: optax.contrib.sam(optax.sgd(eta), optax.sgd(0.1)),
        (np.sqrt(1 + 8 * 0.1 / ETA) - 1) / (2 * 0.1),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [
    "mean of three", "sum of three", "step sizes in turn", "sam by itself",
    pytest.param("momentum of means", marks=pytest.mark.long),
    pytest.param("sam in two steps", marks=pytest.mark.long),
])  # fmt: skip
def test_one_period_decides_where_a_rule_repeats_itself(name, x64):
    """By formula, by the map of a period, and the same at every phase of it."""
    transformation, want, period = REPEATING[name]
    rule = rules.from_optax(transformation)
    assert f"with a period of {period}:" in rule.remark
    for phase in {0, period - 1}:
        curvature, found = judged(rule, LABELLED, POINT, phase, eta=ETA)
        assert found == pytest.approx(want, rel=1e-9)
    assert curvature > 0


def test_parts_with_step_sizes_of_their_own_are_judged_together(x64):
    """Curvature over threshold of two rates is the largest eigenvalue of D^(1/2) H D^(1/2) / 2."""
    rates = lambda eta: {"slow": optax.sgd(eta), "quick": optax.sgd(4 * eta)}  # noqa: E731
    apart = rules.from_optax(
        lambda eta: optax.partition(rates(eta), {"x": ("slow",) * 2, "y": ("quick",) * 2})
    )
    assert apart.remark.startswith("made for particular parameters")
    minimum = {"x": np.asarray(1.25), "y": np.asarray(0.8)}  # copies: the full space has four
    curvature, threshold = judged(apart, LABELLED, minimum, eta=ETA)
    own = judged(
        rules.gradient_descent(parameters=("x", "y")), LABELLED, minimum, eta_x=ETA, eta_y=4 * ETA
    )
    assert curvature / threshold == pytest.approx(own[0] / own[1], rel=1e-9)
    assert curvature == pytest.approx(2 * (1.25**2 + 0.8**2), rel=1e-9)  # the sharpness itself


@pytest.mark.long
def test_what_is_frozen_does_not_count(x64):
    frozen = rules.from_optax(
        lambda eta: optax.chain(optax.sgd(eta), optax.freeze({"x": (False,), "y": (True,)}))
    )
    curvature, threshold = judged(frozen, paraboloid(TURNED), {"x": 0.1, "y": 0.2}, eta=ETA)
    assert curvature / threshold == pytest.approx(ETA * TURNED[0, 0] / 2, rel=1e-9)


def test_directions_that_descend_anyway_do_not_count(x64):
    """At a saddle as at a minimum: what is judged is the curvature that a step may overshoot."""
    labels = {"x": "own", "y": "own"}
    rule = rules.from_optax(lambda eta: optax.partition({"own": optax.sgd(eta)}, labels))
    saddle = paraboloid(np.diag([2.0, -1.0]))
    assert judged(rule, saddle, {"x": 0.1, "y": 0.2}, eta=ETA)[1] == pytest.approx(
        2 / ETA, rel=1e-9
    )


def test_momentum_beside_none_against_eigenvalues_by_hand(x64):
    """The scale of the Hessian at which NumPy's 3 x 3 companion of (x, y, m_x) passes 1."""
    mixed = rules.from_optax(
        lambda eta: optax.partition(
            {"heavy": optax.sgd(eta, 0.8), "plain": optax.sgd(3 * eta)},
            lambda params: dict(zip(params, ("heavy", "plain"))),
        )
    )
    curvature, threshold = judged(mixed, paraboloid(TURNED), {"x": 0.1, "y": 0.2}, eta=ETA)

    def radius(scale):
        (a, b), (c, d) = scale * TURNED
        step = [
            [1 - ETA * a, -ETA * b, -0.8 * ETA],
            [-3 * ETA * c, 1 - 3 * ETA * d, 0],
            [a, b, 0.8],
        ]
        return np.abs(np.linalg.eigvals(np.array(step))).max()

    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) <= 1 + 1e-14 else (low, middle)
    assert threshold / curvature == pytest.approx(low, rel=1e-9)


def test_gradients_without_their_mean_see_the_projected_hessian(x64):
    """`centralize` takes the mean of a matrix's gradient away: P H counts, P the projection."""
    bends = np.array([[3.0, 1.0, 0.5], [1.0, 2.0, 0.0], [0.5, 0.0, 1.0]])

    def loss(w):
        return jnp.sum((w @ bends) * w) / 2

    rule = rules.from_optax(lambda eta: optax.chain(optax.centralize(), optax.sgd(eta)))
    objective = eos.objectives.from_function(loss, shapes={"w": (1, 3)})
    projection = np.eye(3) - 1 / 3
    curvature, threshold = judged(rule, objective, {"w": np.zeros((1, 3))}, eta=ETA)
    want = np.linalg.eigvals(projection @ bends).real.max()
    assert curvature == pytest.approx(np.linalg.eigvalsh(bends).max(), rel=1e-9)
    assert curvature / threshold == pytest.approx(ETA * want / 2, rel=1e-9)


@pytest.mark.long
def test_adam_of_means_is_judged_as_adam(x64):
    """After two means, of the same gradient twice each, its numbers are Adam's after two steps."""
    line = Objective("line", lambda full: 0.3 * full["a"][0], ("a",), (1,), ((),))
    means = rules.from_optax(accumulated(optax.adam, 2))
    assert "with a period of 2:" in means.remark
    ratios = []
    for rule, steps in ((rules.from_optax(optax.adam), 2), (means, 4)):
        hyper = numbers(rule, eta=0.01)
        _, state = walk(rule, {"a": 0.8}, hyper, steps, line)
        here = sample(quadratic(1.7), rule, {"a": jnp.asarray(0.8)}, state, hyper)
        found = jax.jit(lambda h, s=here: measures.relative_curvature(s._replace(hyper=h)))(hyper)
        ratios.append(float(found))
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-9)


@pytest.mark.parametrize("decided", ["sign", "too many"])
def test_where_there_is_no_threshold_it_is_not_a_number(decided, x64):
    if decided == "sign":
        signs = {"x": ("own",), "y": ("own",)}
        rule = rules.from_optax(lambda eta: optax.partition({"own": optax.sign_sgd(eta)}, signs))
        objective, point = paraboloid(TURNED), {"x": 0.1, "y": 0.2}
    else:
        rule = rules.from_optax(lambda eta: optax.chain(optax.centralize(), optax.sgd(eta, 0.5)))
        objective = eos.objectives.from_function(lambda w: jnp.sum(w**2), shapes={"w": (40,)})
        point = {"w": np.ones(40)}
    assert np.isnan(judged(rule, objective, point, eta=ETA)[1])


def test_a_schedule_that_falls_for_ever_says_that_it_changes(x64):
    falling = optax.exponential_decay(1.0, 10, 0.5)
    rule = rules.from_optax(
        lambda eta: optax.chain(optax.scale_by_schedule(falling), optax.sgd(eta))
    )
    assert (
        "its present step" in rule.remark
        and "its present step" not in rules.as_rule(optax.sgd).remark
    )
    for steps in (0, 10, 20):
        _, found = judged(rule, LABELLED, POINT, steps, eta=1e-3)
        assert found == pytest.approx(2e3 * 2 ** (steps / 10), rel=1e-7)


CENTRE = np.array([1.0, 0.7])
ORBITS = {
    "means": lambda eta: optax.MultiSteps(optax.sgd(eta, 0.5), 3).gradient_transformation(),
    "sam": lambda eta: optax.contrib.sam(optax.sgd(eta), optax.sgd(0.1)),
    "block norm": lambda eta: optax.chain(optax.scale_by_param_block_norm(), optax.sgd(eta, 0.5)),
    "block rms": lambda eta: optax.chain(optax.clip_by_block_rms(1.0), optax.sgd(eta)),
    "each its own": lambda eta: optax.partition(
        {"heavy": optax.sgd(eta, 0.8), "plain": optax.sgd(eta / 3)}, {"x": "heavy", "y": "plain"}
    ),
    "distance over gradients": lambda eta: optax.contrib.dog(eta),
    "optimistic": lambda eta: optax.optimistic_gradient_descent(eta),
}


@pytest.mark.parametrize("name", [
    "each its own", *(pytest.param(n, marks=pytest.mark.long) for n in ORBITS if n[0] != "e")
])  # fmt: skip
def test_orbits_of_optax_grow_above_the_threshold_and_shrink_below(name, x64):
    """optax alone, in a loop of its own, from a millionth beside a minimum that is not at 0."""
    transformation, eta = ORBITS[name], 0.1
    rule = rules.from_optax(transformation)
    made = transformation(eta)
    start = dict(zip("xy", jnp.asarray(CENTRE) + jnp.array([0.3, -0.5])))

    def slopes(params, scale):
        away = jnp.stack([params["x"], params["y"]]) - CENTRE
        return dict(zip("xy", scale * TURNED @ away))

    def step(carry, scale):
        params, state = carry
        move, state = made.update(slopes(params, scale), state, params)
        params = optax.apply_updates(params, move)
        return (params, state), jnp.hypot(params["x"] - CENTRE[0], params["y"] - CENTRE[1])

    state, _ = jax.lax.scan(  # running sizes have seen some gradients, momenta have died
        lambda s, scale: (made.update(slopes(start, scale), s, start)[1], None),
        made.init(start), jnp.where(jnp.arange(120) < 9, 1.0, 0.0),
    )  # fmt: skip
    of_two = lambda node: isinstance(node, dict) and set(node) == {"x", "y"}  # noqa: E731
    tuples = lambda part: part if isinstance(part, optax.MaskedNode) else (part,)  # noqa: E731
    lifted = jax.tree.map(  # as a rule holds it: tuples of copies
        lambda node: {n: tuples(part) for n, part in node.items()} if of_two(node) else node,
        state, is_leaf=of_two,
    )  # fmt: skip
    hyper = {"eta": jnp.asarray(eta)}
    here = sample(paraboloid(TURNED, centre=CENTRE), rule, dict(zip("xy", CENTRE)), lifted, hyper)
    ratio = jax.jit(lambda h: measures.relative_curvature(here._replace(hyper=h)))
    edge = 1 / float(ratio(hyper))
    for scale in (0.97 * edge, 1.03 * edge):
        beside = dict(zip("xy", jnp.asarray(CENTRE) + jnp.array([1e-6, -0.4e-6])))
        _, sizes = jax.lax.scan(step, (beside, state), jnp.full(110, scale))
        early, late = np.asarray(sizes[20:50]).max(), np.asarray(sizes[80:110]).max()
        assert (late > 1.2 * early) == (scale > edge) and (late < early / 1.2) == (scale < edge)
