"""A user's own loss: constants of any dtype in any order of calls, own data, hard losses."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax.objectives import from_function

pytestmark = pytest.mark.slow

X = np.linspace(-0.4, 1, 7) / 3  # values that single precision rounds
A, B = 1.3, -0.45


def by_hand(a=A, b=B, x=X):
    """Loss, gradient and Hessian of sum (a x + b - x^2)^2."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    residual = a * x + b - x**2
    return residual @ residual, 2 * design.T @ residual, 2 * design.T @ design


class Fit:
    def __init__(self):
        self.x = X

    def __call__(self, a, b):
        return jnp.sum((a * self.x + b - self.x**2) ** 2)


@jax.jit
def scaled(a):
    return a * X


def with_default(a, b, weight=1.0, x=X):
    return weight * jnp.sum((a * x + b - x**2) ** 2)


def numpy_closure():
    return lambda a, b: jnp.sum((a * X + b - X**2) ** 2)


def jax_closure():
    with jax.enable_x64(True):
        x = jnp.asarray(X)
    return lambda a, b: jnp.sum((a * x + b - x**2) ** 2)


def list_closure():
    nested = {"x": [X, X**2]}
    return lambda a, b: jnp.sum((a * nested["x"][0] + b - nested["x"][1]) ** 2)


def in_a_scan(a, b):
    return jax.lax.scan(lambda sum_, x: (sum_ + (a * x + b - x**2) ** 2, None), 0 * a, X)[0]


def in_a_loop(a, b):
    x = jnp.asarray(X)
    body = lambda i, sum_: sum_ + (a * x[i] + b - x[i] ** 2) ** 2  # noqa: E731
    return jax.lax.fori_loop(0, len(X), body, 0 * a)


CLOSURES = {
    "numpy": numpy_closure,
    "jax": jax_closure,
    "nested": list_closure,
    "jit": lambda: jax.jit(numpy_closure()),
    "jit inside": lambda: lambda a, b: jnp.sum((scaled(a) + b - X**2) ** 2),
    "partial": lambda: functools.partial(with_default, weight=1.0),
    "default": lambda: with_default,
    "object": Fit,
    "method": lambda: Fit().__call__,
    "scan": lambda: in_a_scan,
    "fori_loop": lambda: in_a_loop,
}


def called(obj, double, what, x64):
    point = {"a": np.array([A, A]), "b": np.array([B, B])}
    point = {n: v.astype(np.float64 if double else np.float32) for n, v in point.items()}
    with jax.enable_x64(x64):
        found = getattr(eos, what)(obj, point)
    if what == "gradient":
        assert found["a"].dtype == found["b"].dtype
        return np.stack([found["a"], found["b"]], axis=-1)[0]
    return np.asarray(found)[0]


def check(obj, double, x64=None):
    """Loss, gradient, Hessian and sharpness, of the lanes' dtype and right to its resolution."""
    value, slope, hessian = by_hand()
    wanted = {
        "loss": value,
        "gradient": slope,
        "hessian": hessian,
        "sharpness": np.linalg.eigvalsh(hessian)[-1],
    }
    dtype = np.float64 if double else np.float32
    for what, want in wanted.items():
        found = called(obj, double, what, double if x64 is None else x64)
        assert found.dtype == dtype, what
        # a constant rounded to single precision would be seen in double
        np.testing.assert_allclose(found, want, rtol=50 * np.finfo(dtype).eps, err_msg=what)


@pytest.mark.parametrize("kind", CLOSURES)
@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)])
def test_constants_are_in_the_precision_of_the_lanes(kind, order):
    obj = from_function(CLOSURES[kind]())
    for double in order:
        check(obj, double)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("double", [True, False])
def test_a_function_compiled_before_is_no_different(double, nested):
    """The compiled program holds its constants, in one precision, and JAX would reuse them."""
    x, dtype = X.copy(), np.float64 if double else np.float32

    def fit(a, b):
        return jnp.sum((a * x + b - x**2) ** 2)

    compiled = jax.jit(fit)
    with jax.enable_x64(double):
        compiled(dtype(A), dtype(B))
    obj = from_function((lambda a, b: compiled(a, b)) if nested else compiled)
    check(obj, not double)
    check(obj, double)


