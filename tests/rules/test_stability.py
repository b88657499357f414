"""Thresholds against companion matrices in NumPy, the linear-filter formula and printed numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import measures, rules
from eos_jax.rules import stability
from tests.rules.examples import LABELLED, numbers, quadratic, sample, walk

pytestmark = pytest.mark.slow

POINT = {"x": np.asarray(1.4), "y": np.asarray(0.7)}


def threshold_of(rule, state=None, **given):
    return float(compiled_threshold(rule)(numbers(rule, **given), state))


@functools.cache
def compiled_threshold(rule):
    def threshold(hyper, state):
        state = rule.init(LABELLED, POINT, hyper) if state is None else state
        return rule.threshold(sample(LABELLED, rule, POINT, state, hyper))

    return jax.jit(threshold)


def crossing(matrix_of):
    """Where NumPy's eigenvalues of a companion matrix pass 1, by bisection."""
    radius = lambda c: np.abs(np.linalg.eigvals(matrix_of(c))).max()  # noqa: E731
    low, high = 0.0, 1e-3
    while radius(high) <= 1:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) <= 1 else (low, middle)
    return low


COMPANIONS = {  # (x, m) -> (x, m) on 1/2 c x^2 at step size 1
    "heavy_ball": lambda c, beta: [[1 - c, -beta], [c, beta]],
    "nesterov": lambda c, beta: [[1 - c - beta * c, -(beta**2)], [c, beta]],
}


@pytest.mark.parametrize("name", sorted(COMPANIONS))
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9, 0.99, -0.2, -0.4, -0.6, -0.9])
def test_momentum_formula_is_where_the_companion_matrix_passes_one(name, beta, x64):
    rule = rules.make(name, momentum=beta)
    want = crossing(lambda c: np.array(COMPANIONS[name](c, beta)))
    for eta in (1e-3, 0.7):
        assert threshold_of(rule, eta=eta) == pytest.approx(want / eta, rel=1e-9)


@pytest.mark.parametrize(
    ("decay", "numbers_at_nine_tenths"),
    [
        (0.0, (2, 3.8, 1.3571428571, 38, 13.571428571)),
        pytest.param(0.1, (1.9, 3.61, 1.2892857143, 36.1, 12.892857143), marks=pytest.mark.long),
    ],
)
def test_linear_rules_flip_at_the_printed_numbers(decay, numbers_at_nine_tenths, x64):
    """Any linear transformation by optax: (2 - eta w)/(eta H(-1)), computed, not looked up."""
    decayed = lambda eta, w, filter: optax.chain(  # noqa: E731
        filter, optax.add_decayed_weights(w), optax.scale_by_learning_rate(eta)
    )
    filters = [
        optax.identity(),
        optax.trace(0.9),
        optax.trace(0.9, nesterov=True),
        optax.ema(0.9, debias=False),
        None,
    ]
    # NAdam's filter, b m' + (1 - b) g with m' the running mean
    mean = optax.ema(0.9, debias=False)

    def update(slopes, state, params=None):
        average, state = mean.update(slopes, state)
        return jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, average, slopes), state

    filters[-1] = optax.GradientTransformation(mean.init, update)
    for kind, want in zip(filters, numbers_at_nine_tenths):
        rule = rules.from_optax(lambda eta, w, kind=kind: decayed(eta, w, kind))
        assert rule.remark.startswith("linear")
        for eta in (1.0, 0.02):
            found = threshold_of(rule, eta=eta, w=decay / eta)
            assert found == pytest.approx(want / eta, rel=1e-9)


MORE_THAN_GRADIENTS = {
    "sam", "cyclic_gradient_descent", "warmup_gradient_descent", "cosine_gradient_descent",
    "minibatch_heavy_ball", "steepest_descent", "shampoo",
}  # fmt: skip
"""Rules that do more with a loss than take a gradient and filter it: see `test_more_stability`."""

JUDGED = sorted(
    name
    for name, family in rules.registry.items()
    if family.make(**family.examples[0]).threshold is not None
    and not name.endswith("_noise")
    and name not in MORE_THAN_GRADIENTS
)


