"""The command: what it does, and that bad input is one line that says what is allowed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax import cli
from eos_jax.run import job
from eos_jax.run.backends import threads

GOOD = """
steps = 50
[objective]
name = "scalar_product"
multiplicities = [2, 2]
[axes]
x = { start = 2.0, stop = 3.0, num = 5 }
y = [0.3, 0.4]
eta = 0.2
"""


@pytest.fixture(autouse=True)
def signals():
    """The command installs its own handler for SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def refused(capsys):
    """Run the command; it must refuse with one line on standard error and exit code 2."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main([str(a) for a in arguments])
        printed = capsys.readouterr()
        assert stop.value.code == 2
        assert printed.err.startswith("eos-jax: ") and printed.err.endswith("\n")
        assert printed.err.count("\n") == 1, printed.err
        assert "Traceback" not in printed.err
        assert printed.out == ""
        return printed.err

    return run


# What it does ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sweep_plot_info_verify(config, tmp_path, capsys):
    """A session as the README shows it, in one process."""
    store = tmp_path / "deep" / "result.zarr"
    cli.main(
        ["sweep", str(config), "--out", str(store), "--set", "axes.x.num=7", "--set", "steps=90"]
    )
    printed = capsys.readouterr().out
    assert f"wrote {store}" in printed and "stability threshold of the rule: 10.000000" in printed
    found = xr.open_zarr(store)
    assert dict(found.sizes) == {"x": 7, "y": 2}
    axes = {"x": np.linspace(2, 3, 7), "y": [0.3, 0.4], "eta": 0.2}
    in_python = eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 90)
    for name in in_python.data_vars:
        np.testing.assert_array_equal(found[name], in_python[name])
    for kind in ("sharpness", "outcome"):
        for ending in ("png", "pdf", "svg"):
            picture = tmp_path / "pictures" / f"{kind}.{ending}"
            cli.main(["plot", str(store), "--out", str(picture), "--kind", kind])
            assert picture.stat().st_size > 1000
    capsys.readouterr()
    cli.main(["info", str(store)])
    printed = capsys.readouterr().out
    assert "x: 7, y: 2" in printed and "configuration:" in printed
    cli.main(["verify", str(store)])
    assert "0 damaged chunks" in capsys.readouterr().out


def test_info_without_a_store_says_what_is_installed(capsys):
    cli.main(["info"])
    printed = capsys.readouterr().out
    for expected in ("jax ", "numpy ", "devices: ", "scalar_product", "gradient_descent", "adam"):
        assert expected in printed


def test_a_second_sweep_resumes(config, tmp_path, capsys):
    arguments = ["sweep", str(config), "--out", str(tmp_path / "s")]
    cli.main(arguments)
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "s").rglob("c/*") if p.is_file()}
    cli.main(arguments)
    assert written and written == {p: p.stat().st_mtime_ns for p in written}


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(config, tmp_path, capsys):
    arguments = ["sweep", str(config), "--out", str(tmp_path / "s"), "--set", "tile=4"]
    cli.main([*arguments, "--dry-run"])
    printed = capsys.readouterr().out
    assert "lanes: 10, of which 0 are done" in printed and "tiles: 3 of 2 x 2" in printed
    assert "steps: 50 at most" in printed and "engine: " in printed
    # outcome and seven numbers of 8 bytes, one of 4; x, y, eta
    assert f"size: at most {10 * (1 + 4 + 6 * 8) + 8 * (5 + 2 + 1)} bytes" in printed
    assert "memory: about" in printed and "time left: about" in printed
    assert not (tmp_path / "s").exists()
    cli.main([*arguments, "--shard", "0/2"])
    capsys.readouterr()
    cli.main([*arguments, "--dry-run"])
    assert "lanes: 10, of which 6 are done" in capsys.readouterr().out
    first, _ = (p for p in (tmp_path / "s/outcome/c").rglob("*") if p.is_file())
    os.utime(first, (time.time() - 2,) * 2)  # two tiles at one tick of the clock have no rate
    cli.main(["info", str(tmp_path / "s")])
    printed = capsys.readouterr().out
    assert "tiles: 2 of 3 done, the last" in printed and "lanes/s" in printed
    assert "pending                 4 lanes   40.00%" in printed
    cli.main(arguments)
    capsys.readouterr()
    cli.main(["info", str(tmp_path / "s")])
    assert "tiles: 3 of 3 done\n" in capsys.readouterr().out


def test_a_dry_run_refuses_what_the_run_would(config, tmp_path, refused):
    arguments = ["sweep", config, "--out", tmp_path / "s"]
    cli.main([str(a) for a in arguments])
    assert "steps: 50 there, 51 now" in refused(*arguments, "--dry-run", "--set", "steps=51")


def test_failed_tiles_are_exit_code_1(config, tmp_path, capsys, monkeypatch):
    real = job.compute

    def compute(work, tile, *rest):
        if tile.start == (2, 0):
            raise ArithmeticError("poison")
        return real(work, tile, *rest)

    monkeypatch.setattr(threads, "compute", compute)
    with pytest.raises(SystemExit) as stop:
        cli.main(["sweep", str(config), "--out", str(tmp_path / "s"), "--set", "tile=4"])
    assert stop.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith("eos-jax: 1 of 3 tiles failed") and "tile (2, 0) to (4, 2)" in line
    assert line.count("\n") == 1 and "poison" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shard", "3/3"], ["i/n", "3/3"]),
        (["--shard", "one"], ["i/n", "one"]),
        (["--backend", "mpi"], ["backend", "mpi", "threads"]),
        (["--shard", "0/2", "--scheduler", "local"], ["--shard", "--scheduler"]),
        (["--scheduler", ""], ["scheduler", "local"]),
    ],
)
def test_bad_backends(options, words, config, tmp_path, refused):
    line = refused("sweep", config, "--out", tmp_path / "out", *options)
    for word in words:
        assert word in line, (word, line)
    assert not (tmp_path / "out").exists()


def test_verify_finds_damage_and_a_rerun_repairs_it(config, tmp_path, capsys):
    arguments = ["sweep", str(config), "--out", str(tmp_path / "s")]
    cli.main(arguments)
    chunk = next(p for p in (tmp_path / "s" / "loss" / "c").rglob("*") if p.is_file())
    sound = chunk.read_bytes()
    chunk.write_bytes(sound[:-6])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main(["verify", str(tmp_path / "s")])
    assert stop.value.code == 1
    assert "damaged: loss" in capsys.readouterr().out
    cli.main(arguments)
    assert chunk.read_bytes() == sound
    cli.main(["verify", str(tmp_path / "s")])


ROSENBROCK = '''"""Ten lines of a user's own."""

