"""A second equal sweep compiles nothing, whatever it was given: programs are found by content."""

import contextlib

import jax
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import observers, rules
from eos_jax.loops import llvm
from tests.rules.examples import LABELLED, numbers

pytestmark = pytest.mark.slow

START = {"x": np.array([1.2, 1.5]), "y": 0.4}
QUICK = ("gradient_descent", "heavy_ball")

RULES = [
    pytest.param(
        family.make, dict(arguments), id=f"{name}({dict(arguments)})",
        marks=() if name in QUICK else pytest.mark.long,
    )
    for name, family in sorted(rules.registry.items())
    for arguments in family.examples
]  # fmt: skip


@contextlib.contextmanager
def compilations():
    """The programs compiled meanwhile, as a list that grows."""
    found = []
    native = llvm.compiled

    def counted(*args):
        found.append("llvm")
        return native(*args)

    def listener(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(listener)
    llvm.compiled = counted
    try:
        yield found
    finally:
        llvm.compiled = native
        jax.monitoring.unregister_event_duration_listener(listener)


def assert_compiles_once(sweep):
    jax.clear_caches()  # of programs that another file has compiled
    with compilations() as first:
        one = sweep()
    assert first, "the counter counts nothing"
    with compilations() as second:
        two = sweep()
    assert not second
    for name in one.data_vars:
        assert one[name].values.tobytes() == two[name].values.tobytes()


@pytest.mark.parametrize(("make", "arguments"), RULES)
def test_every_registered_rule(make, arguments):
    rule = make(**arguments)
    axes = {**START, **{n: v for n, v in numbers(rule).items() if n != "seed"}}
    assert_compiles_once(lambda: eos.sweep(LABELLED, axes, 40, rule=make(**arguments)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "fresh",
    [
        lambda: lambda eta: optax.sgd(eta, momentum=0.5),
        pytest.param(
            lambda: lambda eta: optax.chain(optax.clip(1.0), optax.sgd(eta)),
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda: lambda eta: optax.adamw(eta, weight_decay=0.01), marks=pytest.mark.long
        ),
    ],
    ids=["momentum", "clipped", "adamw"],
)
def test_optax_rules_written_down_again(paper, fresh):
    assert fresh() is not fresh()
    assert_compiles_once(lambda: eos.sweep(paper, {**START, "eta": 0.05}, 40, rule=fresh()))


def banana(a, b):
    return (1 - a) ** 2 + 10 * (b - a**2) ** 2


def test_an_objective_made_again_of_one_function():
    axes = {"a": np.array([0.5, 1.5]), "b": 1.0, "eta": 0.01}
    assert_compiles_once(lambda: eos.sweep(eos.objectives.from_function(banana), axes, 40))


def test_observers_made_again(paper):
    def sweep():
        observe = {
            "top": observers.maximum("loss"),
            "first": observers.first_crossing(level=0.5),
            "rows": observers.trace(["x", "loss"], last=3),
        }
        return eos.sweep(paper, {**START, "eta": 0.05}, 40, observe=observe, every=5)

    assert_compiles_once(sweep)


def test_other_values_on_the_axes(paper):
    """Starts, step sizes and a shorter horizon are data, not programs."""
    axes = {**START, "eta": 0.05}
    eos.sweep(paper, axes, 70)
    with compilations() as again:
        eos.sweep(paper, {**axes, "x": np.array([2.0, 0.3]), "eta": 0.1}, 70)
        eos.sweep(paper, axes, 45)
    assert not again


@pytest.mark.parametrize("record", [None, ("x", "loss")])
def test_orbits(paper, record):
    axes = {**START, "eta": 0.05}
    assert_compiles_once(lambda: eos.orbits(paper, axes, 40, record=record))


@pytest.mark.parametrize("function", [eos.loss, eos.gradient, eos.hessian, eos.sharpness])
def test_functions_of_points(paper, function):
    function(paper, {"x": np.linspace(1.0, 2.0, 7), "y": 0.4})
    with compilations() as again:
        function(paper, {"x": np.linspace(2.0, 3.0, 7), "y": 0.3})
    assert not again


def test_simulate_and_iterate(paper):
    lanes = {"x": np.linspace(1.0, 2.0, 5), "y": np.full(5, 0.4)}
    eos.iterate(paper, lanes, 0.05, 40)
    point = {"x": 1.0, "y": 0.4}
    eos.simulate(paper, point, 0.05, 40)
    with compilations() as again:
        eos.simulate(paper, {"x": 1.5, "y": 0.3}, 0.07, 40)
        eos.iterate(paper, lanes, 0.05, 40)
        eos.iterate(paper, lanes, 0.07, 40)
    assert not again
