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
from benchmarks import breadth, peers, rules
from eos_jax.machine import cores

MODELS = {"(2, 2)": (2, 2), "4": 4}
REACH = {
    "P1 (2, 2)": ("0.88", "0.97"), "P1 4": ("0.82", "0.95"), "P2 NumPy": ("C", "C"),
    "P2 numba prange": ("C", "C"), "P2 torch.compile": ("C", "C"),
    "P2 jit(vmap(scan))": ("C", "C"), "P3 seconds": ("", ""), "P3": ("6", "3"),
    "P3 GiB": ("2", ""), "P5": ("flat", ""), "P6 seconds": ("2", "1.2"), "P7": ("flat", ""),
    "P8 least": ("1", "3"), "P8 mean": ("5", "10"), "P9 bare": ("0.85", "0.95"),
    "P9 examined": ("0.75", "0.9"), "P10 maximum": ("1.5", "1.25"), "P10 exponent": ("4", "3"),
    "P11": ("3", "2"), "P12": ("0.95", "1"), "P13 predicted": ("0.5", ""), "P13 line": ("1", ""),
    "P14": ("1", ""),
}  # fmt: skip
"""What performance should reach, and what would be as good as it gets."""


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
            peers.build_c(dtype)
            compiles = True
        except (RuntimeError, subprocess.CalledProcessError) as error:
            report.say(f"P1: no C kernel to compare with: {error}")
            compiles = False
        for name, model in MODELS.items():
            params, eta = starts(model, dtype, lanes)
            library = peers.best_c(dtype, params, eta) if compiles else None
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
        library = peers.best_c("float64", params, eta)
        limit = {"C": partial(peers.c_kernel, library, params, eta, steps)}
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
        work = sum(
            float(part.sum(dtype=float)) for part in _rows_of(Path(folder) / "map.zarr", "steps")
        )
        picture = ["plot", "map.zarr", "--kind", "outcome", "--out", "map.png"]
        plot, plot_memory = child([*command, *picture], folder)
    report.say(f"P3: {n} x {n}, horizon 10,000: sweep {sweep:.1f} s, picture {plot:.1f} s")
    report.row("P3 seconds", f"fig. 7a, {n} x {n}, start to picture", sweep + plot)
    try:
        params, eta = starts((2, 2), "float64", size["lanes"])
        library = peers.best_c("float64", params, eta)
        _, seconds = in_turns(
            {"C": partial(peers.c_kernel, library, params, eta, size["steps"])}, size["repeats"]
        )
        of_c = seconds["C"] / (size["lanes"] * size["steps"]) * work
        report.row("P3", f"over C's time for its {work:.2g} lane-steps", (sweep + plot) / of_c)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        report.say(f"P3: no C kernel to compare with: {error}")
    report.row("P3 GiB", "peak resident memory", max(memory, plot_memory))


def _rows_of(store, name):
    """A variable of a store, some rows at a time."""
    variable = eos.open(store)[name]
    for first in range(0, variable.shape[0], 256):
        yield variable[first : first + 256].values


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


def breadth_of(report, size):
    """P8: objectives x rules against the line that a user would write."""
    for dtype in ("float64", "float32"):
        found = breadth.table(size["breadth"], size["breadth_steps"], dtype=dtype, say=report.say)
        cell, least = min(found.items(), key=lambda pair: pair[1])
        mean = math.exp(statistics.fmean(math.log(v) for v in found.values()))
        report.row("P8 least", f"{dtype}, {cell[0][:22]}, {cell[1]}", least)
        report.row("P8 mean", f"{dtype}, geometric mean of {len(found)} cells", mean)


