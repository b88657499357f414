"""Noise that its seed and the count of steps determine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from tests.rules.examples import LABELLED, numbers, quadratic, walk

POINT = {"x": np.asarray(1.6), "y": np.asarray(0.5)}


def draw(seed, count, *more):
    key = jax.random.fold_in(jax.random.key(np.uint32(seed)), np.uint32(count))
    for number in more:
        key = jax.random.fold_in(key, number)
    return float(jax.random.normal(key, (), float))


def test_label_noise_descends_on_moved_labels(x64):
    """x' = x - eta (P - (1 + sigma xi)) x y^2, with the draws that the seed fixes."""
    rule, (x, y) = rules.label_noise(sigma=0.3), POINT.values()
    for count in range(20):
        residual = x * x * y * y - (1 + 0.3 * draw(11, count))
        x, y = x - 0.05 * residual * x * y * y, y - 0.05 * residual * x * x * y
    end, count = walk(rule, POINT, numbers(rule, seed=11), 20)
    assert (float(end["x"]), float(end["y"])) == pytest.approx((x, y), rel=1e-12)
    assert count == 20 and jnp.issubdtype(count.dtype, jnp.unsignedinteger)


def test_gradient_noise_has_a_draw_for_each_parameter(x64):
    rule, (x, y) = rules.gradient_noise(sigma=0.3), POINT.values()
    for count in range(20):
        slope = x * y * (x * x * y * y - 1)
        x, y = (
            x - 0.05 * (slope * y + 0.3 * draw(11, count, 0)),
            y - 0.05 * (slope * x + 0.3 * draw(11, count, 1)),
        )
    end, _ = walk(rule, POINT, numbers(rule, seed=11), 20)
    assert (float(end["x"]), float(end["y"])) == pytest.approx((x, y), rel=1e-12)


@pytest.mark.parametrize("name", ["label_noise", "gradient_noise"])
def test_without_noise_it_is_gradient_descent(name, x64):
    quiet, plain = rules.make(name, sigma=0.0), rules.gradient_descent()
    ends = [walk(r, POINT, numbers(r), 30)[0] for r in (quiet, plain)]
    for n in ("x", "y"):
        np.testing.assert_allclose(ends[0][n], ends[1][n], rtol=1e-13)


@pytest.mark.parametrize("name", ["label_noise", "gradient_noise"])
def test_lanes_draw_by_their_own_seed(name, x64):
    """Seed 5 sees the same noise beside any other lanes; other seeds and steps see other noise."""
    rule = rules.make(name, sigma=0.3)

    def orbit(seed):
        hyper = {**numbers(rule), "seed": seed}
        return rule.step(LABELLED, POINT, rule.init(LABELLED, POINT, hyper), hyper)[0]["x"]

    found = [jax.vmap(orbit)(jnp.asarray(s, jnp.uint32)) for s in ([5, 6], [9, 5, 7])]
    assert found[0][0] == found[1][1]
    assert len({float(v) for v in (*found[0], *found[1])}) == 4


def test_the_spread_in_a_flat_valley_is_that_of_the_noise(x64):
    """On a loss without slope an orbit is a sum of draws: variance steps (eta sigma)^2."""
    flat = eos.objectives.Objective("flat", lambda full: 0 * full["a"][0], ("a",), (1,), ((),))
    rule = rules.gradient_noise(sigma=0.5)

    def orbit(seed):
        hyper = {**numbers(rule, eta=0.2), "seed": seed}
        start = {"a": jnp.asarray(0.0)}
        step = lambda _, carry: rule.step(flat, *carry, hyper)  # noqa: E731
        return jax.lax.fori_loop(0, 25, step, (start, rule.init(flat, start, hyper)))[0]["a"]

    ends = np.asarray(jax.jit(jax.vmap(orbit))(jnp.arange(4000, dtype=jnp.uint32)))
    # the standard error of a standard deviation from 4000 draws is 1.1 %, of a mean 0.008
    assert ends.std() == pytest.approx(0.2 * 0.5 * 5, rel=0.05)
    assert abs(ends.mean()) < 0.04


def test_an_objective_without_labels_is_refused():
    obj = quadratic(2.0)
    rule = rules.label_noise(sigma=0.1)
    with pytest.raises(ValueError, match="data named `target` or `y`, but quadratic has no data"):
        rule.init(obj, {"a": 1.0}, numbers(rule))
    with pytest.raises(ValueError, match="data named `z`, but labelled has `target`"):
        rules.label_noise(0.1, label="z").init(LABELLED, POINT, numbers(rule))


LONG = pytest.mark.long


@pytest.mark.parametrize("engine", ["auto", pytest.param("plain", marks=LONG)])
@pytest.mark.parametrize("name", ["gradient_noise", pytest.param("label_noise", marks=LONG)])
def test_noise_does_not_depend_on_the_tile_or_on_a_stop(name, engine, tmp_path):
    """To the last bit: 12 lanes at once, 5 at a time, and again where a chunk was lost."""
    axes = {**POINT, "eta": 0.05, "sigma": 0.3, "seed": np.arange(12, dtype=np.uint32)}
    how = dict(rule=name, stop=None, sharpness=None, engine=engine)
    whole = eos.sweep(LABELLED, axes, 70, tile=12, **how)
    parts = eos.sweep(LABELLED, axes, 70, tile=5, out=tmp_path / "s", **how)
    chunks = sorted((tmp_path / "s" / "x_final" / "c").rglob("*"))
    next(path for path in chunks if path.is_file()).unlink()
    again = eos.sweep(LABELLED, axes, 70, tile=5, out=tmp_path / "s", **how)
    assert len(np.unique(whole.x_final)) == 12
    for found in (parts, again):
        for n in ("x_final", "y_final", "loss"):
            assert found[n].values.tobytes() == whole[n].values.tobytes(), n
