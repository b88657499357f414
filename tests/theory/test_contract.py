"""What every closed form keeps: broadcasting, dtype, tracing, messages, examples."""

import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eos_jax import theory

CALLS = [
    (theory.eos_minimum, (0.2,)),
    (theory.hessian_eigenvalues, (2.0, 0.4)),
    (theory.to_ab, (2.5, 0.4, 0.2)),
    (theory.from_ab, (0.3, 0.1, 0.2)),
    (theory.step_cd, (2.0, 1.1, 0.2)),
    (theory.step_ab, (0.3, 0.1, 0.2)),
    (theory.two_step_ab, (0.3, 0.1, 0.2)),
    (theory.two_step_ab_degree_2, (0.3, 0.1, 0.2)),
    (theory.frozen_cubic_step, (0.3, 0.1, 0.2)),
    (theory.frozen_doublings, (0.2,)),
    (theory.two_step_slope, (0.3, 0.1, 0.2)),
    (theory.two_step_orbit, (0.03, 0.1, 0.2)),
    (theory.ellipse_degree_2, (0.3, 0.1, 0.2)),
    (theory.theorem_3_1_hypotheses, (2.0, 0.2)),
    (theory.corollary_3_1_interval, (0.2,)),
    (theory.predicted_sharpness, (0.2,)),
    (theory.predicted_sharpness_of_product_loss, (0.2, 2.0, 6.0, 6.0)),
    (theory.final_multiplier, (0.2,)),
    (theory.nesterov_threshold, (0.2, 0.9)),
    (theory.sam_threshold, (0.2, 0.1, 1.0)),
    (theory.minibatch_threshold, (0.2, 0.9, 0.25)),
]


@pytest.mark.parametrize("function, arguments", CALLS, ids=[f.__name__ for f, _ in CALLS])
def test_functions_broadcast_follow_the_dtype_and_trace(function, arguments):
    leaves = jax.tree.leaves(function(*map(np.float64, arguments)))
    reference = [np.asarray(leaf) for leaf in leaves]
    # float64 NumPy must not pass through JAX's default float32
    assert all(leaf.dtype == np.float64 for leaf in leaves)
    for dtype in (np.float32, np.float64):
        # An array in one place, Python numbers in the others: these must not widen it.
        for place in range(len(arguments)):
            mixed = list(arguments)
            mixed[place] = np.full((3, 1), arguments[place], dtype)
            for leaf in jax.tree.leaves(function(*mixed)):
                assert isinstance(leaf, float) or (leaf.dtype == dtype and leaf.shape[:2] == (3, 1))
        with jax.enable_x64(True):
            arrays = [jnp.full((2,), v, dtype) for v in arguments]
            for found, expected in zip(
                jax.tree.leaves(jax.jit(jax.vmap(function))(*arrays)), reference, strict=True
            ):
                assert found.dtype == dtype
                tolerance = 50 * np.finfo(dtype).eps
                assert np.allclose(found, expected, rtol=tolerance, atol=4 * tolerance)


@pytest.mark.parametrize(
    "call, name, shown",
    [
        (lambda: theory.stability_threshold(-0.1), "eta", "-0.1"),
        (lambda: theory.stability_threshold(np.array([0.1, 0.0])), "eta", "0.0"),
        (lambda: theory.stability_threshold(float("nan")), "eta", "nan"),
        (lambda: theory.eos_minimum(0.7), "eta", "0.7"),
        (lambda: theory.to_ab(1.0, 1.0, jnp.array(0.5)), "eta", "0.5"),
        (lambda: theory.two_step_orbit(1.0, 1.0, -1.0), "eta", "-1.0"),
        (lambda: theory.two_step_ab(1.0, 1.0, -1.0), "eta", "-1.0"),
        (lambda: theory.balanced_step(1.0, 0.1, 1), "n", "1"),
        (lambda: theory.balanced_first_doubling(1), "n", "1"),
        (lambda: theory.predicted_sharpness_scalars(0.1, 2, 1), "m", "1"),
        (lambda: theory.predicted_sharpness_scalars(0.1, 0, 2), "n", "0"),
        (lambda: theory.predicted_sharpness_of_product_loss(0.1, 0.0, 1, 1), "l2", "0.0"),
        (lambda: theory.predicted_sharpness_of_product_loss(0.1, 1.0, 0.0, 0.0), "l3", "0.0"),
        (lambda: theory.theorem_3_1_hypotheses(0, 0.1), "K", "0"),
        (lambda: theory.heavy_ball_threshold(0.1, 1.0), "beta", "1.0"),
        (lambda: theory.adam_threshold(0.1, -0.5), "beta1", "-0.5"),
        (lambda: theory.sam_threshold(0.1, -1.0, 1.0), "rho", "-1.0"),
        (lambda: theory.sam_threshold(0.1, 1.0, 0.0), "gradient_norm", "0.0"),
        (lambda: theory.imbalance_factor(np.ones(3), 0.1, 3, 0), "i", "3"),
        (lambda: theory.imbalance_factor(np.ones(3), 0.1, 2, -1), "j", "-1"),
    ],
)
def test_bad_arguments_raise_and_name_argument_and_value(call, name, shown):
    with pytest.raises(ValueError, match=rf"Argument `.*{name}.*` must .*, but got {shown}\."):
        call()


def test_the_message_reads_as_promised():
    with pytest.raises(ValueError, match=r"^Argument `eta` must be positive, but got -0\.1\.$"):
        theory.stability_threshold(-0.1)


def test_traced_values_are_not_checked():
    assert float(jax.jit(theory.stability_threshold)(-0.5)) == -4


def test_every_public_function_is_documented_and_typed():
    functions = [getattr(theory, name) for name in theory.__all__]
    functions = [f for f in functions if not isinstance(f, type)]
    assert len(functions) > 30
    for function in functions:
        assert all(
            word in function.__doc__ for word in ("Args:\n", "Returns:\n", "Source: ", "Example:\n")
        )
        annotated = set(function.__annotations__)
        assert annotated == {*inspect.signature(function).parameters, "return"}


TOPICS = [m.name for m in pkgutil.iter_modules(theory.__path__) if m.name != "base"]


def test_every_public_function_of_a_topic_is_exported():
    for topic in TOPICS:
        module = importlib.import_module(f"eos_jax.theory.{topic}")
        own = {
            n for n, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__
        }
        assert own and own <= set(theory.__all__)
