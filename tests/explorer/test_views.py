"""Which view a configuration, a store or a user's own loss opens with."""

import numpy as np
import pytest

import eos_jax as eos
from eos_jax import cli, config, explorer
from eos_jax.config import Configuration, Deciding, Range
from eos_jax.explorer import lines, views
from tests.explorer.conftest import PAPER


def line(a, b):
    return (a * b - 1) ** 2


def test_ranges_are_axes_and_the_rest_is_held():
    axes = {"x": Range(1, 2, 9), "y": Range(0.1, 0.5, 7), "eta": Range(0.1, 0.3, 3)}
    view, notes = views.first(Configuration(100, axes, PAPER))
    assert view.axes["eta"] == pytest.approx(0.2)
    assert view.axes["x"] == Range(1, 2, views.SIDE) and view.axes["y"].num == views.SIDE
    assert notes == ("eta is held at 0.2, in the middle of its range.",)


def test_numbers_become_ranges_where_ranges_are_missing():
    view, notes = views.first(Configuration(100, {"x": 2.0, "y": -0.5, "eta": [0.2, 0.3]}, PAPER))
    assert view.axes["x"] == Range(1.0, 3.0, views.SIDE)
    assert view.axes["y"] == Range(-1.5, 0.5, views.SIDE)
    assert view.axes["eta"] == 0.2
    assert len(notes) == 3


def test_an_entry_of_a_start_that_is_a_vector_becomes_an_axis():
    named = {"name": "uv_model", "width": 2}
    axes = {"u": [0.5, 0.25], "v": [1.0, 0.5], "eta": Range(0.1, 0.5, 9)}
    view, notes = views.first(Configuration(100, axes, named))
    assert view.axes["u_at_0"] == Range(0.25, 0.75, views.SIDE) and view.axes["u"] == axes["u"]
    assert notes == ("u_at_0 varies about 0.5.",)
    one = {"name": "scalar_product", "multiplicities": [4]}
    with pytest.raises(ValueError, match="needs two axes"):
        views.first(Configuration(100, {"x": Range(1, 2, 9)}, one))


def test_a_loss_of_ones_own_opens_at_once(tmp_path):
    own = eos.objectives.from_function(line)
    context = explorer.context_of(None, (), own)
    assert context.own is own and context.first.objective is None
    assert {n for n, axis in context.first.axes.items() if isinstance(axis, Range)} == {"a", "b"}
    assert "from_function(line)" in lines.as_python(context.first, own)


def test_arrays_become_the_ranges_between_their_ends():
    own = eos.objectives.scalar_product((2, 2))
    axes = {"x": np.linspace(2, 3, 5), "y": 0.3, "eta": np.geomspace(0.1, 0.4, 7)}
    found = views.of_arrays(own, axes, 50, eos.rules.heavy_ball(momentum=0.5))
    assert found.axes["x"] == Range(2.0, 3.0, views.SIDE) and found.axes["y"] == 0.3
    assert found.axes["eta"].start == pytest.approx(0.1)
    assert found.rule["name"] == "heavy_ball" and found.rule["momentum"] == 0.5
    import optax

    with pytest.raises(ValueError, match="Argument `rule` must be one of"):
        views.of_arrays(own, axes, 50, eos.rules.from_optax(lambda eta: optax.sgd(eta)))


def test_a_configuration_is_read_back_from_its_toml(tmp_path):
    axes = {"x": Range(1, 2, 9, "log"), "y": [0.5, 1e-17], "eta": 0.1}
    written = Configuration(
        100, axes, PAPER, {"name": "heavy_ball", "momentum": 0.9},
        Deciding(1e-9, longest_period=8), {"top": {"observer": "maximum", "measure": "loss"}},
        every=3, keep=["loss"], sharpness=False, dtype="float32",
    )  # fmt: skip
    (tmp_path / "a.toml").write_text(config.as_toml(written))
    assert config.load(tmp_path / "a.toml") == written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.toml"], "missing.toml"),
        (["{store}", "--set", "steps=3"], "a store is as it is"),
        (["--set", "steps=many"], "`steps`"),
        (["--set", "objective.multiplicities=[999, 999]"], "at most 256"),
        (["--port", "99999"], "port"),
    ],
)
def test_what_cannot_be_shown_is_one_line(arguments, words, store, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["explore", "--no-browser", *(a.format(store=store) for a in arguments)])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert words in printed.err and printed.err.count("\n") == 1
