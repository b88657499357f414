"""Rules from optax: any transformation, its arguments being the hyperparameters.

A transformation sees the full-space gradient, each copy of a parameter by itself, so that rules
which use its norm mean what they say. How it acts is found out when the rule is made
(`eos_jax.rules.probes`), and decides which threshold is computed (`eos_jax.rules.stability`): that
of one coordinate, of one period on a parabola, or of the whole step. Where there is none the rule's
`remark` says so.
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax import measures
from eos_jax.fingerprint import digest
from eos_jax.objectives.base import lift, loss_of_first_copies
from eos_jax.rules import probes, stability
from eos_jax.rules.base import Rule, check_number, make, numbers, register
from eos_jax.rules.descent import gradient_descent
from eos_jax.rules.probes import Build, update
from eos_jax.sample import Measure

if TYPE_CHECKING:  # otherwise imported where it is used: most sweeps do not wait for it
    import optax

REMARKS = {
    "linear": "linear in the gradients: the threshold is where the spectral radius of its "
    "linearised map passes 1",
    "repeating": "linear on quadratics, with a period of {period}: the threshold is where the "
    "spectral radius of the linearised map of one period passes 1",
    "coordinate": "acts on each coordinate alone: the curvature is that of D^(1/2) H D^(1/2), D "
    "the rule's present response to a small gradient over eta, and the threshold that of its "
    "linearised map with the response normalised",
    "linear_nearby": "linear in small gradients, as at a minimum: the threshold is where the "
    "spectral radius of its linearised map passes 1",
    "coordinate_nearby": "acts on each coordinate alone where gradients are small, as at a "
    "minimum: the curvature is that of D^(1/2) H D^(1/2), D the rule's present response to a small "
    "gradient over eta, and the threshold that of its linearised map with the response normalised",
    "whole": "answers small gradients in proportion, with a period of {period}: the threshold is "
    "the sharpness at which the present Hessian, scaled as a whole, brings the spectral radius of "
    "the linearised map of all parameters and state over one period to 1; NaN where these are more "
    f"than {stability.MOST_NUMBERS} numbers",
    "particular": "made for particular parameters: the threshold is the sharpness at which the "
    "present Hessian, scaled as a whole, brings the spectral radius of the linearised map of all "
    "parameters and state to 1; NaN where small gradients are not answered in proportion, or these "
    f"are more than {stability.MOST_NUMBERS} numbers",
    "still": "no threshold: small gradients move nothing",
    "flat": "no threshold: the response to a small gradient is not proportional to it, so that no "
    "curvature makes a minimum stable",
    "coupled": "no threshold is known: the rule shows no linearised step at a minimum, or one that "
    f"does not repeat itself within {probes.LONGEST_PERIOD} steps",
}
_CHANGING = "; the rule changes from step to step without a period, and this is its present step"


def _judged(action, build, hyperparameters, defaults) -> tuple[Measure, Measure | None, str]:
    """Curvature, threshold and remark of a transformation that acts in one of the known ways."""
    kind, period, steady = action
    remark = REMARKS[kind].format(period=period)
    if kind in ("linear", "linear_nearby") and not steady:
        remark += _CHANGING
    if kind in ("linear", "linear_nearby"):
        return measures.sharpness, stability.spectral_radius_threshold, remark
    if kind in ("coordinate", "coordinate_nearby"):
        return stability.response_sharpness, stability.response_threshold, remark
    if kind == "repeating":
        over = lambda sample: stability.parabola_threshold(sample, period)  # noqa: E731
        return measures.sharpness, over, remark
    if kind == "whole":
        return measures.sharpness, _whole(build, lambda _: action), remark
    if kind == "particular":
        find = lambda template: probes.action(build, hyperparameters, defaults, template)  # noqa: E731
        return measures.sharpness, _whole(build, find), remark
    return measures.sharpness, None, remark


def _whole(build, action_on):
    """The threshold by the whole step, where the transformation has one on these parameters."""
    import optax

    known: dict = {}

    def threshold(sample):
        full = lift(sample.objective, sample.params)
        numbers_in = sum(jnp.size(a) for a in jax.tree.leaves((full, sample.state)))
        shapes = tuple((name, jnp.shape(copy)) for name in full for copy in full[name])
        if shapes not in known and numbers_in <= stability.MOST_NUMBERS:
            known[shapes] = action_on(jax.tree.map(lambda a: np.zeros(jnp.shape(a)), full))
        if shapes not in known or known[shapes].kind in probes.WITHOUT_LINEARISED_STEP:
            return jnp.full((), jnp.nan, jnp.result_type(*sample.params.values()))
        made = build(numbers(sample.params, sample.hyper))

        def step(loss, full, state):
            value, slopes = jax.value_and_grad(loss)(full)
            move, after = update(made, slopes, state, full, value, loss)
            return optax.apply_updates(full, move), after

        return stability.whole_threshold(sample, step, known[shapes].period)

    return threshold


_made: dict[tuple, Rule] = {}


def from_optax(
    transformation: "Callable[..., optax.GradientTransformation]",
    name: str | None = None,
    *,
    curvature: Measure | None = None,
    threshold: Measure | None = None,
) -> Rule:
    """A rule from a function that makes an optax transformation.

    Args:
      transformation: a function whose arguments are the hyperparameters, `eta` among them, such as
        `lambda eta, momentum: optax.sgd(eta, momentum)`; numbers that are defaults in its signature
        are the hyperparameters' defaults. Or a factory of optax, whose first argument is
        `learning_rate`: that is eta, and its other arguments stay at their defaults.
      name: what to call the rule; by default the function's name.
      curvature: sample -> the number that is compared with the threshold; found out by default.
      threshold: sample -> the curvature above which a minimum is unstable; found out by default,
        and None where there is none, see the rule's `remark`.

    Returns:
      The rule; an equal function gives the same one.

    Raises:
      ValueError: if the function's arguments do not fit, or if it makes no optax transformation.

    Example:
      >>> import optax
      >>> from eos_jax import rules
      >>> rules.from_optax(lambda eta, momentum=0.9: optax.sgd(eta, momentum), "heavy")
      Rule(heavy: eta, momentum=0.9)
    """
    hyperparameters, defaults, settings, build = _arguments(transformation)
    name = name or _name_of(transformation)
    _check_it_builds(build, hyperparameters)
    try:
        identity: Any = _fingerprint(build, hyperparameters)
    except Exception:  # a rule for particular parameters: it is the same as itself only
        identity = transformation
    key = (
        name, hyperparameters, repr(defaults), repr(settings), curvature, threshold, identity
    )  # fmt: skip
    if key not in _made:
        action = probes.action(build, hyperparameters, defaults)
        usual, usual_threshold, remark = _judged(action, build, hyperparameters, defaults)
        remark = remark if threshold is None else ""
        if curvature is not None and threshold is None:
            usual_threshold = None  # a threshold belongs to its own curvature
            remark = "no threshold: none was given with the curvature"
        _made[key] = Rule(
            name,
            _told(name, _init(build)),
            _told(name, _step(build)),
            hyperparameters,
            defaults,
            settings,
            usual if curvature is None else curvature,
            usual_threshold if threshold is None else threshold,
            remark,
        )
    return _made[key]


def as_rule(rule: Any = None) -> Rule:
    """The rule that is meant: a rule, a name, a function that makes a transformation, or nothing.

    Args:
      rule: None for gradient descent, a `Rule`, a registered name, or what `from_optax` takes.

    Returns:
      The rule.

    Raises:
      ValueError: if it is none of these.

    Example:
      >>> from eos_jax import rules
      >>> rules.as_rule("adam") is rules.adam()
      True
    """
    if rule is None:
        return gradient_descent()
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, str):
        return make(rule)
    if callable(rule):
        return from_optax(rule)
    import optax

    hint = ""
    if isinstance(rule, optax.GradientTransformation):
        hint = "; give the function that makes the transformation, `lambda eta: ...`"
    raise ValueError(
        "Argument `rule` must be a Rule, a name, or a function of eta that makes an optax "
        f"transformation, but got {type(rule).__name__}{hint}."
    )


@register(examples=({},))
def adagrad(initial_accumulator_value: float | None = 0.1, eps: float | None = 1e-7) -> Rule:
    r"""AdaGrad, s' = s + g^2, x' = x - eta g / sqrt(s' + eps).

    Args:
      initial_accumulator_value: s at the start, where a sweep does not give it; None: a sweep must.
      eps: at least 0, likewise.

    Returns:
      The rule, with optax's state.

    Raises:
      ValueError: if a default is negative.

    Example:
      >>> from eos_jax import rules
      >>> rules.adagrad()
      Rule(adagrad: eta, initial_accumulator_value=0.1, eps=1e-07)

    Source: Duchi et al. 2011, as `optax.adagrad`.
    """
    _check(initial_accumulator_value=initial_accumulator_value, eps=eps)
    import optax

    return from_optax(
        lambda eta, initial_accumulator_value, eps: optax.adagrad(
            eta, initial_accumulator_value, eps
        ),
        "adagrad",
    )


@register(examples=({},))
def nadam(b1: float | None = 0.9, b2: float | None = 0.999, eps: float | None = 1e-8) -> Rule:
    """Adam with Nesterov's momentum.

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      eps: at least 0, likewise.

    Returns:
      The rule, with optax's state.

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.nadam()
      Rule(nadam: eta, b1=0.9, b2=0.999, eps=1e-08)

    Source: Dozat 2016, as `optax.nadam`.
    """
    _check(b1=b1, b2=b2, eps=eps)
    import optax

    return from_optax(lambda eta, b1, b2, eps: optax.nadam(eta, b1, b2, eps), "nadam")


@register(examples=({},))
def radam(b1: float | None = 0.9, b2: float | None = 0.999, eps: float | None = 1e-8) -> Rule:
    """Rectified Adam: no preconditioner until the second moment has seen enough.

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      eps: at least 0, likewise.

    Returns:
      The rule, with optax's state.

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.radam()
      Rule(radam: eta, b1=0.9, b2=0.999, eps=1e-08)

    Source: Liu et al. 2020, as `optax.radam`.
    """
    _check(b1=b1, b2=b2, eps=eps)
    import optax

    return from_optax(lambda eta, b1, b2, eps: optax.radam(eta, b1, b2, eps), "radam")


@register(examples=({},))
def yogi(b1: float | None = 0.9, b2: float | None = 0.999, eps: float | None = 1e-3) -> Rule:
    """Yogi: Adam whose second moment moves by its distance's sign.

    Args:
      b1: in [0, 1), where a sweep does not give it; None: a sweep must give it.
      b2: in [0, 1), likewise.
      eps: at least 0, likewise.

    Returns:
      The rule, with optax's state.

    Raises:
      ValueError: if a default is out of its range.

    Example:
      >>> from eos_jax import rules
      >>> rules.yogi()
      Rule(yogi: eta, b1=0.9, b2=0.999, eps=0.001)

    Source: Zaheer et al. 2018, as `optax.yogi`.
    """
    _check(b1=b1, b2=b2, eps=eps)
    import optax

    return from_optax(lambda eta, b1, b2, eps: optax.yogi(eta, b1, b2, eps), "yogi")


def _check(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            check_number(name, value, 0, 1 if name in ("b1", "b2") else float("inf"))


def _arguments(transformation) -> tuple[tuple[str, ...], dict[str, float], dict[str, Any], Build]:
    """Hyperparameters, their defaults, settings, and hyper -> transformation."""
    if not callable(transformation):
        raise ValueError(
            "Argument `transformation` must be a function of eta that makes an optax "
            f"transformation, but got {type(transformation).__name__}."
        )
    arguments = [
        a
        for a in inspect.signature(transformation).parameters.values()
        if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)
    ]
    names = [a.name for a in arguments]
    given = {a.name: a.default for a in arguments if a.default is not a.empty}
    if names[:1] == ["learning_rate"]:
        hyperparameters, settings = ("eta",), {k: v for k, v in given.items() if k != names[0]}
        needed = [n for n in names[1:] if n not in given]
        numeric = {"eta": given["learning_rate"]} if _is_number(given.get("learning_rate")) else {}
    else:
        numeric = {k: v for k, v in given.items() if _is_number(v)}
        settings = {k: v for k, v in given.items() if k not in numeric}
        hyperparameters = tuple(n for n in names if n not in settings)
        needed = [] if "eta" in names else ["eta"]
    if needed:
        raise ValueError(
            "Argument `transformation` must take `eta` and other hyperparameters, or "
            f"`learning_rate` and settings with defaults, but takes ({', '.join(names)})."
        )

    import optax

    def build(hyper):
        if names[:1] == ["learning_rate"]:
            values = {**settings, "learning_rate": hyper["eta"]}
        else:
            values = {**settings, **hyper}
        positional = [values[a.name] for a in arguments if a.kind != a.KEYWORD_ONLY]
        keywords = {a.name: values[a.name] for a in arguments if a.kind == a.KEYWORD_ONLY}
        made = transformation(*positional, **keywords)
        if isinstance(made, optax.MultiSteps):
            made = made.gradient_transformation()
        return optax.with_extra_args_support(made)

    return hyperparameters, numeric, settings, build


def _is_number(value):
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _name_of(transformation):
    function = getattr(transformation, "func", transformation)  # of a partial
    name = getattr(function, "__name__", "optax")
    return "optax" if name == "<lambda>" else name


def _told(name, function):
    """A function whose failures, which are optax's, come as one sentence."""

    @functools.wraps(function)
    def told(objective, *args):
        try:
            return function(objective, *args)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ValueError(
                f"Rule `{name}` must be one for the parameters of {objective.name}, but it fails "
                f"on them with {type(error).__name__}: {reason}"
            ) from error

    return told


def _init(build):
    def init(objective, params, hyper):
        params = {name: jnp.asarray(params[name]) for name in objective.parameters}
        state = build(numbers(params, hyper)).init(lift(objective, params))
        return jax.tree.map(jnp.asarray, state)

    return init


def _step(build):
    import optax

    def step(objective, params, state, hyper):
        value, pullback = jax.vjp(loss_of_first_copies(objective, params), params)
        (slope,) = pullback(jnp.ones_like(value))
        full, slopes = lift(objective, params), lift(objective, slope)
        made = build(numbers(params, hyper))
        move, after = update(made, slopes, state, full, value, objective.full_loss)
        moved: Any = optax.apply_updates(full, move)
        return {name: moved[name][0] for name in objective.parameters}, after

    return step


def _check_it_builds(build, hyperparameters):
    import optax

    def trace(hyper):
        made = build(hyper)
        if not isinstance(made, optax.GradientTransformation):
            raise ValueError(f"it makes {type(made).__name__}")
        return 0

    try:
        jax.eval_shape(trace, {n: jax.ShapeDtypeStruct((), "float32") for n in hyperparameters})
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, jax.errors.TracerBoolConversionError):
            reason += " Hyperparameters have no values yet: a schedule may have height 1, and be "
            reason += "followed by optax.scale(eta)"
        raise ValueError(
            "Argument `transformation` must make an optax transformation of the numbers "
            f"{', '.join(hyperparameters)}, but it does not ({reason})."
        ) from None


def _fingerprint(build, hyperparameters):
    """A digest of the first state and a step, on leaves of several shapes."""
    leaf = lambda *shape: jax.ShapeDtypeStruct(shape, np.float64)  # noqa: E731
    tree = {"a": (leaf(),), "b": (leaf(3), leaf(3)), "c": (leaf(2, 5),), "d": (leaf(200, 300),)}

    def both(hyper, params, slopes, value):
        made = build(hyper)
        state = made.init(params)
        loss = lambda p: sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))  # noqa: E731
        return state, update(made, slopes, state, params, value, loss)

    with jax.enable_x64(True):
        traced = jax.make_jaxpr(both, return_shape=True)(
            {n: leaf() for n in hyperparameters}, tree, tree, leaf()
        )
    return digest(traced[0]) + str(jax.tree.structure(traced[1]))
