"""How an optax transformation acts, found out by steps under losses that are made for it.

A walk gives a transformation points, gradients and losses that belong to them, and looks at its
moves: whether they superpose, whether each coordinate moves by itself, whether what the loss is
elsewhere matters. What is not linear may still be so at rest, where small gradients come after
momenta have died: then a minimum has a linearised step. The transformation may repeat itself only
after some steps, as where gradients are accumulated.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

if TYPE_CHECKING:  # otherwise imported where it is used: most sweeps do not wait for it
    import optax

Build = Callable[[Mapping[str, Any]], "optax.GradientTransformationExtraArgs"]
"""Hyperparameters -> a transformation."""

KINDS = ("linear", "repeating", "coordinate", "linear_nearby", "coordinate_nearby", "whole",
         "still", "flat", "coupled", "particular")  # fmt: skip
"""From the plainest on: a rule is of the last kind that any probe shows."""

WITHOUT_LINEARISED_STEP = ("still", "flat", "coupled", "particular")

LONGEST_PERIOD = 64

_USUAL = {"a": np.zeros(()), "b": np.zeros(2), "c": np.zeros((2, 2))}
_ONE = {"a": np.zeros(())}
_STEPS = 16
_LONG = 5 * LONGEST_PERIOD // 2  # the longest period once and a half again
_JUMP = 1000  # in counts, half way: some rules begin late
_SCALES = (1e-3, 1.0, 1e3)  # of points and gradients
_NEARBY = (1e-6, 1e-5)  # of gradients beside a minimum
_PROBES = (0.5, 0.99)  # for hyperparameters without default: some rules turn linear at the first
_FIRST = 8  # steps of a period's search that may be of their own kind
_REST = 3000  # steps after which momenta have died
_TINY = 1e-15  # what moves by less of its size does not
_SMALL = 1e-7  # of displacements from a minimum


class Action(NamedTuple):
    """How a transformation acts.

    Attributes:
      kind: one of `KINDS`.
      period: steps after which it repeats itself.
      steady: whether it does so exactly; a schedule that falls for ever does not.
    """

    kind: str
    period: int = 1
    steady: bool = True


class Probe(NamedTuple):
    """A transformation with hyperparameters, on a tree of coordinates.

    Attributes:
      build: hyperparameters -> the transformation.
      hyper: the hyperparameters.
      template: a tree of arrays; what they hold does not matter.
    """

    build: Build
    hyper: Mapping[str, Any]
    template: Any


def update(made: Any, slopes: Any, state: Any, params: Any, value: Any, loss: Callable) -> Any:
    """A transformation's step, told what it asks for: the value, the loss, its gradient."""

    def value_fn(params, grad_fn=None, obj_fn=None):
        """Line searches hand on what else they were told, and want it taken."""
        return loss(params)

    told = {
        "value": value,
        "grad": slopes,
        "value_fn": value_fn,
        "obj_fn": loss,
        "grad_fn": lambda params, *_: jax.grad(loss)(params),
    }
    asked = inspect.signature(made.update).parameters.values()
    if not any(argument.kind == argument.VAR_KEYWORD for argument in asked):
        names = {argument.name for argument in asked}
        told = {name: given for name, given in told.items() if name in names}
    move, after = made.update(slopes, state, params, **told)
    # whatever a transformation promotes goes back to the shapes and dtypes that it started with
    move = jax.tree.map(lambda new, old: jnp.reshape(new, jnp.shape(old)), move, slopes)
    return move, jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)


