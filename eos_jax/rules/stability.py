"""When a minimum is stable under a rule: by formula where there is one, else computed.

One coordinate of a quadratic 1/2 lambda x^2 and the rule's numbers for it make a small vector z.
Around the minimum a step is z' = (A + lambda b e^T) z: A is what the rule does without a gradient,
b how it answers one, and e^T z = x. The threshold is the lambda at which the spectral radius of
that matrix passes 1. For a rule that is linear in the gradients the matrix does not depend on
where the orbit is. A rule that divides by running sizes has, at its present state, an answer of
its own in each coordinate, r_i = -d x_i'/d g_i at zero gradient; with D = diag(r_i)/eta the
problem becomes that of D^(1/2) H D^(1/2) under one and the same linear rule.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from eos_jax.curvature import sharpness_at
from eos_jax.curvature.hessian import scaled_hessian
from eos_jax.curvature.symmetric import eigenpairs
from eos_jax.objectives.base import Objective, lift
from eos_jax.sample import Sample

_DOUBLINGS = 64  # from 2^-20 of the natural scale to 2^44


def linear_filter_threshold(eta: Any, response: Any, weight_decay: Any = 0.0) -> Any:
    r"""(2 - eta w)/(eta H(-1)): where a linear filter of gradients first flips.

    Args:
      eta: step size of x' = (1 - eta w) x - eta u, u the filtered gradient.
      response: H(-1), the filter's transfer function at the alternating signal, positive.
      weight_decay: w, decoupled weight decay.

    Returns:
      The sharpness above which a minimum is unstable, in units of 1/eta.

    Example:
      >>> from eos_jax.rules.stability import linear_filter_threshold
      >>> print(round(linear_filter_threshold(1.0, (1 - 0.9) / (1 + 0.9), weight_decay=0.1), 9))
      36.1

    Source: Cohen et al. 2021, appendix B, for momentum.
    """
    return (2 - eta * weight_decay) / (eta * response)


def spectral_radius(matrix: jax.Array) -> jax.Array:
    """The largest modulus of an eigenvalue, by repeated squaring: no LAPACK, any device.

    With |M^(2^k)|^(1/2^k) the error of a matrix that is not normal falls as 2^-k.

    Args:
      matrix: shape (N, N), N small.

    Returns:
      Scalar; NaN if the matrix is not finite.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.rules.stability import spectral_radius
      >>> print(round(float(spectral_radius(jnp.array([[0.0, -2.0], [2.0, 0.0]]))), 4))
      2.0
    """
    return jnp.exp(_log_radius(matrix))


def _log_radius(matrix):
    squarings = math.ceil(-math.log2(jnp.finfo(matrix.dtype).eps)) + 8

    def square(_, carry):
        matrix, total, weight = carry
        size = jnp.sqrt(jnp.sum(matrix * matrix))
        unit = matrix / jnp.where(size > 0, size, 1)
        # sums of products, one array over lanes each: quicker than a batch of tiny products
        matrix = jnp.sum(unit[:, :, None] * unit[None, :, :], axis=1)
        return matrix, total + weight * jnp.log(size), weight / 2

    zero = jnp.zeros((), matrix.dtype)
    start = matrix, zero, zero + 1
    return jax.lax.fori_loop(0, squarings, square, start)[1]


def critical_multiplier(still: jax.Array, answer: jax.Array) -> jax.Array:
    """The lambda > 0 at which the spectral radius of `still + lambda answer e_0^T` passes 1.

    Where -1 becomes an eigenvalue first, solved for and checked; elsewhere bracketed by doubling
    and halved to the dtype's resolution.

    Args:
      still: A, shape (n, n): a step without a gradient.
      answer: b, shape (n,): the answer to a unit gradient; its first entry moves x.

    Returns:
      Scalar: 0 where every lambda is unstable, infinity where none is, NaN if the input is not
      finite.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.rules.stability import critical_multiplier
      >>> print(round(float(critical_multiplier(jnp.ones((1, 1)), jnp.array([-0.5]))), 3))
      4.0
    """
    eps = float(jnp.finfo(still.dtype).eps)
    tolerance = 16 * eps  # directions that neither grow nor shrink are measured to rounding

    def unstable(multiplier):
        return _log_radius(still.at[:, 0].add(multiplier * answer)) > tolerance

    flip = _flip(still, answer)
    below = jnp.array([1 / 16, 1 / 2, 1 - eps**0.5, 1 + eps**0.5], still.dtype)
    sure = (flip > 0) & jnp.all(jax.vmap(unstable)(flip * below) == (below > 1))

    immediate, largest = jnp.abs(answer[0]), jnp.max(jnp.abs(answer))
    start = 2.0**-20 / jnp.where(immediate > 0, immediate, largest)
    never = unstable(start)

    crossing = jnp.where(never, 0.0, first_crossing(unstable, start, done=never | sure))
    finite = jnp.isfinite(jnp.sum(still) + jnp.sum(answer))
    return jnp.where(finite, jnp.where(sure, flip, crossing), jnp.nan)


def first_crossing(
    unstable: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    ratio: float = 2.0,
    done: Any = False,
) -> jax.Array:
    """Where a condition first holds on the way up, in steps of a ratio, then by halving.

    Args:
      unstable: scalar -> whether it holds; it is not at `start`.
      start: where to begin, positive.
      ratio: of one place that is looked at to the one before; a window narrower than that may be
        missed.
      done: whether there is nothing to look for.

    Returns:
      Scalar, to the dtype's resolution; infinity if it never holds up to 2^64 of the start.

    Example:
      >>> import jax.numpy as jnp
      >>> from eos_jax.rules.stability import first_crossing
      >>> print(round(float(first_crossing(lambda x: x * x > 2, jnp.asarray(0.01))), 5))
      1.41421
    """
    most = math.ceil(_DOUBLINGS / math.log2(ratio))

    def grow(carry):
        low, found, count = carry
        found = unstable(ratio * low)
        return jnp.where(found, low, ratio * low), found, count + 1

    def halve(carry):
        low, high, count = carry
        middle = (low + high) / 2
        above = unstable(middle)
        return jnp.where(above, low, middle), jnp.where(above, middle, high), count + 1

    done = jnp.asarray(done)
    low, found, _ = jax.lax.while_loop(
        lambda carry: ~carry[1] & (carry[2] < most), grow, (start, done, 0)
    )
    halvings = jnp.where(done, 0, math.ceil(-math.log2(float(jnp.finfo(start.dtype).eps))))
    low, high, _ = jax.lax.while_loop(
        lambda carry: carry[2] < halvings, halve, (low, ratio * low, jnp.zeros_like(halvings))
    )
    return jnp.where(found, (low + high) / 2, jnp.inf)


def parabola_threshold(sample: Sample, period: int = 1) -> jax.Array:
    """The sharpness at which 1/2 l x^2 becomes unstable under a rule: where the map itself says.

    The spectral radius of the Jacobian of `period` steps on (x, state), at x = 0 and the state that
    the rule begins with there, its counts being the sample's. Unlike `spectral_radius_threshold` it
    asks nothing of the rule but that it is smooth at a minimum.

    Args:
      sample: a point of an orbit, for its rule and hyperparameters.
      period: steps after which the map repeats itself.

    Returns:
      Scalar.

    Example:
      >>> import jax.numpy as jnp
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> from eos_jax.sample import Sample
      >>> rule, obj = rules.sam(normalised=False), eos.objectives.scalar_product((2, 2))
      >>> hyper = {"eta": jnp.array(0.5), "rho": jnp.array(0.25)}
      >>> sample = Sample(obj, rule, {"x": jnp.array(1.0), "y": jnp.array(1.0)}, (), hyper, 0, 0)
      >>> print(round(float(rules.stability.parabola_threshold(sample)), 3))  # l (1 + l/4) = 4
      2.472
    """
    rule, hyper = sample.rule, sample.hyper
    x = jnp.zeros((), jnp.result_type(*sample.params.values()))

    def on(sharpness):
        loss = lambda full: sharpness * full["x"][0] ** 2 / 2  # noqa: E731
        return Objective("parabola", loss, ("x",), (1,), ((),))

    nodes, found, structure = _parts(sample, rule.init(on(x), {"x": x}, hyper))
    at_rest = [node if isinstance(node, dict) else there for node, there in zip(nodes, found)]
    start = jax.tree.map(jnp.asarray, jax.tree.unflatten(structure, at_rest))
    leaves, structure = jax.tree.flatten(start)
    moving = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def walked(vector, sharpness):
        filled = list(leaves)
        for k, value in zip(moving, vector[1:]):
            filled[k] = value.astype(leaves[k].dtype)
        point = {"x": vector[0]}, jax.tree.unflatten(structure, filled)
        step = lambda _, point: rule.step(on(sharpness), *point, hyper)  # noqa: E731
        params, state = step(0, point) if period == 1 else jax.lax.fori_loop(0, period, step, point)
        after = jax.tree.leaves(state)
        return jnp.stack([params["x"], *(after[k].astype(x.dtype) for k in moving)])

    point = jnp.stack([x, *(leaves[k].astype(x.dtype) for k in moving)])
    tolerance = 16 * float(jnp.finfo(x.dtype).eps)

    def unstable(sharpness):
        return _log_radius(jax.jacfwd(walked)(point, sharpness)) > tolerance

    etas = jnp.stack([hyper[name] for name in rule.hyperparameters if name.startswith("eta")])
    return first_crossing(unstable, 2.0**-20 / jnp.sum(etas), 2.0**0.25)


MOST_NUMBERS = 64
"""The size of (parameters, state) up to which a whole linearised step is looked at."""

FullStep = Callable[[Callable, dict[str, tuple], Any], tuple[dict[str, tuple], Any]]
"""(loss of a full point, full point, state) -> (full point, state)."""


def whole_threshold(sample: Sample, step: FullStep, period: int = 1) -> jax.Array:
    r"""The sharpness at which the present Hessian, scaled as a whole, unsettles the whole step.

    The loss is replaced by 1/2 s (x - x_t)^T H (x - x_t) about the present point, H the Hessian
    without its negative part, and s is raised from 0 until the spectral radius of the linearised
    map of `period` steps on all of (x, state) passes 1; the threshold is s times the sharpness. It
    asks nothing of a rule but that small gradients are answered in proportion: coordinates may be
    coupled, and each have a rule of its own. It belongs to this Hessian, not to its sharpness
    alone. With n numbers in (x, state) it costs some 10^4 n^3 multiplications.

    Args:
      sample: a point of an orbit.
      step: the rule's step in the full space.
      period: steps after which the rule repeats itself.

    Returns:
      Scalar, in units of 1/eta: 0 if every s is unstable, infinity if none is, NaN if the step has
      no derivative or (x, state) more than `MOST_NUMBERS` numbers.

    Example:
      >>> import jax
      >>> import eos_jax as eos
      >>> from eos_jax import rules
      >>> from eos_jax.sample import Sample
      >>> def step(loss, full, state):  # x at rest, y by gradient descent at 1/2
      ...     (y,), (slope,) = full["y"], jax.grad(loss)(full)["y"]
      ...     return {"x": full["x"], "y": (y - slope / 2,)}, state
      >>> obj = eos.objectives.scalar_product((1, 1))
      >>> at = Sample(obj, None, {"x": 1.0, "y": 1.0}, (), {}, 0, 0)  # L_yy = 1 of sharpness 2
      >>> at = at._replace(params=jax.tree.map(jax.numpy.asarray, at.params))
      >>> print(round(float(rules.stability.whole_threshold(at, step)), 3))
      8.0
    """
    names = sample.objective.parameters
    full = lift(sample.objective, sample.params)
    flat, unravel = ravel_pytree([full[name] for name in names])
    vector, fill = _numbers(flat, jax.tree.map(jnp.asarray, sample.state))
    count = len(flat)
    if len(vector) > MOST_NUMBERS:
        return jnp.full_like(flat[0], jnp.nan)
    values, vectors = eigenpairs(scaled_hessian(sample.objective, sample.params, None))
    bends = (vectors * jnp.maximum(values, 0)) @ vectors.T
    value = sample.objective.full_loss(full)
    tiny = float(jnp.finfo(flat.dtype).tiny) ** 0.45  # its square is a number
    slope = tiny * (1 + jnp.arange(count, dtype=flat.dtype))  # norms have no derivative at 0

    def advance(vector, centre, state, scale):
        def loss(full):
            away = ravel_pytree([full[name] for name in names])[0] - centre
            return value + jnp.sum((slope + scale / 2 * (bends @ away)) * away)

        point = dict(zip(names, unravel(vector[:count])))
        moved, state = step(loss, point, fill(vector, state))
        after, _ = _numbers(ravel_pytree([moved[name] for name in names])[0], state)
        return after, (after, state)

    def linearised(scale):
        def one(carry, _):
            vector, state, product = carry
            jacobian, (vector, state) = jax.jacfwd(advance, has_aux=True)(
                vector, vector[:count], state, scale
            )
            return (vector, state, jacobian @ product), None

        state = jax.tree.map(jnp.asarray, sample.state)
        start = vector, state, jnp.eye(len(vector), dtype=flat.dtype)
        return jax.lax.scan(one, start, length=period)[0][2]

    kinds = {
        jnp.result_type(leaf) for leaf in (flat, *jax.tree.leaves(sample.state)) if _is_float(leaf)
    }
    coarsest = max(float(jnp.finfo(kind).eps) for kind in kinds)
    scale = _first_unstable_scale(linearised, flat.dtype, 16 * len(vector) * coarsest)
    return jnp.where(values[0] > 0, scale * values[0], jnp.where(values[0] <= 0, jnp.inf, jnp.nan))


def _is_float(leaf):
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _first_unstable_scale(linearised, dtype, tolerance):
    """The s > 0 at which the spectral radius of `linearised(s)` passes 1, directions that stay
    being known to a tolerance.
    """
    one = jnp.ones((), dtype)
    still, usual = linearised(0 * one), linearised(one)

    def unstable(scale):
        return _log_radius(linearised(scale)) > tolerance

    change = jnp.max(jnp.abs(usual - still))
    start = 2.0**-10 / jnp.where(change > 0, change, 1)
    never = unstable(start)
    found = jnp.where(never, 0, first_crossing(unstable, start, 2.0**0.5, done=never))
    return jnp.where(jnp.isfinite(change), found, jnp.nan)


def _numbers(flat, state):
    """A point and the floating numbers of a state as one vector, and what puts them back."""
    leaves, structure = jax.tree.flatten(state)
    moving = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    vector = jnp.concatenate([flat, *(jnp.ravel(leaves[k]).astype(flat.dtype) for k in moving)])

    def fill(vector, state):
        leaves, start = jax.tree.leaves(state), len(flat)
        for k in moving:
            part = vector[start : start + leaves[k].size]
            leaves[k] = part.reshape(leaves[k].shape).astype(leaves[k].dtype)
            start += leaves[k].size
        return jax.tree.unflatten(structure, leaves)

    return vector, fill


def _flip(still, answer):
    """The lambda that makes -1 an eigenvalue: -1/(e_0^T (1 + A)^-1 b), by plain elimination.

    It is a guess, which nearly always is the answer; whether it is, is checked.
    """
    size = len(answer)
    rows = jnp.concatenate([still + jnp.eye(size, dtype=still.dtype), answer[:, None]], axis=1)
    for pivot in range(size):
        row = rows[pivot] / rows[pivot, pivot]
        rows = (rows - rows[:, pivot, None] * row).at[pivot].set(row)
    return -1 / rows[0, -1]


def linearised_coordinate(sample: Sample, index: Any = 0) -> tuple[jax.Array, jax.Array]:
    """A and b of one coordinate: a step of x and its numbers, linearised at zero gradient.

    Counts, keys and other numbers of the state that belong to no coordinate are held.

    Args:
      sample: a point of an orbit under a rule that acts on each coordinate alone.
      index: which coordinate, counted over the raveled parameters in their order.

    Returns:
      A of shape (n, n) and b of shape (n,); x comes first.

    Raises:
      ValueError: if the state of one coordinate cannot be told from that of another.
    """
    rule, hyper = sample.rule, sample.hyper
    names = sample.objective.parameters
    x = jnp.concatenate([jnp.ravel(sample.params[name]) for name in names])[index]

    def line(slope):
        loss = lambda full: slope * full["x"][0]  # noqa: E731
        return Objective("coordinate", loss, ("x",), (1,), ((),))

    template = rule.init(line(jnp.zeros_like(x)), {"x": x}, hyper)
    nodes, found, shape = _parts(sample, template)
    values, positions = [], []
    for position, node in enumerate(found):
        if isinstance(node, dict):
            ravelled = _one_number_each(rule, node, sample.params, names)
            inner = jax.tree.structure(nodes[position])
            nodes[position] = jax.tree.unflatten(inner, [ravelled[index]])
            if jnp.issubdtype(ravelled.dtype, jnp.floating):
                positions.append(position)
                values.append(ravelled[index])
        else:
            nodes[position] = node

    def advance(vector):
        filled = list(nodes)
        for position, value in zip(positions, vector[1:-1]):
            filled[position] = jax.tree.unflatten(
                jax.tree.structure(nodes[position]), [value.astype(x.dtype)]
            )
        state = jax.tree.unflatten(shape, filled)
        moved, state = rule.step(line(vector[-1]), {"x": vector[0]}, state, hyper)
        after = jax.tree.leaves(state, is_leaf=_belongs_to(("x",)))
        kept = [jax.tree.leaves(after[position])[0] for position in positions]
        return jnp.stack([moved["x"], *kept])

    point = jnp.stack([x, *(value.astype(x.dtype) for value in values), jnp.zeros_like(x)])
    jacobian = jax.jacfwd(advance)(point)
    return jacobian[:, :-1], jacobian[:, -1]


def _parts(sample, template):
    """Parts of the state of one coordinate and of the sample's, one by one; the first's structure.

    A part is a dict with an entry for each parameter, or a leaf that belongs to none.
    """
    names = sample.objective.parameters
    nodes, shape = jax.tree.flatten(template, is_leaf=_belongs_to(("x",)))
    found, found_shape = jax.tree.flatten(sample.state, is_leaf=_belongs_to(names))
    if shape != found_shape:
        raise ValueError(
            f"The state of rule `{sample.rule.name}` must have one part for each coordinate, but "
            f"its structure is {found_shape} at a point and {shape} at one coordinate."
        )
    return nodes, found, shape


def _one_number_each(rule, node, params, names):
    """A part of the state, raveled: of the copies of a parameter the first."""
    firsts = {name: jax.tree.leaves(node[name])[0] for name in names}
    for name, first in firsts.items():
        if jnp.shape(first) != jnp.shape(params[name]):
            raise ValueError(
                f"The state of rule `{rule.name}` must have one number for each coordinate of "
                f"`{name}`, but it has the shape {jnp.shape(first)}."
            )
    return jnp.concatenate([jnp.ravel(first) for first in firsts.values()])


def spectral_radius_threshold(sample: Sample) -> jax.Array:
    """The sharpness at which the linearised map of one coordinate passes 1, in units of 1/eta.

    For rules that are linear in the gradients, at the sample's hyperparameters and counts.

    Args:
      sample: a point of an orbit.

    Returns:
      Scalar.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp
      >>> from eos_jax import rules
      >>> from eos_jax.sample import Sample
      >>> obj, rule = eos.objectives.scalar_product((2, 2)), rules.heavy_ball()
      >>> params = {"x": jnp.array(2.0), "y": jnp.array(0.5)}
      >>> hyper = {"eta": jnp.array(0.5), "momentum": jnp.array(0.5)}
      >>> sample = Sample(obj, rule, params, rule.init(obj, params, hyper), hyper, 0, 0)
      >>> print(round(float(rules.stability.spectral_radius_threshold(sample)), 3))
      6.0
    """
    return critical_multiplier(*linearised_coordinate(sample))


def responses(sample: Sample) -> dict[str, jax.Array]:
    """r = -dx'/dg of every coordinate at zero gradient, at the sample's state.

    Args:
      sample: a point of an orbit under a rule that acts on each coordinate alone.

    Returns:
      Arrays like the parameters.
    """
    objective, names = sample.objective, sample.objective.parameters

    def moved(slope):
        loss = lambda full: sum(jnp.sum(slope[n] * copy) for n in names for copy in full[n])  # noqa: E731
        line = replace(objective, full_loss=loss)
        return sample.rule.step(line, sample.params, sample.state, sample.hyper)[0]

    point = {name: jnp.asarray(sample.params[name]) for name in names}
    still = {name: jnp.zeros_like(leaf) for name, leaf in point.items()}
    unit = {name: jnp.ones_like(leaf) for name, leaf in point.items()}
    _, tangent = jax.jvp(moved, (still,), (unit,))
    return {name: -tangent[name] for name in names}


def response_sharpness(sample: Sample) -> jax.Array:
    """Largest eigenvalue of D^(1/2) H D^(1/2), D = diag(r_i)/eta from the rule's responses."""
    eta = sample.hyper["eta"]
    scale = {name: answer / eta for name, answer in responses(sample).items()}
    return sharpness_at(sample.objective, sample.params, sample.method, scale)


def response_threshold(sample: Sample) -> jax.Array:
    """What `response_sharpness` must not exceed: the linearised map with its response normalised.

    It is read off the coordinate that answers most.
    """
    names = sample.objective.parameters
    answers = jnp.concatenate([jnp.ravel(responses(sample)[name]) for name in names])
    index = jnp.argmax(jnp.where(jnp.isnan(answers), -jnp.inf, answers))
    critical = critical_multiplier(*linearised_coordinate(sample, index))
    return critical * answers[index] / sample.hyper["eta"]


def _belongs_to(names):
    """Whether a node of a state has one part for each parameter."""
    return lambda node: isinstance(node, dict) and set(node) == set(names)