def test_constants_of_single_precision_are_not_changed():
    single = X.astype(np.float32)
    for x in (single, jnp.asarray(single)):
        obj = from_function(lambda a: jnp.sum(a * x))  # noqa: B023
        with jax.enable_x64(True):
            found = eos.loss(obj, {"a": np.float64(1)})
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, single.astype(float).sum(), rtol=1e-14)


@pytest.mark.parametrize("kind", ["numpy", "jax", "scan"])
def test_single_precision_stays_single_where_double_is_on(kind):
    check(from_function(CLOSURES[kind]()), double=False, x64=True)


def test_the_users_own_function_works_afterwards():
    function = numpy_closure()
    obj = from_function(function)
    for double in (True, False, True):
        check(obj, double)
        with jax.enable_x64(double):
            dtype = np.float64 if double else np.float32
            slope = jax.grad(function)(dtype(A), dtype(B))
            assert slope.dtype == dtype
            np.testing.assert_allclose(slope, by_hand()[1][0], rtol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("order", list(itertools.permutations(["float32", "float64"])))
def test_sweeps_in_either_order(order):
    obj = from_function(numpy_closure(), floor=0.0, name="fit")
    for dtype in (*order, order[0]):
        found = eos.sweep(obj, {"a": [A, 0.5], "b": B, "eta": 0.1}, 1, dtype=dtype)
        want = np.array([A, B]) - 0.1 * by_hand()[1]
        resolution = 50 * np.finfo(dtype).eps
        np.testing.assert_allclose(found.a_final[0], want[0], rtol=resolution)
        np.testing.assert_allclose(found.b_final[0], want[1], rtol=resolution)
        check(obj, dtype == "float64")


@pytest.mark.parametrize("value", [3, 3.0, np.float64(3), np.float32(3)])
def test_a_loss_may_be_a_number(value):
    obj = from_function(lambda a: value)
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(dtype == np.float64):
            found = eos.loss(obj, {"a": dtype(1)})
            assert found == 3 and found.dtype == dtype
            assert eos.gradient(obj, {"a": dtype(1)})["a"] == 0


def test_an_objective_stays_what_it_was():
    """A global or an array that changes afterwards changes the next objective, not this one."""
    x = X.copy()
    obj = from_function(lambda a, b: jnp.sum((a * x + b - x**2) ** 2))
    x *= 2
    check(obj, True)
    check(obj, False)


# Equal functions -------------------------------------------------------------------------------


def parabola(height, x=X):
    return lambda a: jnp.sum(x) * a + height * a * a


def test_functions_that_do_the_same_give_one_object():
    obj = from_function(parabola(2.0))
    assert from_function(parabola(2.0)) is obj
    assert from_function(parabola(2.0, X.copy())) is obj
    assert from_function(lambda a: jnp.sum(X) * a + 2.0 * a * a) is obj


def test_functions_that_differ_give_others():
    last = X.copy()
    last[-1] = np.nextafter(last[-1], 2)
    made = [
        from_function(parabola(2.0)),
        from_function(parabola(np.nextafter(2.0, 3))),
        from_function(parabola(2.0, last)),
        from_function(parabola(2.0), name="other"),
        from_function(parabola(2.0), floor=-1.0),
        from_function(parabola(2.0), shapes={"a": ()}, floor=-2.0),
        from_function(lambda c: jnp.sum(X) * c + 2.0 * c * c),
    ]
    assert len(set(map(id, made))) == len(made)


def test_a_changed_global_gives_another(monkeypatch):
    obj = from_function(scaled_sum)
    monkeypatch.setitem(globals(), "X", 2 * X)
    changed = from_function(scaled_sum)
    assert changed is not obj
    assert float(eos.loss(changed, {"a": 1.0, "b": 1.0})) != float(
        eos.loss(obj, {"a": 1.0, "b": 1.0})
    )


def scaled_sum(a, b):
    return jnp.sum((a * X + b) ** 2)


def test_functions_that_differ_in_their_gradient_alone_differ():
    def steep(factor):
        @jax.custom_jvp
        def identity(a):
            return a

        identity.defjvp(lambda primals, tangents: (identity(*primals), factor * tangents[0]))
        return lambda a: identity(a) ** 2

    one, two = (from_function(steep(factor), name="steep") for factor in (1.0, 2.0))
    assert one is not two
    slopes = [float(eos.gradient(obj, {"a": 1.0})["a"]) for obj in (one, two)]
    assert slopes == [2.0, 4.0]


def test_what_calls_back_is_not_shared():
    def loss(a):
        jax.debug.callback(lambda value: None, a)
        return a * a

    assert from_function(loss) is not from_function(loss)


def test_only_the_last_are_kept():
    from eos_jax.registry import MOST_SHARED, shared

    made: dict = {}
    paper = eos.objectives.scalar_product((2, 2))
    for key in range(MOST_SHARED + 5):
        shared(made, key, lambda: paper)
        shared(made, 0, lambda: paper)  # used again and again, so kept
    assert len(made) == MOST_SHARED
    assert 0 in made and 1 not in made and MOST_SHARED + 4 in made


# Own data --------------------------------------------------------------------------------------


def line(a, b, X, y):
    return jnp.sum((a * X + b - y) ** 2)


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray, np.float32, list])
@pytest.mark.parametrize("double", [True, False])
def test_data_are_cast_to_the_lanes(convert, double):
    x = np.array([-0.5, 0.25, 1.0])  # exact in every dtype
    obj = from_function(line, data={"X": convert(x), "y": convert(x**2)})
    assert obj.parameters == ("a", "b") and set(obj.data) == {"X", "y"}
    value, slope, hessian = by_hand(x=x)
    dtype = np.float64 if double else np.float32
    assert called(obj, double, "loss", double).dtype == dtype
    for what, want in (("loss", value), ("gradient", slope), ("hessian", hessian)):
        found = called(obj, double, what, double)
        np.testing.assert_allclose(found, want, rtol=50 * np.finfo(dtype).eps)


