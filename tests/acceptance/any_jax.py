"""Losses that use much of JAX, to be run as a program: one line of JSON for each name given.

All have their only minimum at x = 1, y = -1/2, and are quadratic beside it.
"""

import functools
import json
import sys

import jax
import jax.numpy as jnp

import eos_jax as eos


def quadratic(x, y):
    return (x - 1) ** 2 + 0.5 * (y + 0.5) ** 2


def scan(x, y):
    total, _ = jax.lax.scan(
        lambda sum_, part: (sum_ + part * quadratic(x, y), None), 0.0 * x, jnp.ones(4, x.dtype) / 4
    )
    return total


def scan_in_a_reduction(x, y):
    """Each term is a loop of its own, and all are summed."""

    def term(part):
        return jax.lax.scan(lambda c, _: (c + part * quadratic(x, y), None), 0 * x, None, 3)[0]

    return jnp.sum(jax.vmap(term)(jnp.ones(8, x.dtype) / 24))


def fori_loop(x, y):
    return jax.lax.fori_loop(0, 4, lambda _, sum_: sum_ + quadratic(x, y) / 4, 0.0 * x)


def fori_loop_over_array(x, y):
    found = jax.lax.fori_loop(
        0, 3, lambda _, v: 0.5 * v + 0.5 * jnp.flip(v), jnp.stack([x - 1, y + 0.5])
    )
    return quadratic(x, y) + jnp.sum(found**2)


def while_loop(x, y):
    return jax.lax.while_loop(lambda v: v > 100, lambda v: v / 2, quadratic(x, y))


def cond(x, y):
    return jax.lax.cond(x > 0, quadratic, lambda x, y: 2 * quadratic(x, y), x, y)


def sort(x, y):
    return jnp.sum(jnp.sort(jnp.stack([(x - 1) ** 2, (y + 0.5) ** 2, (x + y - 0.5) ** 2])))


def solve(x, y):
    matrix = jnp.array([[2.0, 1.0], [1.0, 3.0]], x.dtype)
    away = jnp.stack([x - 1, y + 0.5])
    return away @ jnp.linalg.solve(matrix, away)


def eigh(x, y):
    matrix = jnp.array([[1.0, 0.2], [0.2, 2.0]], x.dtype) + quadratic(x, y) * jnp.eye(
        2, dtype=x.dtype
    )
    return jnp.linalg.eigh(matrix)[0].sum()


def fft(x, y):
    return jnp.sum(jnp.abs(jnp.fft.fft(jnp.stack([x - 1, y + 0.5, 0 * x]))) ** 2) / 3


def random_numbers(x, y):
    weights = jax.random.uniform(jax.random.key(3), (5,), x.dtype, 0.5, 1.5)
    return jnp.mean(weights) * quadratic(x, y)


def python_float(x, y):
    return 1.0


LOSSES = {
    f.__name__: f
    for f in (scan, scan_in_a_reduction, fori_loop, fori_loop_over_array, while_loop, cond, sort,
              solve, eigh, fft, random_numbers, python_float)
}  # fmt: skip


def outcome(name: str, dtype: str) -> dict:
    """What a sweep of one loss gives, or its error."""
    try:
        found = eos.sweep(
            eos.objectives.from_function(LOSSES[name]),
            {"x": [0.3, 2.0], "y": [0.5, -0.5], "eta": [0.2, 20.0]}, 400, dtype=dtype, observe=None,
        )  # fmt: skip
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    calm = found.isel(eta=0)
    return {
        "outcome": found.outcome.values.tolist(),
        "x": calm.x_final.values.ravel().tolist(),
        "y": calm.y_final.values.ravel().tolist(),
    }


if __name__ == "__main__":
    say = functools.partial(print, flush=True)
    for place in sys.argv[1:]:
        name, dtype = place.split(":")
        say(json.dumps({"loss": place}))
        say(json.dumps(outcome(name, dtype)))
