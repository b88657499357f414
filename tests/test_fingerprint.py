"""Fingerprints: equal mathematics has equal ones, every changed bit of a constant another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eos_jax import fingerprint

X = np.linspace(0, 1, 2000)  # long enough to be abbreviated where it is printed


def of(function, *arguments):
    return fingerprint.digest(jax.make_jaxpr(function)(*(arguments or (1.0,))))


def changed(array):
    array = array.copy()
    array[1000] += 1e-7  # in the part that is not printed
    return array


@pytest.mark.parametrize(
    "use",
    [
        lambda x: lambda a: jnp.sum(a * x),
        lambda x: lambda a: jnp.sum(jax.jit(lambda b: b * x)(a)),
        lambda x: lambda a: jax.lax.scan(lambda c, y: (c + y * jnp.sum(x), None), a, x)[0],
        lambda x: lambda a: jax.lax.cond(a > 0, lambda: a * x[1000], lambda: a),
        lambda x: lambda a: a * float(x[1000]),
        lambda x: lambda a: a * x[1000],
        lambda x: lambda a: (a, jnp.asarray(x)),
    ],
)
def test_every_constant_counts(use, x64):
    assert of(use(X)) == of(use(X.copy()))
    assert of(use(X)) != of(use(changed(X)))


def test_operations_shapes_and_dtypes_count(x64):
    found = {
        of(lambda a: a + 1),
        of(lambda a: a - 1),
        of(lambda a: a + 1, np.float32(1)),
        of(lambda a: a + 1, np.ones(3)),
    }
    assert len(found) == 4


def test_addresses_do_not_count():
    def make():
        same = lambda value: value  # noqa: E731
        return lambda a: jax.pure_callback(same, jax.ShapeDtypeStruct((), a.dtype), a)

    first, second = make(), make()  # both alive, so at different addresses
    assert of(first, np.float32(1)) == of(second, np.float32(1))


def test_random_keys_count():
    def make(seed):
        key = jax.random.key(seed)
        return lambda a: a * jax.random.normal(key)

    assert of(make(0)) == of(make(0)) != of(make(1))


def test_arrays_are_told_apart_by_name_dtype_shape_and_bytes():
    arrays = [
        {"a": np.zeros(4)},
        {"b": np.zeros(4)},
        {"a": np.zeros((2, 2))},
        {"a": np.zeros(4, np.int64)},
        {"a": -np.zeros(4)},
        {"a": np.zeros(2), "b": np.zeros(2)},
        {},
    ]
    assert len({fingerprint.of_arrays(a) for a in arrays}) == len(arrays)
    strided = np.arange(8.0)[::2]
    assert fingerprint.of_arrays({"a": strided}) == fingerprint.of_arrays({"a": strided.copy()})


def test_callbacks_are_found_at_any_depth():
    def calls(a):
        return jax.pure_callback(lambda v: v, jax.ShapeDtypeStruct((), a.dtype), a)

    inside = jax.make_jaxpr(lambda a: jax.lax.scan(lambda c, _: (calls(c), None), a, None, 3))(1.0)
    assert fingerprint.has_callback(inside)
    assert not fingerprint.has_callback(jax.make_jaxpr(jnp.sin)(1.0))
