"""Any optax transformation as a rule: its arguments, its identity, how it acts, what it sees."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import measures, rules
from tests import oracle
from tests.rules.examples import LABELLED, numbers, sample, walk

pytestmark = pytest.mark.slow

START = np.array([1.6, 1.6, 0.5, 0.5])  # (x, x, y, y)
POINT = {"x": START[0], "y": START[2]}


def gradient(point):
    return oracle.product_gradient(point[:, None])[:, 0]


def ends(rule, steps=20, objective=LABELLED, **given):
    end, _ = walk(rule, POINT, numbers(rule, **given), steps, objective)
    return float(end["x"]), float(end["y"])


def test_arguments_are_hyperparameters():
    rule = rules.from_optax(lambda eta, momentum, decay=0.5, nesterov=False: optax.sgd(eta))
    assert rule.hyperparameters == ("eta", "momentum", "decay")
    assert rule.defaults == {"decay": 0.5} and rule.settings == {"nesterov": False}
    rule = rules.from_optax(optax.adam)
    assert rule.name == "adam" and rule.hyperparameters == ("eta",) and rule.defaults == {}
    assert rule.settings["b2"] == 0.999
    partial = rules.from_optax(functools.partial(optax.sgd, momentum=0.5))
    assert partial.name == "sgd" and partial.settings["momentum"] == 0.5
    keyword = rules.from_optax(lambda *, eta, b: optax.sgd(eta, b))
    assert keyword.hyperparameters == ("eta", "b")


def test_equal_functions_give_the_same_rule():
    make = lambda beta: rules.from_optax(lambda eta: optax.sgd(eta, beta))  # noqa: E731
    assert make(0.9) is make(0.9)
    assert make(0.9) is not make(0.8)
    assert rules.from_optax(optax.adam) is rules.as_rule(optax.adam)
    assert rules.from_optax(lambda eta: optax.sgd(eta, 0.9), "named") is not make(0.9)
    scale = lambda values: optax.stateless(  # noqa: E731
        lambda slopes, _: {n: tuple(-g * values.sum() for g in slopes[n]) for n in slopes}
    )
    scaled = lambda values: rules.from_optax(lambda eta: scale(values))  # noqa: E731
    assert scaled(np.array([1.0, 2.0])) is scaled(np.array([1.0, 2.0]))
    assert scaled(np.array([1.0, 2.0])) is not scaled(np.array([1.0, 3.0]))


KINDS = [
    (optax.sgd, "linear"),
    (lambda eta: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(eta, 0.5)), "linear"),
    (lambda eta: optax.chain(optax.add_noise(0.1, 0.5, 3), optax.sgd(eta)), "linear"),
    (lambda eta, b1, b2: optax.radam(eta, b1, b2), "acts on each coordinate"),
    (optax.adam, "acts on each coordinate"),
    (lambda eta: optax.chain(optax.clip(1.0), optax.sgd(eta)), "acts on each coordinate"),
    (optax.sign_sgd, "no threshold"),
    (optax.lion, "no threshold"),
    (lambda eta: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(eta)),
     "linear in small gradients"),
    (lambda eta: optax.chain(optax.clip_by_global_norm(1.0), optax.adam(eta)),
     "acts on each coordinate alone where gradients are small"),
    (lambda eta: optax.chain(optax.clip_by_global_norm(1.0), optax.lion(eta)), "no threshold"),
    (lambda eta: optax.contrib.muon(eta), "no threshold"),
    (lambda eta: optax.polyak_sgd(eta), "no threshold is known"),
    (lambda eta: optax.masked(optax.sgd(eta), {"x": (True, True), "y": (False, False)}),
     "made for particular parameters"),
    (lambda eta: optax.contrib.sam(optax.sgd(eta), optax.sgd(0.1), opaque_mode=True),
     "linear on quadratics, with a period of 1"),
    (lambda eta: optax.chain(optax.scale_by_param_block_norm(), optax.sgd(eta)),
     "answers small gradients in proportion"),
    (lambda eta: optax.chain(optax.sgd(eta), optax.scale_by_backtracking_linesearch(15)),
     "no threshold is known"),
    (lambda eta: optax.MultiSteps(optax.sgd(eta), 100), "no threshold is known"),
    (lambda eta: optax.MultiSteps(optax.sgd(eta), 40), "linear on quadratics, with a period of 40"),
    (lambda eta: optax.chain(optax.sgd(eta), optax.set_to_zero()), "no threshold: small gradients"),
    (lambda eta: optax.chain(optax.scale_by_factored_rms(), optax.sgd(eta)),
     "answers small gradients in proportion"),
]  # fmt: skip


@pytest.mark.parametrize(("transformation", "remark"), KINDS)
def test_how_a_transformation_acts_is_found_out(transformation, remark):
    rule = rules.from_optax(transformation)
    assert rule.remark.startswith(remark)
    assert (rule.threshold is None) == remark.startswith("no threshold")


def test_a_threshold_can_be_given():
    threshold = lambda sample: 7 / sample.hyper["eta"]  # noqa: E731
    rule = rules.from_optax(optax.lion, threshold=threshold)
    assert rule.threshold is threshold and rule.curvature is measures.sharpness
    rule = rules.from_optax(optax.adam, curvature=measures.sharpness)
    assert rule.threshold is None and "no threshold" in rule.remark


def test_optax_adam_is_judged_as_our_own(x64):
    """Curvature over threshold agree, optax's preconditioner being that of the next step."""
    eta = {"eta": 0.01}
    own, bare = rules.adam(), rules.from_optax(optax.adam)
    ratios = []
    for rule in (own, bare):
        hyper = numbers(rule, **eta)
        params, state = walk(rule, POINT, hyper, 300)

        # hyperparameters as arguments: folding a threshold of constants takes XLA minutes
        def ratio(params, state, hyper, rule=rule):
            here = sample(LABELLED, rule, params, state, hyper)
            return measures.curvature(here) / measures.threshold(here)

        ratios.append(float(jax.jit(ratio)(params, state, hyper)))
    # P^2 decays by b2 once more, and its correction goes on; 1e-6 for eps beside P
    later = 0.999 * (1 - 0.999**300) / (1 - 0.999**301)
    assert ratios[1] == pytest.approx(ratios[0] / later**0.5, rel=1e-6)


