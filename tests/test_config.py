"""Configurations: the same sweep as in Python, unknown keys refused, every shipped file valid."""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eos_jax as eos
from eos_jax import config

SHIPPED = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
FIG2B = Path(__file__).parents[1] / "configs" / "fig2b.toml"
TEXT = """
steps = 100
objective = { name = "scalar_product", multiplicities = [2, 2] }
axes = { x = { start = 2, stop = 3, num = 5 }, y = [0.3, 0.4], eta = 0.2 }
"""


@pytest.fixture
def load(tmp_path):
    def load(text=TEXT, changes=()):
        path = tmp_path / "c.toml"
        path.write_text(text)
        return config.load(path, changes)

    return load


@pytest.mark.parametrize("path", SHIPPED, ids=[p.stem for p in SHIPPED])
def test_shipped_configurations_run(path):
    """With few points and steps, to the end."""
    settings = config.load(path, ["steps=20"])
    ranges = [n for n, axis in settings.axes.items() if isinstance(axis, config.Range)]
    points = 3
    if settings.analysis:
        instrument = eos.analysis.registry[settings.analysis["name"]]
        settings.analysis.update(instrument.example)
        points = instrument.points
    for n in ranges:
        settings.axes[n].num = points
    found = config.run(settings)
    starts = [len(axis) for axis in settings.axes.values() if isinstance(axis, list)]
    assert found.outcome.size == points ** len(ranges) * math.prod(starts)
    assert not (found.outcome == eos.Outcome.PENDING).any()


def test_configurations_are_shipped():
    assert {"fig2b", "fig7a"} <= {path.stem for path in SHIPPED}


def test_an_installed_package_brings_the_examples(monkeypatch, tmp_path):
    """As the wheel holds them; a file that is there goes first, other folders are others."""
    examples = tmp_path / "package"
    examples.mkdir()
    text = FIG2B.read_text()
    (examples / "fig2b.toml").write_text(text)
    monkeypatch.setattr(config, "EXAMPLES", examples)
    monkeypatch.chdir(tmp_path)
    assert config.load("configs/fig2b.toml") == config.load(FIG2B)
    for name in ("fig2b.toml", "configs/fig9z.toml", "other/configs/fig2b.toml", "configs/../x"):
        with pytest.raises(FileNotFoundError):
            config.load(name)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "fig2b.toml").write_text(text.replace("steps", "step"))
    with pytest.raises(ValueError, match="step"):
        config.load("configs/fig2b.toml")


def test_a_configuration_is_the_call_in_python(load):
    arguments = config.arguments(load())
    signature = inspect.signature(eos.sweep).parameters
    assert set(arguments) <= set(signature)
    # what the file leaves out is what the call leaves out
    for name in ("stop", "observe", "every", "sharpness", "keep", "combine", "dtype", "tile"):
        assert arguments[name] == signature[name].default, name
    assert arguments["objective"] is eos.objectives.scalar_product((2, 2))
    np.testing.assert_array_equal(arguments["axes"]["x"], np.linspace(2, 3, 5))
    np.testing.assert_array_equal(arguments["axes"]["y"], [0.3, 0.4])
    assert arguments["axes"]["eta"] == 0.2


def test_starts_of_arrays_are_nested_lists(load):
    text = """
    steps = 10
    objective = { name = "deep_linear_network", sizes = [2, 1, 2] }
    [axes]
    W1 = [[[1.0, 2.0]], [[3, 4]], [[5, 6]]]
    W2 = [[[0.5], [0.1]], [[1.0], [0.2]]]
    eta = 0.1
    """
    axes = config.arguments(load(text))["axes"]
    assert axes["W1"].shape == (3, 1, 2) and axes["W2"].shape == (2, 2, 1)
    assert config.run(load(text)).outcome.sizes == {"W1": 3, "W2": 2}
    with pytest.raises(ValueError, match=r"`axes\.W2` must have rows of one length"):
        config.arguments(load(text.replace("[0.1]", "[0.1, 2.0]")))


@pytest.mark.parametrize(
    ("stop", "meaning"),
    [
        ("true", eos.Stop()),
        ("false", None),
        ("{ tolerance = 1e-9 }", eos.Stop(1e-9, 1e6)),
        ("{ escape = 10 }", eos.Stop(None, 10.0)),
    ],
)
def test_stop(load, stop, meaning):
    assert config.arguments(load(f"stop = {stop}\n{TEXT}"))["stop"] == meaning


def test_ranges(load):
    axis = "{ start = 1, stop = 1000, num = 4, spacing = 'log' }"
    axes = config.arguments(load(TEXT, [f"axes.x={axis}"]))["axes"]
    np.testing.assert_allclose(axes["x"], [1, 10, 100, 1000], rtol=1e-14)
    one = config.arguments(load(TEXT, ["axes.x.num=1"]))["axes"]["x"]
    assert one.tolist() == [2.0]


