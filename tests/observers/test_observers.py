"""What is recorded: the right samples, whatever the stride, and measures that mean it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import measures, observers, rules
from eos_jax.sample import Sample
from tests import oracle

pytestmark = pytest.mark.slow

START, ETA, STEPS = {"x": 2.5, "y": 0.4001}, 0.2, 53


@pytest.fixture(scope="module")
def orbit():
    """The orbit in NumPy: arrays of STEPS + 1 points."""
    points = [(START["x"], START["y"])]
    for _ in range(STEPS):
        points.append(oracle.step(*points[-1], ETA))
    return np.array(points).T


def observe(paper, observer, every=1, steps=STEPS):
    return eos.simulate(paper, START, ETA, steps, observe=observer, every=every)


@pytest.mark.parametrize("every", [1, 2, 7, 10, 53, 54, 1000])
def test_a_trace_holds_every_kth_point(paper, orbit, every, x64):
    found = observe(paper, observers.trace(), every)
    x, y = orbit[:, ::every]
    assert np.array_equal(found["step"], np.arange(0, STEPS + 1, every))
    assert set(found) == {"step", "x", "y", "loss", "sharpness"}
    # an orbit at the edge of stability neither shrinks nor much stretches errors in 53 steps
    np.testing.assert_allclose(found["x"], x, rtol=1e-10)
    np.testing.assert_allclose(found["y"], y, rtol=1e-10)
    np.testing.assert_allclose(found["loss"], oracle.loss(x, y), rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(found["sharpness"], oracle.sharpness(x, y), rtol=1e-9)


@pytest.mark.parametrize("every", [1, 2, 7, 53, 54])
def test_the_end_does_not_depend_on_the_stride(paper, orbit, every, x64):
    end = observe(paper, None, every)
    np.testing.assert_allclose((end["x"], end["y"]), orbit[:, -1], rtol=1e-10)
    both = observe(paper, {"end": observers.final_point(), "all": observers.trace()}, every)
    assert set(both) == {"end", "all"}
    assert float(both["end"]["x"]) == float(end["x"])


def test_no_steps_is_one_sample(paper, x64):
    found = observe(paper, observers.trace(), steps=0)
    assert found["step"].tolist() == [0] and found["x"].tolist() == [2.5]


@pytest.mark.parametrize("every", [1, 5])
def test_extremes_counts_and_crossings_agree_with_the_trace(paper, orbit, every, x64):
    sharpness = oracle.sharpness(*orbit[:, ::every])
    found = observe(
        paper,
        {
            "maximum": observers.maximum(),
            "count": observers.count(),
            "first": observers.first_crossing(lambda s: 9.9 - measures.sharpness(s)),
            "never": observers.first_crossing(lambda s: measures.loss(s) - 1e9),
        },
        every,
    )
    assert float(found["maximum"]) == pytest.approx(sharpness.max(), rel=1e-10)
    assert 0 < int(found["count"]) < len(sharpness)
    assert int(found["count"]) == np.sum(sharpness > 2 / ETA)
    assert int(found["first"]) == every * np.flatnonzero(sharpness < 9.9)[0]
    assert int(found["never"]) == -1


def test_measures_of_ones_own(paper, orbit, x64):
    found = observe(paper, observers.trace(product=lambda s: s.params["x"] * s.params["y"]), 4)
    assert set(found) == {"product"}
    np.testing.assert_allclose(found["product"], orbit.prod(axis=0)[::4], rtol=1e-10)


def test_an_observer_of_ones_own(paper, orbit, x64):
    """Init, update, finalize: the mean of x over the samples."""
    mean = observers.Observer(
        lambda first, count: jnp.zeros(()),
        lambda total, sample: total + sample.params["x"],
        lambda total, end: total / (end.index + 1),
    )
    found = observe(paper, mean, 5)
    assert float(found) == pytest.approx(orbit[0, ::5].mean(), rel=1e-11)


def test_observers_under_jit_and_vmap(paper, x64):
    run = lambda x: eos.simulate(  # noqa: E731
        paper, {"x": x, "y": 0.4}, 0.1, 20, observe=observers.trace(), every=3
    )
    xs = jnp.array([1.5, 2.0])
    many = jax.jit(jax.vmap(run))(xs)
    assert many["x"].shape == (2, 7)
    for i, x in enumerate(xs):
        np.testing.assert_allclose(many["sharpness"][i], run(x)["sharpness"], rtol=1e-11)


def test_the_sharpness_measure_is_the_sharpness(x64):
    """With the closed form and without."""
    for multiplicities in ((2, 2), 3):
        obj = eos.objectives.scalar_product(multiplicities)
        point = {name: jnp.asarray(v) for name, v in zip(obj.parameters, (1.3, 0.4, 0.9))}
        rule, hyper = rules.gradient_descent(), {"eta": jnp.asarray(0.2)}
        sample = Sample(obj, rule, point, (), hyper, jnp.asarray(0), jnp.asarray(0))
        want = float(eos.sharpness(obj, point, "lanczos"))
        assert float(measures.sharpness(sample)) == pytest.approx(want, rel=1e-12)
        assert float(measures.excess_curvature(sample)) == pytest.approx(want - 10, rel=1e-11)


def test_rises_are_counted_as_by_hand(paper):
    """x crosses 1 from below at every second step of a 2-cycle, and a start above is no rise."""
    start = {"x": np.float64(2.5), "y": np.float64(0.4001)}
    observe = {
        "rises": eos.observers.upcrossings("loss", 0.01), "at": eos.observers.trace("loss"),
    }  # fmt: skip
    found = eos.simulate(paper, start, 0.25, 300, observe=observe)
    above = np.asarray(found["at"]["loss"]) > 0.01
    assert int(found["rises"]) == np.sum(above[1:] & ~above[:-1]) > 3