@pytest.mark.parametrize(
    ("name", "decay"),
    [*((name, 0.0) for name in JUDGED), ("adamw", 0.3), ("decayed_heavy_ball", 0.3)],
)
def test_formula_and_linearised_map_agree(name, decay, x64):
    """lambda threshold / curvature is the sharpness at which one coordinate becomes unstable."""
    obj, one = quadratic(1.7), {"a": jnp.asarray(0.8)}
    rule = rules.make(name)
    below = (-0.2, -0.6) if "momentum" in rule.hyperparameters else ()
    grid = [
        (b1, b2, eta)
        for b1 in (0.0, 0.5, 0.95, *below)
        for b2 in (0.9, 0.999)
        for eta in (1e-3, 0.3)
    ]

    @jax.jit
    def both(hyper):
        state = rule.init(obj, one, hyper)

        def at(slope, params, state):
            line = eos.objectives.Objective(
                "line", lambda full: slope * full["a"][0], ("a",), (1,), ((),)
            )
            return rule.step(line, params, state, hyper)

        _, state = at(jnp.asarray(0.6), one, state)
        _, state = jax.lax.fori_loop(
            0, 3000, lambda _, c: (one, at(0.0, one, c[1])[1]), (one, state)
        )
        # the preconditioner that the next step will use, the gradient being small
        after = at(0.0, one, state)[1]
        here = sample(obj, rule, one, state, hyper)
        judged = here if "response" in rule.threshold.__name__ else here._replace(state=after)
        ratio = measures.threshold(judged) / measures.curvature(judged)
        critical = stability.critical_multiplier(*stability.linearised_coordinate(here))
        return 1.7 * ratio, critical

    for b1, b2, eta in grid:
        given = {
            "b1": b1,
            "b2": b2,
            "decay": b2,
            "momentum": b1,
            "weight_decay": decay,
            "eps": 1e-4,
        }
        predicted, critical = both(numbers(rule, **{"eta": eta, **given}))
        assert float(predicted) == pytest.approx(float(critical), rel=1e-9), (b1, b2, eta)


@pytest.mark.parametrize("name", ["adagrad", "nadam", "radam", "yogi"])
def test_computed_thresholds_are_where_a_frozen_rule_starts_to_grow(name, x64):
    """With second moments and counts held, a tiny orbit shrinks below the ratio one, then grows."""
    rule, still = rules.make(name), {"a": jnp.asarray(0.0)}
    hyper = numbers(rule, eta=0.02)

    def line(slope, sharpness):
        loss = lambda full: slope * full["a"][0] + 0.5 * sharpness * full["a"][0] ** 2  # noqa: E731
        return eos.objectives.Objective("line", loss, ("a",), (1,), ((),))

    @jax.jit
    def grown(relative):
        feel = lambda _, state: rule.step(line(0.6, 0.0), still, state, hyper)[1]  # noqa: E731
        state = jax.lax.fori_loop(0, 500, feel, rule.init(line(0.6, 0.0), still, hyper))
        held = {
            key: optax.tree_utils.tree_get(state, key)
            for key in ("nu", "count", "sum_of_squares")
            if optax.tree_utils.tree_get(state, key) is not None
        }
        here = sample(line(0.0, 1.0), rule, still, state, hyper)
        critical = measures.threshold(here) / measures.curvature(here)
        loss = line(0.0, relative * critical)

        def walk(_, carry):
            params, state = rule.step(loss, *carry, hyper)
            return params, optax.tree_utils.tree_set(state, **held)

        if name != "adagrad":
            rest = jax.tree.map(jnp.zeros_like, optax.tree_utils.tree_get(state, "mu"))
            state = optax.tree_utils.tree_set(state, mu=rest)
        end, _ = jax.lax.fori_loop(0, 1000, walk, ({"a": jnp.asarray(1e-30)}, state))
        return jnp.abs(end["a"]) / 1e-30

    assert float(grown(0.98)) < 1 < float(grown(1.02))