def action(
    build: Build,
    hyperparameters: tuple[str, ...],
    defaults: Mapping[str, float],
    template: Any = None,
) -> Action:
    """How a transformation acts, at its defaults and some numbers for what has none.

    Args:
      build: hyperparameters -> the transformation.
      hyperparameters: their names.
      defaults: values of those that have one.
      template: the parameters that it acts on, a tree of arrays; by default a scalar, a vector and
        a matrix, which some rules treat differently, seven coordinates in all.

    Returns:
      The kind and the period; the kind `particular` if it is not for such parameters.
    """
    template = _USUAL if template is None else template
    found = []
    with jax.ensure_compile_time_eval(), jax.enable_x64(True), np.errstate(all="ignore"):
        for number in _PROBES if set(hyperparameters) - {"eta"} - set(defaults) else _PROBES[:1]:
            usual = {n: 0.1 if n == "eta" else number for n in hyperparameters} | dict(defaults)
            hyper = {name: jnp.asarray(value, float) for name, value in usual.items()}
            probe = Probe(build, hyper, template)
            try:
                _try(probe)
            except Exception:  # whatever optax raises where parameters do not fit
                return Action("particular")
            found.append(_action(probe))
    return max(found, key=lambda one: (KINDS.index(one.kind), one.period))


def _action(probe):
    walk = jax.jit(jax.vmap(functools.partial(_walk, probe)))
    kind = _judge(walk, probe, _SCALES, _SCALES)
    if kind == "still":  # so far
        kind = _judge(walk, probe, _SCALES, _SCALES, _LONG)
    if kind in ("coupled", "flat"):
        near = _judge(walk, probe, (1.0, 1.0), _NEARBY)
        kind = f"{near}_nearby" if near in ("linear", "coordinate") else _at_rest(probe)
    if kind.startswith("coordinate") and not _one_number_each(probe):
        kind = _at_rest(probe)
    if kind in WITHOUT_LINEARISED_STEP:
        return Action(kind)
    one_is_all = probe.template is _USUAL and kind != "whole"  # and compiles quicker
    period, steady = _period(probe._replace(template=_ONE) if one_is_all else probe)
    if not period:
        return Action("coupled")
    if period > 1:
        kind = "repeating" if kind in ("linear", "linear_nearby", "repeating") else "whole"
    return Action(kind, period, steady)


def _unravel(template):
    """A vector -> a tree like the template, and its length."""
    flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.zeros(np.shape(leaf)), template))
    return unravel, len(flat)


def _flat(tree):
    return ravel_pytree(tree)[0]


def _parabola(point, slope, value, bends):
    """value + slope.(p - point) + 1/2 bends.(p - point)^2, of a tree p."""

    def loss(params):
        away = _flat(params) - point
        return value + jnp.sum(slope * away) + jnp.sum(bends * away**2) / 2

    return loss


def _bends(count):
    """Curvatures so different that no step size suits all."""
    return jnp.asarray(np.geomspace(1, 1000, count))


def _move(probe, state, point, slope, value, bends):
    """One step from a point under such a loss: the move as a vector, and the state after it."""
    unravel, _ = _unravel(probe.template)
    made, loss = probe.build(probe.hyper), _parabola(point, slope, value, bends)
    step, after = update(made, unravel(slope), state, unravel(point), value, loss)
    return _flat(step), after


def _start(probe, point):
    unravel, _ = _unravel(probe.template)
    return jax.tree.map(jnp.asarray, probe.build(probe.hyper).init(unravel(point)))


def _one_number_each(probe):
    """Whether the state has one number for each coordinate in each of its parts."""
    shapes = lambda tree: jax.tree.map(jnp.shape, tree)  # noqa: E731
    _, count = _unravel(probe.template)
    state = jax.eval_shape(lambda: _start(probe, jnp.zeros(count)))
    belongs = lambda node: isinstance(node, dict) and set(node) == set(probe.template)  # noqa: E731
    parts = jax.tree.leaves(state, is_leaf=belongs)
    return all(shapes(part) == shapes(probe.template) for part in parts if belongs(part))


def later(state: Any, jump: jax.Array) -> Any:
    """The state with its counts moved on."""
    counts = lambda leaf: leaf.ndim == 0 and jnp.issubdtype(leaf.dtype, jnp.integer)  # noqa: E731
    return jax.tree.map(lambda a: a + jump.astype(a.dtype) if counts(a) else a, state)


