"""What each primitive of JAX becomes in a list of scalar operations.

Values are arrays of places in the list, of the shapes that JAX knows them by; operations on
entries are NumPy's broadcasting over places, and what only moves entries is NumPy's own.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from eos_jax.loops import draws, elementary
from eos_jax.loops.expressions import Expression, where
from eos_jax.loops.scalars import Builder, NotScalars, Scalars, finished


def as_scalars(function: Callable, *examples: Any) -> Scalars:
    """A function as a list of scalar operations.

    Args:
      function: of pytrees of scalars or small arrays, to such a pytree.
      examples: its arguments, or their shapes and dtypes.

    Returns:
      The list; its inputs and outputs are the entries of the leaves in order.

    Raises:
      NotScalars: if it is none.

    Example:
      >>> import jax.numpy as jnp
      >>> found = as_scalars(lambda x, y: x * y + x, jnp.float32(1), jnp.float32(1))
      >>> [operation.name for operation in found.operations]
      ['input', 'input', 'fma']
    """
    closed = jax.make_jaxpr(function)(*examples)
    return from_jaxpr(closed)


def from_jaxpr(closed: Any) -> Scalars:
    """A traced function as a list; see `as_scalars`."""
    build = Builder()
    inputs = [
        build.inputs(variable.aval.dtype, variable.aval.shape) for variable in closed.jaxpr.invars
    ]
    try:
        outputs = written_out(build, closed.jaxpr, closed.consts, inputs)
    # a version of JAX whose traces look different
    except (KeyError, AttributeError, TypeError) as error:
        what = f"a trace that cannot be read here ({type(error).__name__}: {error})"
        raise NotScalars(what) from error
    return finished(build, [place for output in outputs for place in output.ravel()])


def written_out(
    build: Builder,
    jaxpr: Any,
    constants: Sequence[Any],
    arguments: Sequence[np.ndarray],
    wanted: Sequence[bool] | None = None,
) -> list[Any]:
    """The outputs of a jaxpr, its equations added to the list.

    Args:
      build: the list.
      jaxpr: what is written out.
      constants: values of its constants: arrays, or arrays of places.
      arguments: arrays of places, one for each input.
      wanted: which outputs are; the others may be None, and what only they need is left out.
    """
    wanted = wanted or [True] * len(jaxpr.outvars)
    known = dict(zip(jaxpr.invars, arguments))
    for variable, value in zip(jaxpr.constvars, constants):
        exact = variable.aval.dtype  # JAX keeps a NumPy constant in the dtype it had
        known[variable] = (
            value if _are_places(value) else _constants(build, np.asarray(value, exact))
        )

    def read(atom):
        if hasattr(atom, "val"):
            return _constants(build, np.asarray(atom.val, atom.aval.dtype))
        return known[atom]

    needed = {id(v) for v, want in zip(jaxpr.outvars, wanted) if want}
    equations = []
    for equation in reversed(jaxpr.eqns):
        if any(id(variable) in needed for variable in equation.outvars):
            equations.append(equation)
            needed.update(id(atom) for atom in equation.invars)
    for equation in reversed(equations):
        name = equation.primitive.name
        if name not in PRIMITIVES and name not in _CALLS:
            raise NotScalars(f"`{name}`, which is no operation on scalars")
        read_in = [read(atom) for atom in equation.invars]
        if name in _CALLS:
            of_it = [id(variable) in needed for variable in equation.outvars]
            results = _called(build, name, equation.params, read_in, of_it)
        else:
            avals = [variable.aval for variable in equation.outvars]
            found = PRIMITIVES[name](build, equation.params, avals, *read_in)
            results = found if equation.primitive.multiple_results else [found]
        known |= dict(zip(equation.outvars, results))
    return [read(atom) if want else None for atom, want in zip(jaxpr.outvars, wanted)]


_CALLS = frozenset(
    "jit pjit closed_call core_call custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr remat "
    "remat2 checkpoint custom_lin".split()
)


def _called(build, name, params, values, wanted):
    """The outputs of a function that is called."""
    inner = params.get("jaxpr") or params.get("call_jaxpr") or params.get("fun_jaxpr")
    if inner is None:
        raise NotScalars(f"`{name}`")
    constants = inner.consts if hasattr(inner, "consts") else ()
    return written_out(build, getattr(inner, "jaxpr", inner), constants, values, wanted)


def _are_places(value):
    return isinstance(value, np.ndarray) and value.dtype == object


def _constants(build, value):
    value = np.asarray(value)
    if value.size > 256:
        raise NotScalars(f"an array of {value.size} entries")
    places = np.empty(value.size, object)
    for entry, number in enumerate(value.ravel()):
        places[entry] = build.constant(number, value.dtype)
    return places.reshape(value.shape)


PRIMITIVES: dict[str, Callable[..., Any]] = {}


def _of(*names):
    """Register the meaning of primitives; it is told the name if there are several."""

    def decorate(function):
        for name in names:
            PRIMITIVES[name] = functools.partial(function, name) if len(names) > 1 else function
        return function

    return decorate


def _entrywise(function, *places):
    """A function of places applied to every entry."""
    shape = np.broadcast_shapes(*(np.shape(p) for p in places))
    result = np.empty(math.prod(shape), object)
    spread = [np.broadcast_to(p, shape).ravel() for p in places]
    for entry, taken in enumerate(zip(*spread)):
        result[entry] = function(*taken)
    return result.reshape(shape)


def _expressions(build, function, *places):
    """A formula in expressions applied to every entry."""
    return _entrywise(lambda *p: function(*(Expression(build, q) for q in p)).place, *places)


def _simple(name, meant=None):
    def handle(build, params, avals, *places):
        dtype = np.dtype(avals[0].dtype).name
        return _entrywise(lambda *p: build.add(meant or name, *p, dtype=dtype), *places)

    PRIMITIVES[name] = handle


for _name in "add sub mul div neg abs sqrt floor and or xor not is_finite".split():
    _simple(_name)
for _name in "lt le gt ge eq ne".split():
    _simple(_name)
_simple("add_any", "add")
_simple("shift_left")
_simple("shift_right_logical", "shift_right")


def _formula(name, function):
    def handle(build, params, avals, *places):
        return _expressions(build, function, *places)

    PRIMITIVES[name] = handle


def _larger(a, b):
    """The larger one; NaN if one is."""
    return where((a.differs(a)) | (a > b), a, b)


def _smaller(a, b):
    return where((a.differs(a)) | (a < b), a, b)


def _sign(x):
    one = x.like(1)
    return where(x > x.like(0), one, where(x < x.like(0), -one, x))


_formula("max", _larger)
_formula("min", _smaller)
_formula("sign", _sign)
_formula("square", lambda x: x * x)
_formula("one_minus_square", lambda x: (x.like(1) + x) * (x.like(1) - x))
_formula("polynomial", lambda x, *of: functools.reduce(lambda sum, c: sum * x + c, reversed(of)))
_formula("rsqrt", lambda x: x.like(1) / x.sqrt())
_formula("clamp", lambda low, x, high: _smaller(_larger(x, low), high))
for _name, _function in elementary.FUNCTIONS.items():
    _formula(_name, _function)


@_of("bitcast_convert_type")
def _bitcast(build, params, avals, x):
    dtype = np.dtype(params["new_dtype"]).name
    old = build.dtype(next(iter(x.ravel())))
    if x.shape != avals[0].shape or old.startswith("float") == dtype.startswith("float"):
        raise NotScalars("bits taken apart")
    code = "bits" if old.startswith("float") else "from_bits"
    return _entrywise(lambda a: build.add(code, a, dtype=dtype), x)


@_of("round")
def _round(build, params, avals, x):
    even = params["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN
    rounded = elementary.nearest_even if even else elementary.nearest_away
    return _expressions(build, rounded, x)


@_of("ceil")
def _ceil(build, params, avals, x):
    return _expressions(build, lambda x: -((-x).floor()), x)


@_of("integer_pow")
def _integer_pow(build, params, avals, x):
    return _expressions(build, lambda x: elementary.whole_power(x, params["y"]), x)


@_of("pow")
def _pow(build, params, avals, x, y):
    def power(x, y):
        if y.constant is not None:
            return elementary.power(x, float(y.constant))
        if x.constant is not None and x.constant > 0:
            wide = y.convert("float64") * math.log(x.constant)
            return elementary.FUNCTIONS["exp"](wide).convert(x.dtype)
        return elementary.varying_power(x, y)

    return _expressions(build, power, x, y)


@_of("rem")
def _rem(build, params, avals, x, y):
    dtype = np.dtype(avals[0].dtype).name
    if dtype.startswith("float"):
        raise NotScalars("`rem` of floating-point numbers")
    return _entrywise(lambda a, b: build.add("rem", a, b, dtype=dtype), x, y)


@_of("select_n")
def _select_n(build, params, avals, which, *cases):
    if len(cases) != 2 or build.dtype(next(iter(which.ravel()))) != "bool":
        raise NotScalars("a choice of more than two")
    no, yes = cases
    dtype = np.dtype(avals[0].dtype).name
    return _entrywise(lambda w, y, n: build.add("select", w, y, n, dtype=dtype), which, yes, no)


@_of("convert_element_type")
def _convert(build, params, avals, x):
    dtype = np.dtype(params["new_dtype"]).name
    return _entrywise(lambda a: build.add("convert", a, dtype=dtype), x)


@_of("stop_gradient", "copy", "copy_p", "reduce_precision", "device_put")
def _same(name, build, params, avals, *values):
    return list(values) if name == "device_put" else values[0]


@_of("optimization_barrier")
def _barrier(build, params, avals, *values):
    return list(values)


@_of("broadcast_in_dim")
def _broadcast(build, params, avals, x, *_):
    shape = params["shape"]
    if math.prod(shape) > 256:
        raise NotScalars(f"an array of {math.prod(shape)} entries")
    ones = [1] * len(shape)
    for axis, where_to in enumerate(params["broadcast_dimensions"]):
        ones[where_to] = x.shape[axis]
    return np.broadcast_to(x.reshape(ones), shape)


@_of("reshape", "squeeze", "expand_dims")
def _reshape(name, build, params, avals, x, *_):
    return x.reshape(avals[0].shape)


@_of("transpose")
def _transpose(build, params, avals, x):
    return x.transpose(params["permutation"])


@_of("rev")
def _rev(build, params, avals, x):
    return np.flip(x, params["dimensions"])


@_of("slice")
def _slice(build, params, avals, x):
    strides = params["strides"] or (1,) * x.ndim
    return x[tuple(map(slice, params["start_indices"], params["limit_indices"], strides))]


@_of("split")
def _split(build, params, avals, x):
    return np.split(x, np.cumsum(params["sizes"])[:-1], params["axis"])


@_of("unstack")
def _unstack(build, params, avals, x):
    rows = np.moveaxis(x, params["axis"], 0)
    return [rows[index, ...] for index in range(len(rows))]  # arrays, be they of one entry


@_of("concatenate")
def _concatenate(build, params, avals, *parts):
    return np.concatenate(parts, params["dimension"])


@_of("stack")
def _stack(build, params, avals, *parts):
    return np.stack(parts, params.get("axis", params.get("dimension", 0)))


@_of("pad")
def _pad(build, params, avals, x, fill):
    config = params["padding_config"]
    if any(low < 0 or high < 0 or inner for low, high, inner in config):
        raise NotScalars("a `pad` that cuts or spreads")
    padded = np.full(avals[0].shape, fill[()], object)
    padded[tuple(slice(low, low + n) for (low, _, _), n in zip(config, x.shape))] = x
    return padded


@_of("iota")
def _iota(build, params, avals, *_):
    shape, dimension = params["shape"], params["dimension"]
    ones = [1] * len(shape)
    ones[dimension] = shape[dimension]
    values = np.broadcast_to(np.arange(shape[dimension]).reshape(ones), shape)
    return _constants(build, values.astype(params["dtype"]))


def _reduced(build, x, axes, combine):
    """Entries combined along axes, from the first to the last."""
    axes = tuple(axes)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(*kept, *axes).reshape(*(x.shape[a] for a in kept), -1)
    columns = [rows[..., entry] for entry in range(rows.shape[-1])]
    return functools.reduce(
        lambda a, b: _expressions(build, combine, a, b), map(np.asarray, columns)
    )


_REDUCTIONS = {
    "reduce_sum": lambda a, b: a + b,
    "reduce_prod": lambda a, b: a * b,
    "reduce_max": _larger,
    "reduce_min": _smaller,
    "reduce_and": lambda a, b: a & b,
    "reduce_or": lambda a, b: a | b,
}


@_of(*_REDUCTIONS)
def _reduce(name, build, params, avals, x):
    if x.size == 0:
        raise NotScalars("a reduction of nothing")
    return _reduced(build, x, params["axes"], _REDUCTIONS[name])


@_of("dot_general")
def _dot_general(build, params, avals, x, y):
    (x_in, y_in), (x_batch, y_batch) = params["dimension_numbers"]
    dtype = np.dtype(avals[0].dtype).name  # which may be wider than that of the factors
    x, y = (_entrywise(lambda a: build.add("convert", a, dtype=dtype), part) for part in (x, y))
    if x_batch or y_batch:
        raise NotScalars("a batched product of matrices")
    x_kept = [axis for axis in range(x.ndim) if axis not in x_in]
    y_kept = [axis for axis in range(y.ndim) if axis not in y_in]
    rows = x.transpose(*x_kept, *x_in).reshape(math.prod(x.shape[a] for a in x_kept), -1)
    columns = y.transpose(*y_kept, *y_in).reshape(math.prod(y.shape[a] for a in y_kept), -1)
    if rows.shape[0] * columns.shape[0] * rows.shape[1] > 1024:
        raise NotScalars("a product of large matrices")
    terms = [
        _expressions(build, lambda a, b: a * b, rows[:, None, k], columns[None, :, k])
        for k in range(rows.shape[1])
    ]
    total = functools.reduce(lambda a, b: _expressions(build, lambda c, d: c + d, a, b), terms)
    return total.reshape(avals[0].shape)


def _region(closed, dtypes, shapes):
    """A jaxpr as a list of its own, with inputs of the given dtypes."""
    build = Builder()
    places = [build.inputs(dtype, shape) for dtype, shape in zip(dtypes, shapes)]
    outputs = written_out(build, closed.jaxpr, closed.consts, places)
    return finished(build, [place for output in outputs for place in output.ravel()])


def _items(build, place, avals):
    """The results of a loop or branch, as arrays of places."""
    results, index = [], 0
    for aval in avals:
        size = math.prod(aval.shape)
        dtype = np.dtype(aval.dtype).name
        places = np.empty(size, object)
        for entry in range(size):
            places[entry] = build.add("item", place, dtype=dtype, detail=index + entry)
        index += size
        results.append(places.reshape(aval.shape))
    return results


def _flat(values):
    return [place for value in values for place in value.ravel()]


def _described(closed, values):
    avals = closed.in_avals
    return [a.dtype for a in avals], [a.shape for a in avals]


@_of("while")
def _while(build, params, avals, *values):
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    for_cond, for_body, carry = (
        values[:n_cond],
        values[n_cond : n_cond + n_body],
        values[n_cond + n_body :],
    )
    lists = tuple(_region(closed, *_described(closed, values)) for closed in (cond, body))
    counts = len(_flat(for_cond)), len(_flat(for_body))
    place = build.add("while", *_flat((*for_cond, *for_body, *carry)), dtype="",
                      detail=(*lists, *counts))  # fmt: skip
    return _items(build, place, avals)


@_of("scan")
def _scan(build, params, avals, *values):
    body, length = params["jaxpr"], params["length"]
    if "num_consts" in params:
        n_consts, n_carry = params["num_consts"], params["num_carry"]
    else:  # jax 0.12 keeps the three kinds of inputs as trees
        n_consts, n_carry, _ = map(len, params["ft_in"].unpack())
    constants, carry = values[:n_consts], list(values[n_consts : n_consts + n_carry])
    rows = values[n_consts + n_carry :]
    stacked = len(avals) - n_carry
    if length > 1 and not rows and not stacked:
        turn = _region(body, *_described(body, values))
        place = build.add("repeat", *_flat((*constants, *carry)), dtype="",
                          detail=(length, turn, len(_flat(constants))))  # fmt: skip
        return _items(build, place, avals)
    outputs = []
    order = range(length)[::-1] if params["reverse"] else range(length)
    for index in order:
        found = written_out(
            build,
            body.jaxpr,
            body.consts,
            [*constants, *carry, *(np.asarray(r[index]) for r in rows)],
        )
        carry = found[:n_carry]
        outputs.append(found[n_carry:])
    outputs = outputs[::-1] if params["reverse"] else outputs
    return [*carry, *(np.stack([row[k] for row in outputs]) for k in range(stacked))]


@_of("cond")
def _cond(build, params, avals, index, *values):
    branches = params["branches"]
    lists = tuple(_region(branch, *_described(branch, values)) for branch in branches)
    place = build.add("branch", index[()], *_flat(values), dtype="", detail=lists)
    return _items(build, place, avals)


def _of_the_generator(build, function, *values):
    """A function of JAX's generator written out: of keys, which become words, and numbers."""
    keys = [isinstance(value.ravel()[0], draws.Key) for value in values]
    words = ["key" if is_key else build.dtype(v[()]) for is_key, v in zip(keys, values)]
    closed = draws.traced(function, words)
    given = [draws.words_of(v) if is_key else v for is_key, v in zip(keys, values)]
    return written_out(build, closed.jaxpr, closed.consts, given)[0]


