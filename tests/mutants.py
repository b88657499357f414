"""Deliberate errors in the package, and whether a claim of the paper notices each.

    python -m tests.mutants                    # all; writes docs/mutants.md
    python -m tests.mutants parabola_rate sam_root   # these rows of it

First all claims must hold in a copy without an error. Each error is one replacement in a copy of
the package. The claims most likely to notice run first, in quick mode and in a process of their
own, then all claims, then the tests named for it. An error that nothing notices is a gap in both.
Not part of the tests: it takes a quarter of an hour and more.
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "mutants.md"
NOBODY, NOT_RUN = "nobody", "not run"
UNSAID = (
    "results/",
    "run/",
    "explorer/",
    "loops/draws.py",
    "cli.py",
    "config.py",
    "signals.py",
    "colours.py",
)
"""Rooms of stores, processes, pages, draws and the command: there no claim speaks."""


class Mutant(NamedTuple):
    """One deliberate error.

    Attributes:
      name: what is wrong.
      file: inside the package.
      old: what stands there, once.
      new: what is put in its place.
      claims: most likely to notice.
      tests: that must notice if no claim does.
    """

    name: str
    file: str
    old: str
    new: str
    claims: tuple[str, ...]
    tests: tuple[str, ...] = ()


_PROGRAM = """
import sys, warnings
import eos_jax
from eos_jax.paper.claims import claims
assert eos_jax.__file__.startswith(sys.argv[1]), eos_jax.__file__
warnings.simplefilter("ignore")
for name in sys.argv[2:] or claims:
    try:
        passed = claims[name].check(True).passed
    except Exception:
        passed = False
    if not passed:
        print("noticed by", name)
        break
"""


def mutated(mutant: Mutant | None, folder: Path) -> Path:
    """Copy the package with the error in it, or none, and the tests, into a folder.

    Raises:
      ValueError: if what is to be replaced is not there exactly once.
    """
    shutil.copytree(ROOT / "eos_jax", folder / "eos_jax", ignore=shutil.ignore_patterns("__py*"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__py*"))
    shutil.copytree(ROOT / "configs", folder / "configs")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    if mutant is None:
        return folder
    path = folder / "eos_jax" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"Mutant {mutant.name}: what it replaces must be in {mutant.file} once, but it is "
            f"there {text.count(mutant.old)} times: {mutant.old!r}."
        )
    path.write_text(text.replace(mutant.old, mutant.new))
    return folder


def noticed_by(mutant: Mutant | None, cache: str) -> str:
    """The claim or test that notices an error, or that nobody does; without an error nobody may."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = mutated(mutant, Path(scratch).resolve())
        settings = {
            **os.environ,
            "PYTHONPATH": str(folder),
            # what the error does not touch is compiled once for all
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
        }

        def run(*arguments: str) -> subprocess.CompletedProcess:
            command = [sys.executable, *arguments]
            return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)

        tries = [mutant.claims, ()] if mutant and mutant.claims else [()]
        for names in [] if mutant and _unsaid(mutant) else tries:
            done = run("-c", _PROGRAM, str(folder), *names)
            if done.stdout.startswith("noticed by "):
                return f"claim `{done.stdout.split()[-1]}`"
            if done.returncode:
                raise RuntimeError(f"The claims could not be checked: {done.stderr[-2000:]}")
        if mutant and mutant.tests:
            done = run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests)
            if done.returncode == 1:
                failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
                return f"test `{failed[0].split()[1]}`" if failed else "a test"
        return NOBODY


def _unsaid(mutant: Mutant) -> bool:
    """Whether no claim speaks of what is wrong."""
    return not mutant.claims and mutant.file.startswith(UNSAID)