def _walk(probe, points, slopes, values, bent):
    """Moves along given points and gradients, and the response to a small gradient after them."""
    bends = bent * _bends(points.shape[1])

    def step(state, row):
        point, slope, value, jump = row
        moved, state = _move(probe, later(state, jump), point, slope, value, bends)
        return state, moved

    count = len(points)
    rows = points, slopes, values, jnp.where(jnp.arange(count) == count // 2, _JUMP, 0)
    state, moves = jax.lax.scan(step, _start(probe, points[0]), rows)
    last = lambda slope: _move(probe, state, points[-1], slope, values[-1], bends)[0]  # noqa: E731
    zero = jnp.zeros_like(points[-1])
    _, response = jax.jvp(last, (zero,), (zero + 1,))
    return moves, response


def _try(probe):
    """Trace a walk, which raises what the transformation raises on such parameters."""
    _, count = _unravel(probe.template)
    rows = jnp.zeros((_STEPS, count))
    jax.eval_shape(functools.partial(_walk, probe), rows, rows, rows[:, 0], 0.0)


def _judge(walk, probe, sizes, gradients, steps=_STEPS) -> str:
    """Compare walks: sums of inputs, one coordinate changed, equal coordinates, another loss."""
    _, count = _unravel(probe.template)
    draw = np.random.default_rng(0).normal
    ahead = np.arange(steps)[:, None] / 4  # on the whole downhill: some rules take heart from that

    def inputs():
        return [
            draw(size=(steps, count)) - ahead,
            draw(size=(steps, count)) + 1,
            draw(size=steps),
        ]

    first, second = inputs(), inputs()
    cases = [[0 * part for part in first] + [0.0]]
    for size, gradient in zip(sizes, gradients):
        a, b = ([size * p, gradient * g, gradient * v, 0.0] for p, g, v in (first, second))
        both = [u + v for u, v in zip(a, b)]
        others = [
            [np.where(np.arange(count) == kept, a[k], b[k]) for k in (0, 1)] + b[2:]
            for kept in range(count)
        ]
        equal = [*(np.tile(np.asarray(part)[:, :1], count) for part in a[:2]), *a[2:]]
        bent = [[*case[:3], 1.0] for case in (a, b, both)]  # another loss, as seen elsewhere
        cases += [a, b, both, *bent, equal, *others]
    moves, response = (np.asarray(r) for r in walk(*(np.stack(c) for c in zip(*cases))))
    still = np.where(np.isfinite(moves[0]), moves[0], 0)  # noise that is added whatever comes
    same = functools.partial(_same, _tolerance(probe))
    linear = alone = elsewhere = True
    moved = False
    each = count + 7
    for start in range(1, len(cases), each):
        a, b, both, *bent, equal = moves[start : start + 7] - still
        others = moves[start + 7 : start + each] - still
        moved |= bool(both.any())
        linear &= same(a + b, both) and same(bent[0] + bent[1], bent[2])
        elsewhere &= same(bent[0], a)
        alone &= all(same(other[:, kept], a[:, kept]) for kept, other in enumerate(others))
        alone &= same(equal[:, 1:], equal[:, :1] + 0 * equal[:, 1:])
    answers = response[1::each]
    smooth = bool(np.isfinite(answers).all())  # norms have no derivative at 0
    if not alone or not (linear or elsewhere) or (linear and not smooth):
        return "coupled"
    if linear:
        return "still" if not moved else "linear" if elsewhere else "repeating"
    return "coordinate" if smooth and (answers != 0).all() else "flat"


def _same(tolerance, u, v):
    size = np.max(np.abs(v), initial=0)
    return np.allclose(u, v, rtol=tolerance, atol=tolerance * size)


def _tolerance(probe):
    """What superposes does so to rounding, that of the state's least precise numbers."""
    _, count = _unravel(probe.template)
    floats = [
        leaf.dtype
        for leaf in jax.tree.leaves(jax.eval_shape(lambda: _start(probe, jnp.zeros(count))))
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
    return 1e-9 if all(dtype == np.float64 for dtype in floats) else 1e-5


def _at_rest(probe) -> str:
    """How displacements from a minimum are answered, once momenta have died.

    The total move of some steps at places beside the minimum of a parabola, whose curvatures go
    from 1 to 1000: in proportion, not at all, at full length however close they are, or otherwise.
    """
    _, count = _unravel(probe.template)
    draw = np.random.default_rng(1).normal
    bends, far = _bends(count), draw(size=(2, _STEPS, count))
    a, b = (jnp.asarray(part) for part in _SMALL * draw(size=(2, 2 * LONGEST_PERIOD, count)))
    point = jnp.asarray(far[0, -1])

    def step(state, row):
        point, away = row[0], row[1] + _TINY  # directions have none at 0
        value, slope = jnp.sum(bends * away**2) / 2, bends * away
        moved, state = _move(probe, state, point + away, slope, value, bends)
        return state, moved

    def repeat(steps):
        return jnp.broadcast_to(point, (steps, count))

    @jax.jit
    def total(displacements):
        state, _ = jax.lax.scan(step, _start(probe, far[0, 0]), (far[0], far[1] / bends))
        state = later(state, jnp.asarray(_JUMP))
        quiet = repeat(_REST)
        state, _ = jax.lax.scan(step, state, (quiet, 0 * quiet))
        shift = lambda away: jax.lax.scan(step, state, (repeat(len(away)), away))[1]  # noqa: E731
        return jnp.sum(jax.vmap(shift)(displacements), axis=1)

    still, one, other, both, small = np.asarray(total(jnp.stack([0 * a, a, b, a + b, a / 100])))
    one, other, both, small = (moved - still for moved in (one, other, both, small))
    if not np.isfinite(both).all():
        return "coupled"
    if not np.abs([one, both]).max() > _TINY * np.abs(still).max(initial=_SMALL):
        return "still"
    if _same(1e-3, one + other, both) and _same(1e-3, 100 * small, one):
        return "whole"
    return "flat" if np.linalg.norm(small) > 0.5 * np.linalg.norm(one) else "coupled"


def _period(probe) -> tuple[int, bool]:
    """Steps after which the linearised step is the same again, and whether it is so exactly.

    It is looked for from the start and, because averages begin with corrections, a thousand counts
    later; else where its zeros are the same again, for schedules and averages may go on changing.
    0 steps if none of these is seen.
    """
    _, count = _unravel(probe.template)
    point = jnp.asarray(np.random.default_rng(2).normal(size=count))
    zero = jnp.zeros(count)

    def linearised(state):
        leaves, structure = jax.tree.flatten(state)
        floats = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

        def advance(point, slope, numbers):
            filled = list(leaves)
            for k, number in zip(floats, numbers):
                filled[k] = number
            moved, after = _move(
                probe, jax.tree.unflatten(structure, filled), point, slope, 0.0, zero
            )
            after = jax.tree.leaves(after)
            return [moved, *(after[k] for k in floats)]

        parts = jax.jacfwd(advance, argnums=(0, 1, 2))(point, zero, [leaves[k] for k in floats])
        return jnp.concatenate([jnp.ravel(part).astype(float) for part in jax.tree.leaves(parts)])

    def step(state, _):
        return _move(probe, state, point, zero, 0.0, zero)[1], linearised(state)

    @jax.jit
    @jax.vmap
    def run(jump):
        return jax.lax.scan(step, later(_start(probe, point), jump), length=_LONG)[1]

    tolerance = _tolerance(probe)
    early, late = (rows[_FIRST:] for rows in np.asarray(run(jnp.asarray([0, _JUMP]))))
    zeros = (late != 0).astype(float)
    for seen, steady in ((early, True), (late, True), (zeros, False)):
        # each entry by its own size: one that falls for ever is never small
        sizes = np.where(np.isfinite(seen), np.abs(seen), 0).max(axis=0)
        seen = np.nan_to_num(seen / np.where(sizes > 0, sizes, 1), nan=-2, posinf=2, neginf=-2)
        for period in range(1, LONGEST_PERIOD + 1):
            if np.abs(seen[period:] - seen[:-period]).max() <= tolerance:
                return period, steady
    return 0, False