import jax.numpy as jnp

STEEP = 10.0


def rosenbrock(a, b):
    """The banana, with its minimum at (1, 1)."""
    return (1 - a) ** 2 + STEEP * jnp.square(b - a**2)
'''


def test_a_users_own_objective(tmp_path, capsys):
    """Two-parameter Rosenbrock: Python, command and picture, without touching the package."""
    file = tmp_path / "banana.py"
    file.write_text(ROSENBROCK)
    config = tmp_path / "banana.toml"
    config.write_text(
        "steps = 20000\n[axes]\n"
        "a = { start = -1.0, stop = 1.5, num = 6 }\nb = { start = 0.0, stop = 1.0, num = 5 }\n"
        "eta = 0.01\n"
    )
    store, picture = tmp_path / "banana.zarr", tmp_path / "banana.png"
    cli.main(["sweep", str(config), "--out", str(store), "--objective", f"{file}:rosenbrock"])
    cli.main(["plot", str(store), "--out", str(picture)])
    assert picture.stat().st_size > 1000
    found = xr.open_zarr(store).load()
    assert found.outcome.dims == ("a", "b")
    assert (found.outcome == eos.Outcome.CONVERGED).all()
    # excess 1e-12 of a fall of at most 51 over a smallest curvature of 2/5: 1.6e-5 from (1, 1)
    np.testing.assert_allclose(found.a_final, 1, atol=2e-5)
    np.testing.assert_allclose(found.b_final, 1, atol=4e-5)
    # the Hessian there is [[82, -40], [-40, 20]]
    want = np.linalg.eigvalsh([[82.0, -40], [-40, 20]])[-1]
    np.testing.assert_allclose(found.sharpness, want, rtol=1e-4)

    space = {}
    exec(ROSENBROCK, space)
    obj = eos.objectives.from_function(space["rosenbrock"])
    axes = {"a": np.linspace(-1, 1.5, 6), "b": np.linspace(0, 1, 5), "eta": 0.01}
    np.testing.assert_array_equal(eos.sweep(obj, axes, 20_000).steps, found.steps)


@pytest.mark.slow
def test_a_compiled_loss_of_ones_own(config, tmp_path):
    file = tmp_path / "own.py"
    file.write_text("import jax\n@jax.jit\ndef f(a): return (a - 1.0) ** 2\n")
    config.write_text("steps = 100\naxes = { a = [1.5, 2.0], eta = 0.4 }\n")
    cli.main(["sweep", str(config), "--out", str(tmp_path / "s"), "--objective", f"{file}:f"])
    assert (xr.open_zarr(tmp_path / "s").outcome == eos.Outcome.CONVERGED).all()


def test_an_objective_object_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import eos_jax as eos\n"
        "bowl = eos.objectives.from_function(lambda a: 1 + a * a, floor=1.0)\n"
    )
    config = tmp_path / "c.toml"
    config.write_text("steps = 100\naxes = { a = [1.0, 2.0], eta = 0.4 }\n")
    cli.main(["sweep", str(config), "--out", str(tmp_path / "s"), "--objective", f"{file}:bowl"])
    assert (xr.open_zarr(tmp_path / "s").outcome == eos.Outcome.CONVERGED).all()


def test_a_map_of_ones_own(tmp_path, refused):
    """A system brings its rule; in a sweep, and in an analysis that looks at its settled orbit."""
    (tmp_path / "maps.py").write_text(
        "from eos_jax.analysis import own_map\n"
        "half = own_map(lambda x, r: r * x, ['x'], name='scaled')\n"
    )
    config = tmp_path / "c.toml"
    config.write_text("steps = 4\nsharpness = false\nstop = false\naxes = { x = 1.0, r = 0.5 }\n")
    own = ["--objective", f"{tmp_path}/maps.py:half"]
    cli.main(["sweep", str(config), "--out", str(tmp_path / "s"), *own])
    assert float(eos.open(tmp_path / "s").x_final) == 1 / 16
    config.write_text("steps = 4\naxes = { x = 1.0, r = 1.0 }\nanalysis = { name = 'orbit_diagram',"
                      " bins = 3, settle = 2, between = [0.0, 3.0] }\n")  # fmt: skip
    cli.main(["sweep", str(config), "--out", str(tmp_path / "d"), *own])
    assert eos.open(tmp_path / "d").density.values.tolist() == [0, 4, 0]
    line = refused("sweep", config, "--out", tmp_path / "e", *own, "--set", "rule.name=adam")
    assert "`rule`" in line and "'adam'" in line
    assert "shows losses" in refused("explore", *own, "--no-browser")


# What it refuses ---------------------------------------------------------------------------------

# change of the good configuration (old text, new text), and what the line has to say
BAD_CONFIGURATIONS = {
    "unknown key": ("steps = 50", "steps = 50\nstepz = 3", ["`stepz`", "3", "allowed", "steps"]),
    "unknown key of an axis": ("num = 5", "num = 5, nun = 3", ["nun", "axes.x", "num"]),
    "unknown key of stop": (
        "steps = 50",
        "steps = 50\nstop = { tol = 1 }",
        ["stop", "tol", "tolerance"],
    ),
    "misspelt parameter": ("y = [0.3, 0.4]", "z = 0.3", ["`x`, `y`", "`z`"]),
    "missing eta": ("eta = 0.2", "", ["`eta`"]),
    "missing steps": ("steps = 50", "", ["steps"]),
    "missing axes": ("[axes]", "[axis]", ["axis", "axes"]),
    "eta is NaN": ("eta = 0.2", "eta = nan", ["eta", "nan", "positive"]),
    "eta is infinite": ("eta = 0.2", "eta = inf", ["eta", "inf", "positive"]),
    "eta is zero": ("eta = 0.2", "eta = 0", ["eta", "0", "positive"]),
    "eta is negative": ("eta = 0.2", "eta = [0.1, -0.2]", ["eta", "-0.2", "positive"]),
    "negative steps": ("steps = 50", "steps = -50", ["steps", "-50", "at least 0"]),
    "steps is a fraction": ("steps = 50", "steps = 50.5", ["steps", "50.5", "int"]),
    "steps is text": ("steps = 50", "steps = 'many'", ["steps", "many", "int"]),
    "steps is true": ("steps = 50", "steps = true", ["steps", "int"]),
    "too many steps": ("steps = 50", "steps = 5_000_000_000", ["steps", "5000000000"]),
    "empty range": ("num = 5", "num = 0", ["axes.x.num", "0", "at least 1"]),
    "negative range": ("num = 5", "num = -3", ["axes.x.num", "-3", "at least 1"]),
    "huge range": ("num = 5", "num = 10_000_000_000_000", ["axes.x.num", "10000000000000"]),
    "empty list": ("y = [0.3, 0.4]", "y = []", ["y", "at least one"]),
    "an axis of text": ("y = [0.3, 0.4]", "y = 'low'", ["axes.y", "low"]),
    "a list with text": ("y = [0.3, 0.4]", "y = [0.3, 'b']", ["axes.y", "b"]),
    "an axis that is true": ("y = [0.3, 0.4]", "y = true", ["axes.y", "True"]),
    "a range without stop": ("stop = 3.0, ", "", ["axes.x", "stop"]),
    "num is a fraction": ("num = 5", "num = 5.5", ["axes.x", "5.5", "int"]),
    "a range that is not finite": ("stop = 3.0", "stop = inf", ["axes.x", "inf", "finite"]),
    "spacing unknown": ("num = 5", "num = 5, spacing = 'cubic'", ["axes.x", "cubic", "linear"]),
    "log of a negative number": (
        "start = 2.0, stop = 3.0, num = 5",
        "start = -2.0, stop = 3.0, num = 5, spacing = 'log'",
        ["axes.x", "-2.0", "positive"],
    ),
    "axes is a list": ("[axes]\n", "axes = [1]\n[other]\n", ["axes"]),
    "unknown objective": ('"scalar_product"', '"scalar_prod"', ["scalar_prod", "scalar_product"]),
    "objective without name": ('name = "scalar_product"', "", ["objective.name", "scalar_product"]),
    "objective is text": ("[objective]", "objective = 'x'\n[objectiv]", ["objectiv"]),
    "objective name is a number": ('"scalar_product"', "3", ["name", "3"]),
    "objective name is a list": ('"scalar_product"', "['a']", ["objective.name", "['a']"]),
    "unknown setting": ("multiplicities = [2, 2]", "copies = 2", ["copies", "multiplicities"]),
    "multiplicity zero": ("[2, 2]", "[2, 0]", ["multiplicities", "[2, 0]|(2, 0)", "positive"]),
    "multiplicity text": ("[2, 2]", "'ab'", ["multiplicities", "ab", "positive"]),
    "multiplicities nested": ("[2, 2]", "{ a = 1 }", ["multiplicities", "positive"]),
    "a huge multiplicity": (
        "[2, 2]",
        "[2, 1_000_000_000_000]",
        ["multiplicities", "1024", "10000"],
    ),
    "unknown rule": ("steps = 50", "steps = 50\nrule = { name = 'adm' }", ["adm", "adam"]),
    "rule without name": ("steps = 50", "steps = 50\nrule = { b1 = 1 }", ["rule.name"]),
    "rule name is a number": ("steps = 50", "steps = 50\nrule = { name = 1 }", ["1", "adam"]),
    "rule name is a list": ("steps = 50", "steps = 50\nrule = { name = [1] }", ["[1]", "adam"]),
    "rule is text": ("steps = 50", "steps = 50\nrule = 'adam'", ["rule", "adam"]),
    "unknown setting of a rule": (
        "steps = 50",
        "steps = 50\nrule = { name = 'heavy_ball', momentom = 0.9 }",
        ["momentom", "momentum"],
    ),
    "bad setting of a rule": (
        "steps = 50",
        "steps = 50\nrule = { name = 'heavy_ball', momentum = 'much' }",
        ["momentum", "much"],
    ),
    "step size as a setting": (
        "steps = 50",
        "steps = 50\nrule = { name = 'adam', learning_rate = 0.1 }",
        ["learning_rate", "b1"],
    ),
    "settings of gradient descent": (
        "steps = 50",
        "steps = 50\nrule = { name = 'gradient_descent', momentum = 0.9 }",
        ["gradient_descent", "momentum"],
    ),
    "unknown observer": (
        "steps = 50",
        "steps = 50\nobserve = { top = { observer = 'maximal' } }",
        ["maximal", "maximum"],
    ),
    "observer without name": (
        "steps = 50",
        "steps = 50\nobserve = { top = { measure = 'loss' } }",
        ["observe.top.observer", "maximum"],
    ),
    "unknown setting of an observer": (
        "steps = 50",
        "steps = 50\nobserve = { top = { observer = 'maximum', level = 1 } }",
        ["maximum", "level", "measure"],
    ),
    "unknown measure": (
        "steps = 50",
        "steps = 50\nobserve = { top = { observer = 'maximum', measure = 'peak' } }",
        ["peak", "sharpness"],
    ),
    "an observer of a taken name": (
        "steps = 50",
        "steps = 50\nobserve = { loss = { observer = 'maximum' } }",
        ["`loss`"],
    ),
    "a result that is not there": ("steps = 50", "steps = 50\nkeep = ['los']", ["los", "loss"]),
    "every zero": ("steps = 50", "steps = 50\nevery = 0", ["every", "0"]),
    "sharpness unknown": (
        "steps = 50",
        "steps = 50\nsharpness = 'sharp'",
        ["sharpness", "lanczos"],
    ),
    "tolerance negative": (
        "steps = 50",
        "steps = 50\nstop = { tolerance = -1 }",
        ["tolerance", "-1"],
    ),
    "escape NaN": ("steps = 50", "steps = 50\nstop = { escape = nan }", ["escape", "nan"]),
    "stop is text": ("steps = 50", "steps = 50\nstop = 'never'", ["stop", "never"]),
    "combine unknown": ("steps = 50", "steps = 50\ncombine = 'outer'", ["combine", "outer", "zip"]),
    "zip of two lengths": (
        "steps = 50",
        "steps = 50\ncombine = 'zip'",
        ["`y`", "`lane`", "2", "5"],
    ),
    "dtype unknown": (
        "steps = 50",
        "steps = 50\ndtype = 'float16'",
        ["dtype", "float16", "float32"],
    ),
    "tile zero": ("steps = 50", "steps = 50\ntile = 0", ["tile", "0"]),
    "tile text": ("steps = 50", "steps = 50\ntile = 'big'", ["tile", "big"]),
    "not TOML": ("[axes]", "[axes", ["TOML", "line"]),
    "a key twice": ("steps = 50", "steps = 50\nsteps = 51", ["TOML"]),
    "a range that swells": ("num = 5", "num = 4_000_000_000", ["axes.x.num", "GiB", "4000000000"]),
    "nested without end": ("y = [0.3, 0.4]", "y = " + "[" * 100_000, ["deeply"]),
    "periods without end": (
        "steps = 50",
        "steps = 50\nstop = { longest_period = 1_000_000_000 }",
        ["65536"],
    ),
}


@pytest.mark.parametrize("case", BAD_CONFIGURATIONS)
def test_bad_configurations(case, config, tmp_path, refused):
    old, new, words = BAD_CONFIGURATIONS[case]
    assert old in GOOD
    config.write_text(GOOD.replace(old, new))
    line = refused("sweep", config, "--out", tmp_path / "out")
    for word in words:
        assert any(choice in line for choice in word.split("|")), (word, line)
    assert str(config) in line, line  # which file
    assert len(line) < 600 + len(str(config))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("steps", ["--set", "key=value", "'steps'"]),
        ("=5", ["--set", "key=value"]),
        ("axes.x-num=5", ["--set", "key=value"]),
        ("steps.num=5", ["--set", "`steps`", "50"]),
        ("steps=many", ["steps", "many", "int"]),
        ("axes.x.num=0", ["axes.x.num", "at least 1"]),
        ("axes.x.nun=3", ["axes.x", "nun", "num"]),
        ("stepz=3", ["stepz", "allowed"]),
        ("steps=5\nevery=2", ["--set", "one key=value"]),
        ("dtype=float64\nsteps=1", ["--set", "one key=value"]),
        (f"axes.y={'[' * 100_000}", ["--set axes.y", "deeply"]),
        ("eta=0.3", ["eta", "allowed"]),
    ],
)
def test_bad_changes(change, words, config, tmp_path, refused):
    line = refused("sweep", config, "--out", tmp_path / "out", "--set", change)
    for word in words:
        assert word in line, (word, line)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["config.toml"]),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", ["config.toml", "text"]),
        (b"", ["config.toml", "steps"]),
    ],
)
def test_files_that_are_no_configuration(content, words, config, tmp_path, refused):
    config.unlink()
    if content is not None:
        config.write_bytes(content)
    line = refused("sweep", config, "--out", tmp_path / "out")
    for word in words:
        assert word in line


def test_a_folder_is_no_configuration(tmp_path, refused):
    assert str(tmp_path) in refused("sweep", tmp_path, "--out", tmp_path / "out")


def test_an_unreadable_file(config, tmp_path, refused, monkeypatch):
    def denied(self, *args, **kwargs):  # by hand, because root may read every file
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_text", denied)
    line = refused("sweep", config, "--out", tmp_path / "out")
    assert "config.toml" in line and "Permission denied" in line


def test_a_package_that_is_missing(config, tmp_path, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    network = 'name = "fully_connected"\nsizes = [64, 1]'
    config.write_text(GOOD.replace('name = "scalar_product"\nmultiplicities = [2, 2]', network))
    line = refused("sweep", config, "--out", tmp_path / "out")
    assert "scikit-learn" in line and "eos_jax[nets]" in line


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("def f(x, y): return x * y\n", "own.py", ["--objective", "FILE.py:FUNCTION"]),
        ("def f(x, y): return x * y\n", "own.txt:f", ["--objective", "FILE.py:FUNCTION"]),
        ("def f(x, y): return x * y\n", "own.py:g", ["--objective", "`g`"]),
        ("def f(x, y): return x * y\n", "own.py:f()", ["--objective", "FILE.py:FUNCTION"]),
        ("def f(x, y): return x * y\n", "other.py:f", ["--objective", "other.py"]),
        ("f = 3\n", "own.py:f", ["--objective", "`f`"]),
        ("def f(x, y) return\n", "own.py:f", ["own.py", "SyntaxError"]),
        ("import nothing_of_this_name\n", "own.py:f", ["own.py", "nothing_of_this_name"]),
        ("def f(a, b): return a * b\n", "own.py:f", ["`a`, `b`", "`x`, `y`"]),
        ("def f(): return 1.0\n", "own.py:f", ["parameter"]),
        ("def f(x, y): return x[0] * y\n", "own.py:f", ["f"]),
        ("def f(x, y): return [x, y]\n", "own.py:f", ["f", "scalar"]),
        ("def f(x, y): return None\n", "own.py:f", ["f", "scalar"]),
        ("import sys\nsys.exit(0)\n", "own.py:f", ["own.py", "SystemExit"]),
        ("class f: pass\n", "own.py:f", ["--objective", "`f`"]),
    ],
)
def test_bad_objectives(content, place, words, config, tmp_path, refused):
    (tmp_path / "own.py").write_text(content)
    (tmp_path / "own.txt").write_text(content)
    config.write_text(
        "\n".join(
            line for line in GOOD.splitlines() if not line.startswith(("[obj", "name", "mult"))
        )
    )
    out = tmp_path / "out"
    line = refused("sweep", config, "--out", out, "--objective", tmp_path / place)
    for word in words:
        assert word in line, (word, line)
    assert not out.exists()


def test_two_objectives_at_once(config, tmp_path, refused):
    (tmp_path / "own.py").write_text("def f(x, y): return x * y\n")
    line = refused("sweep", config, "--out", tmp_path / "o", "--objective", f"{tmp_path}/own.py:f")
    assert "--objective" in line and "scalar_product" in line


def test_an_output_of_another_configuration(config, tmp_path, refused):
    cli.main(["sweep", str(config), "--out", str(tmp_path / "s")])
    line = refused("sweep", config, "--out", tmp_path / "s", "--set", "axes.eta=0.3")
    for word in (str(tmp_path / "s"), "axes.eta", "0.2", "0.3"):
        assert word in line


@pytest.mark.parametrize("kind", ["folder", "file", "link to a folder of someone else"])
def test_an_output_that_is_something_else(kind, config, tmp_path, refused):
    out = tmp_path / "mine"
    if kind == "file":
        out.write_text("precious")
    else:
        folder = out if kind == "folder" else tmp_path / "real"
        folder.mkdir()
        (folder / "thesis.tex").write_text("precious")
        if folder != out:
            out.symlink_to(folder)
    line = refused("sweep", config, "--out", out)
    assert str(out) in line
    left = out if kind == "file" else out / "thesis.tex"
    assert left.read_text() == "precious"
    assert kind == "file" or len(list(out.iterdir())) == 1


@pytest.mark.parametrize("command", ["plot", "info", "verify"])
@pytest.mark.parametrize("kind", ["missing", "folder", "file", "other zarr"])
def test_a_store_that_is_none(command, kind, tmp_path, refused):
    store = tmp_path / "store"
    if kind == "folder":
        store.mkdir()
    elif kind == "file":
        store.write_text("text")
    elif kind == "other zarr":
        xr.Dataset({"a": ("x", np.arange(3))}).to_zarr(store, zarr_format=3, consolidated=False)
    extra = ["--out", tmp_path / "a.png"] if command == "plot" else []
    assert str(store) in refused(command, store, *extra)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.txt", ".png"])
def test_pictures_of_unknown_endings(name, config, tmp_path, refused):
    cli.main(["sweep", str(config), "--out", str(tmp_path / "s")])
    line = refused("plot", tmp_path / "s", "--out", tmp_path / name)
    for word in (name, ".png", ".pdf", ".svg"):
        assert word in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["swep"], ["swep", "sweep"]),
        ([], ["sweep", "plot"]),
        (["sweep"], ["config", "--out"]),
        (["sweep", "a.toml"], ["--out"]),
        (["sweep", "a.toml", "--out", "b", "--sett", "c=1"], ["--sett", "--set"]),
        (["plot", "a", "--out", "b.png", "--limits", "0", "much"], ["--limits", "much"]),
        (["info", "a", "b"], ["b"]),
    ],
)
def test_bad_command_lines(arguments, words, refused):
    line = refused(*arguments)
    for word in words:
        assert word in line, (word, line)
    assert not set(line) & set("─│╭╮╰╯")


def test_help_is_no_error(capsys):
    for arguments in (["--help"], ["sweep", "--help"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0
        assert "usage" in capsys.readouterr().out.lower()


# As a process ------------------------------------------------------------------------------------


def command(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "eos_jax.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        **kwargs,
    )


def test_the_process_refuses_with_one_line_and_exit_code_2(config, tmp_path):
    config.write_text(GOOD.replace("steps", "stepz"))
    done = command("sweep", config, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and "stepz" in done.stderr


def test_configurations_are_not_code(config, tmp_path):
    """Neither a configuration nor a store can make the command run anything."""
    marker = tmp_path / "executed"
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    for text in (
        GOOD.replace('"scalar_product"', f'"{code}"'),
        GOOD.replace("eta = 0.2", f'eta = "{code}"'),
        GOOD.replace("eta = 0.2", 'eta = "!!python/object/apply:os.system [touch executed]"'),
    ):
        config.write_text(text)
        with pytest.raises(SystemExit):
            cli.main(["sweep", str(config), "--out", str(tmp_path / "out")])
    assert not marker.exists()


def test_its_version_and_as_a_module():
    for command in (["--version"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "eos_jax", *command], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert (eos.__version__ if command == ["--version"] else "explore") in done.stdout
