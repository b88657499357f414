"""The Slurm script, with programs in place of Slurm's and of the command's."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "slurm" / "sweep.sbatch"

SWEEP = """#!/bin/bash
echo "$@" > arguments
trap 'exit 130' TERM
if [ "$LONG" ]; then touch begun; while :; do sleep 0.05; done; fi
exit ${CODE:-0}
"""


@pytest.fixture
def start(tmp_path):
    for name, text in {"eos-jax": SWEEP, "scontrol": '#!/bin/bash\necho "$@" > requeued\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "71",
        "SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "4",
    }  # fmt: skip

    def start(**more):
        return subprocess.Popen(
            ["bash", SCRIPT, "my config.toml", "a.zarr", "--set", "steps=7"],
            cwd=tmp_path, env={**environment, **more},
        )  # fmt: skip

    return start


@pytest.mark.parametrize("code", ["0", "1", "2"])
def test_a_job_does_its_shard(code, start, tmp_path):
    assert start(CODE=code).wait(20) == int(code)
    expected = "sweep my config.toml --out a.zarr --shard 2/4 --set steps=7"
    assert (tmp_path / "arguments").read_text().strip() == expected
    assert not (tmp_path / "requeued").exists()


def test_a_job_that_is_told_to_stop_queues_itself_again(start, tmp_path):
    process = start(LONG="yes")
    for _ in range(400):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    assert (tmp_path / "requeued").read_text().strip() == "requeue 71_5"
