"""P8: every objective of scalars and twelve own losses under five rules, against one line of JAX.

The line that a user would write is `jit(vmap(scan))` of the rule's own step, with all lanes at
once. Both run every lane to the same horizon.
"""

import functools
import time

import jax
import numpy as np

import eos_jax as eos
from benchmarks.losses import objectives_of_scalars, own_objectives

RULES = ("gradient_descent", "heavy_ball", "nesterov", "rmsprop", "adam")
ETA = {"adam": 0.01, "rmsprop": 0.01}


def axes_of(objective, rule, lanes, seed=0):
    """Random starts, one for each lane, and the rule's own hyperparameters."""
    random = np.random.default_rng(seed)
    axes = {name: random.uniform(0.3, 1.2, lanes) for name in objective.parameters}
    return {**axes, "eta": np.full(lanes, ETA.get(rule.name, 0.02))}


def one_line(objective, rule, axes, dtype, steps):
    """`jit(vmap(scan))`: (lanes,) arrays to the last points."""
    hyper = {n: axes.get(n, rule.defaults.get(n)) for n in rule.hyperparameters}
    count = len(next(iter(axes.values())))
    hyper = {
        n: np.broadcast_to(np.asarray(v, "uint32" if n == "seed" else dtype), (count,))
        for n, v in hyper.items()
    }
    params = {n: axes[n].astype(dtype) for n in objective.parameters}

    def orbit(params, hyper):
        def step(state, _):
            return rule.step(objective, *state, hyper), None

        start = (params, rule.init(objective, params, hyper))
        return jax.lax.scan(step, start, length=steps)[0][0]

    run = jax.jit(jax.vmap(orbit))

    def call():
        with jax.enable_x64(dtype == "float64"):
            return jax.block_until_ready(run(params, hyper))

    return call


def swept(objective, rule, axes, dtype, steps):
    """The same by `sweep`, nothing examined but the end."""
    return functools.partial(
        eos.sweep, objective, axes, steps, rule=rule, stop=None, combine="zip", dtype=dtype,
        keep=[f"{name}_final" for name in objective.parameters], progress=False,
    )  # fmt: skip


def fastest(call, repeats):
    """The least seconds of some calls, after one that compiles."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def table(lanes=2**14, steps=1024, repeats=3, dtype="float64", say=print):
    """Ratios by objective and rule; above 1 the sweep is faster."""
    found = {}
    for name, objective in {**objectives_of_scalars(), **own_objectives()}.items():
        for rule_name in RULES:
            rule = eos.rules.registry[rule_name].make()
            axes = axes_of(objective, rule, lanes)
            ours = fastest(swept(objective, rule, axes, dtype, steps), repeats)
            short = max(32, steps // 8)  # their cost per step does not depend on steps
            theirs = fastest(one_line(objective, rule, axes, dtype, short), repeats)
            found[name, rule_name] = theirs / short / (ours / steps)
        row = "  ".join(f"{found[name, rule]:7.2f}" for rule in RULES)
        say(f"P8 {dtype} {name:44.44s} {row}")
    return found
