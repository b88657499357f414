"""Faults at length: the same promises as in the tests, many thousand times.

    python -m tests.soak                # all; writes docs/soak.md
    python -m tests.soak kills=20 dask  # some, these with another count

Not part of the tests: it takes hours where `make test` takes minutes.
"""

import datetime
import hashlib
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from zarr.storage import MemoryStore

import eos_jax as eos
from eos_jax.results import store
from tests.results import miniature
from tests.results.miniature import Killed, Mortal

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "soak.md"

KILLED = """
steps = 30_000
tile = 400
objective = { name = "scalar_product", multiplicities = [2, 2] }
axes = { x = { start = 0, stop = 4, num = 400 }, y = { start = 0, stop = 4, num = 100 }, eta = 0.2 }
"""

SECONDS = """
steps = 40_000_000
stop = false
objective = {{ name = "scalar_product", multiplicities = [2, 2] }}
tile = {tile}
axes = {{ x = {{ start = 0.5, stop = 1.5, num = {lanes} }}, y = 0.9, eta = 0.2 }}
"""


def digest(folder: Path) -> str:
    """Of every file in a store but what killed writers left."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(".partial"):
            found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "eos_jax.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def done(*arguments) -> int:
    process = command(*arguments)
    process.communicate()
    return process.returncode


def simulated(count: int, folder: Path, chance: random.Random) -> str:
    """Runs that die before or after a change of the store, up to four times each."""
    deaths = 0
    for _ in range(count):
        place = MemoryStore()
        for _ in range(chance.randint(1, 4)):
            shard = chance.choice(["threads", "shard:0/2", "shard:1/2"])
            try:
                left, after = chance.randint(1, 24), chance.random() < 0.5
                miniature.run(Mortal(place, left, after), backend=shard)
            except Killed:
                deaths += 1
        miniature.run(place)
        assert miniature.contents(place) == miniature.sound()
    return f"{deaths:,} deaths in {count:,} sweeps, each equal byte for byte after it was resumed"


def machine(count: int, folder: Path, chance: random.Random) -> str:
    """The state machine of tests/results/test_faults.py with more, longer and other cases."""
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.results.test_faults import Store

    run_state_machine_as_test(
        Store,
        settings=settings(
            max_examples=count, stateful_step_count=40, deadline=None, derandomize=False
        ),
    )
    return f"{count:,} histories of up to 40 faults, writers, shards, checks and resumptions"


def kills(count: int, folder: Path, chance: random.Random) -> str:
    """Processes killed by SIGKILL at random moments of a sweep, some several times."""
    (folder / "c.toml").write_text(KILLED)
    assert done("sweep", folder / "c.toml", "--out", folder / "whole") == 0
    expected, resumed, killed = digest(folder / "whole"), 0, 0
    while killed < count:
        out = folder / "killed"
        for _ in range(chance.randint(1, 3)):
            process = command("sweep", folder / "c.toml", "--out", out)
            while not out.exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        assert done("sweep", folder / "c.toml", "--out", out) == 0
        assert digest(out) == expected
        shutil.rmtree(out)
        resumed += 1
    return f"{killed} killed processes; {resumed} of {resumed} sweeps equal byte for byte"


def signals(count: int, folder: Path, chance: random.Random) -> str:
    """SIGTERM and SIGINT at random moments: the process ends within 30 s and says how to go on."""
    (folder / "c.toml").write_text(KILLED.replace("30_000", "3_000_000_0"))
    longest, codes = 0.0, {}
    for _ in range(count):
        out = folder / "signalled"
        process = command("sweep", folder / "c.toml", "--out", out)
        while not out.exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 1.0))
        process.send_signal(chance.choice([signal.SIGTERM, signal.SIGINT]))
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
        longest = max(longest, time.monotonic() - began)
        assert process.returncode in (0, 130), (process.returncode, said)
        assert "Traceback" not in said, said
        codes[process.returncode] = codes.get(process.returncode, 0) + 1
        shutil.rmtree(out, ignore_errors=True)
    assert longest < 30
    return f"{count} signals: {codes.get(130, 0)} interrupted, {codes.get(0, 0)} had just ended; " \
        f"the slowest took {longest:.1f} s"  # fmt: skip


def shards(count: int, folder: Path, chance: random.Random) -> str:
    """Three shards at once, one killed and started again, one run by two processes."""
    (folder / "c.toml").write_text(KILLED)
    assert done("sweep", folder / "c.toml", "--out", folder / "whole") == 0
    out = folder / "shards"

    def run(i):
        return command("sweep", folder / "c.toml", "--out", out, "--shard", f"{i}/3")

    for _ in range(count):
        running = [run(0), run(1), run(2), run(2)]
        time.sleep(chance.uniform(1.0, 2.5))
        running[0].kill()
        running.append(run(0))
        for process in running:
            process.communicate()
        assert [p.returncode for p in running[1:]] == [0] * 4
        assert digest(out) == digest(folder / "whole")
        shutil.rmtree(out)
    return f"{count} times four processes on three shards, one of them killed: equal byte for byte"


def dask(count: int, folder: Path, chance: random.Random) -> str:
    """So many tiles on a local cluster of two processes while workers are killed."""
    from distributed import Client, LocalCluster

    (folder / "c.toml").write_text(
        SECONDS.format(tile=64, lanes=64 * count).replace("40_000_000", "4_000_000")
    )
    began = time.monotonic()
    assert done("sweep", folder / "c.toml", "--out", folder / "whole") == 0
    alone, deaths = time.monotonic() - began, 0
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0,
                      dashboard_address="127.0.0.1:0") as cluster:  # fmt: skip
        out = folder / "cluster"
        process = command(
            "sweep", folder / "c.toml", "--out", out, "--scheduler", cluster.scheduler_address
        )
        began = time.monotonic()
        with Client(cluster) as client:
            while process.poll() is None:
                time.sleep(chance.uniform(3, 6))
                pids = list(client.run(os.getpid, on_error="ignore").values())
                if pids and process.poll() is None:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    deaths += 1
        _, said = process.communicate()
        took = time.monotonic() - began
    assert process.returncode == 0, said
    assert digest(out) == digest(folder / "whole")
    return f"{count:,} tiles, {deaths} workers killed: complete and equal byte for byte; " \
        f"{took:.0f} s, {alone:.0f} s in one process without deaths"  # fmt: skip


POISON = """
import os
import eos_jax as eos
from eos_jax.run import job