def sweeps_and_kernel(report, size):
    """P9: a sweep that decides nothing against the bare kernel."""
    lanes, steps = size["lanes"] // 4, 4 * size["steps"]
    params, eta = starts((2, 2), "float64", lanes)
    run = ours((2, 2), params, eta, "float64")
    objective = eos.objectives.scalar_product((2, 2))
    axes = {**dict(zip(objective.parameters, params)), "eta": eta}
    never = eos.Stop(tolerance=1e-300, escape=1e300)

    def sweep(stop):
        return lambda: eos.sweep(
            objective, axes, steps, stop=stop, combine="zip", keep=["x_final"], progress=False
        )

    programs = {"iterate": lambda: run(steps), "bare": sweep(None), "examined": sweep(never)}
    _, seconds = in_turns(programs, size["repeats"])
    report.row("P9 bare", "iterate over sweep(stop=None)", seconds["iterate"] / seconds["bare"])
    report.row("P9 examined", "iterate over a sweep that examines in vain",
               seconds["iterate"] / seconds["examined"])  # fmt: skip


def what_observers_cost(report, size):
    """P10: records along a sweep against the same sweep without."""
    lanes, steps = size["lanes"] // 16, 4 * size["steps"]
    params, eta = starts((2, 2), "float64", lanes)
    objective = eos.objectives.scalar_product((2, 2))
    axes = {**dict(zip(objective.parameters, params)), "eta": eta}

    def sweep(**record):
        return lambda: eos.sweep(
            objective, axes, steps, stop=None, combine="zip", progress=False, **record
        )

    programs = {
        "nothing": sweep(),
        "maximum": sweep(observe={"peak": eos.observers.maximum("sharpness")}, every=4),
        "exponent": sweep(observe={"chaos": eos.observers.lyapunov()}, every=32),
    }
    _, seconds = in_turns(programs, size["repeats"])
    for name in ("maximum", "exponent"):
        report.row(f"P10 {name}", "time over that without", seconds[name] / seconds["nothing"])


