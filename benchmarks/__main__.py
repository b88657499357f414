"""`python -m benchmarks`: every target of benchmarks/README.md as a ratio taken in one run.

Programs that are compared run in turns, so that a busy machine slows all alike; a ratio is that of
their medians. Compilation is timed apart.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax
import numpy as np

import eos_jax as eos
from benchmarks import peers
from eos_jax.machine import cores

MODELS = {"(2, 2)": (2, 2), "4": 4}
REACH = {
    "P1 (2, 2)": "0.6", "P1 4": "0.35", "P2 NumPy": "50", "P2 numba prange": "20",
    "P2 torch.compile": "10", "P2 jit(vmap(scan))": "10", "P3 seconds": "60", "P3 GiB": "2",
    "P5": "flat", "P6 seconds": "5", "P7": "flat",
}  # fmt: skip


def in_turns(programs, repeats):
    """Seconds of the first call and median seconds of later ones, by name."""
    first, times = {}, {name: [] for name in programs}
    for name, program in programs.items():
        start = time.perf_counter()
        program()
        first[name] = time.perf_counter() - start
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            times[name].append(time.perf_counter() - start)
    return first, {name: statistics.median(t) for name, t in times.items()}


def starts(model, dtype, lanes, seed=0):
    """Starts that all converge or stay bounded, and a step size for each lane."""
    random = np.random.default_rng(seed)
    count = 2 if model == (2, 2) else 4
    params = [random.uniform(0.3, 1.3, lanes).astype(dtype) for _ in range(count)]
    return params, random.uniform(0.05, 0.2, lanes).astype(dtype)


def ours(model, params, eta, dtype):
    """`eos.iterate` on the lanes, already on the device: (steps) -> ends."""
    objective = eos.objectives.scalar_product(model)
    with jax.enable_x64(dtype == "float64"):
        point = {n: jax.numpy.asarray(p) for n, p in zip(objective.parameters, params)}
        eta = jax.numpy.asarray(eta)

    def run(steps):
        with jax.enable_x64(dtype == "float64"):
            return jax.block_until_ready(eos.iterate(objective, point, eta, steps))

    return run


def core_kernel(report, size):
    """P1: the core kernel on all cores against C on the same cores."""
    lanes, steps = size["lanes"], size["steps"]
    for dtype in ("float64", "float32"):
        try:
            library = peers.build_c(dtype)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            report.say(f"P1: no C kernel to compare with: {error}")
            library = None
        for name, model in MODELS.items():
            params, eta = starts(model, dtype, lanes)
            run = ours(model, params, eta, dtype)
            programs = {"eos_jax": lambda run=run: run(steps)}
            if library is not None:
                programs["C"] = partial(peers.c_kernel, library, params, eta, steps)
            first, seconds = in_turns(programs, size["repeats"])
            rate = lanes * steps / seconds["eos_jax"] / 1e9
            if library is not None:
                ratio = seconds["C"] / seconds["eos_jax"]
                report.row(f"P1 {name}", f"{dtype}, vs C, {cores()} cores", ratio, rate)
            else:
                report.row(f"P1 {name}", f"{dtype}, alone", math.nan, rate)
            report.say(f"    first call {first['eos_jax']:.2f} s, compilation included")


def against_peers(report, size):
    """P2: model (2, 2) in float64 against what users write."""
    lanes, steps = size["lanes"], size["steps"]
    found, missing = peers.available()
    for name, why in missing.items():
        report.say(f"P2 {name}: missing, {why}")
    params, eta = starts((2, 2), "float64", lanes)
    run = ours((2, 2), params, eta, "float64")
    short = max(4, steps // 32)  # the peers are slow; their cost per step does not depend on steps
    try:
        limit = {"C": partial(peers.c_kernel, peers.build_c("float64"), params, eta, steps)}
    except (RuntimeError, subprocess.CalledProcessError):
        limit = {}
    for name, peer in found.items():

        def call(peer=peer):
            with jax.enable_x64(True):
                peer(params, eta, short)

        programs = {"eos_jax": lambda: run(steps), name: call, **limit}
        _, seconds = in_turns(programs, size["repeats"])
        cost = seconds[name] / short
        ratio = cost / (seconds["eos_jax"] / steps)
        what = f"float64, (2, 2), {lanes} lanes"
        if limit:
            what += f"; C: {cost / (seconds['C'] / steps):.1f}"
        report.row(f"P2 {name}", what, ratio, lanes * short / seconds[name] / 1e9)


def child(arguments, folder):
    """Wall seconds, and peak resident memory in GiB, of a command of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    start = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 2**20


def whole_map(report, size):
    """P3: figure 7a by the command, start to picture."""
    config = str(Path(__file__).parents[1] / "configs" / "fig7a.toml")
    command = [sys.executable, "-m", "eos_jax.cli"]
    n = size["map"]
    with tempfile.TemporaryDirectory() as folder:
        larger = [f"--set=axes.{axis}.num={n}" for axis in "xy"]
        sweep, memory = child([*command, "sweep", config, "--out", "map.zarr", *larger], folder)
        picture = ["plot", "map.zarr", "--kind", "outcome", "--out", "map.png"]
        plot, plot_memory = child([*command, *picture], folder)
    report.say(f"P3: {n} x {n}, horizon 10,000: sweep {sweep:.1f} s, picture {plot:.1f} s")
    report.row("P3 seconds", f"fig. 7a, {n} x {n}, start to picture", sweep + plot)
    report.row("P3 GiB", "peak resident memory", max(memory, plot_memory))


