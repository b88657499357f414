"""The scripts run as they stand, here with fewer points, and write what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
SMALL = {
    "adam_phases": [("128, 60_000", "8, 3000")],
    "rules_compared": [("200, 20_000", "8, 500"), ("6000, rule", "50, rule")],
    "sharpness_map": [("256", "24"), ("50_000", "3_000")],
    "step_size_and_start": [("300", "48")],
    "trainability": [("256", "12"), ("500, rule", "50, rule")],
    "two_step_parabola": [],
}
"""Numbers that are changed: what a reader would do to try a script out."""


def test_every_script_is_tried():
    assert set(SMALL) == {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    # twelve sweeps of six rules take a while to compile
    [pytest.param(n, marks=[pytest.mark.long] if n == "rules_compared" else []) for n in SMALL],
)
def test_a_script_runs(name, tmp_path):
    text = (SCRIPTS / f"{name}.py").read_text()
    for old, new in SMALL[name]:
        assert old in text
        text = text.replace(old, new)
    script = tmp_path / f"{name}.py"
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and "nan" not in done.stdout
    picture = tmp_path / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 5000
    assert f"python scripts/{name}.py" in text  # says how it is run