def test_integer_data_stay_integers():
    def picked(v, labels):
        assert jnp.issubdtype(labels.dtype, jnp.integer)
        return -jnp.sum(jax.nn.log_softmax(v)[labels])

    obj = from_function(picked, data={"labels": np.array([0, 2])}, shapes={"v": (3,)})
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(dtype == np.float64):
            assert np.isclose(eos.loss(obj, {"v": np.zeros(3, dtype)}), 2 * np.log(3))


def test_data_may_come_anywhere_among_the_arguments():
    obj = from_function(lambda X, a, *, y, b=1.0: a * X.sum() + y, data={"X": [2.0], "y": 5.0})
    assert obj.parameters == ("a",)
    assert float(eos.loss(obj, {"a": 3.0})) == 11.0


def test_a_shape_may_be_told_by_an_array():
    """A start, whole numbers or not: it is its shape that is meant, not its entries."""

    def loss(w, v):
        return (w**2).sum() + v @ v

    like = {"w": np.array([[3, 2]]), "v": np.zeros(4)}
    found = from_function(loss, shapes=like)
    assert found.shapes == ((1, 2), (4,))
    assert found is from_function(loss, shapes={"w": (1, 2), "v": (4,)})
    assert float(eos.loss(found, like)) == 13.0


def test_other_data_and_fewer():
    x = np.linspace(-1, 1, 6)
    obj = from_function(line, data={"X": x, "y": x**2})
    with jax.enable_x64(True):
        full = {"a": (jnp.asarray(A),), "b": (jnp.asarray(B),)}
        assert obj.loss_with_data(full, obj.data) == obj.full_loss(full)
        for part in (np.s_[:2], np.s_[2:]):
            found = jax.jit(obj.loss_with_data)(full, {"X": x[part], "y": 2 * x[part]})
            want = np.sum((A * x[part] + B - 2 * x[part]) ** 2)
            np.testing.assert_allclose(found, want, rtol=1e-13)


def test_equal_data_give_one_object_and_are_copied():
    x = np.linspace(-1, 1, 6)
    obj = from_function(line, data={"X": x, "y": x**2})
    assert from_function(line, data={"X": x.copy(), "y": x**2}) is obj
    x[0] = 5
    assert obj.data["X"][0] == -1
    assert from_function(line, data={"X": x, "y": obj.data["y"]}) is not obj
    with pytest.raises(ValueError, match="read-only"):
        obj.data["X"][0] = 3


