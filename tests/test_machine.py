"""The machine: cores are counted, devices get workers, and flags that are set stay."""

import mmap
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import eos_jax as eos
from eos_jax import machine


def test_process_flags_leave_what_is_set(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=nowhere")
    eos.set_process_flags()
    once = os.environ["XLA_FLAGS"]
    assert once.startswith("--xla_dump_to=nowhere ") and machine.PROCESS_FLAGS in once
    eos.set_process_flags()
    assert os.environ["XLA_FLAGS"] == once


def test_extra_options_of_ones_own_are_not_touched(monkeypatch):
    own = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=7"
    monkeypatch.setenv("XLA_FLAGS", own)
    eos.set_process_flags()
    assert os.environ["XLA_FLAGS"] == own


def test_process_flags_are_options_that_xla_knows():
    """An unknown one would end the process when the first device starts."""
    code = (
        "import eos_jax as eos; eos.set_process_flags()\n"
        "import jax.numpy as jnp; print(float(jnp.ones(3).sum()))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "3.0\n"), done.stderr


@pytest.mark.parametrize(
    ("platform", "devices", "workers"), [("cpu", 1, 5), ("cpu", 3, 3), ("gpu", 1, 1), ("gpu", 2, 2)]
)
def test_a_lone_cpu_has_a_worker_for_each_core(platform, devices, workers, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 5)
    found = machine.workers([SimpleNamespace(platform=platform)] * devices)
    assert len(found) == workers


def test_cores_are_those_this_process_may_use():
    assert 1 <= machine.cores() <= os.cpu_count()


def test_programs_are_dropped_before_the_system_refuses_new_ones(monkeypatch):
    """A process that compiled some two hundred plain sweeps ended by a segmentation fault."""
    traced = []

    @jax.jit
    def program(x):
        traced.append(x)
        return x + 1

    def dropped(share):
        monkeypatch.setattr(machine, "mappings", lambda: share)
        program(1.0)
        traced.clear()
        for _ in range(machine._LOOK_EVERY):
            machine.make_room()
        program(1.0)
        return len(traced)

    assert dropped(machine._MOST_MAPPINGS - 0.1) == 0
    assert dropped(machine._MOST_MAPPINGS + 0.1) == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="Linux alone counts them")
def test_mappings_are_those_of_the_process():
    before, pages = machine.mappings(), 2000
    held = [mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ << (i % 2)) for i in range(pages)]
    with open("/proc/sys/vm/max_map_count") as most:
        grown = (machine.mappings() - before) * int(most.read())
    assert 0.9 * pages < grown < 1.1 * pages and len(held) == pages


def test_one_who_calls_lapack_waits_for_the_other(x64):
    """Spectral descent hung in every sweep of many tiles on two cores: both waited in an SVD."""
    descent = jax.make_jaxpr(jnp.linalg.svd)(jnp.eye(3)), jax.make_jaxpr(jnp.sin)(1.0)
    assert machine.turn(*descent) is machine.turn(jax.make_jaxpr(jnp.linalg.eigh)(jnp.eye(2)))
    assert machine.turn(descent[1]) is not machine.turn(*descent)
