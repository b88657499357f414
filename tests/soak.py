"""Faults at length: the same promises as in the tests, many thousand times.

    python -m tests.soak                # all
    python -m tests.soak kills=20 dask  # some, these with another count

Not part of the tests: it takes hours where `make test` takes minutes. After each batch its counts
are added to build/soak.jsonl, and docs/soak.md is written from all that is there: cut off and
started again, it goes on where it was. Remove the file to begin anew.
"""

import datetime
import hashlib
import json
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from zarr.storage import MemoryStore

import eos_jax as eos
from eos_jax.results import store
from tests.results import miniature
from tests.results.miniature import Killed, Mortal

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "soak.md"
JOURNAL = ROOT / "build" / "soak.jsonl"

MACHINE = (f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
           f"jax {version('jax')}")  # fmt: skip

Counts = dict[str, float]
"""What came of a batch: numbers that add up over batches, or maxima where named most_..."""

KILLED = """
steps = 5_000
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


def simulated(count: int, folder: Path, chance: random.Random) -> Counts:
    """Runs that die before or after a change of the store, up to four times each."""
    deaths = sweeps = 0
    while deaths < count:
        place, sweeps = MemoryStore(), sweeps + 1
        for _ in range(chance.randint(1, 4)):
            shard = chance.choice(["threads", "shard:0/2", "shard:1/2"])
            try:
                left, after = chance.randint(1, 24), chance.random() < 0.5
                miniature.run(Mortal(place, left, after), backend=shard)
            except Killed:
                deaths += 1
        miniature.run(place)
        assert miniature.contents(place) == miniature.sound()
    return {"deaths": deaths, "sweeps": sweeps}


def machine(count: int, folder: Path, chance: random.Random) -> Counts:
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
    return {"histories": count}


def kills(count: int, folder: Path, chance: random.Random) -> Counts:
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
            time.sleep(chance.uniform(0, 1.5))  # from its first file to its last one
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        assert done("sweep", folder / "c.toml", "--out", out) == 0
        assert digest(out) == expected
        shutil.rmtree(out)
        resumed += 1
    return {"killed": killed, "sweeps": resumed}


def signals(count: int, folder: Path, chance: random.Random) -> Counts:
    """SIGTERM and SIGINT at random moments: the process ends within 30 s and says how to go on."""
    (folder / "c.toml").write_text(KILLED.replace("5_000", "30_000_000"))
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
    return {"signals": count, "interrupted": codes.get(130, 0), "ended": codes.get(0, 0),
            "most_seconds": longest}  # fmt: skip


EARLY = """
import sys
sys.argv = ["eos-jax", "sweep", "none.toml", "--out", "none.zarr"]
print("begun", flush=True)
from eos_jax.cli import main
main()
"""


def early(count: int, folder: Path, chance: random.Random) -> Counts:
    """SIGTERM and SIGINT in the first two seconds, most of which is spent on importing packages."""
    codes: Counts = {"signals": count, "interrupted": 0, "ended": 0}
    for _ in range(count):
        process = subprocess.Popen(
            [sys.executable, "-c", EARLY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.05, 2))
        process.send_signal(chance.choice([signal.SIGTERM, signal.SIGINT]))
        _, said = process.communicate(timeout=60)
        # 2: it has just found that there is no such file
        assert process.returncode in (130, 2), (process.returncode, said)
        assert len(said.splitlines()) == 1, said
        codes["interrupted" if process.returncode == 130 else "ended"] += 1
    return codes


def together(count: int, folder: Path, chance: random.Random) -> Counts:
    """Sweeps in threads, in forked and spawned children, interrupted: those tests, under xdist."""
    passed = 0
    for _ in range(count):
        said = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "", "-p", "no:cacheprovider",
             "tests/run/test_processes.py"],
            capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout[-3000:]
        passed += int(said.stdout.split(" passed")[0].split()[-1])
    return {"times": count, "passed": passed}


def shards(count: int, folder: Path, chance: random.Random) -> Counts:
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
    return {"times": count}


def dask(count: int, folder: Path, chance: random.Random) -> Counts:
    """So many tiles on a local cluster of two processes while workers are killed."""
    from distributed import Client

    from eos_jax.run.backends.dask import local_cluster

    (folder / "c.toml").write_text(
        SECONDS.format(tile=64, lanes=64 * count).replace("40_000_000", "1_000_000")
    )
    began = time.monotonic()
    assert done("sweep", folder / "c.toml", "--out", folder / "whole") == 0
    alone, deaths = time.monotonic() - began, 0
    with local_cluster(2 * jax.local_devices()[:1]) as cluster:
        out = folder / "cluster"
        process = command(
            "sweep", folder / "c.toml", "--out", out, "--scheduler", cluster.scheduler_address
        )
        began = time.monotonic()
        seen = 0
        with Client(cluster) as client:
            while process.poll() is None:
                time.sleep(chance.uniform(3, 6))
                tiles_done = len(list((out / "outcome").glob("c/*")))
                if tiles_done == seen:  # none could be done in this time on a busy machine
                    continue
                seen = tiles_done
                pids = list(client.run(os.getpid, on_error="ignore").values())
                if pids and process.poll() is None:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    deaths += 1
        _, said = process.communicate()
        took = time.monotonic() - began
    assert process.returncode == 0, said
    assert digest(out) == digest(folder / "whole")
    return {"tiles": count, "deaths": deaths, "took": took, "alone": alone}


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


def poison(count: int, folder: Path, chance: random.Random) -> Counts:
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
    return {"times": count}


def overhead(count: int, folder: Path, chance: random.Random) -> Counts:
    """Tiles of about a second: a local cluster against threads on the same cores."""
    (folder / "c.toml").write_text(SECONDS.format(tile=256, lanes=256 * count))
    found: Counts = {"tiles": count}
    for name, options in (("threads", []), ("dask", ["--scheduler", "local"])):
        began, worked = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        out = folder / name
        assert done("sweep", folder / "c.toml", "--out", out, *options) == 0
        found[name] = time.monotonic() - began
        found[f"{name}_cpu"] = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - worked
        # from tile to tile once all workers have compiled, and while all still have work
        stamps = sorted(p.stat().st_mtime for p in (out / "outcome" / "c").iterdir())[4:-3]
        found[f"{name}_each"] = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
    assert digest(folder / "threads") == digest(folder / "dask")
    found["extra"] = found["dask_each"] / found["threads_each"] - 1
    return found


STREAM = """
import resource, sys, time
import numpy as np, eos_jax as eos
side, out = int(sys.argv[1]), sys.argv[2]
axes = {"x": np.linspace(0, 4, side), "y": np.linspace(0, 4, side), "eta": 0.2}
began = time.monotonic()
eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 16, keep=["steps"], out=out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.monotonic() - began)
"""


def stream(count: int, folder: Path, chance: random.Random) -> Counts:
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
    return {"lanes": opened.outcome.size, "most_large": large, "most_small": small,
            "took": seconds, "disk": size / 2**30}  # fmt: skip


def tiles(count: int, folder: Path, chance: random.Random) -> Counts:
    """So many tiles of one lane each: what of a processor a tile costs beside its lanes."""
    paper = eos.objectives.scalar_product((2, 2))
    axes = {"x": np.linspace(2, 3, count), "y": 0.4, "eta": 0.2}
    times = []
    for _ in range(2):
        began = time.process_time()
        eos.sweep(paper, axes, 1, keep=["loss"], out=folder / "tiles", tile=1)
        times.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"tiles": count, "each": times[0] / count * 1e3, "seen": times[1] / count * 1e3,
            "most_peak": peak}  # fmt: skip


class Portion(NamedTuple):
    """One kind of fault.

    Attributes:
      run: (how often, an empty folder, chance) -> counts.
      count: how often in all.
      batch: how often at once; what is measured by the clock is one batch.
      says: how it came out, of the counts of all batches.
    """

    run: Callable[[int, Path, random.Random], Counts]
    count: int
    batch: int
    says: str


PORTIONS = [
    Portion(simulated, 10_000, 500, "{deaths:,} deaths in {sweeps:,} sweeps, each equal byte for "
            "byte after it was resumed"),
    Portion(machine, 1_000, 50, "{histories:,} histories of up to 40 faults, writers, shards, "
            "checks and resumptions"),
    Portion(kills, 200, 20, "{killed} killed processes; {sweeps} of {sweeps} sweeps equal byte "
            "for byte"),
    Portion(signals, 50, 10, "{signals} signals: {interrupted} interrupted, {ended} had just "
            "ended; the slowest took {most_seconds:.1f} s"),
    Portion(early, 100, 20, "{signals} signals: {interrupted} interrupted with one line and exit "
            "code 130, {ended} had just ended"),
    Portion(together, 5, 1, "{passed} tests passed, turns: {times}"),
    Portion(shards, 20, 5, "turns: {times}; four processes on three shards, one of them killed: "
            "equal byte for byte"),
    Portion(dask, 2_000, 2_000, "{tiles:,} tiles, {deaths} workers killed: complete and equal "
            "byte for byte; {took:.0f} s, {alone:.0f} s in one process without deaths"),
    Portion(poison, 3, 3, "sweeps: {times}; it is named, the nine others done, exit code 1"),
    Portion(overhead, 60, 60, "{tiles} tiles: one every {dask_each:.3f} s and every "
            "{threads_each:.3f} s, {extra:+.1%}; with all beginnings and ends {dask:.0f} s and "
            "{threads:.0f} s, of processors {dask_cpu:.0f} s and {threads_cpu:.0f} s"),
    Portion(stream, 10**9, 10**9, "{lanes:,} lanes, killed in the middle and resumed: "
            "{most_large:.0f} MiB, {most_small:.0f} MiB at 10^7; {took:.0f} s, {disk:.2f} GiB on "
            "disk"),
    Portion(tiles, 100_000, 100_000, "{tiles:,} tiles of one lane: {each:.2f} ms each, "
            "{seen:.3f} ms to see that one is done; {most_peak:.0f} MiB"),
]  # fmt: skip
"""What is done at length, and how often."""


def main(arguments: list[str]) -> None:
    """Do what is not done yet of some portions, or of all."""
    known = {portion.run.__name__: portion for portion in PORTIONS}
    wanted = {name: portion.count for name, portion in known.items()}
    if arguments:
        pairs = [text.partition("=") for text in arguments]
        wanted = {name: int(count) if count else wanted[name] for name, _, count in pairs}
    for name, count in wanted.items():
        while (done := sum(e["count"] for e in journal() if e["name"] == name)) < count:
            do(known[name], min(known[name].batch, count - done), seed=done)
            write(PORTIONS)


def do(portion: Portion, count: int, seed: int) -> None:
    """Do one batch and say in the journal what came of it."""
    name, began = portion.run.__name__, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = portion.run(count, Path(folder), random.Random(f"{name} {seed}"))
    found = {"name": name, "count": count, "counts": counts, "date": f"{datetime.date.today()}",
             "seconds": time.monotonic() - began, "machine": MACHINE}  # fmt: skip
    JOURNAL.parent.mkdir(exist_ok=True)
    with JOURNAL.open("a") as lines:
        lines.write(json.dumps(found) + "\n")
    print(f"{name}: {portion.says.format(**counts)} ({found['seconds']:.0f} s)", flush=True)


def journal() -> list[dict]:
    """What was done until now."""
    return [*map(json.loads, JOURNAL.read_text().splitlines())] if JOURNAL.exists() else []


def added(batches: list[Counts]) -> Counts:
    """Counts of all batches together."""
    return {
        name: (max if name.startswith("most_") else sum)(counts[name] for counts in batches)
        for name in batches[0]
    }


def write(portions: list[Portion]) -> None:
    """Write docs/soak.md from the journal."""
    entries = journal()
    machines = sorted({f"{entry['date']}, {entry['machine']}" for entry in entries})
    lines = ["# Faults at length", "",
             "What `make soak` did; written by it after each batch. Seconds are those of the "
             "machine as it was, busy with other work or not.", "",
             *(f"- {machine}" for machine in machines), "",
             "| what | how it came out | seconds |", "|---|---|---|"]  # fmt: skip
    for portion in portions:
        mine = [entry for entry in entries if entry["name"] == portion.run.__name__]
        if mine:
            what = portion.run.__doc__.split("\n")[0].rstrip(".")
            result = portion.says.format(**added([entry["counts"] for entry in mine]))
            lines.append(f"| {what} | {result} | {sum(e['seconds'] for e in mine):.0f} |")
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
