"""The table of docs/guide/optax.md: what `from_optax` finds out of every factory of optax.

`python docs/optax_rules.py` writes it, in some minutes. A test compares a few rows with the code,
a long one all.
"""

import functools
import inspect
from pathlib import Path

import jax
import numpy as np
import optax
from optax import contrib

from eos_jax import rules
from eos_jax.rules import probes

PAGE = Path(__file__).parent / "guide" / "optax.md"

BESIDE = "optax.chain({}, optax.sgd(eta))"
RECIPES = {
    "optax.MultiSteps": "optax.MultiSteps(optax.sgd(eta), 3)",
    "optax.adaptive_grad_clip": BESIDE.format("optax.adaptive_grad_clip(0.1)"),
    "optax.add_noise": BESIDE.format("optax.add_noise(0.1, 0.5, 0)"),
    "optax.apply_every": BESIDE.format("optax.apply_every(3)"),
    "optax.apply_if_finite": "optax.apply_if_finite(optax.sgd(eta), 3)",
    "optax.chain": "optax.chain(optax.trace(0.5), optax.sgd(eta))",
    "optax.clip": BESIDE.format("optax.clip(1.0)"),
    "optax.clip_by_block_rms": BESIDE.format("optax.clip_by_block_rms(1.0)"),
    "optax.clip_by_global_norm": BESIDE.format("optax.clip_by_global_norm(1.0)"),
    "optax.conditionally_mask": "optax.conditionally_mask(optax.sgd(eta), lambda t: t % 2 == 0)",
    "optax.conditionally_transform": BESIDE.format(
        "optax.conditionally_transform(optax.trace(0.5), lambda t: t % 2 == 0)"
    ),
    "optax.ema": BESIDE.format("optax.ema(0.9)"),
    "optax.flatten": "optax.flatten(optax.adam(eta))",
    "optax.freeze": BESIDE.format('optax.freeze({"x": (True,), "y": (False,)})'),
    "optax.inject_hyperparams": "optax.inject_hyperparams(optax.sgd)(learning_rate=eta)",
    "optax.inject_stateful_hyperparams": "optax.inject_stateful_hyperparams(optax.sgd)"
    "(learning_rate=eta)",
    "optax.lookahead": "optax.lookahead(optax.sgd(eta), 3, 0.5)",
    "optax.masked": 'optax.masked(optax.sgd(eta), {"x": (True,), "y": (False,)})',
    "optax.measure_with_ema": BESIDE.format(
        'optax.monitor({"norm": optax.measure_with_ema(optax.tree.norm, 0.9)})'
    ),
    "optax.monitor": BESIDE.format('optax.monitor({"norm": optax.tree.norm})'),
    "optax.multi_transform": 'optax.multi_transform({"a": optax.sgd(eta), "b": optax.adam(eta)}, '
    '{"x": ("a",), "y": ("b",)})',
    "optax.named_chain": 'optax.named_chain(("a", optax.trace(0.5)), ("b", optax.sgd(eta)))',
    "optax.noisy_sgd": "optax.noisy_sgd(eta)",
    "optax.normalize_by_update_norm": BESIDE.format("optax.normalize_by_update_norm()"),
    "optax.partition": 'optax.partition({"a": optax.sgd(eta), "b": optax.sgd(eta, 0.5)}, '
    '{"x": ("a",), "y": ("b",)})',
    "optax.polyak_sgd": "optax.polyak_sgd(max_learning_rate=eta)",
    "optax.scale": "optax.scale(-eta)",
    "optax.scale_by_backtracking_linesearch": "optax.chain(optax.sgd(eta), "
    "optax.scale_by_backtracking_linesearch(15))",
    "optax.scale_by_learning_rate": "optax.scale_by_learning_rate(eta)",
    "optax.scale_by_rprop": "optax.scale_by_rprop(eta)",
    "optax.scale_by_schedule": BESIDE.format(
        "optax.scale_by_schedule(optax.exponential_decay(1.0, 10, 0.5))"
    ),
    "optax.scale_by_zoom_linesearch": "optax.chain(optax.sgd(eta), "
    "optax.scale_by_zoom_linesearch(15))",
    "optax.selective_transform": "optax.selective_transform(optax.sgd(eta), "
    'freeze_mask={"x": (True,), "y": (False,)})',
    "optax.snapshot": BESIDE.format('optax.snapshot("n", optax.tree.norm)'),
    "optax.stateless": BESIDE.format("optax.stateless(lambda g, p: g)"),
    "optax.stateless_with_tree_map": BESIDE.format("optax.stateless_with_tree_map(lambda g, p: g)"),
    "optax.trace": BESIDE.format("optax.trace(0.9)"),
    "optax.with_extra_args_support": "optax.with_extra_args_support(optax.sgd(eta))",
    "contrib.differentially_private_aggregate": BESIDE.format(
        "contrib.differentially_private_aggregate(1.0, 0.1, 0)"
    ),
    "contrib.dpsgd": "contrib.dpsgd(eta, 1.0, 0.1, 0)",
    "contrib.mechanize": "contrib.mechanize(optax.sgd(eta))",
    "contrib.reduce_on_plateau": BESIDE.format("contrib.reduce_on_plateau()"),
    "contrib.sam": "contrib.sam(optax.sgd(eta), optax.sgd(0.1))",
    "contrib.scale_by_madgrad": "contrib.scale_by_madgrad(eta)",
    "contrib.schedule_free": "contrib.schedule_free(optax.sgd(eta), eta)",
    "contrib.split_real_and_imaginary": "contrib.split_real_and_imaginary(optax.sgd(eta))",
}
"""What is asked for factories that take more than a step size, or none."""