def memory_and_lanes(report, size):
    """P5: peak memory of a sweep to disk against the number of lanes."""
    config = str(Path(__file__).parents[1] / "configs" / "fig7a.toml")
    peaks = []
    for side in size["sides"]:
        with tempfile.TemporaryDirectory() as folder:
            changes = [f"--set=axes.{axis}.num={side}" for axis in "xy"] + ["--set=steps=64"]
            command = [sys.executable, "-m", "eos_jax.cli", "sweep", config, "--out", "m.zarr"]
            seconds, memory = child([*command, *changes], folder)
        peaks.append(memory)
        report.say(f"P5: {side**2:.1e} lanes: {memory:.2f} GiB, {seconds:.1f} s")
    report.row("P5", f"memory at {size['sides'][-1] ** 2:.0e} lanes over that at "
               f"{size['sides'][0] ** 2:.0e}", peaks[-1] / peaks[0])  # fmt: skip


def cold_start(report, size):
    """P6: a small sweep from nothing: interpreter, imports, compilation, result."""
    program = (
        "import numpy as np, eos_jax as eos;"
        "print(eos.sweep(eos.objectives.scalar_product((2, 2)), {'x': np.linspace(3, 3.4, 32),"
        "'y': np.linspace(0.1, 0.5, 32), 'eta': 0.2}, steps=10_000).outcome.values.sum())"
    )
    seconds = [child([sys.executable, "-c", program], ".")[0] for _ in range(size["repeats"])]
    report.row("P6 seconds", "32 x 32 sweep from a cold start", statistics.median(seconds))


def cost_and_work(report, size):
    """P7: cost per lane-step against the amount of work, compilation apart."""
    costs = {}
    for exponent in range(4, size["work"] + 1):
        work = 10**exponent
        steps = int(min(10_000, max(10, work**0.5 / 4)))
        lanes = max(1, round(work / steps))
        params, eta = starts((2, 2), "float64", lanes)
        run = ours((2, 2), params, eta, "float64")
        _, seconds = in_turns({"eos_jax": lambda run=run, steps=steps: run(steps)}, size["repeats"])
        costs[exponent] = seconds["eos_jax"] / (lanes * steps) * 1e9
        report.say(
            f"P7: 10^{exponent} lane-steps ({lanes} x {steps}): {costs[exponent]:.3f} ns each"
        )
    flat = [costs[e] for e in costs if e >= 7] or list(costs.values())
    report.row("P7", "largest over smallest cost past 10^7 lane-steps", max(flat) / min(flat))


TARGETS = {
    "P1": core_kernel, "P2": against_peers, "P3": whole_map, "P5": memory_and_lanes,
    "P6": cold_start, "P7": cost_and_work,
}  # fmt: skip
SIZES = {
    "full": {"lanes": 2**20, "steps": 2048, "repeats": 7, "map": 8192,
             "sides": (1000, 3163, 10_000), "work": 10},
    "quick": {"lanes": 2**16, "steps": 1024, "repeats": 3, "map": 1024,
              "sides": (1000, 3163), "work": 9},
    "toy": {"lanes": 2**12, "steps": 32, "repeats": 1, "map": 64, "sides": (32, 64), "work": 5},
}  # fmt: skip


class Report:
    """Rows as they come, on the screen and for the JSON file."""

    def __init__(self):
        self.rows = []

    def say(self, line):
        print(line, flush=True)

    def row(self, target, what, value, rate=None):
        reach = REACH[target]
        self.rows.append({"target": target, "what": what, "value": value, "reach": reach,
                          "lane_steps_per_second": rate and rate * 1e9})  # fmt: skip
        speed = "" if rate is None else f"{rate:8.3f}e9 lane-steps/s"
        print(f"{target:22} {what:45} {value:9.3f}  (reach {reach:>5}) {speed}", flush=True)


def machine():
    """What the numbers belong to."""

    def installed(name):
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    compiler = shutil.which("cc") or ""
    return {
        "processor": next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo")
                           if line.startswith("model name")), platform.processor()),
        "cores": cores(),
        "devices": [str(d) for d in jax.devices()],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "python": platform.python_version(),
        "compiler": subprocess.run([compiler, "--version"], capture_output=True, text=True)
        .stdout.partition("\n")[0] if compiler else None,
        **{n: installed(n) for n in ("eos_jax", "jax", "jaxlib", "numpy", "numba", "torch")},
    }  # fmt: skip


def _lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main(arguments=None):
    """Run the targets asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full", help="toy is for correctness only")
    parser.add_argument("--quick", action="store_const", const="quick", dest="size")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args(arguments)
    report = Report()
    for key, value in machine().items():
        report.say(f"{key}: {value}")
    for target in options.only:
        TARGETS[target](report, SIZES[options.size])
    if options.json:
        options.json.write_text(json.dumps({**machine(), "rows": report.rows}, indent=1))
    return report.rows


if __name__ == "__main__":
    main()
