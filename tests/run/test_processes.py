"""Sweeps beside each other: in threads, in forked and spawned children, interrupted, signalled."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.loops import llvm
from eos_jax.run.backends import threads

pytestmark = pytest.mark.optimised

ROOT = Path(eos.__file__).parents[1]

X = np.linspace(2.0, 3.6, 40)


def sweep(shift=0.0, dtype="float64", **settings):
    """One of several programs: by its dtype and step size."""
    paper = eos.objectives.scalar_product((2, 2))
    axes = {"x": X + shift, "y": 0.4, "eta": 0.2}
    return eos.sweep(paper, axes, 300, dtype=dtype, tile=16, **settings)


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(
            "registers", marks=pytest.mark.skipif(not llvm.ready(), reason="there is no llvmlite")
        ),
        pytest.param("plain", marks=pytest.mark.long),
    ],
)
def test_sweeps_in_threads_give_what_they_give_alone(engine):
    """Different programs, in both precisions, several times each."""
    cases = [(shift, dtype) for shift in (0.0, 0.01) for dtype in ("float64", "float32")] * 3
    alone = [sweep(*case, engine=engine) for case in cases[:4]] * 3
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda case: sweep(*case, engine=engine), cases))
    for one, other in zip(alone, together):
        assert one.identical(other)


SPECTRAL = """
import numpy as np, eos_jax as eos, jax
net = eos.objectives.deep_linear_network((7, 7, 7), np.linspace(2.0, 0.5, 7))
random = np.random.default_rng(0)
start = {n: random.normal(size=s) / 2 for n, s in zip(net.parameters, net.shapes)}
axes = {**start, "eta": np.geomspace(1e-3, 0.1, 512)}
rule = eos.rules.steepest_descent(norm="spectral")
devices = jax.local_devices() * 2
settings = dict(rule=rule, tile=64, sharpness=None, stop=None, devices=devices)
print(eos.sweep(net, axes, 64, **settings).sizes["eta"])
"""


@pytest.mark.slow
def test_tiles_that_call_lapack_do_not_wait_for_one_another():
    """On two cores all of XLA's threads waited, in the decompositions of two tiles."""
    ran = subprocess.run([sys.executable, "-c", SPECTRAL], capture_output=True, timeout=120)
    assert ran.stdout.strip() == b"512", ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_is_told_and_does_not_hang():
    sweep()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX and Python warn of the fork itself
        child = os.fork()
    if child == 0:
        try:
            sweep()
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) and "spawn" in str(error) else 8)
        os._exit(9)
    for _ in range(300):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 7
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def _in_a_child(place):
    place.put(sweep().loss.values.tobytes())


@pytest.mark.long
def test_a_spawned_child_sweeps():
    context = multiprocessing.get_context("spawn")
    place = context.Queue()
    child = context.Process(target=_in_a_child, args=(place,))
    child.start()
    assert place.get(timeout=120) == sweep().loss.values.tobytes()
    child.join()


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_end_in_the_middle_leaves_the_users_precision(double, error, monkeypatch, tmp_path):
    def cut_off(*_):
        raise error

    before = jax.config.read("jax_enable_x64")
    dtype = "float32" if double else "float64"
    with monkeypatch.context() as patched:
        patched.setattr(threads, "compute", cut_off)
        jax.config.update("jax_enable_x64", double)
        try:
            with pytest.raises(error):
                sweep(dtype=dtype)
            assert jax.config.read("jax_enable_x64") == double
            assert jax.numpy.ones(1).dtype == (np.float64 if double else np.float32)
        finally:
            jax.config.update("jax_enable_x64", before)
    assert threading.active_count() < 50
    assert (sweep(dtype=dtype).outcome != 0).all()  # and the next one runs


