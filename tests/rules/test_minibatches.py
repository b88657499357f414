"""Batches: drawn by seed and step, of the size asked for, and all data when that is all."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import measures, rules
from eos_jax.objectives import samples
from tests.rules.examples import numbers, sample, walk

pytestmark = pytest.mark.slow

X = np.array([0.5, 1.0, 1.5, 2.0, -1.0])
Y = np.array([1.0, 0.5, 2.0, 0.0, 0.3])
POINT = {"a": np.asarray(0.9), "b": np.asarray(0.4)}


def product(a, b, X, y):
    return 0.5 * jnp.mean((y - a * b * X) ** 2)


def summed(a, b, X, y):
    return 0.5 * jnp.sum((y - a * b * X) ** 2)


@functools.cache
def model(function=product):
    return eos.objectives.from_function(function, ("a", "b"), data={"X": X, "y": Y})


@pytest.mark.parametrize("function", [product, summed])
def test_a_batch_of_all_is_heavy_ball(function, x64):
    rule, obj = rules.minibatch_heavy_ball(batch=5, momentum=0.5), model(function)
    found, _ = walk(rule, POINT, numbers(rule), 20, obj)
    want, _ = walk(rules.heavy_ball(0.5), POINT, numbers(rules.heavy_ball(0.5)), 20, obj)
    for n in "ab":
        np.testing.assert_allclose(found[n], want[n], rtol=1e-12)


def test_steps_by_hand_with_the_batches_that_seed_and_step_fix(x64):
    rule, (a, b), m = rules.minibatch_heavy_ball(batch=2, momentum=0.6), (0.9, 0.4), np.zeros(2)
    for count in range(15):
        key = jax.random.fold_in(jax.random.key(np.uint32(3)), np.uint32(count))
        chosen = np.asarray(jax.random.permutation(key, 5)) < 2
        assert chosen.sum() == 2
        residual = -np.mean(X[chosen] * (Y[chosen] - a * b * X[chosen]))
        m = 0.6 * m - 0.05 * residual * np.array([b, a])
        a, b = a + m[0], b + m[1]
    end, _ = walk(rule, POINT, numbers(rule), 15, model())
    assert (float(end["a"]), float(end["b"])) == pytest.approx((a, b), rel=1e-12)


def test_every_sample_is_drawn_as_often(x64):
    keys = jax.random.split(jax.random.key(1), 4000)
    drawn = np.asarray(jax.vmap(lambda k: samples.draw_batch(model(), k, 2))(keys))
    assert (drawn.sum(axis=1) == 2).all()
    # the standard error of a share of 0.4 in 4000 is 0.008
    np.testing.assert_allclose(drawn.mean(axis=0), 0.4, atol=0.035)


def test_losses_of_samples_have_the_loss_as_their_mean(x64):
    for function in (product, summed):
        obj, full = model(function), {"a": (jnp.asarray(0.9),), "b": (jnp.asarray(0.4),)}
        found = samples.sample_losses(obj, full)
        want = 0.5 * (Y - 0.36 * X) ** 2 * (5 if function is summed else 1)
        np.testing.assert_allclose(found, want, rtol=1e-13)


def test_the_mean_of_orbits_turns_at_the_threshold(x64):
    """E x over batches follows the mean map: |mu| of (x, u) by NumPy, below it and above."""
    for beta in (0.0, 0.5, 0.9, -0.5):
        rule = rules.minibatch_heavy_ball(batch=2, momentum=beta)
        params = {n: jnp.asarray(v) for n, v in POINT.items()}
        edge = float(measures.threshold(sample(model(), rule, params, (), numbers(rule))))
        for pace in (0.999, 1.001):
            answer = 0.05 * pace * edge  # eta times a curvature
            mean = np.array([[1 - answer, beta], [-answer, beta]])
            assert (np.abs(np.linalg.eigvals(mean)).max() > 1) == (pace > 1)


def test_what_has_no_batches_is_refused():
    rule = rules.minibatch_heavy_ball(batch=2)
    with pytest.raises(ValueError, match="one row for each sample, but scalar_product has no data"):
        obj = eos.objectives.scalar_product((2, 2))
        eos.sweep(obj, {"x": 1.0, "y": 1.0, "eta": 0.1}, 1, rule=rule)

    def penalised(a, b, X, y):
        return product(a, b, X, y) * (1 + jnp.max(X)) + a**2

    with pytest.raises(ValueError, match="the mean or the sum over samples, but that of penalised"):
        walk(rule, POINT, numbers(rule), 1, model(penalised))
    with pytest.raises(ValueError, match="`batch` must be at least 1"):
        eos.sweep(model(), {**POINT, "eta": 0.1, "batch": [0.0, 2.0]}, 1, rule=rule)


def test_batch_sharpness_is_the_mean_over_batches(x64):
    """All 10 pairs by NumPy: the mean of many draws comes near."""
    rule = rules.minibatch_heavy_ball(batch=2)
    hyper = numbers(rule)
    here = sample(model(), rule, {n: jnp.asarray(v) for n, v in POINT.items()}, (), hyper)
    found = float(jax.jit(lambda: measures.batch_sharpness(draws=4000)(here))())
    bends, a, b = [], 0.9, 0.4
    for i in range(5):
        for j in range(i):
            x, y = X[[i, j]], Y[[i, j]]
            first = np.mean(-x * (y - a * b * x))
            second = np.mean(x * x)
            g = first * np.array([b, a])
            hessian = second * np.outer([b, a], [b, a]) + first * np.array([[0, 1], [1, 0]])
            bends.append(g @ hessian @ g / (g @ g))
    error = 5 * np.std(bends) / np.sqrt(4000)
    assert found == pytest.approx(np.mean(bends), abs=error)


def test_batches_do_not_depend_on_the_tile_or_on_a_stop(tmp_path):
    """To the last bit: 12 lanes at once, 5 at a time, and again where one tile was lost."""
    rule = rules.minibatch_heavy_ball(momentum=0.5)
    axes = {**POINT, "eta": 0.1, "batch": [1.0, 3.0], "seed": np.arange(6, dtype=np.uint32)}

    def run(**how):
        return eos.sweep(model(), axes, 100, rule=rule, stop=None, sharpness=None, **how)

    whole, parts = run(tile=12), run(tile=5, out=tmp_path / "store")
    assert len(np.unique(whole.a_final)) == 12
    for name in whole.data_vars:
        assert whole[name].values.tobytes() == parts[name].values.tobytes(), name
    chunk = sorted((tmp_path / "store" / "outcome" / "c").rglob("*"))
    next(path for path in chunk if path.is_file()).unlink()
    again = run(tile=5, out=tmp_path / "store")
    for name in whole.data_vars:
        assert again[name].values.tobytes() == whole[name].values.tobytes(), name


def test_batch_sharpness_as_a_ratio_of_means(x64):
    """E[g H g]/E[g g] over all pairs, two samples apart in size: it leans to the larger."""
    rule = rules.minibatch_heavy_ball(batch=2)
    here = sample(model(), rule, {n: jnp.asarray(v) for n, v in POINT.items()}, (), numbers(rule))
    measure = measures.batch_sharpness(draws=4000, ratio_of_means=True)
    found = float(jax.jit(lambda: measure(here))())
    bends, squares, a, b = [], [], 0.9, 0.4
    for i in range(5):
        for j in range(i):
            x, y = X[[i, j]], Y[[i, j]]
            first, second = np.mean(-x * (y - a * b * x)), np.mean(x * x)
            g = first * np.array([b, a])
            hessian = second * np.outer([b, a], [b, a]) + first * np.array([[0, 1], [1, 0]])
            bends.append(g @ hessian @ g)
            squares.append(g @ g)
    wanted = np.mean(bends) / np.mean(squares)
    spread = np.std(np.array(bends) - wanted * np.array(squares)) / np.mean(squares)
    assert found == pytest.approx(wanted, abs=5 * spread / np.sqrt(4000))
    assert abs(wanted - np.mean(np.array(bends) / np.array(squares))) > 5 * spread / 4000**0.5
