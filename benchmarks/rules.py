"""P13: every registered rule, against what its operations predict from gradient descent's rate.

A step is a list of scalar operations, and its cost is the sum of theirs, each counted by how long
the processor at hand takes over it when nothing waits: a quotient is worth some eight additions, a
root fifteen. What depends on hyperparameters alone is computed once and costs nothing. A step that
is no list (LAPACK) has no such prediction. Seconds are those of the processor, all threads
together, so that other work on the machine counts little.
"""

import functools
import math
import statistics
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import eos_jax as eos
from benchmarks.breadth import one_line, swept
from eos_jax.loops import registers
from eos_jax.loops.primitives import as_scalars
from eos_jax.loops.scalars import NotScalars, Scalars
from eos_jax.simulate import step_as_scalars

FREE = frozenset(("input", "constant", "item", "bits", "from_bits", "neg", "not"))
"""No instruction, or one that is part of the next."""

LIKE = {"sub": "add", "fms": "fma", "fnma": "fma", "fnms": "fma", "rem": "div", "floor": "add"}


def _residuals(a, X, y):
    return jnp.mean((X @ a - y) ** 2) / 2


@functools.cache
def models():
    """A model of two scalars, one with samples, one of matrices."""
    random = np.random.default_rng(0)
    data = {"X": random.normal(size=(8, 2)), "y": random.normal(size=8)}
    return {
        "scalars": eos.objectives.scalar_product((2, 2)),
        "samples": eos.objectives.from_function(
            _residuals, ("a",), data=data, shapes={"a": (2,)}, name="least squares"
        ),
        "matrices": eos.objectives.deep_linear_network((3, 3, 3), (2.0, 1.0, 0.5)),
    }


def cells():
    """(label, rule, name of a model): every family's examples, on each model that it is meant for.

    Rules that draw samples or labels are for data, those of matrices are for matrices as well.
    """
    for name, family in sorted(eos.rules.registry.items()):
        for given in family.examples:
            rule = family.make(**given)
            words = ", ".join(f"{k}={v}" for k, v in given.items())
            for model in ("scalars", "samples", "matrices"):
                if _meant_for(rule, model):
                    yield f"{name}({words})", rule, model


def _meant_for(rule, model):
    if rule.name in ("label_noise", "minibatch_heavy_ball"):
        return model == "samples"
    of_matrices = rule.name in ("muon", "shampoo", "steepest_descent")
    return model == "scalars" or (model == "matrices" and of_matrices)


KINDS = {
    "add": lambda x, c: x + c,
    "mul": lambda x, c: x * c,
    "fma": lambda x, c: x * c + c,
    "div": lambda x, c: c / x,
    "sqrt": lambda x, c: jnp.sqrt(x),
    "larger": lambda x, c: jnp.where(x * c > c, x * c, x),  # product, comparison, choice
}


@functools.cache
def costs():
    """What an operation costs on this machine in additions, by name; others count as one."""
    with jax.enable_x64(True):
        scalar = jax.ShapeDtypeStruct((), float)
        seconds = {kind: _timed(as_scalars(_chains(f), *[scalar] * 5)) for kind, f in KINDS.items()}
    found = {kind: seconds[kind] / seconds["add"] for kind in KINDS}
    pair = found.pop("larger") - found["mul"]
    comparisons = dict.fromkeys(("gt", "lt", "ge", "le", "eq", "ne", "select"), pair / 2)
    return {**found, **comparisons}


def _chains(function):
    """Four values through eight operations each: enough side by side for none to wait."""

    def step(*values):
        *state, c = values
        for _ in range(8):
            state = [function(x, c) for x in state]
        return tuple(state)

    return step


def _timed(scalars, lanes=256, steps=10_000):
    def run():
        state = [np.full(lanes, 1 + 0.1 * i) for i in range(4)]
        registers.advance(scalars, state, [np.full(lanes, 1.0000001)], lanes, steps)

    return processor_seconds({"it": run}, 5)["it"]


