"""What every registered rule must satisfy; a new family is picked up from the registry.

Each family brings `examples`, arguments of rules that are tried here on the paper's model.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eos_jax import measures, rules
from eos_jax.rules import registry
from tests.rules.examples import LABELLED, numbers, sample

pytestmark = pytest.mark.slow

CASES = [
    # the first example of each family; the others are variants
    pytest.param(
        family.make, arguments, id=f"{name}({arguments})", marks=[pytest.mark.long] if k else []
    )
    for name, family in sorted(registry.items())
    for k, arguments in enumerate(family.examples)
]
every_rule = pytest.mark.parametrize(("make", "arguments"), CASES)
one_of_each_family = pytest.mark.parametrize(
    ("make", "arguments"),
    [(family.make, family.examples[0]) for _, family in sorted(registry.items())],
    ids=sorted(registry),
)
DTYPES = (np.float32, np.float64)


def points(lanes=(), dtype=np.float64, seed=0):
    generator = np.random.default_rng(seed)
    low = {"x": 1.2, "y": 0.4}
    return {n: jnp.asarray(generator.uniform(v, v + 0.4, lanes), dtype) for n, v in low.items()}


def two_steps(rule, objective=LABELLED):
    def orbit(params, hyper):
        state = rule.init(objective, params, hyper)
        for _ in range(2):
            params, state = rule.step(objective, params, state, hyper)
        return params, state

    return orbit


def kinds(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def test_every_family_has_examples():
    assert registry
    for name, family in registry.items():
        assert family.examples, name


@every_rule
def test_equal_arguments_give_the_same_rule_and_make_rebuilds_it(make, arguments):
    rule = make(**arguments)
    assert rule.name in registry and rule.name in repr(rule)
    assert make(**arguments) is rule
    assert rules.make(rule.name, **rule.settings, **rule.defaults) is rule
    assert rules.as_rule(rule) is rule
    assert len(set(rule.hyperparameters)) == len(rule.hyperparameters)
    assert set(rule.defaults) <= set(rule.hyperparameters)
    assert not set(rule.settings) & set(rule.hyperparameters)
    assert any(n == "eta" or n.startswith("eta_") for n in rule.hyperparameters)


@every_rule
def test_a_rule_without_a_threshold_says_why(make, arguments):
    rule = make(**arguments)
    if rule.threshold is None:
        assert "no threshold" in rule.remark


@every_rule
def test_it_compiles_maps_and_keeps_every_dtype(make, arguments):
    rule = make(**arguments)
    for dtype in DTYPES:
        with jax.enable_x64(dtype == np.float64):
            hyper, orbit = numbers(rule, dtype), two_steps(rule)
            lanes = points((3,), dtype)
            state = rule.init(LABELLED, points((), dtype), hyper)
            params, after = jax.jit(jax.vmap(orbit, (0, None)))(lanes, hyper)
            assert kinds(params) == {n: ((3,), dtype) for n in ("x", "y")}
            assert jax.tree.structure(after) == jax.tree.structure(state)
            for leaf, first in zip(jax.tree.leaves(after), jax.tree.leaves(state)):
                assert leaf.dtype == first.dtype and leaf.shape == (3, *first.shape)
                floating = jnp.issubdtype(leaf.dtype, jnp.floating)
                assert leaf.dtype == dtype if floating else leaf.ndim == 1  # a count
            # every lane by itself is the same up to the order of operations
            for k in range(3):
                single = jax.jit(orbit)({n: v[k] for n, v in lanes.items()}, hyper)[0]
                for n in params:
                    eps = np.finfo(dtype).eps
                    np.testing.assert_allclose(params[n][k], single[n], rtol=2000 * eps)


@pytest.mark.long  # that lanes are single points is tested above
@every_rule
def test_a_batch_of_one_is_the_single_point(make, arguments, x64):
    rule = make(**arguments)
    point, hyper, orbit = points(), numbers(rule), two_steps(rule)
    one = jax.jit(orbit)(point, hyper)
    many = jax.jit(jax.vmap(orbit, (0, None)))({n: v[None] for n, v in point.items()}, hyper)
    for single, batch in zip(jax.tree.leaves(one), jax.tree.leaves(many)):
        np.testing.assert_allclose(batch[0], single, rtol=1e-12, atol=1e-15)


@every_rule
def test_every_hyperparameter_can_be_an_axis(make, arguments, x64):
    """A lane with its own numbers walks as if it were alone."""
    rule, orbit = make(**arguments), None
    orbit = jax.jit(two_steps(rule))
    few = {"b1": 0.3, "b2": 0.8, "decay": 0.7, "momentum": 0.3, "eps": 1e-2, "sigma": 0.4}
    first = numbers(rule)
    second = numbers(rule, **{"eta": 0.03, "eta_x": 0.01, "eta_A": 0.01, "seed": 8, **few})
    hyper = {n: np.stack([first[n], second[n]]) for n in first}
    lanes = jax.jit(jax.vmap(two_steps(rule), (None, 0)))(points(), hyper)[0]
    for k, own in enumerate((first, second)):
        alone = orbit(points(), own)[0]
        for n in ("x", "y"):
            np.testing.assert_allclose(lanes[n][k], alone[n], rtol=1e-12)
    assert lanes["x"][0] != lanes["x"][1]


@every_rule
def test_it_is_traced_once(make, arguments):
    """Equal shapes never trace the loss again, whatever the values, and an equal rule neither."""
    traces = []

    def counted(full, data):
        traces.append(1)  # each use of the loss in a step
        return LABELLED.loss_with_data(full, data)

    single = {name: np.asarray(value, np.float32) for name, value in LABELLED.data.items()}
    counting = replace(
        LABELLED, full_loss=lambda full: counted(full, single), loss_with_data=counted
    )

    def step(rule, params, state, hyper):
        return rule.step(counting, params, state, hyper)

    compiled, counts = jax.jit(step, static_argnums=0), []
    for seed in range(3):
        rule = make(**arguments)
        params, hyper = points((), np.float32, seed), numbers(rule, np.float32)
        state = rule.init(counting, params, hyper)
        before = len(traces)
        compiled(rule, params, state, hyper)
        counts.append(len(traces) - before)
    assert counts[0] > 0 and counts[1:] == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.long)])
@one_of_each_family  # computed thresholds take seconds to compile
def test_curvature_and_threshold_are_numbers_of_the_lanes(make, arguments, dtype):
    rule = make(**arguments)
    with jax.enable_x64(dtype == np.float64):
        hyper = numbers(rule, dtype)

        def both(params):
            params, state = two_steps(rule)(params, hyper)
            here = sample(LABELLED, rule, params, state, hyper, 2)
            return measures.curvature(here), measures.threshold(here)

        curvature, threshold = jax.jit(jax.vmap(both))(points((3,), dtype))
        assert curvature.shape == threshold.shape == (3,)
        assert curvature.dtype == threshold.dtype == dtype
        assert np.isfinite(curvature).all()
        if rule.threshold is None:
            assert np.isnan(threshold).all()
        else:
            assert (np.asarray(threshold) > 0).all()


@every_rule
def test_a_small_step_goes_down(make, arguments, x64):
    """Every rule descends: without noise, with a tiny step, from rest."""
    rule = make(**arguments)
    quiet = {"sigma": 0.0, "weight_decay": 0.0}
    tiny = {n: 1e-6 for n in rule.hyperparameters if n.startswith("eta")}
    hyper = numbers(rule, **tiny)
    hyper |= {n: np.asarray(v) for n, v in quiet.items() if n in hyper}
    start = points()
    end, _ = jax.jit(lambda p, h: rule.step(LABELLED, p, rule.init(LABELLED, p, h), h))(
        start, hyper
    )
    loss = lambda p: 0.5 * (1 - (float(p["x"]) * float(p["y"])) ** 2) ** 2  # noqa: E731
    assert loss(end) < loss(start)
