"""A new objective is one file: the registry and the contract tests find it by themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FAMILY = '''"""A quadratic of two parameters, one of them a vector."""

import jax.numpy as jnp

from eos_jax.objectives.base import Objective, register


@register(examples=({"steepness": 2},))
def tilted_bowl(steepness: float) -> Objective:
    """steepness |v|^2 / 2 + (a - 1)^2 FLOOR."""

    def full_loss(full):
        (v,), (a,) = full["v"], full["a"]
        return steepness * jnp.sum(v * v) / 2 + (a - 1) ** 2

    return Objective("tilted_bowl", full_loss, ("v", "a"), (1, 1), ((3,), ()), floor=FLOOR)
'''

PLUGIN = """
import os
import eos_jax.objectives
eos_jax.objectives.__path__.append(os.environ["NEW_OBJECTIVES"])
eos_jax.objectives.discover()
"""


def run_contract(folder, chosen):
    """The contract tests of one family in a process that has one more folder of objectives."""
    (folder / "new_folder_plugin.py").write_text(PLUGIN)
    root = Path(__file__).parents[2]
    paths = [str(folder), str(root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "new_folder_plugin", "-p", "no:cacheprovider", "-q",
         "-k", chosen, "tests/contract/test_objectives.py"],
        cwd=root,
        env={**os.environ, "NEW_OBJECTIVES": str(folder), "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_file_is_enough_and_a_wrong_one_is_caught(tmp_path):
    """With a floor that the loss goes below, that contract fails and the others hold."""
    (tmp_path / "tilted_bowl.py").write_text(FAMILY.replace("FLOOR", "0.5"))
    some = "names or traced or gradient or floor"  # the others take longer to compile
    done = run_contract(tmp_path, f"tilted_bowl and ({some})")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 3 passed" in done.stdout
    assert "nowhere_below_its_floor" in done.stdout
