"""The machine a program runs on: cores, devices, and what XLA is told about them."""

import contextlib
import itertools
import os
import threading
from contextlib import AbstractContextManager
from typing import Any

import jax

from eos_jax import fingerprint

COMPILER_OPTIONS = {
    # 512-bit registers where the processor has them; LLVM prefers 256 by default
    "xla_cpu_prefer_vector_width": 512,
    # splits a block across threads at microseconds each; whole tiles go to threads instead
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
}
"""For `jax.jit`, which takes them at the top level only; other platforms ignore them."""

PROCESS_FLAGS = (
    # loops of up to so many bytes run as one native function, not one dispatch for each turn
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000"
)
"""What XLA reads only from the environment variable XLA_FLAGS, when JAX starts."""


def set_process_flags() -> None:
    """Set XLA's process-wide options for sweeps; call it before anything is computed with JAX.

    The command does so by itself. In a program of your own it makes sweeps on a CPU somewhat
    faster. Options that are set already are left alone. A store records the options, and is
    resumed under the same ones only.

    Example:
      >>> import eos_jax as eos
      >>> eos.set_process_flags()  # first thing in a program  # doctest: +SKIP
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {PROCESS_FLAGS}".strip()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory this process may use: those of the machine, or of its control group."""
    if not hasattr(os, "sysconf"):
        return 2**63
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            return min(physical, int(file.read()))
    except (OSError, ValueError):  # no such limit
        return physical


_claimed: set[int] = set()


def claim_process() -> None:
    """Note that JAX runs in this process.

    Raises:
      RuntimeError: in a process that was forked off one in which it ran: the threads of JAX are not
        there, and it would wait for them for ever.
    """
    if _claimed and os.getpid() not in _claimed:
        raise RuntimeError(
            "This process was forked off one that had run sweeps, and JAX does not survive a fork; "
            "start processes afresh, e.g. multiprocessing.get_context('spawn')."
        )
    _claimed.add(os.getpid())


_MOST_MAPPINGS = 0.7
"""Share of the mappings of memory that Linux allows, beyond which programs are dropped."""

_LOOK_EVERY = 16  # calls; a sweep may take less time than counting

_calls = itertools.count()


def make_room() -> None:
    """Drop JAX's compiled programs where soon there could be no new ones.

    A program of XLA for a CPU takes some three hundred mappings of memory, of which Linux allows a
    process 65,530: one that compiled hundreds of different sweeps would end by a segmentation
    fault. What is used again is compiled again.
    """
    if next(_calls) % _LOOK_EVERY == 0 and mappings() > _MOST_MAPPINGS:
        jax.clear_caches()


def mappings() -> float:
    """The share of its mappings of memory that this process has used; 0 where there is no limit."""
    try:
        with open("/proc/sys/vm/max_map_count") as most, open("/proc/self/maps", "rb") as mapped:
            return sum(1 for _ in mapped) / int(most.read())
    except OSError:
        return 0.0


_LAPACK = frozenset(
    "cholesky eig eigh geqrf hessenberg householder_product lu qr schur svd sylvester "
    "triangular_solve tridiagonal tridiagonal_solve".split()
)
"""Operations that XLA leaves to LAPACK on a CPU."""

_turn = threading.RLock()


def turn(*programs: Any) -> AbstractContextManager:
    """A turn for programs of one sweep; those that call LAPACK run one at a time in a process.

    Two programs that call its batched routines at once wait for each other's threads for ever
    (jaxlib 0.10.1).

    Args:
      programs: traced functions.

    Returns:
      What to run them in.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from eos_jax.machine import turn
      >>> with turn(jax.make_jaxpr(jnp.linalg.eigvalsh)(jnp.eye(2))):
      ...     print(jnp.linalg.eigvalsh(jnp.eye(2)))
      [1. 1.]
    """
    solves = any(_LAPACK & fingerprint.operations(program) for program in programs)
    return _turn if solves else contextlib.nullcontext()


def workers(devices: list[jax.Device]) -> list[jax.Device]:
    """One worker for each device, or for each core where the one device is the CPU.

    Programs on one CPU device run side by side when different threads start them.
    """
    if len(devices) == 1 and devices[0].platform == "cpu":
        return devices * cores()
    return devices


ENGINE = "EOS_JAX_ENGINE"
"""Environment variable that names the engine where none is asked for."""


def engine_wanted() -> str:
    """The engine that the environment names: "auto" if it names none."""
    return os.environ.get(ENGINE, "auto")
