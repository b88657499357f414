"""A loss may use any of JAX: each gives its result or one clear error, and no process dies."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from eos_jax import Outcome
from tests.acceptance.any_jax import LOSSES

REFUSED = {"while_loop": "while_loop"}
"""Losses that nothing can differentiate, and what the error says."""

PLACES = [f"{name}:float64" for name in LOSSES] + ["scan:float32"]


@pytest.fixture(scope="module")
def results():
    """What became of each loss; a process that dies takes nothing but the loss that killed it."""
    found, left = {}, list(PLACES)
    while left:
        command = [sys.executable, "-m", "tests.acceptance.any_jax", *left]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env={**os.environ}, check=False
        )
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        for asked, answer in zip(lines[::2], lines[1::2]):
            found[asked["loss"]] = answer
        if len(lines) % 2:
            found[lines[-1]["loss"]] = {"died": ran.returncode, "message": ran.stderr[-2000:]}
        assert lines, ran.stderr
        left = [place for place in left if place not in found]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_loss_ends_the_process(results, place):
    found, name = results[place], place.split(":")[0]
    assert "died" not in found, found
    if name in REFUSED:
        assert found["error"] in ("ValueError", "TypeError"), found
        assert REFUSED[name] in found["message"]
        return
    assert "error" not in found, found
    outcome = np.array(found["outcome"])
    if name == "python_float":
        assert (outcome == Outcome.STATIONARY).all()
        return
    assert (outcome[..., 0] == Outcome.CONVERGED).all()
    assert (outcome[..., 1] != Outcome.CONVERGED).all()
    close = 1e-5 if place.endswith("64") else 1e-3
    np.testing.assert_allclose(found["x"], 1, atol=close)
    np.testing.assert_allclose(found["y"], -0.5, atol=close)
