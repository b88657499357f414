"""What every instrument keeps to, whatever it measures: a user's loss under Adam, by the command.

A file in `eos_jax/analysis/` that registers a function is found here by itself.
"""

import inspect
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax import cli, plots
from eos_jax.analysis import registry, run
from eos_jax.results import store, verify

pytestmark = pytest.mark.slow

LOSS = """
def rosenbrock(a, b):
    return (1 - a) ** 2 + 5 * (b - a**2) ** 2
"""

CONFIG = """
steps = 400
tile = {tile}
rule = {{ name = "adam" }}
axes.a = {{ start = -2.0, stop = 2.0, num = {points} }}
axes.b = {{ start = -1.0, stop = 3.0, num = {points} }}
axes.eta = 0.1
analysis = {settings}
"""


@pytest.fixture(autouse=True)
def signals():
    """The command installs its own handler for SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def arguments(folder, instrument, out):
    """Of the command `sweep` for one instrument on a user's own loss."""
    settings = {"name": instrument.name, **instrument.example}
    table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    tile = max(2, instrument.points**2 // 4)
    config = CONFIG.format(points=instrument.points, tile=tile, settings=f"{{ {table} }}")
    (folder / "c.toml").write_text(config)
    (folder / "loss.py").write_text(LOSS)
    return ["sweep", str(folder / "c.toml"), "--out", str(folder / out),
            "--objective", f"{folder / 'loss.py'}:rosenbrock"]  # fmt: skip


@pytest.fixture
def command(tmp_path):
    """The command, run, and its result."""

    def command(instrument, out):
        cli.main(arguments(tmp_path, instrument, out))
        return eos.open(tmp_path / out).load()

    return command


@pytest.fixture
def written(monkeypatch):
    """Tiles written, and a kill before the third of them where it is wanted."""
    made, kill, before, lock = [], [], store.writer, threading.Lock()

    def writer(path):
        write = before(path)

        def counted(tile, results):
            with lock:  # each worker has its own writer
                if kill and len(made) >= 2:
                    raise KeyboardInterrupt
                write(tile, results)
                made.append((str(path), tile.start))

        return counted

    monkeypatch.setattr(store, "writer", writer)
    return made, kill


@pytest.mark.parametrize("name", registry)
def test_a_kill_loses_the_tiles_in_work_and_nothing_else(name, command, written, tmp_path, capsys):
    """Labels, store, resume; the same dataset as of a run that nothing stopped."""
    made, kill = written
    instrument = registry[name]
    kill.append(True)
    with pytest.raises(SystemExit) as stopped:
        command(instrument, "killed.zarr")
    assert stopped.value.code == 130 and len(made) == 2
    kill.clear()
    found = command(instrument, "killed.zarr")
    assert len(set(made)) == len(made) > 3, "a tile was done twice"
    again = len(made)
    whole = command(instrument, "whole.zarr")
    assert len(made) == 2 * again, "not every tile was done once"
    xr.testing.assert_identical(found.drop_attrs(deep=False), whole.drop_attrs(deep=False))
    assert found.attrs["configuration"] == whole.attrs["configuration"]
    configuration = json.loads(found.attrs["configuration"])
    assert configuration["analysis"]["name"] == name
    assert not (found.outcome == eos.Outcome.PENDING).any()
    for variable in found.data_vars.values():
        assert variable.attrs["long_name"], variable.name
    printed = capsys.readouterr().out
    for attribute in instrument.says:
        words = str(found.attrs[attribute])
        assert attribute.replace("_", " ") in printed or words in printed
    assert verify.damaged(tmp_path / "killed.zarr") == []


def tiles_in(folder):
    """Chunks of outcomes that are done; none while folders are being renamed."""
    try:
        found = [p for p in folder.glob("killed*/**/outcome/c/**/*") if p.is_file()]
    except OSError:
        return []
    return [p for p in found if ".partial" not in p.name]


@pytest.mark.long
@pytest.mark.parametrize("name", registry)
def test_killed_by_the_system_it_goes_on(name, command, tmp_path):
    """SIGKILL as soon as some tiles are there, whatever is being written then."""
    call = arguments(tmp_path, registry[name], "killed.zarr")
    process = subprocess.Popen([sys.executable, "-m", "eos_jax.cli", *call])
    try:
        while process.poll() is None and len(tiles_in(tmp_path)) < 4:
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    tiles = {p: p.stat().st_mtime_ns for p in tiles_in(tmp_path)}
    found, whole = command(registry[name], "killed.zarr"), command(registry[name], "whole.zarr")
    xr.testing.assert_identical(found.drop_attrs(deep=False), whole.drop_attrs(deep=False))
    made_of = [p for p in tiles if ".parts" in str(p)] or tiles  # the rest is written at the end
    assert made_of and all(p.stat().st_mtime_ns == tiles[p] for p in made_of), "done twice"


@pytest.mark.parametrize("name", registry)
def test_its_result_is_drawn_and_never_written_over_another(name, command, tmp_path, capsys):
    instrument = registry[name]
    found = command(instrument, "one.zarr")
    over = {} if instrument.points > 3 else {"facet": "a"} if "bin" in found.dims else {}
    figure = plots.draw(found, **over)
    figure.draw_without_rendering()
    assert plots.kinds(found)[0] not in ("map", "curves")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("do not lose this")
    with pytest.raises(SystemExit) as refused:
        command(instrument, "mine")
    assert refused.value.code == 2
    assert (tmp_path / "mine" / "thesis.tex").exists()
    with pytest.raises(SystemExit):  # another setting, the same place
        command(instrument._replace(example={**instrument.example, **_other(instrument)}),
                "one.zarr")  # fmt: skip
    assert "another configuration" in capsys.readouterr().err
    xr.testing.assert_identical(eos.open(tmp_path / "one.zarr").load(), found)


def _other(instrument):
    """A setting that differs: the first number among those of the example, one more."""
    numbers = {k: v + 1 for k, v in instrument.example.items() if isinstance(v, int)}
    lists = {k: [*v, "engine"] for k, v in instrument.example.items() if isinstance(v, list)}
    return dict(list({**numbers, **lists}.items())[:1])


@pytest.mark.parametrize("name", registry)
def test_its_arguments_are_those_of_a_sweep_and_its_own(name):
    signature = inspect.signature(registry[name].function)
    assert list(signature.parameters)[:3] == ["system", "axes", "steps"]
    assert {"rule", "out"} <= set(signature.parameters)
    documentation = inspect.getdoc(registry[name].function)
    for part in ("Args:", "Returns:", "Raises:", "Example:"):
        assert part in documentation


def test_progress_counts_every_lane(monkeypatch):
    """Bars of the sweeps that a result is made from, with their totals."""
    bars = []

    class Bar:
        def __init__(self, total, initial=0, **_):
            self.total, self.done = total, initial
            bars.append(self)

        def update(self, lanes):
            self.done += lanes

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    for place in ("sweep", "analysis.orbit_diagrams"):
        monkeypatch.setattr(sys.modules[f"eos_jax.{place}"], "tqdm", Bar)
    given = {"objective": eos.objectives.scalar_product((2, 2)), "steps": 20,
             "axes": {"x": np.linspace(2, 3, 9), "y": [0.3, 0.4], "eta": 0.2}}  # fmt: skip
    run({"name": "trust", "by": ["ulp"], "also": []}, given)
    assert [bar.total for bar in bars] == [18, 18]
    run({"name": "orbit_diagram", "bins": 10, "settle": 0}, given)
    assert [bar.total for bar in bars[2:]] == [18]
    assert all(abs(bar.done - bar.total) < 1e-9 for bar in bars)


@pytest.mark.parametrize(
    ("named", "more", "message"),
    [
        ({"name": "guess"}, {}, "`analysis.name` must be one of .*trust, but got 'guess'"),
        ({}, {}, "`analysis.name` must be one of .* but got None"),
        ({"name": "trust", "luck": 1}, {}, "Unknown key `analysis.luck` = 1; `trust` has .*also"),
        ({"name": "trust", "by": 3}, {}, "`analysis.by` = 3: Expected `array`, got `int`"),
        ({"name": "trust", "by": ["x"]}, {}, "must be one of ulp"),
        ({"name": "boundary", "labels": "x"}, {}, "`analysis.labels` is a function"),
        ({"name": "boundary"}, {"combine": "zip"}, "`combine` does not go with .* `boundary`"),
        ({"name": "orbit_diagram"}, {"stop": None}, "`stop` does not go with .* `orbit_diagram`"),
        ({"name": "orbit_diagram", "between": [1, 0]}, {}, "`between` must be low and high"),
    ],
)
def test_what_cannot_be_meant_is_one_line(named, more, message):
    given = {"objective": eos.objectives.scalar_product((2, 2)), "steps": 20,
             "axes": {"x": [2.0, 3.0], "y": [0.3, 0.4], "eta": 0.2}}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        run(named, {**given, **more})