def test_parameters_with_their_own_step_sizes(x64):
    """Against NumPy's eigenvalues of the Jacobian of a step: -1 where the curvature is 2."""
    rule = rules.gradient_descent(parameters=("x", "y"))
    obj, minimum = (
        eos.objectives.scalar_product((1, 1)),
        {"x": jnp.asarray(1.6), "y": jnp.asarray(0.625)},
    )
    hyper = {"eta_x": jnp.asarray(0.21), "eta_y": jnp.asarray(0.4)}
    here = sample(obj, rule, minimum, (), hyper)
    assert float(measures.threshold(here)) == 2
    hessian = np.array([[0.625**2, 1.0], [1.0, 1.6**2]])
    eigenvalues = np.linalg.eigvals(np.diag([0.21, 0.4]) @ hessian)
    assert float(measures.curvature(here)) == pytest.approx(eigenvalues.real.max(), rel=1e-12)


def test_adam_judges_by_the_preconditioned_hessian(x64):
    rule = rules.adam(b2=0.9, eps=1e-3)
    hyper = numbers(rule, eta=0.01)
    params, state = walk(rule, POINT, hyper, 7)
    second = np.array([float(state.second[n]) for n in ("x", "x", "y", "y")]) / (1 - 0.9**7)
    hessian = np.asarray(eos.hessian(LABELLED, params))
    root = (np.sqrt(second) + 1e-3) ** -0.5
    want = np.linalg.eigvalsh(root[:, None] * hessian * root)[-1]
    found = measures.curvature(sample(LABELLED, rule, params, state, hyper))
    assert float(found) == pytest.approx(want, rel=1e-10)
    assert threshold_of(rule, state, eta=0.01) == pytest.approx(3.8 / 0.1 / 0.01, rel=1e-13)


def test_where_adam_arrives_it_has_converged(x64):
    """Wherever the loss ends below 1e-12 the curvature was below the threshold: 1,600 lanes."""
    rule, obj = rules.adam(), eos.objectives.scalar_product((2, 2))
    eta, x = (a.ravel() for a in np.meshgrid(np.geomspace(3e-3, 0.3, 40), np.linspace(0.3, 3, 40)))
    fixed = numbers(rule)

    @jax.jit
    @jax.vmap
    def orbit(x, eta):
        params, hyper = {"x": x, "y": jnp.asarray(0.6)}, {**fixed, "eta": eta}

        def examine(carry, _):
            params, state, stable = carry
            walk = lambda _, c: rule.step(obj, *c, hyper)  # noqa: E731
            params, state = jax.lax.fori_loop(0, 32, walk, (params, state))
            here = sample(obj, rule, params, state, hyper)
            loss = measures.loss(here)
            stable |= (loss < 1e-12) & (measures.curvature(here) < measures.threshold(here))
            return (params, state, stable), loss

        start = params, rule.init(obj, params, hyper), jnp.asarray(False)
        (_, _, stable), losses = jax.lax.scan(examine, start, None, 200)
        return stable, jnp.any(losses < 1e-12)

    stable, arrived = (np.asarray(found) for found in orbit(jnp.asarray(x), jnp.asarray(eta)))
    assert arrived.sum() > 1500
    assert (stable == arrived).all()


def test_the_radius_is_that_of_numpy(x64, rng):
    for size in (1, 2, 3, 5):
        for _ in range(5):
            matrix = rng.normal(size=(size, size))
            want = np.abs(np.linalg.eigvals(matrix)).max()
            assert float(stability.spectral_radius(jnp.asarray(matrix))) == pytest.approx(
                want, rel=1e-12
            )
    nilpotent = jnp.asarray([[0.0, 1.0], [0.0, 0.0]])
    assert float(stability.spectral_radius(nilpotent)) == 0


@pytest.mark.parametrize(
    ("still", "answer", "want"),
    [
        ([[1.0]], [0.5], 0.0),  # ascends: unstable at once
        ([[0.5]], [0.0], np.inf),  # does not answer
        # x'' = x - a x_before: a pair of complex eigenvalues leaves the circle, at 1, before a flip
        ([[1.0, 0.0], [1.0, 0.0]], None, 1.0),
    ],
)
def test_crossings_that_are_no_flips(still, answer, want, x64):
    if answer is None:  # a delayed gradient: x' = x + m, m' = -lambda x
        found = stability.critical_multiplier(
            jnp.asarray([[1.0, 1.0], [0.0, 0.0]]), jnp.asarray([0.0, -1.0])
        )
    else:
        found = stability.critical_multiplier(jnp.asarray(still), jnp.asarray(answer))
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-300)