def rows(text: str) -> dict[str, str]:
    """Who noticed each error, by a table."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[-1] for row in cells[1:]}


def _by_tests(who: list[str]) -> int:
    return sum(each.startswith(("test", "a test")) for each in who)


def table(found: dict[str, str]) -> str:
    """The table as Markdown, errors that were not run among them."""
    unsaid = {mutant.name for mutant in MUTANTS if _unsaid(mutant)}
    ran = [who for name, who in found.items() if who != NOT_RUN and name not in unsaid]
    beside = [who for name, who in found.items() if who != NOT_RUN and name in unsaid]
    by_claim = sum(who.startswith("claim") for who in ran)
    lines = [
        "# Deliberate errors, and who notices",
        "",
        "Each row is one error put into a copy of the package by `make mutants`. Claims run first, "
        "in quick mode: those most likely to notice, then all; then the tests named for the error. "
        "The first to fail is given. Of stores, processes, the explorer and the command no claim "
        "speaks: there the tests alone are asked.",
        "",
        f"{len(found)} errors, {len(found) - len(ran) - len(beside)} not run. Of {len(ran)} in "
        f"what claims speak of, {by_claim} were noticed by a claim "
        f"({by_claim / max(1, len(ran)):.0%}), "
        f"{_by_tests(ran)} by a test only, {ran.count(NOBODY)} by nobody; of {len(beside)} others "
        f"{_by_tests(beside)} by a test, {beside.count(NOBODY)} by nobody.",
        "",
        "| error | file | instead of | stands | noticed by |",
        "|---|---|---|---|---|",
    ]
    for mutant in MUTANTS:
        cells = (mutant.name, mutant.file, mutant.old, mutant.new, found[mutant.name])
        name, file, old, new, who = (" ".join(c.replace("|", "\\|").split()) for c in cells)
        lines.append(f"| {name} | {file} | `{old}` | `{new}` | {who} |")
    return "\n".join(lines) + "\n"


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the errors named, all by default, and write the table; 1 if nobody noticed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="of errors; all by default, which writes the table"
    )
    parser.add_argument("--jobs", type=int, default=2, help="errors at a time")
    parser.add_argument("--minutes", type=float, default=1e9, help="start none after that long")
    options = parser.parse_args(None if arguments is None else list(arguments))
    unknown = set(options.names) - {m.name for m in MUTANTS}
    if unknown:
        parser.error(f"no such error: {', '.join(sorted(unknown))}")
    chosen = [m for m in MUTANTS if m.name in options.names or not options.names]
    for mutant in chosen:  # before hours of work
        with tempfile.TemporaryDirectory() as scratch:
            mutated(mutant, Path(scratch))
    began = time.monotonic()
    earlier = rows(TABLE.read_text()) if options.names and TABLE.exists() else {}
    found = {m.name: earlier.get(m.name, NOT_RUN) for m in MUTANTS}

    def one(mutant: Mutant) -> None:
        if time.monotonic() - began < 60 * options.minutes:
            found[mutant.name] = noticed_by(mutant, cache)
        print(f"{mutant.name:40} {found[mutant.name]}", flush=True)
        TABLE.write_text(table(found))  # each time: a run that is stopped leaves what it found

    with tempfile.TemporaryDirectory() as cache:
        if (culprit := noticed_by(None, cache)) != NOBODY:
            print(f"Without any error the {culprit} fails.")
            return 1
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(one, chosen))
    return int(NOBODY in found.values())


MUTANTS = (
    # theory ---------------------------------------------------------------------------------------
    Mutant(
        "threshold_formula", "theory/minima.py", "    return 2 / eta\n", "    return 3 / eta\n",
        ("minima_are_kept_below_the_threshold",), ("tests/theory/test_minima.py",),
    ),
    Mutant(
        "eos_minimum", "theory/minima.py", "(1 / eta + eos_c(eta) ** 2)",
        "(1 / eta + 0.99 * eos_c(eta) ** 2)", ("eos_minimum_sharpness",),
    ),
    Mutant(
        "eigenvalue_apart", "theory/minima.py", "x**2 * (1 - g2), y**2",
        "x**2 * (1 - g2**0.5), y**2",
        ("erratum_1_eigenvalues",),
    ),
    Mutant(
        "eigenvalue_trace", "theory/minima.py", "trace = s * (3 * g2 - 1)",
        "trace = s * (3 * g2 - 1.01)", ("hessian_eigenvalues_in_closed_form",),
    ),
    Mutant(
        "sharpness_at_minimum", "theory/minima.py", "xp.sum(1 / xp.asarray(x) ** 2",
        "xp.sum(1.01 / xp.asarray(x) ** 2", ("sharpness_at_minima_of_scalars",),
    ),
    Mutant(
        "flow_conserves", "theory/minima.py", "excess = (size - smallest) * (size + smallest)",
        "excess = (size - smallest) ** 2", ("sharpness_at_minima_of_scalars",),
    ),
    Mutant(
        "imbalance_sign", "theory/minima.py", "return 1 - (eta * (xp.prod",
        "return 1 + (eta * (xp.prod", ("imbalance_shrinks_exactly",),
    ),
    Mutant(
        "predicted_sharpness", "theory/predictions.py", "return 2 / eta - eta / 2",
        "return 2 / eta - eta / 2.02", ("gap_first_coefficient",),
    ),
    Mutant(
        "law_of_scalars", "theory/predictions.py",
        "return 2 / eta - 3 * n / (2 * (m - 1) * (5 * m - 4))",
        "return 2 / eta - 3.03 * n / (2 * (m - 1) * (5 * m - 4))", ("gap_law_1_large_2_small",),
    ),
    Mutant(
        "law_of_scalars_power", "theory/predictions.py", "(m * eta / 2) ** (m / n)\n\n\ndef",
        "(m * eta / 2) ** (m / n) * 0.99\n\n\ndef", ("gap_law_2_large_3_small",),
    ),
    Mutant(
        "law_of_product_losses", "theory/predictions.py", "cubic = 3 * l3**2 - l2 * l4",
        "cubic = 3 * l3**2 - 1.01 * l2 * l4", ("gap_law_of_root",),
    ),
    Mutant(
        "law_of_product_losses_skew", "theory/predictions.py", "cubic = 3 * l3**2 - l2 * l4",
        "cubic = 2 * l3**2 - l2 * l4", ("gap_law_of_a_skewed_loss",),
    ),
    Mutant(
        "final_multiplier", "theory/predictions.py", "return 1 - eta**2 / 2", "return 1 - eta**2",
        ("loss_falls_as_exp_minus_eta_squared_t",),
    ),
    Mutant(
        "theorem_eta_max", "theory/theorems.py", "1 / (8_000_000 * K**2)", "1 / (4_000_000 * K**2)",
        ("erratum_8_constant_of_the_corollary",),
    ),
    Mutant(
        "theorem_a_min", "theory/theorems.py", "12 * eta**1.25", "11 * eta**1.25",
        ("intervals_follow_from_each_other",),
    ),
    Mutant(
        "theorem_b_max", "theory/theorems.py", "eta**0.5), 1 / K", "eta**0.5), 1.1 / K",
        ("theorem_3_1_smallest_constant",),
    ),
    Mutant(
        "theorem_lower_end", "theory/theorems.py", "Interval(-5 * eta**1.5 / 3",
        "Interval(-4 * eta**1.5 / 3", ("intervals_follow_from_each_other",),
    ),
    Mutant(
        "theorem_upper_end", "theory/theorems.py", "-(eta**1.5) / 10", "-(eta**1.5) / 11",
        ("intervals_follow_from_each_other",),
    ),
    Mutant(
        "corollary_interval", "theory/theorems.py", "2 / eta - 20 * eta / 3",
        "2 / eta - 10 * eta / 3",
        ("intervals_follow_from_each_other",),
    ),
    Mutant(
        "theorem_3_2_interval", "theory/theorems.py", "1 / eta - 10 * eta / 3, 1 / eta",
        "1 / eta - 5 * eta / 3, 1 / eta", ("intervals_follow_from_each_other",),
    ),
    Mutant(
        "heavy_ball_formula", "theory/thresholds.py", "return 2 * (1 + beta) / eta",
        "return 2.02 * (1 + beta) / eta", ("heavy_ball_threshold",),
    ),
    Mutant(
        "nesterov_formula", "theory/thresholds.py", "= (1 + 2 * beta) / (1 + beta), -2",
        "= (1 + 1.9 * beta) / (1 + beta), -2", ("nesterov_threshold",),
    ),
    Mutant(
        "adam_formula", "theory/thresholds.py", "return (2 + 2 * beta1)", "return (2 + beta1)",
        ("adam_threshold",),
    ),
    Mutant(
        "sam_root", "theory/thresholds.py", "(1 + 8 * rho /", "(1 + 4 * rho /", ("sam_threshold",)
    ),
    Mutant(
        "exact_map_c", "theory/maps.py", '"sqrt", 1 - q**2)', '"sqrt", 1 - 2 * q**2)',
        ("exact_map_in_cd",),
    ),
    Mutant(
        "exact_map_d", "theory/maps.py", "(c**4 + 4 * d**2) ** 0.5 + q**2 * d",
        "(c**4 + 4 * d**2) ** 0.5 - q**2 * d", ("exact_map_in_cd",),
    ),
    Mutant(
        "one_step_fall_of_a", "theory/maps.py", "return a - 2 * b**2 * k**3",
        "return a - 2.02 * b**2 * k**3",
        ("one_step_map_to_leading_order",),
    ),
    Mutant(
        "one_step_coupling", "theory/maps.py", "-b - 4 * a * b * k", "-b - 4.04 * a * b * k",
        ("one_step_map_to_leading_order",),
    ),
    Mutant(
        "one_step_cubic", "theory/maps.py", "- 3 * b**2 - b**3\n\n\ndef",
        "- 3 * b**2 - 1.01 * b**3\n\n\ndef",
        ("one_step_map_to_leading_order",),
    ),
    Mutant(
        "two_step_fall_of_a", "theory/maps.py", "return a - 4 * b**2 * eta**1.5",
        "return a - 4.04 * b**2 * eta**1.5", ("two_step_map_to_leading_order",),
    ),
    Mutant(
        "two_step_cubic", "theory/maps.py", "b * (1 + 8 * a * eta**0.5 - 16 * b**2)\n\n\ndef",
        "b * (1 + 8 * a * eta**0.5 - 16.16 * b**2)\n\n\ndef", ("two_step_map_to_leading_order",),
    ),
    Mutant(
        "degree_2_fall_of_a", "theory/maps.py", "return a - root_2 * b**2",
        "return a - 1.05 * root_2 * b**2",
        ("erratum_5_half_of_degree_2",),
    ),
    Mutant(
        "degree_2_coupling", "theory/maps.py", "b + 4 * root_2 * a * b", "b + 4.2 * root_2 * a * b",
        ("erratum_5_half_of_degree_2",),
    ),
    Mutant(
        "frozen_gain", "theory/maps.py", "gain = eta * (a + eos_c(eta)) ** 2",
        "gain = 1.01 * eta * (a + eos_c(eta)) ** 2", ("frozen_map_first_doubling",),
    ),
    Mutant(
        "second_doubling", "theory/maps.py", "(5**0.5 - 1) ** 0.5 / k",
        "(5**0.5 - 1.01) ** 0.5 / k",
        ("frozen_map_second_doubling",),
    ),
    Mutant(
        "papers_doubling", "theory/maps.py", "eos_c(eta), 1 / (8 * k))", "eos_c(eta), 1 / (9 * k))",
        ("frozen_map_second_doubling",),
    ),
    Mutant(
        "balanced_map", "theory/maps.py", "return u - eta * (u**n - 1) * u ** (n - 1)",
        "return u - eta * (u**n - 1) * u ** (n - 2)", ("balanced_doubling_1",),
    ),
    Mutant(
        "balanced_doubling", "theory/maps.py", '"be at least 2")\n    return 2 / n',
        '"be at least 2")\n    return 1 / n', ("balanced_first_doublings",),
    ),
    Mutant(
        "slope_of_ode", "theory/two_step.py", "return (4 * b**2 - 2 * a * k)",
        "return (4 * b**2 - 2.02 * a * k)", ("two_step_ode_is_solved",),
    ),
    Mutant(
        "orbit_of_ode", "theory/two_step.py", '"exp", 8 * a / k**3)', '"exp", 8.08 * a / k**3)',
        ("two_step_ode_is_solved",),
    ),
    Mutant(
        "parabola_rate", "theory/two_step.py", "return a * eta**0.5 / 2 +",
        "return a * eta**0.5 * 0.51 +",
        ("two_step_ode_is_solved",),
    ),
    Mutant(
        "parabola_constant", "theory/two_step.py", "/ 2 + eta**2 / 16", "/ 2 + eta**2 / 15",
        ("two_step_ode_is_solved",),
    ),
    Mutant(
        "parabola_end", "theory/two_step.py", "return -(eta**1.5) / 8", "return -(eta**1.5) / 7.9",
        ("two_step_ode_is_solved",),
    ),
    Mutant(
        "ellipse", "theory/two_step.py", "return 4 * (constant", "return 4.2 * (constant",
        ("degree_2_follows_ellipses",),
    ),
    Mutant(
        "offset", "theory/base.py", "return ((1 / eta - 2) * (1 / eta + 2)) ** 0.25",
        "return ((1 / eta - 2) * (1 / eta + 1)) ** 0.25", ("eos_minimum_sharpness",),
    ),
    Mutant(
        "point_of_cd", "theory/coordinates.py",
        "x = ((c**2 + (c**4 + 4 * d**2) ** 0.5) / 2) ** 0.5",
        "x = ((c**2 + (c**4 + 3 * d**2) ** 0.5) / 2) ** 0.5", ("erratum_2_sign_of_the_offset",),
    ),
    # rules ----------------------------------------------------------------------------------------
    Mutant(
        "threshold_half_as_high_again", "rules/descent.py", 'return 2 / sample.hyper["eta"]',
        'return 3 / sample.hyper["eta"]', ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "step_too_long", "rules/descent.py", 'jnp.asarray(-hyper["eta"], value.dtype)',
        'jnp.asarray(-1.001 * hyper["eta"], value.dtype)', ("exact_map_in_cd",),
    ),
    Mutant(
        "threshold_of_two_step_sizes", "rules/descent.py",
        "jnp.full_like(measures.loss(sample), 2)",
        "jnp.full_like(measures.loss(sample), 3)", ("two_step_sizes_end_below_two",),
    ),
    Mutant(
        "momentum_default", "rules/base.py", "defaults={k: v for k, v",
        "defaults={k: 0.99 * v for k, v",
        ("heavy_ball_threshold",),
    ),
    Mutant(
        "heavy_ball_step", "rules/momentum.py", 'hyper["momentum"] * state[n]',
        '0.99 * hyper["momentum"] * state[n]', ("heavy_ball_threshold",),
    ),
    Mutant(
        "heavy_ball_own_threshold", "rules/momentum.py", '1 / (1 + sample.hyper["momentum"])',
        '1 / (1 + 0.5 * sample.hyper["momentum"])', ("heavy_ball_threshold",),
    ),
    Mutant(
        "nesterov_step", "rules/momentum.py", "(descent[n] + beta * move[n])",
        "(descent[n] + move[n])",
        ("nesterov_threshold",),
    ),
    Mutant(
        "nesterov_own_threshold", "rules/momentum.py", "= (1 + 2 * beta) / (1 + beta), -2",
        "= (1 + 2 * beta) / (1 + 2 * beta), -2", ("nesterov_threshold",),
    ),
    Mutant(
        "filter_threshold", "rules/stability.py", "return (2 - eta * weight_decay)",
        "return (3 - eta * weight_decay)", ("heavy_ball_threshold",),
    ),
    Mutant(
        "filter_threshold_decay", "rules/stability.py", "return (2 - eta * weight_decay)",
        "return (2 - 2 * eta * weight_decay)",
        ("linear_filters_flip_with_decay",), ("tests/rules/test_stability.py",),
    ),
    Mutant(
        "linearised_flip", "rules/stability.py", "jnp.where(sure, flip, crossing)",
        "jnp.where(sure, 1.1 * flip, crossing)",
        ("linear_filters_flip_with_decay",), ("tests/rules/test_stability.py",),
    ),
    Mutant(
        "adam_own_threshold", "rules/adaptive.py", "(1 - b1) / (1 + b1), decay)",
        "(1 - b1), decay)",
        ("adam_threshold",),
    ),
    Mutant(
        "adam_second_moment", "rules/adaptive.py", 'slope}, hyper["b2"])', 'slope}, hyper["b1"])',
        ("adam_rate_on_a_quartic",),
    ),
    Mutant(
        "adam_bias_correction", "rules/adaptive.py", "(1 - b1_power), 1 / (1 - b2_power)",
        "(1 - b1_power), 1.0", ("adam_rate_on_a_quartic",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "adam_preconditioner", "rules/adaptive.py", "1 / (jnp.sqrt(v / whole)",
        "1 / (2 * jnp.sqrt(v / whole)",
        ("adam_threshold",),
    ),
    Mutant(
        "rmsprop_threshold", "rules/adaptive.py",
        'threshold=lambda sample: 2 / sample.hyper["eta"]',
        'threshold=lambda sample: 3 / sample.hyper["eta"]', ("rmsprop_settles_at_its_threshold",),
    ),
    Mutant(
        "normalised_length", "rules/fixed_length.py", "factor = eta / jnp.sqrt(",
        "factor = 1.05 * eta / jnp.sqrt(", ("arora_normalised_flow",),
    ),
    Mutant(
        "sign_length", "rules/fixed_length.py", "params[n] - eta * jnp.sign(slope[n])",
        "params[n] - 1.01 * eta * jnp.sign(slope[n])", ("sign_descent_never_settles",),
    ),
    Mutant(
        "averaged_momentum_step", "rules/momentum.py", 'hyper["eta"] * (1 - beta))',
        'hyper["eta"] * (1 - 0.9 * beta))', ("averaged_momentum_threshold",),
    ),
    Mutant(
        "averaged_momentum_own_threshold", "rules/momentum.py", "(1 - beta) / (1 + beta))",
        "(1 - beta))", ("averaged_momentum_threshold",),
    ),
    Mutant(
        "decoupled_decay", "rules/weight_decay.py", "params[n] - pull * params[n]",
        "params[n] - 2 * pull * params[n]", ("decoupled_decay_threshold",),
    ),
    Mutant(
        "coupled_decay_own_threshold", "rules/weight_decay.py", 'hyper["eta"], response) - decay',
        'hyper["eta"], response) - 2 * decay', ("coupled_decay_threshold",),
    ),
    Mutant(
        "sam_own_threshold", "rules/sharpness_aware.py", "1 + 8 * reach / eta",
        "1 + 4 * reach / eta", ("sam_without_norm_threshold",),
    ),
    Mutant(
        "sam_uphill", "rules/sharpness_aware.py", "params[n] + reach * slope[n]",
        "params[n] - reach * slope[n]", ("sam_without_norm_threshold", "sam_bounces"),
    ),
    Mutant(
        "cycle_alike", "rules/schedules.py", "total / product)", "total / (2 * product))",
        ("cycle_of_two_alike_threshold",),
    ),
    Mutant(
        "cycle_apart", "rules/schedules.py", "4 / (total + root)", "4 / (total - root)",
        ("cycle_of_two_apart_threshold",),
    ),
    Mutant(
        "cycle_stands_still", "rules/schedules.py", "(wheel[-1], *wheel[:-1])", "wheel",
        ("cycle_of_two_alike_threshold",),
    ),
    Mutant(
        "root_step", "rules/fixed_length.py", "(2 * jnp.sqrt(jnp.where(above",
        "(jnp.sqrt(jnp.where(above",
        ("fixed_lengths_and_their_cycles",),
    ),
    Mutant(
        "noise_size", "rules/noise.py", 'hyper["eta"] * hyper["sigma"]',
        '1.1 * hyper["eta"] * hyper["sigma"]', ("noise_opens_a_gap",),
    ),
    Mutant(
        "steepest_in_max", "rules/matrices.py", 'pace = hyper["eta"] * dual',
        'pace = 0.9 * hyper["eta"] * dual', ("max_norm_descent_has_its_own_edge",),
    ),
    Mutant(
        "critical_step", "measures.py", "4 / (low + high)", "3.9 / (low + high)",
        ("critical_sharpness_is_directional",),
    ),
    Mutant(
        "axes_beyond_their_range", "rules/hyper.py",
        "(float(np.min(value)), float(np.max(value)))", "(float(np.min(value)),)",
        (), ("tests/rules/test_base.py",),
    ),
    Mutant(
        "nesterov_forgets", "rules/momentum.py",
        'beta = hyper["momentum"]\n        move = {n: beta * state[n]',
        'beta = hyper["momentum"]\n        move = {n: 0.99 * beta * state[n]',
        ("nesterov_threshold",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "coupled_decay_pushes", "rules/weight_decay.py",
        "descent[n] - pull * params[n]",
        "descent[n] + pull * params[n]",
        ("coupled_decay_threshold",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "decoupled_decay_own_threshold", "rules/weight_decay.py",
        'hyper["eta"], response, decay)',
        'hyper["eta"], response, 0.9 * decay)',
        ("decoupled_decay_threshold",), ("tests/rules/test_more_stability.py",),
    ),
    Mutant(
        "sam_norm_without_copies", "rules/sharpness_aware.py",
        "copies * jnp.sum(slope[name] ** 2)",
        "jnp.sum(slope[name] ** 2)",
        ("rules_walk_as_published",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "sam_reach_times_the_norm", "rules/sharpness_aware.py",
        "reach = reach / measures.gradient_norm(sample)",
        "reach = reach * measures.gradient_norm(sample)",
        (), ("tests/rules/test_more_stability.py",),
    ),
    Mutant(
        "sam_descends_where_it_stands", "rules/sharpness_aware.py",
        'params[n] - hyper["eta"] * uphill[n]',
        'params[n] - hyper["eta"] * slope[n]',
        ("sam_without_norm_threshold",),
    ),
    Mutant(
        "warmup_a_step_late", "rules/schedules.py",
        '(count + 1) / hyper["warmup"]',
        'count / hyper["warmup"]',
        ("rules_walk_as_published",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "cosine_of_half_a_turn", "rules/schedules.py",
        "jnp.cos(jnp.pi * over)",
        "jnp.cos(jnp.pi * over / 2)",
        ("rules_walk_as_published",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "threshold_of_the_last_step", "rules/schedules.py",
        "return 2 / schedule(sample.state, sample.hyper)",
        "return 2 / schedule(sample.state - 1, sample.hyper)",
        (), ("tests/rules/test_more_stability.py",),
    ),
    Mutant(
        "cycle_of_many_coarse", "rules/schedules.py",
        "jnp.maximum, etas), 1.02)",
        "jnp.maximum, etas), 2.0)",
        (), ("tests/rules/test_more_stability.py",),
    ),
    Mutant(
        "label_noise_squared", "rules/noise.py",
        'hyper["sigma"] * noise\n        noisy',
        'hyper["sigma"] ** 2 * noise\n        noisy',
        ("noise_opens_a_gap",), ("tests/rules/test_noise.py",),
    ),
    Mutant(
        "one_draw_for_all_steps", "rules/noise.py",
        'fold_in(jax.random.key(hyper["seed"]), count)',
        'fold_in(jax.random.key(hyper["seed"]), 0)',
        ("noise_opens_a_gap",), ("tests/rules/test_noise.py",),
    ),
    Mutant(
        "one_draw_for_all_parameters", "rules/noise.py",
        "jax.random.fold_in(key, position)",
        "jax.random.fold_in(key, 0)",
        (), ("tests/rules/test_noise.py",),
    ),
    Mutant(
        "batches_one_too_large", "objectives/samples.py",
        "number_of_samples(objective)) < batch",
        "number_of_samples(objective)) <= batch",
        (), ("tests/rules/test_minibatches.py",),
    ),
    Mutant(
        "batch_mean_over_all", "objectives/samples.py",
        "/ jnp.sum(weight)",
        "/ len(weight)",
        (), ("tests/rules/test_minibatches.py",),
    ),
    Mutant(
        "minibatch_own_threshold", "rules/minibatches.py",
        '1 / (1 + sample.hyper["momentum"])',
        '1 / (1 - sample.hyper["momentum"])',
        (), ("tests/rules/test_minibatches.py",),
    ),
    Mutant(
        "minibatch_forgets_momentum", "rules/minibatches.py",
        'hyper["momentum"] * last[n]',
        '0.98 * hyper["momentum"] * last[n]',
        ("independent_samples_settle_at_the_lower_plateau",), ("tests/rules/test_minibatches.py",),
    ),
    Mutant(
        "shampoo_power", "rules/matrices.py",
        "_between(after[n], slope[n], -0.25)",
        "_between(after[n], slope[n], -0.24)",
        ("rules_walk_as_published",), ("tests/rules/test_matrices.py",),
    ),
    Mutant(
        "shampoo_own_curvature", "rules/matrices.py",
        "_between(state[n], copy, -0.125)",
        "_between(state[n], copy, -0.25)",
        (), ("tests/rules/test_more_stability.py",),
    ),
    Mutant(
        "muon_without_nesterov", "rules/matrices.py",
        "slope[n] + beta * gathered[n]",
        "gathered[n]",
        ("rules_walk_as_published",), ("tests/rules/test_matrices.py",),
    ),
    Mutant(
        "dual_norm_is_the_largest", "curvature/norm_balls.py",
        "return direction, sum(jax.tree.leaves(products))",
        "return direction, jax.tree.leaves(products)[0]",
        ("max_norm_descent_has_its_own_edge",), ("tests/rules/test_matrices.py",),
    ),
    Mutant(
        "ball_climbed_as_if_nothing_fell", "curvature/norm_balls.py",
        "least = jnp.maximum(falls, size", "least = jnp.maximum(0 * falls, size", (),
        ("tests/test_measures.py",),
    ),
    Mutant(
        "ball_climbed_once", "curvature/norm_balls.py",
        "jax.lax.fori_loop(0, _TURNS, turn, start)",
        "jax.lax.fori_loop(0, 2, turn, start)",
        (), ("tests/test_measures.py",),
    ),
    Mutant(
        "adamw_decay_without_eta", "rules/adaptive.py",
        'hyper["eta"] * hyper["weight_decay"] * params',
        'hyper["weight_decay"] * params',
        ("rules_walk_as_published",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "rmsprop_by_the_last_size", "rules/adaptive.py",
        "jax.lax.rsqrt(second[n] + hyper",
        "jax.lax.rsqrt(state[n] + hyper",
        ("rmsprop_settles_at_its_threshold",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "rmsprop_own_curvature", "rules/adaptive.py",
        "jax.lax.rsqrt(v + eps) for n",
        "1 / (jnp.sqrt(v) + eps) for n",
        ("rmsprop_settles_at_its_threshold",), ("tests/rules/test_stability.py",),
    ),
    Mutant(
        "adam_eps_inside", "rules/adaptive.py",
        'jnp.sqrt(second[name] * square) + hyper["eps"]',
        'jnp.sqrt(second[name] * square + hyper["eps"])',
        ("small_eps_keeps_no_minimum",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "adam_curvature_without_eps", "rules/adaptive.py",
        'jnp.sqrt(v / whole) + sample.hyper["eps"]',
        "jnp.sqrt(v / whole)",
        (), ("tests/rules/test_stability.py",),
    ),
    Mutant(
        "lion_remembers_what_it_shows", "rules/fixed_length.py",
        "b2 * state[n] + (1 - b2) * slope[n]",
        "b1 * state[n] + (1 - b1) * slope[n]",
        ("rules_walk_as_published",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "normalised_without_copies", "rules/fixed_length.py",
        "copies * jnp.sum(slope[name] ** 2)",
        "jnp.sum(slope[name] ** 2)",
        ("normalised_descent_flattens_four_scalars",), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "root_without_floor", "rules/fixed_length.py",
        "excess = loss - (objective.floor or 0.0)",
        "excess = loss",
        (), ("tests/rules/test_steps.py",),
    ),
    Mutant(
        "directional_without_square", "measures.py",
        'return _inner(slope, image) / _inner(slope, slope)\n\n\n@register("2 over',
        'return _inner(slope, image) / _inner(slope, slope) ** 0.5\n\n\n@register("2 over',
        ("critical_sharpness_is_directional",),
    ),
    Mutant(
        "critical_in_few_halvings", "measures.py",
        "jax.lax.fori_loop(0, 10, halve",
        "jax.lax.fori_loop(0, 6, halve",
        ("critical_sharpness_is_directional",),
    ),
    Mutant(
        "critical_from_elsewhere", "measures.py",
        "jnp.where(too_long, 0.5, 2.0)",
        "jnp.where(too_long, 0.25, 4.0)",
        ("critical_sharpness_is_directional",), ("tests/test_measures.py",),
    ),
    Mutant(
        "relative_to_the_sharpness", "measures.py",
        "return curvature(sample) / threshold(sample)",
        "return sharpness(sample) / threshold(sample)",
        ("adam_holds_a_network_at_its_edge",),
    ),
    Mutant(
        "alignment_of_the_point", "measures.py",
        "moved[name] - sample.params[name] for",
        "moved[name] for",
        (), ("tests/test_measures.py",),
    ),
    Mutant(
        "batches_alike", "measures.py",
        "jax.vmap(of_one)(jax.random.split(root, draws))",
        "jax.vmap(of_one)(jnp.stack([root] * draws))",
        (), ("tests/rules/test_minibatches.py",),
    ),
    Mutant(
        "generalised_norm_ignored", "measures.py",
        "sample.objective, sample.params, norm)",
        'sample.objective, sample.params, "euclidean")',
        (), ("tests/test_measures.py",),
    ),
    Mutant(
        "sam_theory_without_norm", "theory/thresholds.py",
        "8 * rho / (eta * gradient_norm)",
        "8 * rho / eta",
        ("sam_threshold",), ("tests/theory/test_thresholds.py",),
    ),
    Mutant(
        "nesterov_theory_circles", "theory/thresholds.py",
        "-2 * beta / (1 - beta)",
        "-1.9 * beta / (1 - beta)",
        (), ("tests/theory/test_thresholds.py",),
    ),
    Mutant(
        "minibatch_formula_square", "theory/thresholds.py",
        "2 * (1 - beta**2) / (eta",
        "2 * (1 - beta) / (eta",
        ("drawn_samples_have_one_threshold",),
    ),
    # flows ----------------------------------------------------------------------------------------
    Mutant(
        "root_flow", "flows/sharpness_reduction.py", "return eta**2 / 8", "return eta**2 / 7.9",
        ("root_descent_flow_decays",),
    ),
    Mutant(
        "normalised_flow", "flows/sharpness_reduction.py", "return eta**2 / (4 * top)",
        "return eta**2 / (2 * top)", ("normalised_descent_follows_its_flow",),
    ),
    Mutant(
        "rod_growth", "flows/rods.py", "(plus[n] - minus[n]) - 2 * half[n]",
        "(plus[n] - minus[n]) - 2.02 * half[n]", ("rod_flow_has_the_threshold_of_descent",),
    ),
    Mutant(
        "edge_growth", "flows/rods.py", "growth = eta / 2 * across - 2 * size",
        "growth = eta / 2 * across - 1.8 * size", ("edge_flow_follows_the_centre",),
    ),
    Mutant(
        "edge_direction", "flows/rods.py", "eta * (image[n] - bend * vector[n])",
        "-eta * (image[n] - bend * vector[n])", ("edge_flow_follows_the_centre",),
    ),
    Mutant(
        "central_variance", "flows/central.py", "covariance, rise) / 2",
        "covariance, rise) / 3", ("central_flow_stops_at_the_edge",),
    ),
    Mutant(
        "several_variances", "flows/central.py", "jnp.sqrt(eta / 2) * rise",
        "jnp.sqrt(eta) * rise", ("central_flow_holds_two_eigenvalues",),
    ),
    Mutant(
        "several_directions", "flows/central.py", "jnp.maximum(values, 0)) @ vectors.T",
        "jnp.abs(values)) @ vectors.T", ("central_flow_holds_two_eigenvalues",),
        ("tests/flows/test_central.py",),
    ),
    Mutant(
        "flow_goes_slower", "flows/gradient_flow.py",
        '-hyper["eta"] * slope[n] for n',
        '-0.99 * hyper["eta"] * slope[n] for n',
        (), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "flow_rests_early", "flows/gradient_flow.py",
        "inner(objective, slope, slope) < tolerance**2",
        "inner(objective, slope, slope) < tolerance",
        ("sharpness_of_the_flow_limit_never_rises",), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "rod_begins_too_long", "flows/rods.py",
        'hyper["eta"] * slope[n] / 2 for n',
        'hyper["eta"] * slope[n] for n',
        ("rod_flow_follows_the_centre",), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "rod_without_its_other_end", "flows/rods.py",
        "end[n] - 2 * half[n] for n",
        "end[n] - half[n] for n",
        ("cycles_rest_under_rod_flow",), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "centre_of_the_next", "flows/rods.py",
        "return (here + moved[parameter]) / 2",
        "return moved[parameter]",
        ("rod_flow_follows_the_centre",), ("eos_jax/flows/rods.py",),
    ),
    Mutant(
        "rod_judged_at_its_end", "flows/rods.py",
        "middle = {n: sample.params[n] - half[n] for n in sample",
        "middle = {n: sample.params[n] for n in sample",
        (), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "edge_size_forgets_the_turn", "flows/rods.py",
        "growth * vector[n] + size * turn[n]",
        "growth * vector[n]",
        ("edge_flow_follows_the_centre",), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "flat_is_everything", "flows/sharpness_reduction.py",
        "_FLAT = 1e-4",
        "_FLAT = 1e4",
        ("normalised_descent_follows_its_flow",), ("tests/flows/test_flows.py",),
    ),
    Mutant(
        "central_rise_falls", "flows/central.py",
        "+ eta * rise @ here.slope",
        "- eta * rise @ here.slope",
        ("central_flow_stops_at_the_edge",), ("tests/flows/test_central.py",),
    ),
    Mutant(
        "copies_all_alike", "flows/base.py",
        "place += copies * size",
        "place += size",
        ("normalised_descent_follows_its_flow",), ("tests/flows/test_flows.py",),
    ),
    # draws ----------------------------------------------------------------------------------------
    Mutant(
        "threefry_rotation", "loops/draws.py", "(13, 15, 26, 6)", "(13, 15, 26, 7)", (),
        ("tests/loops/test_draws.py",),
    ),
    Mutant(
        "sort_order", "loops/draws.py", "rows[0][left] > rows[0][left + 1]",
        "rows[0][left + 1] > rows[0][left]", (), ("tests/loops/test_draws.py",),
    ),
    Mutant(
        "minibatch_formula", "theory/thresholds.py", "2 * beta * share))", "beta * share))",
        ("drawn_samples_have_one_threshold",),
    ),
    Mutant(
        "batch_sharpness_of_means", "measures.py", "jnp.mean(bends) / jnp.mean(squares)",
        "jnp.mean(bends / squares)", ("independent_samples_settle_at_the_lower_plateau",),
        ("tests/rules/test_minibatches.py",),
    ),
    # outcomes and engine --------------------------------------------------------------------------
    Mutant(
        "tolerance_1e_6", "outcomes.py", "return 1e-12 if", "return 1e-6 if",
        ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "escape_at_1000", "outcomes.py", "ESCAPE = 1e6", "ESCAPE = 1e3",
        ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "escape_on_one_side", "outcomes.py", "~(jnp.abs(leaf) <= escape)", "~(leaf <= escape)",
        ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "far_minima_at_infinity", "outcomes.py", "return still | (low & close) | resolved",
        "return still | low | resolved", (), ("tests/acceptance/test_labels.py",),
    ),
    Mutant(
        "stability_rule_deleted", "run/lane.py", '(within & at_minimum["stable"] & heed, Outcome',
        "(within & heed, Outcome", ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "stability_rule_lenient", "run/lane.py", "stable = bend < threshold",
        "stable = bend < 1.005 * threshold", ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "stability_rule_reversed", "run/lane.py", "stable = bend < threshold",
        "stable = bend > threshold", ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "steps_off_by_one", "run/plain.py", "steps = lanes.steps + (after - taken)",
        "steps = lanes.steps + 1 + (after - taken)", ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "steps_of_a_block", "run/plain.py", "steps=lanes.steps + chunk)",
        "steps=lanes.steps + chunk - 1)", ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "start_is_step_one", "run/lane.py",
        "lane = Lanes(params, state, dict(hyper), jnp.zeros((), jnp.int32)",
        "lane = Lanes(params, state, dict(hyper), jnp.ones((), jnp.int32)",
        ("minima_are_kept_below_the_threshold",),
    ),
    Mutant(
        "horizon_one_step_late", "run/plain.py", "| (taken >= left)", "| (taken > left)",
        ("erratum_2_sign_of_the_offset", "sharpness_rises_through_the_threshold"),
        ("tests/run/test_engine.py",),
    ),
    Mutant(
        "escape_seen_at_the_blocks_end", "run/plain.py",
        "halted = gone(program, params) | (taken",
        "halted = (taken", ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "convergence_seen_at_the_blocks_end", "run/plain.py", "((heeds > 0) & near(",
        "((heeds > 1) & near(", ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "sharpness_of_the_minimum", "run/lane.py", 'jnp.where(within, at_minimum["sharpness"]',
        'jnp.where(within, at_point["sharpness"]', ("stopping_point_is_not_the_minimum",),
    ),
    Mutant(
        "sample_of_the_start", "run/lane.py",
        "return observe_one(program, lane._replace(seen=seen))",
        "return lane._replace(seen=seen)", ("orbit_of_figure_2a_by_a_plain_loop",),
    ),
    Mutant(
        "registers_horizon_one_step_late", "loops/tiles.py",
        'halted = text.make(f"icmp sge {whole} {taken}, {end}")',
        'halted = text.make(f"icmp sgt {whole} {taken}, {end}")',
        ("fates_of_figure_2b_by_a_plain_loop",), ("tests/run/test_engine.py",),
    ),
    Mutant(
        "registers_minima_unheeded", "loops/tiles.py",
        'heeded = text.make(f"and <{few} x i1> {near}, {heed}")',
        'heeded = text.make(f"and <{few} x i1> {near}, zeroinitializer")',
        ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "registers_escape_unseen", "loops/tiles.py",
        'stops = text.make(f"or <{few} x i1> {heeded}, {gone}")',
        'stops = text.make(f"or <{few} x i1> {heeded}, {heeded}")',
        ("fates_of_figure_2b_by_a_plain_loop",),
    ),
    Mutant(
        "registers_exponential", "loops/elementary.py",
        "return fma(minus_one, first, first) *", "return fma(minus_one, first, first * 1.001) *",
        ("gap_law_of_a_skewed_loss",),
        ("tests/loops/test_scalars.py",),
    ),
    Mutant(
        "registers_hyperbolic_tangent", "loops/elementary.py", "found = grown / (grown + 2.0)",
        "found = grown / (grown + 2.001)", ("gap_law_of_log_cosh",),
        ("tests/loops/test_scalars.py",),
    ),
    Mutant(
        "rest_of_a_block", "loops/base.py", "for _ in range(left):", "for _ in range(0):",
        (), ("tests/loops/test_fused.py", "tests/test_simulate.py"),
    ),
    Mutant(
        "rest_of_a_turn", "loops/base.py", "if rest else state", "if rest and False else state",
        ("lyapunov_exponents_are_known",), ("tests/test_simulate.py",),
    ),
    # observers and measures -----------------------------------------------------------------------
    Mutant(
        "peak_is_the_least", "observers/extremes.py", '_extreme(measure, "largest", 1)',
        '_extreme(measure, "largest", -1)', ("sharpness_rises_through_the_threshold",),
    ),
    Mutant(
        "crossing_downwards", "observers/crossings.py", "(step < 0) & (value_of(sample) > level)",
        "(step < 0) & (value_of(sample) < level)", ("sharpness_rises_through_the_threshold",),
    ),
    Mutant(
        "count_below", "observers/crossings.py", "number + (value_of(sample) > level)",
        "number + (value_of(sample) < level)", ("sharpness_rises_through_the_threshold",),
    ),
    Mutant(
        "trace_one_late", "observers/traces.py", "place = sample.index - (samples - length)",
        "place = sample.index - (samples - length) + 1", ("orbit_of_figure_2a_by_a_plain_loop",),
    ),
    Mutant(
        "inner_copies", "objectives/base.py", "copies * jnp.sum(first[name] * second[name])",
        "jnp.sum(first[name] * second[name])", ("orbit_of_figure_2a_by_a_plain_loop",),
    ),
    Mutant(
        "excess_reversed", "measures.py", "return curvature(sample) - threshold(sample)",
        "return threshold(sample) - curvature(sample)", ("sharpness_rises_through_the_threshold",),
    ),
    # curvature ------------------------------------------------------------------------------------
    Mutant(
        "rotation_angle", "curvature/rotations.py", "+ 4 * off * off)", "+ 2 * off * off)",
        ("power_iteration_finds_the_largest_modulus",), ("tests/test_curvature.py",),
    ),
    Mutant(
        "polar_factor_unturned", "curvature/rotations.py",
        "    return _shaped(left @ right.T, leaf)\n\n\n@polar",
        "    return _shaped(left, leaf)\n\n\n@polar",
        ("spectral_descent_of_singular_values",), ("tests/test_decompositions.py",),
    ),
    Mutant(
        "polar_factor_of_rounding", "curvature/rotations.py",
        "len(matrix) * jnp.finfo(values.dtype).eps", "1e-9 * jnp.finfo(values.dtype).eps", (),
        ("tests/test_decompositions.py",),
    ),
    Mutant(
        "reflection_to_the_wrong_side", "curvature/tridiagonal.py",
        "row = jnp.where(places > index, matrix[index], 0)",
        "row = jnp.where(places >= index, matrix[index], 0)",
        ("power_iteration_finds_the_largest_modulus",), ("tests/test_decompositions.py",),
    ),
    Mutant(
        "bisection_of_the_second", "curvature/tridiagonal.py",
        "positive & (pivot > 0)", "positive | (pivot > 0)", (), ("tests/test_decompositions.py",),
    ),
    Mutant(
        "shampoo_forgets_one_side", "rules/matrices.py", "right + matrix.T @ matrix",
        "matrix.T @ matrix", ("shampoo_is_adagrad_of_singular_values",),
    ),
    Mutant(
        "extremes_swapped", "curvature/symmetric.py",
        "return functools.reduce(jnp.minimum, values), functools.reduce(jnp.maximum, values)",
        "return functools.reduce(jnp.maximum, values), functools.reduce(jnp.minimum, values)",
        ("power_iteration_finds_the_largest_modulus",),
    ),
    Mutant(
        "scaled_hessian", "curvature/hessian.py", "return root[:, None] * matrix * root",
        "return root[:, None] * matrix", ("two_step_sizes_end_below_two",),
    ),
    Mutant(
        "newton_copies", "curvature/minimum.py",
        "return {n: whole[n] / counts[n] ** 0.5 for n in names}",
        "return {n: whole[n] for n in names}", ("stopping_point_is_not_the_minimum",),
        ("tests/test_curvature.py",),
    ),
    Mutant(
        "newton_stays", "curvature/minimum.py", "keep(there, point), keep(found, slope), better",
        "point, keep(found, slope), better", ("stopping_point_is_not_the_minimum",),
    ),
    # objectives -----------------------------------------------------------------------------------
    Mutant(
        "half_square_slope", "objectives/scalar_product.py",
        "return half_square(residual), residual * tangent",
        "return half_square(residual), 2 * residual * tangent", ("full_space_step",),
    ),
    Mutant(
        "eigenvalue_of_copies", "objectives/scalar_product.py", "apart += [-twice]",
        "apart += [twice]",
        ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "eigenvalue_mixed", "objectives/scalar_product.py",
        "mixed = (copies[0] * copies[1]) ** 0.5 * (", "mixed = (copies[0] + copies[1]) ** 0.5 * (",
        ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "product_eigenvalue", "objectives/function_of_product.py", "mixed = slope + bend * product",
        "mixed = -slope + bend * product", ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "quadratic_eigenvalue", "objectives/quadratic_regression.py",
        "(second * y) ** 2 + value * second",
        "(second * y) ** 2 - value * second", ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "uv_eigenvalue", "objectives/uv_model.py", "half = bend + scale**2",
        "half = -bend + scale**2",
        ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "stabilisation_eigenvalue", "objectives/self_stabilization.py",
        "spread = jnp.sqrt(half**2 + beta * x * x)", "spread = jnp.sqrt(half**2 + x * x)",
        ("closed_eigenvalues_of_families",),
    ),
    Mutant(
        "stabilisation_force", "objectives/self_stabilization.py", "- alpha / root * v",
        "- 1.01 * alpha / root * v", ("damian_oscillation",),
    ),
    Mutant(
        "uv_scale", "objectives/uv_model.py", "scale = input / width**0.5", "scale = input / width",
        ("lewkowycz_catapult",),
    ),
    Mutant(
        "modes", "objectives/deep_linear_network.py",
        "np.outer(roots ** (depth - 1 - k), roots**k)",
        "np.outer(roots ** (depth - k), roots**k)", ("ghosh_two_cycles_of_modes",),
    ),
    Mutant(
        "rank_one_floor", "objectives/rank_one_factorization.py", "floor = (dimension - 1) / 4",
        "floor = dimension / 4", ("theorem_3_2_norms",), ("tests/objectives",),
    ),
    Mutant(
        "rank_one_misalignment", "objectives/rank_one_factorization.py",
        "misalignment = square * (jnp.sum", "misalignment = -square * (jnp.sum",
        ("theorem_3_2_norms",),
    ),
    # stores and backends --------------------------------------------------------------------------
    Mutant(
        "a_lost_chunk_is_fine", "results/store.py", "for index in set.intersection(*there):",
        "for index in there[-1]:", (), ("tests/results/test_faults.py",),
    ),
    Mutant(
        "metadata_are_not_mended", "results/store.py", "if places.read(store, key) != data:",
        "if places.read(store, key) is None:", (), ("tests/results/test_faults.py",),
    ),
    Mutant(
        "labels_without_their_zeros", "results/store.py",
        """            fill_value=0,
            config={"write_empty_chunks": True},""",
        "            fill_value=0,", (), ("tests/acceptance/test_stores.py",),
    ),
    Mutant(
        "outcome_first", "results/store.py", "key=lambda name: name == \"outcome\"",
        "key=lambda name: name != \"outcome\"", (), ("tests/results/test_faults.py",),
    ),
    Mutant(
        "a_missing_chunk_is_sound", "results/verify.py", "    if missing:\n", "    if False:\n", (),
        ("tests/results/test_store.py",),
    ),
    Mutant(
        "damaged_tiles_stay_done", "results/verify.py", "        if errors:\n",
        "        if False:\n", (), ("tests/results/test_store.py",),
    ),
    Mutant(
        "a_lost_chunk_is_no_damage", "results/verify.py",
        "    if done and np.any(", "    if False and np.any(", (), ("tests/results/test_store.py",),
    ),
    Mutant(
        "a_missing_package_is_a_traceback", "cli.py",
        "except (ValueError, OSError, MemoryError, ImportError)",
        "except (ValueError, OSError, MemoryError)", (), ("tests/test_cli.py",),
    ),
    Mutant(
        "shards_overlap", "run/backends/shard.py", "numbers % count == index",
        "numbers % count <= index", (), ("tests/run/test_backends.py",),
    ),
    Mutant(
        "a_failed_tile_is_forgotten", "run/backends/threads.py", "failed[tile] = error",
        "pass", (), ("tests/run/test_backends.py",),
    ),
    Mutant(
        "the_second_half_is_lost", "run/job.py", "for first in range(0, count, half)",
        "for first in (0, 0)[: 1 + (count > half)]", (), ("tests/run/test_backends.py",),
    ),
    Mutant(
        "links_are_followed", "results/places.py", "if entry.is_symlink():", "if False:",
        (), ("tests/results/test_store.py",),
    ),
    Mutant(
        "every_worker_on_the_first_gpu", "run/backends/dask.py",
        "place = device.local_hardware_id", "place = 0", (), ("tests/run/test_dask.py",),
    ),
    Mutant(
        "suspects_are_condemned", "run/backends/dask.py",
        "suspects.append(tile)", "failed[tile] = in_words(error)", (), ("tests/run/test_dask.py",),
    ),
    Mutant(
        "slow_workers_are_given_up", "run/backends/dask.py", 'PATIENCE = "24h"',
        'PATIENCE = "10ms"', (), ("tests/run/test_dask.py",),
    ),
    Mutant(
        "early_signals_are_not_heeded", "signals.py", 'after[:1] in (["eos_jax"], ["eos_jax.cli"])',
        "False", (), ("tests/run/test_processes.py",),
    ),
    Mutant(
        "programs_lose_their_signals", "signals.py", "if sys.argv and _is_command():", "if True:",
        (), ("tests/run/test_processes.py",),
    ),
    Mutant(
        "installed_examples_go_first", "config.py", "and not path.exists() and", "and",
        (), ("tests/test_config.py",),
    ),
    # analysis -------------------------------------------------------------------------------------
    Mutant(
        "exponent_plus_0_05", "analysis/lyapunov.py", "return float(total) / steps",
        "return float(total) / steps + 0.05", ("lyapunov_exponents_are_known",),
    ),
    Mutant(
        "extrapolation_order", "analysis/extrapolation.py", "gain = ratio ** (order + j * spacing)",
        "gain = ratio ** (order + (j + 1) * spacing)", ("gap_first_coefficient",),
    ),
    Mutant(
        "observed_order", "analysis/extrapolation.py", "/ np.log(ratio))", "/ np.log(ratio) * 0.9)",
        ("one_step_map_to_leading_order",),
    ),
    Mutant(
        "feigenbaum", "analysis/cascades.py", "FEIGENBAUM = 4.669", "FEIGENBAUM = 4.689",
        ("balanced_cascade_is_feigenbaum",),
    ),
    Mutant(
        "multiplier_of_a_doubling", "analysis/equations.py", 'MULTIPLIERS = {"flip": -1.0',
        'MULTIPLIERS = {"flip": -0.99',
        ("balanced_first_doublings",),
    ),
    Mutant(
        "longest_period", "analysis/periods.py", "for p in range(longest, 0, -1):",
        "for p in range(longest, 1, -1):", ("balanced_periods_in_the_engine",),
    ),
    Mutant(
        "width_of_a_split", "analysis/periods.py", "np.diff(curve)[inside] ** 2",
        "np.abs(np.diff(curve)[inside])",
        ("figure_7b_first_splitting",),
    ),
    Mutant(
        "exact_series", "analysis/slow_curve.py", "return tuple(-2 * halved.get(",
        "return tuple(-2.01 * halved.get(",
        ("gap_second_coefficient",),
    ),
    Mutant(
        "coefficient_of_a_fold", "analysis/normal_forms.py",
        "return -bend / push if push else math.nan", "return bend / push if push else math.nan",
        ("momentum_has_a_fold_with_its_sign",),
    ),
    Mutant(
        "coefficient_of_a_circle", "analysis/normal_forms.py",
        "return float((np.exp(-1j * angle) * (np.conj(p) @ inner)).real / 2)",
        "return float((np.exp(1j * angle) * (np.conj(p) @ inner)).real / 2)",
        ("nesterov_sheds_a_circle",),
    ),
    Mutant(
        "nesterov_circles_at", "rules/momentum.py", "-2 * beta / (1 - beta)",
        "-1.9 * beta / (1 - beta)", (), ("tests/rules/test_stability.py",),
    ),
    Mutant(
        "another_branch_is_taken", "analysis/branches.py", "if off < step * fastest / 4:",
        "if off < 9:", (), ("tests/analysis/test_cycles.py",),
    ),
    Mutant(
        "a_branch_is_followed_twice", "analysis/diagrams.py", "away <= 0.3 * chord",
        "away <= -1 * chord", (), ("tests/analysis/test_diagrams.py",),
    ),
    Mutant(
        "attracting_circles", "analysis/diagrams.py", "if s['coefficient'] < 0 else",
        "if s['coefficient'] > 0 else", (), ("tests/analysis/test_diagrams.py",),
    ),
    Mutant(
        "phases_of_a_cycle", "analysis/branches.py", "np.swapaxes(values, 0, 1)", "(values)",
        (), ("tests/analysis/test_diagrams.py",),
    ),
    Mutant(
        "moduli_on_the_circle", "analysis/equations.py", "cos * cos + sin * sin - 1,",
        "cos * cos + sin * sin - 0.99,", ("nesterov_sheds_a_circle",),
    ),
    Mutant(
        "angle_of_a_circle", "analysis/bifurcations.py", "angle = math.atan2(abs(u[-2]), u[-3])",
        "angle = math.atan2(abs(u[-2]), u[-3]) / 2", ("neimark_sacker_of_a_delayed_map",),
    ),
    Mutant(
        "multipliers_of_cycles", "analysis/cycles.py",
        "return jax.jacfwd(iterate)(z), residual",
        "return 1.001 * jax.jacfwd(iterate)(z), residual",
        ("cycles_of_full_chaos",),
    ),
    Mutant(
        "exponent_of_a_cycle", "analysis/cycles.py",
        "np.log(np.abs(self.multipliers).max(axis=-1)) / looked_for",
        "np.log(np.abs(self.multipliers).max(axis=-1))", ("exponents_of_cycles_are_multipliers",),
    ),
    Mutant(
        "exponent_per_sample", "observers/exponents.py", '"exponent": rate / end.every',
        '"exponent": rate', ("exponents_of_cycles_are_multipliers",),
    ),
    Mutant(
        "error_of_an_exponent", "observers/exponents.py", "error = _interval(mean) / length + ends",
        "error = _interval(mean) / length / 2", ("exponents_with_errors",),
    ),
    Mutant(
        "spectrum_without_qr", "tangents.py", "row = [a - part * b for a, b in zip(row, other)]",
        "row = [a - 0.9 * part * b for a, b in zip(row, other)]",
        ("henons_exponents",),
    ),
    Mutant(
        "cells_of_a_coarser_map", "analysis/dimensions.py",
        "counts = [in_parts(each, cells[0].shape) for each in cells]",
        "counts = [in_parts(each, cells[0].shape) // len(each) for each in cells]",
        ("degree_2_boundary_is_smooth",),
    ),
    Mutant(
        "weight_of_pairs", "analysis/boundaries.py", "weight = (sizes[0] / sizes) ** 2",
        "weight = sizes[0] / sizes", ("julia_sets_have_their_dimension",),
    ),
    Mutant(
        "an_ulp_that_is_none", "analysis/trust.py",
        "return np.nextafter(np.asarray(given, dtype), np.asarray(np.inf, dtype))",
        "return np.asarray(given, dtype) + 1e-6", ("figure_7a_can_be_trusted",),
    ),
    Mutant(
        "where_windows_open", "analysis/windows.py",
        'Window(period, found["fold"], found["flip"])',
        'Window(period, found["flip"], found["fold"])', ("windows_of_the_logistic_map",),
    ),
    Mutant(
        "digits_of_a_residual", "analysis/digits.py", "return np.array(end, object), np.array(",
        "return np.array(end, object), (1 + Decimal(10) ** -25) * np.array(",
        (), ("tests/analysis/test_digits.py",),
    ),
    # of the explorer no claim speaks: its tests must notice
    Mutant(
        "coarse_pixels_elsewhere", "explorer/questions.py", "values[part // 2 :: part]",
        "values[::part]", (), ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "page_without_token", "explorer/server.py", "if not (known and slash", "if not (slash",
        (), ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "page_of_any_host", "explorer/server.py",
        'and self.headers.get("Host") in self.server.hosts', "", (),
        ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "pixels_without_limit", "explorer/questions.py", "PIXELS = 2**20", "PIXELS = 2**40", (),
        ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "paths_from_a_browser", "explorer/questions.py", "not value.isidentifier()",
        "not value", (), ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "store_pieces_transposed", "explorer/stores.py", ".transpose(*asked.ranges)", "", (),
        ("tests/explorer/test_stores.py",),
    ),
    Mutant(
        "ulp_of_the_least", "explorer/questions.py", "np.spacing(np.max(", "np.spacing(np.min(", (),
        ("tests/explorer/test_server.py", "eos_jax/explorer/questions.py"),
    ),
    Mutant(
        "toml_without_spacing", "config.py", 'axis["spacing"] == "linear"', 'axis["spacing"]', (),
        ("tests/explorer/test_views.py",),
    ),
    Mutant(
        "track_of_another_entry", "explorer/answers.py", "[:, *i] for n", "[:, *i[::-1]] for n", (),
        ("tests/explorer/test_server.py",),
    ),
    Mutant(
        "entry_put_elsewhere", "run/grid.py", "whole[(slice(None), *index)]",
        "whole[(slice(None), *index[::-1])]", (), ("tests/run/test_grid.py",),
    ),
    Mutant(
        "entries_not_moved_by_an_ulp", "analysis/trust.py",
        "if name in system.rule.hyperparameters", "if name not in system.objective.parameters", (),
        ("tests/analysis/test_trust.py",),
    ),
    Mutant(
        "shape_of_entries", "objectives/own.py", 'getattr(shape, "shape", shape)', "shape", (),
        ("tests/objectives/test_own.py",),
    ),
    Mutant(
        "slow_fates_light", "colours.py", "np.linspace(_LIGHTEST, _DARKEST",
        "np.linspace(_DARKEST, _LIGHTEST", (), ("tests/test_colours.py",),
    ),
    Mutant(
        "own_gradient_forwards", "objectives/own.py", "jnp.sum(slopes[k] * move)",
        "jnp.sum(2 * slopes[k] * move)", (), ("tests/objectives/test_own.py",),
    ),
    Mutant(
        "clip_judged_where_it_acts", "rules/probes.py", "_NEARBY = (1e-6, 1e-5)",
        "_NEARBY = (1e2, 1e3)", (), ("tests/rules/test_transformations.py",),
    ),
    Mutant(
        "gradient_elsewhere_is_here", "rules/probes.py",
        '"grad_fn": lambda params, *_: jax.grad(loss)(params)', '"grad_fn": lambda *_: slopes', (),
        ("tests/rules/test_transformations.py",),
    ),
    Mutant(
        "loss_elsewhere_unseen", "rules/probes.py", "elsewhere &= same(bent[0], a)",
        "elsewhere &= True", (), ("tests/rules/test_whole_steps.py",),
    ),
    Mutant(
        "minimum_at_the_origin", "rules/probes.py", "probe, (1.0, 1.0), _NEARBY)",
        "probe, _NEARBY, _NEARBY)", (), ("tests/rules/test_transformations.py",),
    ),
    Mutant(
        "one_step_of_a_period", "rules/transformations.py", "parabola_threshold(sample, period)",
        "parabola_threshold(sample, 1)", (), ("tests/rules/test_whole_steps.py",),
    ),
    Mutant(
        "whole_step_off_the_minimum", "rules/stability.py", "jnp.maximum(values, 0)", "values", (),
        ("tests/rules/test_whole_steps.py",),
    ),
    Mutant(
        "signs_are_stable", "rules/transformations.py",
        "known[shapes].kind in probes.WITHOUT_LINEARISED_STEP", "False", (),
        ("tests/rules/test_whole_steps.py",),
    ),
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