def test_rules_see_the_gradient_of_the_full_space(x64):
    """Normalised descent divides by the norm over all four scalars, each copy counted."""
    normalised = rules.from_optax(
        lambda eta: optax.chain(optax.normalize_by_update_norm(eps=0.0), optax.scale(-eta))
    )
    point = START.copy()
    for _ in range(20):
        slope = gradient(point)
        point = point - 0.005 * slope / np.linalg.norm(slope)
    assert np.linalg.norm(gradient(point)) > 0.1
    assert ends(normalised, eta=0.005) == pytest.approx(tuple(point[[0, 2]]), rel=1e-10)


def test_clipping_by_the_global_norm_equals_the_free_model(x64):
    clipped = rules.from_optax(
        lambda eta: optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(eta, 0.5))
    )
    free = eos.objectives.scalar_product(4)
    start = dict(zip(free.parameters, START))
    end, _ = walk(clipped, start, numbers(clipped), 40, free)
    assert ends(clipped, 40) == pytest.approx((float(end["x"]), float(end["z"])), rel=1e-12)
    assert ends(clipped, 40) != pytest.approx(ends(rules.heavy_ball(0.5), 40), rel=1e-3)


def test_rules_that_need_the_loss(x64):
    """Polyak's step, (L - L*) / |g|^2, needs the value, and the norm over the full space."""
    point = START.copy()
    for _ in range(10):
        slope, value = gradient(point), 0.5 * (1 - point.prod()) ** 2
        point = point - min(0.5, value / (slope @ slope)) * slope
    rule = rules.from_optax(lambda eta: optax.polyak_sgd(max_learning_rate=eta))
    assert ends(rule, 10, eta=0.5) == pytest.approx(tuple(point[[0, 2]]), rel=1e-9)