@given(start=st.floats(-1e6, 1e6), stop=st.floats(-1e6, 1e6), num=st.integers(2, 50))
def test_ranges_include_both_ends_exactly(start, stop, num):
    values = config.axis_values("x", config.Range(start, stop, num))
    assert len(values) == num and values[0] == start and values[-1] == stop


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        (["steps=7"], "steps", 7),
        (["steps = 7"], "steps", 7),
        (["steps=7", "steps=8"], "steps", 8),
        (["axes.eta=[0.1, 0.2]"], "axes.eta", [0.1, 0.2]),
        (["axes.eta=1e-3"], "axes.eta", 1e-3),
        (["dtype=float32"], "dtype", "float32"),
        (["dtype='float32'"], "dtype", "float32"),
        (["rule.name=adam", "rule.b1=0.5"], "rule", {"name": "adam", "b1": 0.5}),
        (["every=4"], "every", 4),
        (["keep=['loss']"], "keep", ["loss"]),
        (["sharpness=lanczos"], "sharpness", "lanczos"),
        (["sharpness=false"], "sharpness", False),
        (["observe.top.observer=maximum"], "observe", {"top": {"observer": "maximum"}}),
        (["stop.tolerance=1e-6"], "stop.tolerance", 1e-6),
        (["objective.multiplicities=[1, 2]"], "objective.multiplicities", [1, 2]),
    ],
)
def test_changes(load, changes, key, value):
    found = load(TEXT, changes)
    for name in key.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == value


def test_rules_by_name(load):
    arguments = config.arguments(load(f"rule = {{ name = 'heavy_ball', momentum = 0.5 }}\n{TEXT}"))
    assert arguments["rule"] is eos.rules.heavy_ball(momentum=0.5)
    found = eos.sweep(**arguments)
    np.testing.assert_allclose(found.threshold, 15.0)  # 2 (1 + beta)/eta


def test_observers_by_name(load):
    text = """
every = 10
keep = ["top", "loss"]
[observe.top]
observer = "maximum"
measure = "loss"
[observe.rows]
observer = "trace"
measures = ["x", "loss"]
last = 3
"""
    arguments = config.arguments(load(TEXT + text))
    assert arguments["observe"] == {
        "top": eos.observers.maximum("loss"),
        "rows": eos.observers.trace(["x", "loss"], last=3),
    }
    assert arguments["every"] == 10
    found = eos.sweep(**arguments)
    assert set(found.data_vars) == {"outcome", "loss", "top"}
    assert (found.top >= found.loss).all()


def test_hyperparameters_of_a_rule_are_axes(load):
    text = TEXT.replace("eta = 0.2", "eta = 0.2, momentum = [0.0, 0.5]")
    found = eos.sweep(**config.arguments(load(f"rule = {{ name = 'heavy_ball' }}\n{text}")))
    assert dict(found.sizes) == {"x": 5, "y": 2, "momentum": 2}
    np.testing.assert_allclose(found.threshold[0, 0], [10.0, 15.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("observe.top.observer=maximal", ["maximal", "maximum"]),
        ("observe.top.measure=loss", ["observe.top.observer", "maximum"]),
        ("observe.top={ observer = 'maximum', level = 1 }", ["level", "measure"]),
        ("observe.loss.observer=maximum", ["`loss`"]),
        ("observe.top={ observer = 'maximum', measure = 'z' }", ["z", "sharpness"]),
        ("sharpness=sharp", ["sharpness", "sharp"]),
        ("sharpness=true", ["sharpness"]),
        ("every=0", ["every", "0"]),
        ("keep=['los']", ["keep", "los", "loss"]),
        ("keep=loss", ["keep", "loss"]),
    ],
)
def test_what_cannot_be_meant_is_refused(load, change, words):
    with pytest.raises(ValueError) as refusal:
        eos.sweep(**config.arguments(load(TEXT, [change])))
    for word in words:
        assert word in str(refusal.value), (word, refusal.value)


def test_nothing_in_a_configuration_is_executed(load, tmp_path):
    marker = tmp_path / "executed"
    code = f"__import__('pathlib').Path('{marker}').touch()"
    for change in (
        f"axes.eta={code}",
        f"objective.name={code}",
        f"dtype={code}",
        f"rule.name={code}",
    ):
        with pytest.raises(ValueError):
            config.arguments(load(TEXT, [change]))
    assert not marker.exists()


def test_seeds_are_whole_numbers(tmp_path):
    path = tmp_path / "noise.toml"
    path.write_text("""
        steps = 20
        objective = { name = "scalar_product", multiplicities = [2, 2] }
        rule = { name = "gradient_noise", sigma = 0.1 }
        axes = { x = 2.0, y = 0.5, eta = 0.1, seed = [3, 4, 5] }
    """)
    settings = config.arguments(config.load(path))
    assert settings["axes"]["seed"].dtype.kind == "i"
    assert eos.sweep(**settings).sizes["seed"] == 3
    with pytest.raises(ValueError, match="whole numbers"):
        eos.sweep(**config.arguments(config.load(path, ["axes.seed=0.5"])))