real = job.compute

def compute(work, tile, *rest):
    if tile.start == (64,):
        os._exit(9)
    return real(work, tile, *rest)
"""


def poison(count: int, folder: Path, chance: random.Random) -> str:
    """A tile that kills every worker that takes it is named; the others are done."""
    (folder / "poison.py").write_text(POISON)
    (folder / "c.toml").write_text(
        SECONDS.format(tile=64, lanes=64 * 10).replace("40_000_000", "400_000")
    )
    code = (
        "import sys; from eos_jax.run.backends import dask\n"
        "import cloudpickle, poison; cloudpickle.register_pickle_by_value(poison)\n"
        "dask.compute = poison.compute\n"
        "cloudpickle.register_pickle_by_value(dask)\n"
        "from eos_jax import cli\n"
        "if __name__ == '__main__': cli.main(sys.argv[1:])\n"
    )
    (folder / "main.py").write_text(code)
    for _ in range(count):
        out = folder / "poisoned"
        process = subprocess.run(
            [sys.executable, str(folder / "main.py"), "sweep", str(folder / "c.toml"), "--out",
             str(out), "--scheduler", "local"],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        )  # fmt: skip
        assert process.returncode == 1, process.stderr[-2000:]
        assert "1 of 10 tiles failed" in process.stderr, process.stderr[-2000:]
        assert "tile (64,) to (128,)" in process.stderr, process.stderr[-2000:]
        assert store.pending(out).tolist() == [1]
        shutil.rmtree(out)
    return f"{count} times: named, the nine others done, exit code 1"


def overhead(count: int, folder: Path, chance: random.Random) -> str:
    """Tiles of about a second: a local cluster against threads on the same cores."""
    (folder / "c.toml").write_text(SECONDS.format(tile=256, lanes=256 * count))
    times, work = {}, {}
    for name, options in (("threads", []), ("dask", ["--scheduler", "local"])):
        began, worked = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        out = folder / name
        assert done("sweep", folder / "c.toml", "--out", out, *options) == 0
        times[name] = time.monotonic() - began
        work[name] = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - worked
        stamps = sorted(p.stat().st_mtime for p in (out / "outcome" / "c").iterdir())
        times[f"{name} steady"] = (stamps[-1] - stamps[1]) / (count - 2)
    assert digest(folder / "threads") == digest(folder / "dask")
    extra = times["dask steady"] / times["threads steady"] - 1
    return (
        f"{count} tiles of {times['threads steady'] * 2:.1f} s: {extra:+.1%} a tile once it runs; "
        f"in all {times['threads']:.0f} s and {times['dask']:.0f} s, of processors "
        f"{work['threads']:.0f} s and {work['dask']:.0f} s"
    )


STREAM = """
import resource, sys, time
import numpy as np, eos_jax as eos
side, out = int(sys.argv[1]), sys.argv[2]
axes = {"x": np.linspace(0, 4, side), "y": np.linspace(0, 4, side), "eta": 0.2}
began = time.monotonic()
eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 16, keep=["steps"], out=out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.monotonic() - began)
"""


def stream(count: int, folder: Path, chance: random.Random) -> str:
    """So many lanes through one process, killed in the middle: memory against that of 10^7."""

    def run(lanes, out):
        side = round(lanes**0.5)
        arguments = [sys.executable, "-c", STREAM, str(side), str(out)]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    few, _ = run(10**7, folder / "few").communicate()
    first = run(count, folder / "many")
    while first.poll() is None and not len(list((folder / "many").glob("outcome/c/*"))) > 20:
        time.sleep(0.05)
    first.kill()
    first.communicate()
    many, _ = run(count, folder / "many").communicate()
    (small, _), (large, seconds) = (tuple(map(float, s.split())) for s in (few, many))
    opened = store.open_dataset(folder / "many")
    assert not len(store.pending(folder / "many"))
    size = sum(p.stat().st_size for p in (folder / "many").rglob("*") if p.is_file())
    assert large < 1.2 * small, (small, large)
    return f"{opened.outcome.size:,} lanes, killed in the middle and resumed: {large:.0f} MiB, " \
        f"{small:.0f} MiB at 10^7; {seconds:.0f} s, {size / 2**30:.2f} GiB on disk"  # fmt: skip


def tiles(count: int, folder: Path, chance: random.Random) -> str:
    """So many tiles of one lane each: what a tile costs beside its lanes."""
    paper = eos.objectives.scalar_product((2, 2))
    axes = {"x": np.linspace(2, 3, count), "y": 0.4, "eta": 0.2}
    times = []
    for _ in range(2):
        began = time.monotonic()
        eos.sweep(paper, axes, 1, keep=["loss"], out=folder / "tiles", tile=1)
        times.append(time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{count:,} tiles of one lane: {times[0] / count * 1e3:.2f} ms each, " \
        f"{times[1] / count * 1e3:.3f} ms to see that one is done; {peak:.0f} MiB"  # fmt: skip


SOAK = {simulated: 10_000, machine: 1_000, kills: 200, signals: 50, shards: 20, dask: 2_000,
        poison: 3, overhead: 60, stream: 10**9, tiles: 100_000}  # fmt: skip
"""What is done at length, and how often."""


def main(arguments: list[str]) -> None:
    known = {function.__name__: function for function in SOAK}
    wanted = {}
    for text in arguments:
        name, _, count = text.partition("=")
        wanted[name] = int(count) if count else SOAK[known[name]]
    rows = []
    for name, count in (wanted or {f.__name__: n for f, n in SOAK.items()}).items():
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            result = known[name](count, Path(folder), random.Random(count))
        rows.append((name, known[name].__doc__.split("\n")[0], result, time.monotonic() - began))
        print(f"{name}: {result} ({rows[-1][-1]:.0f} s)", flush=True)
    if not wanted:
        write(rows)


def write(rows) -> None:
    """Write docs/soak.md."""
    lines = ["# Faults at length", "", "Written by `make soak`.", "",
             f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
             f"Python {platform.python_version()}.", "",
             "| what | how it came out | seconds |", "|---|---|---|"]  # fmt: skip
    lines += [f"| {what} | {result} | {seconds:.0f} |" for _, what, result, seconds in rows]
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