def test_clipped_momentum_leaves_a_minimum_at_its_threshold(x64):
    """1/2 x^2 has sharpness 1: stable for eta < 2 (1 + beta), though thrown back by the clip."""
    clipped = rules.from_optax(
        lambda eta, beta: optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(eta, beta))
    )
    edge = 2 * (1 + 0.5)
    axes = {"x": [-1.0, 0.05], "eta": [0.98 * edge, 1.02 * edge], "beta": 0.5}
    ds = eos.sweep(eos.objectives.from_function(lambda x: x**2 / 2), axes, 5000, rule=clipped)
    np.testing.assert_allclose(ds.threshold, np.broadcast_to(edge / ds.eta, (2, 2)), rtol=1e-12)
    below, above = ds.outcome.values.T
    assert (below == eos.Outcome.CONVERGED).all() and (above == eos.Outcome.UNDECIDED).all()


@pytest.mark.parametrize("opaque", [True, False])
def test_optax_sam_is_our_own(x64, opaque):
    """Its step asks for the gradient elsewhere, or takes two steps of ours for one."""
    flat = lambda rho: optax.chain(optax.contrib.normalize(), optax.sgd(rho))  # noqa: E731
    rule = rules.from_optax(
        lambda eta, rho: optax.contrib.sam(optax.sgd(eta), flat(rho), opaque_mode=opaque)
    )
    want = ends(rules.sam(), 30, eta=0.05, rho=0.02)
    assert ends(rule, 30 if opaque else 60, eta=0.05, rho=0.02) == pytest.approx(want, rel=1e-12)


def test_a_rule_that_fails_on_the_parameters_says_so():
    free = eos.objectives.scalar_product(2)
    axes = dict.fromkeys((*free.parameters, "eta"), 0.1)
    with pytest.raises(ValueError, match=r"Rule `sm3` must be one for the parameters of .* IndexE"):
        eos.sweep(free, axes, 3, rule=optax.sm3)


def test_a_schedule_that_compares_a_hyperparameter_is_told_what_to_do(x64):
    warmup = lambda eta: optax.sgd(optax.warmup_cosine_decay_schedule(0.0, eta, 5, 50))  # noqa: E731
    with pytest.raises(ValueError, match="may have height 1"):
        rules.from_optax(warmup)
    unit = optax.warmup_cosine_decay_schedule(0.0, 1.0, 5, 50)
    scaled = rules.from_optax(lambda eta: optax.chain(optax.sgd(unit), optax.scale(eta)))
    assert ends(scaled, 1) == (POINT["x"], POINT["y"])  # height 0 at first


def test_a_schedule_is_judged_at_its_count(x64):
    """A step size that falls to a tenth: the threshold at step 10 is that of the small one."""
    schedule = optax.piecewise_constant_schedule(0.2, {5: 0.1})
    rule = rules.from_optax(lambda eta: optax.chain(optax.sgd(schedule), optax.scale(eta)))
    hyper = numbers(rule, eta=1.0)
    for steps, want in ((0, 10.0), (10, 100.0)):
        params, state = walk(rule, POINT, hyper, steps)
        here = sample(LABELLED, rule, params, state, hyper)
        assert float(measures.threshold(here)) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda rate: optax.sgd(rate), "must take `eta`"),
        (lambda eta: 3, "must make an optax transformation"),
        (lambda eta: optax.sgd(0.1 if eta > 0 else 0.0), "must make an optax transformation"),
        (optax.adam(0.1), "give the function that makes the transformation"),
        (3, "but got int"),
        ("adm", "must be one of adagrad, adam"),
    ],
)
def test_what_is_no_rule_is_refused(given, words):
    with pytest.raises(ValueError) as refusal:
        rules.as_rule(given)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_nothing_is_gradient_descent():
    assert rules.as_rule() is rules.gradient_descent()
    assert (
        rules.as_rule(None).threshold(sample(LABELLED, None, POINT, (), {"eta": jnp.asarray(0.5)}))
        == 4
    )


def test_states_keep_the_dtypes_they_start_with():
    rule = rules.from_optax(optax.adam)
    hyper = numbers(rule, np.float32)
    _, state = walk(rule, {n: np.float32(v) for n, v in POINT.items()}, hyper, 2)
    kinds = {str(jnp.asarray(leaf).dtype) for leaf in jax.tree.leaves(state)}
    assert kinds == {"int32", "float32"}
