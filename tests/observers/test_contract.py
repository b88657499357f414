"""What every registered observer must satisfy; a new one is picked up from the registry.

Its settings here are its defaults: a factory that cannot be called without arguments is no
observer that a configuration can name by itself.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import observers
from eos_jax.observers.base import results_of
from eos_jax.sample import Sample

pytestmark = pytest.mark.slow

every_observer = pytest.mark.parametrize("name", sorted(observers.registry))
DTYPES = (np.float32, np.float64)


def observed(paper, name, dtype, x=2.5, steps=13, every=4):
    start = {"x": jnp.asarray(x, dtype), "y": jnp.asarray(0.4, dtype)}
    return eos.simulate(paper, start, 0.2, steps, observe=observers.make(name), every=every)


def kinds(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def test_the_observers_that_come_along_are_registered():
    assert {"maximum", "minimum", "count", "first_crossing", "trace", "final_point"} <= set(
        observers.registry
    )


@every_observer
def test_equal_arguments_give_the_same_observer(name):
    """By name and by function, so compiled programs are found again."""
    assert observers.registry[name]() is observers.make(name) is getattr(observers, name)()


@pytest.mark.parametrize("name", ["maximum", "minimum", "count", "first_crossing"])
def test_arguments_by_place_and_by_name_mean_the_same(name):
    make = getattr(observers, name)
    assert make("loss") is make(measure="loss") is observers.make(name, measure="loss")
    assert make("loss") is not make("x")


def test_lists_and_tuples_of_measures_mean_the_same():
    trace = observers.trace
    assert trace(["x", "loss"], last=3) is trace(("x", "loss"), 3)
    assert trace("x") is not trace("y")


@every_observer
@pytest.mark.parametrize("dtype", DTYPES)
def test_floats_have_the_dtype_of_the_orbit(paper, name, dtype):
    with jax.enable_x64(dtype == np.float64):
        for leaf in jax.tree.leaves(observed(paper, name, dtype)):
            assert leaf.dtype == dtype or jnp.issubdtype(leaf.dtype, jnp.integer)
            assert np.isfinite(leaf).all()


@every_observer
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_accumulator_keeps_its_shapes_and_dtypes(paper, name, dtype):
    """As a loop that carries it needs; and weak types would compile everything twice."""
    observer, rule = observers.make(name), eos.rules.gradient_descent()
    with jax.enable_x64(dtype == np.float64):
        params = {"x": jnp.ones((), dtype), "y": jnp.ones((), dtype)}
        integer = jnp.zeros((), jnp.int32)
        hyper = {"eta": jnp.ones((), dtype)}
        sample = Sample(paper, rule, params, (), hyper, integer, integer)

        def two(params):
            before = observer.init(sample._replace(params=params), 5)
            return before, observer.update(before, sample._replace(params=params))

        before, after = jax.eval_shape(two, params)
        assert kinds(after) == kinds(before)


@every_observer
def test_jit_and_vmap(paper, name, x64):
    """Alone, compiled, and many at once."""
    run = lambda x: observed(paper, name, np.float64, x)  # noqa: E731
    xs = jnp.array([1.5, 2.5])
    many, compiled = jax.vmap(run)(xs), jax.jit(run)
    for i, x in enumerate(xs):
        alone = jax.tree.leaves(run(x))
        for a, b, c in zip(alone, jax.tree.leaves(compiled(x)), jax.tree.leaves(many)):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-25)
            np.testing.assert_allclose(a, c[i], rtol=1e-10, atol=1e-25)


@every_observer
def test_every_result_has_a_label(paper, name):
    observer = observers.make(name)
    found = results_of("it", observer, observed(paper, name, np.float32))
    assert found
    for leaf, label in found.values():
        assert label.long_name and label.units
        assert len(label.dims) in (0, leaf.ndim)


@every_observer
def test_a_sweep_records_it(paper, name):
    """Beside another of the same kind: names do not clash."""
    observe = {"one": observers.make(name), "two": observers.make(name)}
    found = eos.sweep(paper, {"x": [1.5, 2.5], "y": 0.4, "eta": 0.2}, 9, observe=observe)
    one = sorted(n for n in found.data_vars if n.startswith("one"))
    assert one and [f"two{n[3:]}" for n in one] == sorted(
        n for n in found.data_vars if n.startswith("two")
    )
    for name in one:
        assert found[name].values.tobytes() == found[f"two{name[3:]}"].values.tobytes()
