"""The registry of rules, and settings that are refused."""

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import rules
from eos_jax.rules import base


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("adm", {}, ["'adm'", "adam", "gradient_descent"]),
        ("__class__", {}, ["'__class__'"]),
        ("heavy_ball", {"momentom": 0.9}, ["momentom", "momentum"]),
        ("heavy_ball", {"momentum": "much"}, ["`momentum`", "'much'"]),
        ("heavy_ball", {"momentum": 1.0}, ["`momentum`", "(-1, 1)", "1.0"]),
        ("nesterov", {"momentum": -1}, ["`momentum`", "(-1, 1)", "-1"]),
        ("nesterov", {"momentum": float("nan")}, ["`momentum`", "nan"]),
        ("adam", {"b1": "x"}, ["`b1`", "'x'"]),
        ("adam", {"eps": -1.0}, ["`eps`", "-1.0"]),
        ("adam", {"learning_rate": 0.1}, ["learning_rate"]),
        ("adamw", {"weight_decay": -1}, ["`weight_decay`", "-1"]),
        ("lion", {"b2": True}, ["`b2`", "True"]),
        ("yogi", {"b2": 2}, ["`b2`", "2"]),
        ("label_noise", {"sigma": -0.1}, ["`sigma`", "-0.1"]),
        ("gradient_noise", {"sigma": [1]}, ["`sigma`"]),
        ("gradient_descent", {"momentum": 0.9}, ["parameters", "momentum"]),
        ("gradient_descent", {"parameters": "xy"}, ["`parameters`", "'xy'"]),
        ("gradient_descent", {"parameters": ["x", "x"]}, ["`parameters`", "once"]),
    ],
)
def test_names_and_settings_that_do_not_fit_are_refused(name, settings, words):
    with pytest.raises(ValueError) as refusal:
        rules.make(name, **settings)
    for word in words:
        assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_step_sizes_of_other_parameters_are_refused():
    from tests.rules.examples import LABELLED

    rule = rules.gradient_descent(parameters=("x", "z"))
    with pytest.raises(
        ValueError, match="step sizes of x, z, but labelled has the parameters x, y"
    ):
        rule.init(LABELLED, {"x": 1.0, "y": 1.0}, {"eta_x": 0.1, "eta_z": 0.1})


def test_arguments_are_defaults_or_settings():
    rule = rules.label_noise(sigma=0.5, label="y")
    assert rule.hyperparameters == ("eta", "sigma", "seed")
    assert rule.defaults == {"sigma": 0.5} and rule.settings == {"label": "y"}
    assert rules.heavy_ball(None).defaults == {}  # a sweep must give it
    assert rules.heavy_ball(np.float64(0.5)) is rules.heavy_ball(0.5)
    listed = rules.make("gradient_descent", parameters=["x", "y"])
    assert listed is rules.gradient_descent(parameters=("x", "y"))


def test_a_new_family_is_registered_under_its_own_name(monkeypatch):
    monkeypatch.setattr(base, "registry", {})

    @base.register(examples=({"slack": 0.5},))
    def lazy(slack: float = 0.1, mode: str = "slow") -> base.Rule:
        step = lambda objective, params, state, hyper: (dict(params), state)  # noqa: E731
        return base.Rule("lazy", lambda *_: (), step, ("eta", "slack"))

    rule = base.make("lazy", slack=0.3)
    assert rule is lazy(0.3) and rule.name == "lazy"
    assert rule.defaults == {"slack": 0.3} and rule.settings == {"mode": "slow"}
    assert repr(rule) == "Rule(lazy: eta, slack=0.3, mode='slow')"
    assert base.registry["lazy"].examples == ({"slack": 0.5},)


def _descend(objective, params, hyper):
    slope = eos.gradient(objective, params)
    return {name: params[name] - hyper["eta"] * slope[name] for name in params}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda o, p, s, h: _descend(o, p, h), r"must return \(params, state\), but returns {'x'"),
        (lambda o, p, s, h: ({}, s), "must return params like those it is given, {'x': 'float64"),
        (lambda o, p, s, h: (_descend(o, p, h), s + 0.5), "must return state like .*, int64"),
        (lambda o, p, s, h: (_descend(o, p, h), ()), r"must return state like .* returns \(\)"),
    ],
)
def test_a_step_that_is_none_is_refused_before_it_runs(step, words):
    rule = rules.Rule("mine", lambda objective, params, hyper: 0, step)
    with pytest.raises(ValueError, match=f"The step of rule `mine` {words}"):
        eos.sweep(lambda x: x**2 / 2, {"x": [1.0, 2.0], "eta": 0.5}, 5, rule=rule)


def test_a_rule_of_ones_own_says_that_it_has_no_threshold():
    count = lambda objective, params, state, hyper: (_descend(objective, params, hyper), state + 1)  # noqa: E731
    rule = rules.Rule("counting", lambda objective, params, hyper: 0, count)
    assert "no threshold was given" in rule.remark
    ds = eos.sweep(lambda x: x**2 / 2, {"x": [1.0, 2.0], "eta": 0.5}, 2000, rule=rule)
    assert (ds.outcome == eos.Outcome.STATIONARY).all() and "no threshold" in ds.rule_remark
    for ask in (eos.loss, eos.sharpness):
        with pytest.raises(ValueError, match="must be an Objective, but got function"):
            ask(lambda x: x**2, {"x": 1.0})


@pytest.mark.parametrize(
    ("rule", "axis", "words"),
    [
        ("heavy_ball", {"momentum": [0.9, 1.5]}, r"Axis `momentum` .* in \(-1, 1\), but got 1.5"),
        ("adam", {"b1": [-0.1, 0.9]}, r"Axis `b1` must be a number in \[0, 1\), but got -0.1"),
        ("yogi", {"b2": 1.0}, r"Axis `b2` must be a number in \[0, 1\), but got 1.0"),
        ("warmup_gradient_descent", {"warmup": -5.0}, r"Axis `warmup` .* but got -5.0"),
        ("sam", {"rho": -1.0}, "Axis `rho`"),
        (rules.heavy_ball(None), {"momentum": -1.0}, r"Axis `momentum` .* but got -1.0"),
        (rules.sam(normalised=False), {"rho": -1.0}, "Axis `rho`"),
    ],
)
def test_an_axis_is_refused_where_a_default_would_be(rule, axis, words):
    """Beyond its range the formula of a threshold would call what grows stable."""
    obj = eos.objectives.scalar_product((2, 2))
    with pytest.raises(ValueError, match=words):
        eos.sweep(obj, {"x": 2.0, "y": 0.5, "eta": 0.05, **axis}, 1, rule=rule)
    hyper = {"eta": 0.05, **{name: np.max(np.abs(v)) * -2 for name, v in axis.items()}}
    with pytest.raises(ValueError, match=f"Argument `{next(iter(axis))}`"):
        eos.simulate(obj, {"x": 2.0, "y": 0.5}, hyper, 1, rule=rule)


def test_a_rule_of_ones_own_is_asked_nothing_whatever_its_name():
    step = lambda o, p, s, h: (_descend(o, p, h), s)  # noqa: E731
    own = rules.Rule("heavy_ball", lambda *_: (), step, ("eta", "momentum"))
    axes = {"x": [1.0, 2.0], "eta": 0.5, "momentum": 7.0}
    assert (eos.sweep(lambda x: x**2 / 2, axes, 2, rule=own).steps > 0).all()
