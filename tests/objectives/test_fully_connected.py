"""Networks against NumPy, finite differences, dense Hessians, and symmetries of their weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import datasets, fully_connected
from eos_jax.objectives.fully_connected import ACTIVATIONS, initial_parameters

pytestmark = pytest.mark.slow

NUMPY = {
    "relu": lambda v: np.maximum(v, 0),
    "elu": lambda v: np.where(v > 0, v, np.exp(np.minimum(v, 0)) - 1),
    "tanh": np.tanh,
    "linear": lambda v: v,
}


def network(activation="relu", sizes=(3, 5, 4, 1), **settings):
    return fully_connected(sizes, activation, data="gaussian", samples=8, **settings)


def point_of(obj, seed=0, factors=1.5):
    params = initial_parameters(obj, jax.random.key(seed), factors)
    return {n: p + 0.1 if p.ndim == 1 else p for n, p in params.items()}  # biases matter too


def outputs_by_hand(params, inputs, activation):
    layers = sum(name.startswith("W") for name in params)
    rows = []
    for values in inputs:
        for i in range(1, layers + 1):
            values = np.asarray(params[f"W{i}"]) @ values + np.asarray(params.get(f"b{i}", 0.0))
            values = NUMPY[activation](values) if i < layers else values
        rows.append(values)
    return np.array(rows)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_mse_is_that_of_numpy_one_sample_at_a_time(activation):
    obj = network(activation)
    params = point_of(obj)
    inputs, targets = datasets.gaussian(samples=8, features=3)
    outputs = outputs_by_hand(params, inputs, activation)
    assert np.isclose(eos.loss(obj, params), np.sum((outputs - targets) ** 2) / 16, rtol=1e-13)


def test_cross_entropy_of_two_classes_is_the_logistic_loss():
    obj = network("tanh", loss="cross_entropy")
    params = point_of(obj)
    inputs, targets = datasets.gaussian(samples=8, features=3)
    outputs = outputs_by_hand(params, inputs, "tanh")
    assert np.isclose(eos.loss(obj, params), np.mean(np.log1p(np.exp(-targets * outputs))))


def test_cross_entropy_of_three_classes_is_minus_the_log_probability():
    inputs, targets = datasets.gaussian(samples=6, classes=(0, 1, 2), features=3)
    obj = fully_connected((3, 4, 3), "elu", "cross_entropy", data=(inputs, targets))
    params = point_of(obj)
    outputs = outputs_by_hand(params, inputs, "elu")
    probabilities = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(probabilities[np.arange(6), np.arange(6) % 3]))
    assert np.isclose(eos.loss(obj, params), expected)


@pytest.mark.parametrize("activation, loss", [("relu", "mse"), ("elu", "cross_entropy")])
def test_gradient_by_finite_differences(activation, loss):
    obj = network(activation, loss=loss)
    params, h = point_of(obj), 1e-6
    exact = eos.gradient(obj, params)
    value = jax.jit(lambda p: eos.loss(obj, p))
    for name in obj.parameters:
        for index in list(np.ndindex(params[name].shape))[::3]:
            up, down = (value({**params, name: params[name].at[index].add(s)}) for s in (h, -h))
            assert np.isclose(exact[name][index], (up - down) / (2 * h), atol=1e-8), (name, index)


@pytest.mark.parametrize(
    ("activation", "method"),
    [
        ("relu", "power"),
        ("tanh", "lanczos"),
        pytest.param("relu", "lanczos", marks=pytest.mark.long),
        pytest.param("tanh", "power", marks=pytest.mark.long),
        *(pytest.param("elu", m, marks=pytest.mark.long) for m in ("lanczos", "power")),
    ],
)
def test_sharpness_from_products_is_that_of_the_dense_hessian(activation, method):
    obj = network(activation)
    params = point_of(obj, seed=3)
    dense = np.linalg.eigvalsh(eos.hessian(obj, params))
    assert len(dense) == 49
    found = eos.sharpness(obj, params, method=method, krylov=49)
    assert np.isclose(found, dense[-1], rtol=1e-6)


def test_relu_and_linear_networks_are_homogeneous_in_their_layers():
    for activation, other in (("relu", False), ("linear", False), ("tanh", True)):
        obj = network(activation, bias=False)
        params = point_of(obj)
        scaled = {**params, "W1": 3 * params["W1"], "W2": params["W2"] / 3}
        assert np.isclose(eos.loss(obj, scaled), eos.loss(obj, params), rtol=1e-12) != other


def test_exchange_of_two_hidden_units_changes_nothing():
    obj = network("elu")
    params = point_of(obj)
    order = jnp.array([2, 0, 1, 4, 3])
    swapped = {
        **params,
        "W1": params["W1"][order],
        "b1": params["b1"][order],
        "W2": params["W2"][:, order],
    }
    assert np.isclose(eos.loss(obj, swapped), eos.loss(obj, params), rtol=1e-13)
    assert np.isclose(eos.sharpness(obj, swapped), eos.sharpness(obj, params), rtol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
def test_floor_of_a_linear_network_is_that_of_least_squares(bias):
    inputs, targets = datasets.gaussian(samples=8, features=3)
    obj = network("linear", sizes=(3, 4, 1), bias=bias)
    design = np.hstack([inputs, np.ones((8, 1))]) if bias else inputs
    residual = np.linalg.lstsq(design, targets)[1][0]
    assert np.isclose(obj.floor, residual / 16, rtol=1e-12)
    end = eos.simulate(obj, point_of(obj), 0.1, 4000)
    assert np.isclose(eos.loss(obj, end), obj.floor, rtol=1e-9)


def test_floor_of_a_linear_network_with_a_bottleneck_is_approached_from_above():
    rng = np.random.default_rng(1)
    inputs, targets = rng.standard_normal((2, 9, 3))
    obj = fully_connected((3, 1, 3), "linear", data=(inputs, targets))
    wide = fully_connected((3, 3, 3), "linear", data=(inputs, targets))
    assert obj.floor > wide.floor > 0
    end = eos.simulate(obj, point_of(obj, factors=0.5), 0.1, 20_000)
    assert np.isclose(eos.loss(obj, end), obj.floor, rtol=1e-8)


def test_floor_of_cross_entropy_is_the_entropy_of_soft_targets():
    inputs = np.eye(2)
    soft = fully_connected((2, 1), "linear", "cross_entropy", data=(inputs, [[0.5], [-0.2]]))
    end = eos.simulate(soft, point_of(soft), 1.0, 5000)
    assert np.isclose(eos.loss(soft, end), soft.floor, rtol=1e-10)
    assert network(loss="cross_entropy").floor == 0


def test_equal_settings_and_equal_arrays_give_the_same_object():
    assert network() is network(sizes=[3, 5, 4, 1])
    assert network() is not network(bias=False)
    inputs, targets = datasets.gaussian(samples=8, features=3)
    obj = fully_connected((3, 2, 1), data=(inputs, targets))
    assert fully_connected((3, 2, 1), data=(inputs.copy(), targets.copy())) is obj
    assert fully_connected((3, 2, 1), data=(inputs, -targets)) is not obj
    assert fully_connected((3, 2, 1), data=(inputs.astype(np.float32), targets)) is not obj
    assert all(str(value).startswith("sha256:") for value in obj.settings["data"])


def test_arrays_changed_afterwards_do_not_change_the_objective():
    inputs, targets = datasets.gaussian(samples=8, features=3)
    obj = fully_connected((3, 2, 1), data=(inputs, targets))
    before = eos.loss(obj, point_of(obj))
    inputs *= 2
    assert eos.loss(obj, point_of(obj)) == before
    assert fully_connected((3, 2, 1), data=(inputs, targets)) is not obj


def test_targets_of_one_output_may_have_one_axis():
    inputs, targets = datasets.gaussian(samples=8, features=3)
    flat = fully_connected((3, 2, 1), data=(inputs, targets[:, 0]))
    column = fully_connected((3, 2, 1), data=(inputs, targets))
    assert eos.loss(flat, point_of(flat)) == eos.loss(column, point_of(flat))


def test_the_loss_is_a_mean_so_that_of_all_is_the_mean_over_halves():
    """The loss on other data, fewer examples included: what a minibatch or a noisy label needs."""
    obj = network("tanh")
    full = {name: (value,) for name, value in point_of(obj).items()}
    assert obj.loss_with_data(full, obj.data) == obj.full_loss(full)
    halves = [{n: array[part] for n, array in obj.data.items()} for part in (np.s_[:4], np.s_[4:])]
    losses = [float(obj.loss_with_data(full, half)) for half in halves]
    assert losses[0] != losses[1]
    assert np.isclose(np.mean(losses), obj.full_loss(full), rtol=1e-14)


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_an_array_of_keys_gives_an_axis_of_lanes(make):
    obj = network()
    keys = jax.random.split(make(3), (2, 3))
    lanes = initial_parameters(obj, keys, factors=(1.0, 2.0, 3.0))
    assert lanes["W1"].shape == (2, 3, 5, 3) and lanes["b1"].shape == (2, 3, 5)
    one = initial_parameters(obj, keys[1, 2], factors=(1.0, 2.0, 3.0))
    assert all(np.array_equal(lanes[name][1, 2], one[name]) for name in obj.parameters)
    assert eos.loss(obj, lanes).shape == (2, 3)


def test_float32_stays_float32_and_agrees():
    obj = network("tanh")
    params = point_of(obj)
    single = {n: p.astype(jnp.float32) for n, p in params.items()}
    assert eos.loss(obj, single).dtype == jnp.float32
    assert all(g.dtype == jnp.float32 for g in eos.gradient(obj, single).values())
    assert np.isclose(eos.loss(obj, single), eos.loss(obj, params), rtol=1e-5)


def test_initial_weights_have_the_deviation_asked_for():
    obj = fully_connected((200, 300, 1), data="gaussian", samples=2)
    params = initial_parameters(obj, jax.random.key(1), factors=(4.0, 0.1))
    assert np.isclose(np.std(params["W1"]), 4 / 200**0.5, rtol=0.02)
    assert np.isclose(np.std(params["W2"]), 0.1 / 300**0.5, rtol=0.15)
    assert not np.any(params["b1"])
    other = initial_parameters(obj, jax.random.key(2), factors=(4.0, 0.1))
    assert not np.any(params["W1"] == other["W1"])
    assert initial_parameters(obj, jax.random.key(1), dtype=jnp.float32)["W1"].dtype == jnp.float32


def test_initial_weights_of_other_objectives():
    deep = eos.objectives.deep_linear_network((2, 3, 2))
    assert initial_parameters(deep, jax.random.key(0))["W2"].shape == (2, 3)
    with pytest.raises(ValueError, match="Argument `objective` must have matrices"):
        initial_parameters(eos.objectives.scalar_product(2), jax.random.key(0))
    with pytest.raises(ValueError, match="Argument `factors` must be one number or 2"):
        initial_parameters(deep, jax.random.key(0), factors=(1.0, 2.0, 3.0))


@pytest.mark.long  # the figure of networks is drawn, quickly, in every run
def test_a_relu_network_sharpens_to_the_edge_and_no_further():
    """Progressive sharpening to 2/eta, the paper's figure 1a in small."""
    obj = fully_connected((10, 30, 30, 30, 1), data="gaussian", samples=20)
    params = initial_parameters(obj, jax.random.key(0))
    trace = eos.observers.trace(
        loss=eos.measures.loss,
        sharpness=lambda s: eos.sharpness(s.objective, s.params, method="lanczos", krylov=20),
    )
    start = float(eos.sharpness(obj, params, method="lanczos"))
    etas = 2 / (start * jnp.array([1.25, 2.0]))
    run = jax.vmap(lambda eta: eos.simulate(obj, params, eta, 1500, observe=trace, every=100))(etas)
    ratio = run["sharpness"] * etas[:, None] / 2
    assert np.allclose(ratio[:, 0], [0.8, 0.5], rtol=1e-3)
    assert np.allclose(ratio[:, -1], 1, atol=0.03)
    assert np.all(run["loss"][:, -1] < 1e-3 * run["loss"][:, 0])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"sizes": (3,)}, "Argument `sizes` must be at least 2"),
        ({"sizes": (3, 2, 2)}, r"Argument `data` must have targets of the shape \(8, 2\)"),
        ({"activation": "gelu"}, "Argument `activation` must be one of relu, elu, tanh, linear"),
        ({"loss": "hinge"}, "Argument `loss` must be one of mse, cross_entropy"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        network(**settings)


@pytest.mark.parametrize(
    "inputs, targets, loss, message",
    [
        (np.zeros((4, 2)), np.zeros((4, 1)), "mse", "must have inputs of the shape"),
        (np.zeros((4, 3)), np.zeros((3, 1)), "mse", "must have targets of the shape"),
        (np.zeros((0, 3)), np.zeros((0, 1)), "mse", "must have inputs of the shape"),
        (np.full((4, 3), np.nan), np.zeros((4, 1)), "mse", "must have finite inputs"),
        (np.zeros((4, 3)), np.full((4, 1), 1.5), "cross_entropy", "between -1 and 1"),
    ],
)
def test_wrong_arrays_are_refused(inputs, targets, loss, message):
    with pytest.raises(ValueError, match=message):
        fully_connected((3, 2, 1), loss=loss, data=(inputs, targets))


def test_targets_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="probabilities that sum to 1"):
        fully_connected((2, 2), loss="cross_entropy", data=(np.eye(2), np.ones((2, 2))))