def sharpness_of_networks(report, size):
    """P11: training a network with its sharpness sampled against training alone."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(64, 1))
    objective = eos.objectives.fully_connected(
        (1, 32, 1), "tanh", data=(inputs, np.sin(2 * inputs[:, 0]))
    )
    start = {n: random.normal(size=s) * 0.5 for n, s in zip(objective.parameters, objective.shapes)}
    etas = np.linspace(0.01, 0.1, 32)
    steps, every = size["training"], max(1, size["training"] // 100)

    def swept():
        eos.orbits(objective, {**start, "eta": etas}, steps, every=every, progress=False,
                   record=["loss", "sharpness"], sharpness="lanczos")  # fmt: skip

    rule = eos.rules.gradient_descent()

    @jax.jit
    @jax.vmap
    def train(eta):
        def step(params, _):
            return rule.step(objective, params, (), {"eta": eta})[0], None

        return jax.lax.scan(step, {n: jax.numpy.asarray(v) for n, v in start.items()},
                            length=steps)[0]  # fmt: skip

    def alone():
        with jax.enable_x64(True):
            jax.block_until_ready(train(etas))

    _, seconds = in_turns({"swept": swept, "alone": alone}, size["repeats"])
    report.row(
        "P11", "97 parameters, 100 samples, over training", seconds["swept"] / seconds["alone"]
    )


def against_another(report, size):
    """P12: this jax against the results of another one, written by --json."""
    if size["against"] is None:
        report.say("P12: give --against FILE, the --json of a run with another jax")
        return
    other = json.loads(size["against"].read_text())
    mine = {(r["target"], r["what"]): r for r in report.rows}
    for row in other["rows"]:
        here = mine.get((row["target"], row["what"]))
        if here is None or row["target"][:2] not in ("P1", "P3") or row["target"] == "P3 GiB":
            continue
        if row["target"].startswith("P1 "):
            report.row("P12", f"{row['target']}, {row['what'][:9]}, ratio to jax {other['jax']}",
                       here["value"] / row["value"])  # fmt: skip
        elif row["target"] == "P3 seconds":
            report.row("P12", f"P3 in the time of jax {other['jax']}", row["value"] / here["value"])


def exact_sharpness(report, size):
    """P14: the largest eigenvalue of dense Hessians against `eigvalsh` of the same JAX."""
    random = np.random.default_rng(0)
    with jax.enable_x64(True):
        for n in (7, 18, 40, 64):
            dense = random.normal(size=(min(512, size["lanes"]), n, n))
            dense = jax.numpy.asarray(dense + dense.swapaxes(1, 2))
            ours = jax.jit(jax.vmap(eos.curvature.largest_eigenvalue))
            theirs = jax.jit(jax.vmap(jax.numpy.linalg.eigvalsh))
            seconds = rules.processor_seconds(
                {"ours": lambda f=ours, m=dense: jax.block_until_ready(f(m)),
                 "theirs": lambda f=theirs, m=dense: jax.block_until_ready(f(m))},
                2 * size["repeats"] + 1,
            )  # fmt: skip
            gain = seconds["theirs"] / seconds["ours"]
            report.row("P14", f"{n} coordinates, rate over that of eigvalsh", gain)


def every_rule(report, size):
    """P13: every rule against the rate that its operations predict, and against one line of JAX."""
    repeats = 2 * size["repeats"] + 1  # medians of times of some milliseconds
    rows = rules.table(size["rule_lanes"], size["rule_work"], repeats, say=report.say)
    listed = [row for row in rows if not math.isnan(row.cost)]
    slow = min(listed, key=lambda row: row.share)
    report.row("P13 predicted", f"least of {len(listed)}: {slow.rule[:22]}, {slow.model}",
               slow.share)  # fmt: skip
    slow = min(rows, key=lambda row: row.over_line)
    report.row("P13 line", f"least of {len(rows)}: {slow.rule[:22]}, {slow.model}", slow.over_line)


TARGETS = {
    "P1": core_kernel, "P2": against_peers, "P3": whole_map, "P5": memory_and_lanes,
    "P6": cold_start, "P7": cost_and_work, "P8": breadth_of, "P9": sweeps_and_kernel,
    "P10": what_observers_cost, "P11": sharpness_of_networks, "P12": against_another,
    "P13": every_rule, "P14": exact_sharpness,
}  # fmt: skip
SIZES = {
    "full": {"lanes": 2**20, "steps": 2048, "repeats": 7, "map": 8192,
             "sides": (1000, 3163, 10_000), "work": 10, "breadth": 2**15, "breadth_steps": 2048,
             "training": 1000, "rule_lanes": 2**12, "rule_work": 2**20},
    "quick": {"lanes": 2**16, "steps": 1024, "repeats": 3, "map": 1024,
              "sides": (1000, 3163), "work": 9, "breadth": 2**14, "breadth_steps": 1024,
              "training": 300, "rule_lanes": 2**11, "rule_work": 2**19},
    "toy": {"lanes": 2**12, "steps": 32, "repeats": 1, "map": 64, "sides": (32, 64), "work": 5,
            "breadth": 64, "breadth_steps": 32, "training": 100, "rule_lanes": 16,
            "rule_work": 2**10},
}  # fmt: skip


class Report:
    """Rows as they come, on the screen and for the JSON file."""

    def __init__(self):
        self.rows = []

    def say(self, line):
        print(line, flush=True)

    def row(self, target, what, value, rate=None):
        reach, moonshot = REACH[target]
        self.rows.append(
            {
                "target": target,
                "what": what,
                "value": value,
                "reach": reach,
                "moonshot": moonshot,
                "lane_steps_per_second": rate and rate * 1e9,
            }
        )
        speed = "" if rate is None else f"{rate:8.3f}e9 lane-steps/s"
        goals = f"(reach {reach:>4}, moonshot {moonshot:>4})"
        print(f"{target:22} {what:45} {value:9.3f}  {goals} {speed}", flush=True)


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
    parser.add_argument("--rows", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--against", type=Path, help="P12: such a file, of another jax")
    options = parser.parse_args(arguments)
    report = Report()
    for key, value in machine().items():
        report.say(f"{key}: {value}")
    for target in options.rows:
        TARGETS[target](report, {**SIZES[options.size], "against": options.against})
    if options.json:
        options.json.write_text(json.dumps({**machine(), "rows": report.rows}, indent=1))
    return report.rows


if __name__ == "__main__":
    main()
