"""Objectives in general: lifting, lanes of any shape, a user's own function, the registry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import from_function, lift, make, registry


def test_lifting_repeats_each_parameter():
    obj = eos.objectives.scalar_product((1, 3))
    assert lift(obj, {"x": 2.0, "y": 5.0}) == {"x": (2.0,), "y": (5.0, 5.0, 5.0)}


def test_the_gradient_of_a_lifted_model_is_that_of_any_one_copy(x64):
    """Half the reduced function's with two copies; the full gradient's own entries."""
    obj = eos.objectives.scalar_product((2, 2))
    x, y = 1.3, 0.4
    full = jax.grad(lambda v: 0.5 * (1 - jnp.prod(v)) ** 2)(jnp.array([x, x, y, y]))
    slope = eos.gradient(obj, {"x": x, "y": y})
    np.testing.assert_allclose([slope["x"], slope["y"]], [full[0], full[2]], rtol=1e-13)
    np.testing.assert_allclose([slope["x"], slope["y"]], [full[1], full[3]], rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1,), (0,), (2, 0)])
def test_lanes_have_any_shape(shape, rng, x64):
    obj = eos.objectives.scalar_product((2, 2))
    x = rng.uniform(0.5, 2, shape)
    value = eos.loss(obj, {"x": x, "y": 0.4})
    np.testing.assert_allclose(value, 0.5 * (1 - x * x * 0.16) ** 2, rtol=1e-12)
    slope = eos.gradient(obj, {"x": x, "y": 0.4})
    assert slope["x"].shape == slope["y"].shape == shape


def test_leaves_broadcast_against_each_other(x64):
    obj = from_function(lambda v, s: jnp.sum(v) * s, shapes={"v": (2,)})
    value = eos.loss(obj, {"v": np.ones((3, 1, 2)), "s": np.arange(4.0)})
    np.testing.assert_array_equal(value, 2 * np.broadcast_to(np.arange(4.0), (3, 4)))


@pytest.mark.parametrize("given", [1, np.int64(1), np.int8(1), True])
@pytest.mark.parametrize("double", [False, True])
def test_integers_become_floats(given, double):
    """Of the dtype that JAX gives to a Python float."""
    obj = eos.objectives.scalar_product((2, 2))
    with jax.enable_x64(double):
        found = eos.loss(obj, {"x": given, "y": given})
        single = eos.loss(obj, {"x": np.float32(1), "y": np.float32(1)})
    assert found.dtype == (np.float64 if double else np.float32)
    assert single.dtype == np.float32


# A user's own ------------------------------------------------------------------------------------


def test_arguments_or_one_dict():
    separate = from_function(lambda a, b: a - 2 * b)
    as_dict = from_function(lambda p: p["a"] - 2 * p["b"], parameters=("a", "b"))
    for obj in (separate, as_dict):
        assert obj.parameters == ("a", "b")
        assert float(eos.loss(obj, {"b": 1.0, "a": 5.0})) == 3.0


def test_parameters_are_matched_by_name_whatever_their_order():
    obj = from_function(lambda a, b: a - 2 * b, parameters=("b", "a"))
    assert obj.parameters == ("b", "a")
    assert float(eos.loss(obj, {"a": 5.0, "b": 1.0})) == 3.0
    renamed = from_function(lambda a, b: a - 2 * b, parameters=("p", "q"))
    assert float(eos.loss(renamed, {"p": 5.0, "q": 1.0})) == 3.0


def test_arguments_with_defaults_are_settings():
    obj = from_function(lambda a, b, steepness=10.0: steepness * (a - b))
    assert obj.parameters == ("a", "b")
    assert float(eos.loss(obj, {"a": 2.0, "b": 1.0})) == 10.0


def test_its_name_floor_and_repr():
    def banana(a, b):
        return (1 - a) ** 2 + (b - a * a) ** 2

    assert repr(from_function(banana)) == "Objective(banana: a, b)"
    assert from_function(banana, name="mine", floor=-1).name == "mine"
    assert from_function(banana, floor=-1).floor == -1.0


@pytest.mark.parametrize(
    ("function", "settings", "words"),
    [
        (lambda: 1.0, {}, "`parameters` must name"),
        (lambda a, b: a, {"parameters": ("a",)}, "`function` must take a or one dict"),
        (lambda a, b: a, {"parameters": ("a", "a")}, "`parameters` must name each parameter once"),
        (lambda a: a, {"floor": np.nan}, "`floor` must be finite"),
        (lambda a: a, {"floor": -np.inf}, "`floor` must be finite"),
        (lambda a: a, {"shapes": {"b": (2,)}}, "`shapes` must name parameters"),
        (lambda a: [a, a], {}, "must return a scalar loss"),
        (lambda a: None, {}, "must return a scalar loss"),
        (lambda a: a > 0, {}, "must return a scalar loss"),
        (lambda a: a * 1j, {}, "must return a scalar loss"),
        (lambda a: jnp.stack([a, a]), {}, "must return a scalar loss"),
        (lambda v: v * v, {"shapes": {"v": (2,)}}, "must return a scalar loss"),
    ],
)
def test_functions_that_do_not_fit_are_refused(function, settings, words):
    with pytest.raises(ValueError, match=words):
        from_function(function, **settings)


def test_a_constant_loss_is_a_loss():
    assert float(eos.loss(from_function(lambda a: 3.0 + 0 * a), {"a": 1.0})) == 3.0


# The registry ------------------------------------------------------------------------------------


def test_the_registry_makes_objectives_by_name():
    obj = make("scalar_product", multiplicities=[2, 2])
    assert obj is registry["scalar_product"].make((2, 2))
    assert dict(obj.settings) == {"multiplicities": (2, 2)}


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("nothing", {}, "one of .*scalar_product.*, but got 'nothing'"),
        ("scalar_product", {}, "must be among multiplicities, but got none"),
        ("scalar_product", {"copies": 2}, "must be among multiplicities, but got copies"),
        ("scalar_product", {"multiplicities": {"a": 1}}, "`multiplicities` must be"),
    ],
)
def test_unknown_names_and_settings_are_refused(name, settings, words):
    with pytest.raises(ValueError, match=words):
        make(name, **settings)