@pytest.mark.parametrize(
    ("function", "settings", "words"),
    [
        (line, {"data": {"Z": X}}, "`data` must name arguments of the function.*'Z'"),
        (line, {"data": [X, X]}, "`data` must be a table of arrays"),
        (line, {"data": {"X": "abc", "y": X}}, "`data` must give `X` as numbers"),
        (line, {"data": {"X": [[1], [2, 3]], "y": X}}, "`data` must give `X` as an array"),
        (line, {"data": {"X": X, "y": X[:3]}}, "`function`: line fails in double precision"),
        ("line", {}, "`function` must be a function"),
        (lambda a: a[3], {}, "`function`: <lambda> fails in double precision with IndexError"),
        (
            lambda a: jax.lax.while_loop(lambda c: c < 3, lambda c: c * 2, a),
            {"name": "doubling"},
            "must be differentiable twice, but doubling is not: .*Reverse-mode",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(function, settings, words):
    with pytest.raises(ValueError, match=words) as refusal:
        from_function(function, **settings)
    assert "\n" not in str(refusal.value)


# Hard losses -----------------------------------------------------------------------------------


def test_logistic_regression(rng):
    features, labels = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)

    def logistic(w, F, t):
        return jnp.mean(jax.nn.softplus(F @ w) - t * (F @ w))

    obj = from_function(logistic, data={"F": features, "t": labels}, shapes={"w": (3,)})
    w = rng.normal(size=3)
    p = 1 / (1 + np.exp(-features @ w))
    value = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    np.testing.assert_allclose(eos.loss(obj, {"w": w}), value, rtol=1e-12)
    slope = features.T @ (p - labels) / 20
    np.testing.assert_allclose(eos.gradient(obj, {"w": w})["w"], slope, rtol=1e-11)
    hessian = features.T @ np.diag(p * (1 - p)) @ features / 20
    np.testing.assert_allclose(eos.hessian(obj, {"w": w}), hessian, rtol=1e-10, atol=1e-14)


def test_a_tanh_network_on_own_data(rng):
    inputs, targets = rng.normal(size=(9, 2)), rng.normal(size=9)

    def network(W, v, inputs, targets):
        return jnp.mean((jnp.tanh(inputs @ W.T) @ v - targets) ** 2) / 2

    obj = from_function(
        network, data={"inputs": inputs, "targets": targets}, shapes={"W": (3, 2), "v": (3,)}
    )
    flat = rng.normal(size=9)

    def loss(flat):
        hidden = np.tanh(inputs @ flat[:6].reshape(3, 2).T)
        return np.mean((hidden @ flat[6:] - targets) ** 2) / 2

    check_by_differences(obj, loss, flat, lambda f: {"W": f[:6].reshape(3, 2), "v": f[6:]})


def beale(x, y):
    return sum((c - x + x * y**k) ** 2 for k, c in enumerate((1.5, 2.25, 2.625), start=1))


def camel(x, y):
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (-4 + 4 * y**2) * y**2


@jax.custom_vjp
def sine(x):
    return jnp.sin(x)


sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, slope: (slope * jnp.cos(x),))


def test_a_loss_with_its_own_gradient_is_as_one_without():
    """JAX takes a `custom_vjp` backwards only; sweeps and Hessians also go forwards."""
    count = np.array([1, 2, 3])  # integers have no derivative

    def fit(wave):
        loss = lambda a, b, x, k: jnp.sum((wave(a) * x + wave(b) * k - 0.3) ** 2)  # noqa: E731
        data = {"x": np.array([1.0, -1.0, 0.5]), "k": count}
        return from_function(loss, name="fit", data=data)

    axes = {"a": np.linspace(-1, 1, 3), "b": 0.3, "eta": [0.02, 0.1]}
    own, usual = (eos.sweep(fit(wave), axes, 3000) for wave in (sine, jnp.sin))
    assert set(usual.outcome.values.ravel()) > {eos.Outcome.CONVERGED}
    for name in ("outcome", "steps", "sharpness", "sharpness_minimum", "a_final"):
        np.testing.assert_allclose(own[name], usual[name], rtol=1e-9, atol=1e-9)
    point = {"a": np.float64(0.5), "b": np.float64(0.2)}
    found, want = (eos.sharpness(fit(wave), point, "lanczos") for wave in (sine, jnp.sin))
    np.testing.assert_allclose(found, want, rtol=1e-7)


def test_its_own_gradient_is_the_one_that_is_followed():
    """Not the derivative of the value: a gradient clipped to 0.1 moves at most eta 0.1."""
    kept = jax.custom_vjp(lambda x: x**2)
    kept.defvjp(lambda x: (x**2, x), lambda x, slope: (jnp.clip(2 * x, -0.1, 0.1) * slope,))
    end = eos.sweep(from_function(lambda x: kept(x)), {"x": [-2.0, 2.0], "eta": 0.5}, 10)
    np.testing.assert_allclose(end.x_final, [-1.5, 1.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "minimum", "value"),
    [(beale, (3.0, 0.5), 0.0), (camel, (0.0898420131, -0.7126564030), -1.0316284534898774)],
)
def test_known_minima(function, minimum, value, rng):
    obj = from_function(function)
    assert obj.floor is None
    point = dict(zip("xy", minimum))
    np.testing.assert_allclose(eos.loss(obj, point), value, atol=1e-12)
    np.testing.assert_allclose(list(eos.gradient(obj, point).values()), 0, atol=1e-8)
    assert np.linalg.eigvalsh(eos.hessian(obj, point))[0] > 0
    flat = rng.normal(size=2)
    check_by_differences(obj, lambda f: function(*f), flat, lambda f: dict(zip("xy", f)))


def check_by_differences(obj, loss, flat, point):
    """Loss in NumPy, gradient and Hessian by differences of it."""
    np.testing.assert_allclose(eos.loss(obj, point(flat)), loss(flat), rtol=1e-12)
    found = eos.gradient(obj, point(flat))
    slope = np.concatenate([np.ravel(found[name]) for name in obj.parameters])
    np.testing.assert_allclose(slope, central(loss, flat, 1e-6), rtol=1e-5, atol=1e-7)
    hessian = central(lambda f: central(loss, f, 1e-4), flat, 1e-4)
    np.testing.assert_allclose(eos.hessian(obj, point(flat)), hessian, rtol=1e-4, atol=1e-4)


def central(function, at, step):
    units = step * np.eye(len(at))
    return np.array([(function(at + u) - function(at - u)) / (2 * step) for u in units])


def test_a_function_stands_for_its_objective():
    """Wherever orbits begin; what is neither is refused in a sentence."""
    own, axes = from_function(valley), {"a": [0.5, 2.0], "b": 0.3, "eta": 0.1}
    xr.testing.assert_identical(eos.sweep(valley, axes, 500), eos.sweep(own, axes, 500))
    point = {"a": 0.5, "b": 0.3}
    assert eos.simulate(valley, point, 0.1, 9) == eos.simulate(own, point, 0.1, 9)
    ends = eos.iterate(functools.partial(valley), {"a": [0.5], "b": 0.3}, 0.1, 9)
    np.testing.assert_array_equal(ends["a"], eos.simulate(own, point, 0.1, 9)["a"])
    found, want = (eos.analysis.cycles(each, point, 0.1, 1).points for each in (valley, own))
    np.testing.assert_array_equal([found["a"], found["b"]], [want["a"], want["b"]])
    for wrong in (3, "scalar_product", Fit, None):
        with pytest.raises(
            ValueError, match="Argument `objective` must be an Objective, or a loss"
        ):
            eos.sweep(wrong, axes, 5)


def test_a_sweep_inside_jit_is_refused():
    with pytest.raises(ValueError, match=r"`a` as numbers, but it is traced: .*eos\.simulate"):
        jax.jit(lambda a: eos.sweep(valley, {"a": a, "b": 0.3, "eta": 0.1}, 5).a_final.values)(1.0)


def valley(a, b):
    return (a * b - 1) ** 2 / 2