@_of("random_seed", "random_fold_in")
def _random_key(name, build, params, avals, *values):
    if any(value.shape for value in values):
        raise NotScalars(f"`{name}` of arrays")
    use = draws.generator()
    if params.get("impl", use) != use:
        raise NotScalars("keys of another generator")
    function = use.seed if name == "random_seed" else use.fold_in
    return draws.keys_of(_of_the_generator(build, function, *values))


@_of("random_split")
def _random_split(build, params, avals, key):
    shape = params["shape"]
    split = lambda words: draws.generator().split(words, shape)  # noqa: E731
    return draws.keys_of(_of_the_generator(build, split, key))


@_of("random_bits")
def _random_bits(build, params, avals, key):
    width, shape = params["bit_width"], params["shape"]
    bits = lambda words: draws.generator().random_bits(words, width, shape)  # noqa: E731
    return _of_the_generator(build, bits, key)


@_of("random_wrap")
def _random_wrap(build, params, avals, words):
    return draws.keys_of(words)


@_of("random_unwrap")
def _random_unwrap(build, params, avals, keys):
    return draws.words_of(keys)


@_of("iota_2x32_shape")
def _counted(build, params, avals):
    count = np.arange(math.prod(params["shape"]), dtype=np.uint64).reshape(params["shape"])
    halves = count >> np.uint64(32), count & np.uint64(0xFFFFFFFF)
    return [_constants(build, half.astype(np.uint32)) for half in halves]


@_of("threefry2x32")
def _threefry(build, params, avals, *places):
    both = _entrywise(
        lambda *p: tuple(e.place for e in draws.threefry(*(Expression(build, q) for q in p))),
        *places,
    )
    return [_entrywise(lambda pair, half=half: pair[half], both) for half in (0, 1)]


@_of("sort")
def _sort(build, params, avals, *rows):
    entries, whole = rows[0].size, not np.dtype(avals[0].dtype).name.startswith("float")
    if rows[0].ndim != 1 or params["num_keys"] != 1 or not whole:
        raise NotScalars("a `sort` of anything but a row of integers")
    if entries > draws.MOST_SORTED:
        raise NotScalars(f"a `sort` of {entries} entries")
    found = draws.sorted_rows([[Expression(build, place) for place in row] for row in rows])
    return [_entrywise(lambda e: e.place, np.array([*row, None], object)[:-1]) for row in found]