NONE_OF_THEM = {"optax.dpsgd", "optax.differentially_private_aggregate"}
"""Names of `contrib` that optax still has, with a warning."""

WORDS = {
    "linear": "linear",
    "repeating": "linear on quadratics, period {period}",
    "coordinate": "each coordinate alone",
    "linear_nearby": "linear in small gradients",
    "coordinate_nearby": "each coordinate alone in small gradients",
    "whole": "by the whole step, period {period}",
    "still": "none: small gradients move nothing",
    "flat": "none: not in proportion to small gradients",
    "coupled": "none known: no linearised step at a minimum",
    "particular": "fails",
}

TABLE = f"| rule (optax {optax.__version__}) | how it acts | eta x threshold |\n|---|---|---|\n"


def expressions():
    """The factories of optax and optax.contrib by name, and the transformation that is asked of."""
    found = dict(RECIPES)
    for room, module in (("optax", optax), ("contrib", contrib)):
        for name in vars(module):
            full = f"{room}.{name}"
            if name[0] == "_" or full in {*found, *NONE_OF_THEM}:
                continue
            made = vars(module)[name]
            if module is contrib and made is vars(optax).get(name):
                continue
            of_functions = inspect.isfunction(made) or isinstance(made, functools.partial)
            if not of_functions or not _makes_transformations(made):
                continue
            by_rate = next(iter(inspect.signature(made).parameters), "") == "learning_rate"
            found[full] = f"{full}(eta)" if by_rate else BESIDE.format(f"{full}()")
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def _makes_transformations(function):
    """By what it is said to return, and otherwise by trying."""
    parameters = inspect.signature(function).parameters.values()
    said = inspect.signature(function).return_annotation
    if said is not inspect.Signature.empty:
        return "GradientTransformation" in str(said) and "Callable" not in str(said)
    needed = [p for p in parameters if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    if [p.name for p in needed] not in ([], ["learning_rate"]):
        return False
    try:
        return isinstance(function(*(0.1 for _ in needed)), optax.GradientTransformation)
    except Exception:
        return False


def row(expression):
    """How one transformation acts, in the words of the table, and eta times its threshold."""
    make = eval(f"lambda eta: {expression}", {"optax": optax, "contrib": contrib})
    build = lambda hyper: optax.with_extra_args_support(_transformation(make(hyper["eta"])))  # noqa: E731
    action, where = probes.action(build, ("eta",), {}), ""
    for shape, words in (((), ", on x and y"), ((2, 2), ", on matrices")):
        if action.kind == "particular":
            template = {name: (np.zeros(shape),) for name in "xy"}
            action, where = probes.action(build, ("eta",), {}, template), words
    words = WORDS[action.kind].format(period=action.period) + where * (action.kind != "particular")
    changes = action.kind in ("linear", "linear_nearby") and not action.steady
    return words + changes * ", present step", _number(make, action, changes)


def _transformation(made):
    return made.gradient_transformation() if isinstance(made, optax.MultiSteps) else made


def _number(make, action, changes):
    if changes or action.kind not in ("linear", "linear_nearby", "repeating"):
        return ""
    import eos_jax as eos
    from eos_jax.sample import Sample

    with jax.enable_x64(True):
        rule, hyper = rules.from_optax(make), {"eta": jax.numpy.asarray(0.1)}
        objective = eos.objectives.scalar_product((1, 1))
        point = {"x": jax.numpy.asarray(1.0), "y": jax.numpy.asarray(1.0)}

        def threshold(hyper):
            # averages begin with corrections, and some rules with a step of its own
            params = point
            state = probes.later(rule.init(objective, point, hyper), jax.numpy.asarray(999))
            for _ in range(6):
                params, state = rule.step(objective, params, state, hyper)
            return rule.threshold(Sample(objective, rule, point, state, hyper, 0, 0))

        return f"{0.1 * float(jax.jit(threshold)(hyper)):.6g}"


def table():
    """The table, line by line as it is known."""
    lines = [TABLE]
    for expression in expressions().values():
        lines.append("| `{}` | {} | {} |\n".format(expression, *row(expression)))
        print(lines[-1], end="", flush=True)
    return "".join(lines)


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8").partition("| rule (optax")[0]
    PAGE.write_text(written + table(), encoding="utf-8")
