"""Nothing in a store, a place or a configuration runs code, writes elsewhere, swells or hangs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.results import hostile

pytestmark = pytest.mark.slow

CASES = [*hostile.STORES, *hostile.PLACES, *hostile.CONFIGURATIONS]


@pytest.fixture(
    scope="module", params=["some", pytest.param("all", marks=pytest.mark.long)], ids=str
)
def found(request, tmp_path_factory):
    """What the command did in every case: one process for all, since starting takes longest."""
    folder = tmp_path_factory.mktemp("hostile")
    done = subprocess.run(
        [sys.executable, "-m", "tests.results.hostile", str(folder), request.param],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=600,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    by_case = {}
    for line in lines:
        by_case.setdefault(line["case"], []).append(line)
    assert done.returncode == 0, done.stderr[-3000:]
    return by_case


def test_there_are_enough():
    assert len(CASES) >= 60 and len(set(CASES)) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_hostile(case, found):
    for line in found[case]:
        where = case, line["command"], line["error"]
        assert line["code"] in (0, 1, 2), where
        assert "Traceback" not in line["error"], where
        if line["code"] == 2:
            assert line["error"].startswith("eos-jax: ") and line["error"].count("\n") == 1, where
            assert len(line["error"]) < 2000, where
        assert line["seconds"] < hostile.SECONDS, where
        assert line["precious"] == "mine" and line["outside"] == ["precious"], where
        assert not line["executed"], where
        assert "\x1b" not in line["said"], where