INTERRUPTED = """
import os, signal, sys, threading
import jax
from tests.run.test_processes import endless, sweep

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
double = sys.argv[1] == "True"
jax.config.update("jax_enable_x64", double)
wanted, found = sweep(), []
KINDS = ("float64", "float32")
beside = threading.Thread(target=lambda: found.extend(sweep(dtype=kind) for kind in KINDS * 5))
beside.start()
try:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    endless("float32" if double else "float64")
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("nothing was interrupted")
beside.join()
assert jax.config.read("jax_enable_x64") == double
assert all(one.identical(wanted) for one in [*found[::2], sweep()])
assert all(one.identical(sweep(dtype="float32")) for one in found[1::2])
print("as before")
"""


def endless(dtype):
    """A sweep that nobody waits for the end of."""
    paper = eos.objectives.scalar_product((2, 2))
    axes = {"x": X, "y": 0.4, "eta": 0.2}
    return eos.sweep(paper, axes, 2**31 - 2**16, dtype=dtype, stop=None)


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, pytest.param(True, marks=pytest.mark.long)])
def test_ctrl_c_in_one_thread_leaves_the_other_and_the_users_precision(double):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(double)],
        capture_output=True, text=True, timeout=500, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "as before\n", done.stderr[-2000:]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["fork", "forkserver", "spawn"])
def test_children_of_a_process_that_ran_nothing_sweep(kind):
    """Two at once; what is forked has to be forked before."""
    code = (
        "import multiprocessing\n"
        "from tests.run.test_processes import _in_a_child, sweep\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({kind!r})\n"
        "    place = context.Queue()\n"
        "    children = [context.Process(target=_in_a_child, args=(place,)) for _ in range(2)]\n"
        "    [child.start() for child in children]\n"
        "    found = [place.get(timeout=100) for _ in children]\n"
        "    [child.join() for child in children]\n"
        "    assert found == [sweep().loss.values.tobytes()] * 2\n"
        "    print('alike')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, timeout=200, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "alike\n", done.stderr[-2000:]


DEAF = """
import os, signal, sys, threading, time
from eos_jax import cli, signals
signals.GRACE = 0.5
def deaf(_):
    threading.Timer(0.2, os.kill, (os.getpid(), getattr(signal, sys.argv[1]))).start()
    while True:
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            pass  # as code may that is in the middle of something
cli._parse_and_run = deaf
cli.main([sys.argv[2]])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "what", "again"),
    [
        ("SIGTERM", "sweep", "go on"),
        pytest.param("SIGINT", "reproduce", "start anew", marks=pytest.mark.long),
    ],
)
def test_a_signal_that_nobody_heeds_ends_the_process(kind, what, again):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", DEAF, kind, what], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130 and time.monotonic() - began < 30
    assert done.stderr == f"eos-jax: interrupted; run the same command again to {again}.\n"


def started(folder, *command, kind="SIGTERM"):
    """A process of which a signal is sent while it imports JAX."""
    (folder / "jax.py").write_text(
        f"import os, signal, time; os.kill(os.getpid(), signal.{kind}); time.sleep(30)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60, env=environment
    )


@pytest.mark.parametrize("kind", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(
    "command", [["-m", "eos_jax"], ["-W", "error", "-m", "eos_jax.cli"], ["eos-jax"]]
)
def test_a_signal_while_packages_are_imported(command, kind, tmp_path):
    if command == ["eos-jax"]:  # as the installed script is
        (tmp_path / "eos-jax").write_text("from eos_jax.cli import main\nmain()\n")
        command = [str(tmp_path / "eos-jax")]
    done = started(tmp_path, *command, "sweep", "a.toml", kind=kind)
    assert done.returncode == 130, done.stderr
    assert done.stderr == "eos-jax: interrupted; run the same command again to go on.\n"


def test_signals_are_left_to_programs_that_import_the_package(tmp_path):
    (tmp_path / "program.py").write_text("import eos_jax")
    for command in ([str(tmp_path / "program.py")], ["-m", "program"], ["-c", "import eos_jax"]):
        assert started(tmp_path, *command).returncode == -signal.SIGTERM