def cost_of_list(scalars: Scalars, varying: int) -> float:
    """The cost of a list in additions; of its inputs the first ones vary from step to step.

    What is made of the other ones is computed once. The turns of a loop of unknown length count
    as one.
    """
    moves: list[bool] = []
    inputs = total = 0
    for operation in scalars.operations:
        if operation.name == "input":
            moves.append(inputs < varying)
            inputs += 1
            continue
        moves.append(any(moves[place] for place in operation.arguments))
        if moves[-1]:
            total += _cost(operation)
    return total


def _cost(operation):
    if operation.name in FREE:
        return 0
    if operation.name in ("repeat", "while", "branch"):
        turns = operation.detail[0] if operation.name == "repeat" else 1
        inner = [part for part in operation.detail if isinstance(part, Scalars)]
        return turns * sum(cost_of_list(part, len(part.operations)) for part in inner)
    return costs().get(LIKE.get(operation.name, operation.name), 1)


def processor_seconds(programs, repeats):
    """The median processor time of some calls in turns, by name, after one that compiles.

    Not the least: the clock of a shared processor now and then counts too little.
    """
    found = {name: [] for name in programs}
    for turn in range(repeats + 1):
        for name, program in programs.items():
            start = time.process_time()
            program()
            if turn:
                found[name].append(time.process_time() - start)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def starts(objective, rule, lanes):
    """Random starts, one for each lane, and hyperparameters that have no default."""
    random = np.random.default_rng(0)
    axes = {
        name: random.uniform(0.3, 1.2, (lanes, *shape))
        for name, shape in zip(objective.parameters, objective.shapes)
    }
    wanted = [name for name in rule.hyperparameters if name not in rule.defaults]
    seeds = np.arange(lanes, dtype=np.uint32)
    return axes | {n: seeds if n == "seed" else np.full(lanes, 0.02) for n in wanted}


def predicted_cost(objective, rule):
    """The cost of a step; nan where it is no list."""
    try:
        _, step = step_as_scalars(objective, rule, "float64")
    except NotScalars:
        return math.nan
    return cost_of_list(step, len(step.outputs))


class Row(NamedTuple):
    """A rule on a model.

    Attributes:
      rule: its name with its arguments.
      model: name of the model.
      nanoseconds: of the processor, for a step of one lane.
      cost: operations of a step, in additions; nan where it is no list.
      share: of the rate that the cost predicts from gradient descent's beside it.
      over_line: rate over that of `jit(vmap(scan))`.
    """

    rule: str
    model: str
    nanoseconds: float
    cost: float
    share: float
    over_line: float


def table(lanes, work, repeats, say=print):
    """A `Row` for every rule and model.

    Args:
      lanes: how many.
      work: additions for each lane, which set the horizon; XLA's program has an eighth of it.
      repeats: calls of each program.
      say: prints a line.
    """
    rows = []
    say("P13 one operation costs, in additions: "
        + ", ".join(f"{k} {v:.1f}" for k, v in costs().items()))  # fmt: skip
    for label, rule, model in cells():
        objective, descent = models()[model], eos.rules.gradient_descent()
        cost, least = predicted_cost(objective, rule), predicted_cost(objective, descent)
        # what is no list takes microseconds a step
        few, steps = (max(16, lanes // 32), 1024) if math.isnan(cost) else (lanes, work / cost)
        steps, plain = max(32, round(steps)), max(32, round(work / least))
        axes = starts(objective, rule, few)
        run = swept(objective, rule, axes, "float64", steps)
        beside = swept(objective, descent, starts(objective, descent, lanes), "float64", plain)
        short = max(32, steps // 8)  # its cost per step does not depend on steps
        theirs = one_line(objective, rule, axes, "float64", short)
        seconds = processor_seconds({"rule": run, "descent": beside, "line": theirs}, repeats)
        each = seconds["rule"] / steps / few
        share = seconds["descent"] / plain / lanes * cost / least / each
        row = Row(label, model, each * 1e9, cost, share, seconds["line"] / short / few / each)
        rows.append(row)
        say("P13 {:62.62s} {:9s} {:8.2f} ns  cost {:7.1f}  of predicted {:5.2f}  "
            "over jit(vmap(scan)) {:6.2f}".format(*row))  # fmt: skip
    return rows
