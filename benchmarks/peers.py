"""The same work by other means: each peer is written as its users write it.

A peer is a function (params, eta, steps) -> tuple of final parameters, on NumPy arrays, for
gradient descent on `scalar_product((2, 2))` or `scalar_product(4)`. What is not installed is not
in the dict that `available` returns, with the reason.
"""

import ctypes
import importlib.util
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np

from eos_jax.machine import cores


def best_c(dtype, params, eta, steps=256) -> ctypes.CDLL:
    """The fastest of the C kernels: vectors of 32 or 64 bytes, 1 to 8 of them in flight."""
    found = {}
    for size in (32, 64):
        for block in (1, 2, 4, 8):
            library = build_c(dtype, size, block)
            times = []
            for _ in range(3):
                start = time.perf_counter()
                c_kernel(library, params, eta, steps)
                times.append(time.perf_counter() - start)
            found[size, block] = min(times), library
    return min(found.values(), key=lambda pair: pair[0])[1]


def build_c(dtype, size=64, block=4) -> ctypes.CDLL:
    """The C kernel with vectors of some bytes, several in flight, compiled for this processor.

    Not with -ffast-math: linked with it, a library makes its whole process flush subnormals, and
    the loops of `kernel.c` are vectors already.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("no C compiler (cc, gcc or clang) was found")
    target = Path(tempfile.mkdtemp(prefix="eos_jax_benchmark_")) / "kernel.so"
    real = "double" if np.dtype(dtype) == np.float64 else "float"
    subprocess.run(
        [compiler, "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread",
         f"-DREAL={real}", f"-DBYTES={size}", f"-DBLOCK={block}", "-o", str(target),
         str(Path(__file__).with_name("kernel.c"))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ctypes.CDLL(str(target))


def c_kernel(library, params, eta, steps, threads=None):
    """Lanes kept in registers for all steps, one thread for each core."""
    ends = [np.array(p) for p in params]
    eta = np.ascontiguousarray(eta)
    pointers = (ctypes.c_void_p * len(ends))(*(p.ctypes.data for p in ends))
    library.run(
        len(ends), pointers, ctypes.c_void_p(eta.ctypes.data), ctypes.c_long(len(eta)),
        ctypes.c_long(steps), threads or cores(),
    )  # fmt: skip
    return tuple(ends)


def numpy_loop(params, eta, steps):
    """A loop over steps, whole arrays at once."""
    if len(params) == 2:
        x, y = params
        for _ in range(steps):
            p = x * y
            g = eta * p * (p**2 - 1)
            x, y = x - g * y, y - g * x
        return x, y
    x, y, z, w = params
    for _ in range(steps):
        r = eta * (x * y * z * w - 1)
        x, y, z, w = (
            x - r * y * z * w, y - r * x * z * w, z - r * x * y * w, w - r * x * y * z,
        )  # fmt: skip
    return x, y, z, w


def _numba():
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def two(x, y, eta, steps):
        a, b = np.empty_like(x), np.empty_like(y)
        for i in numba.prange(x.size):
            u, v = x[i], y[i]
            for _ in range(steps):
                p = u * v
                g = eta[i] * p * (p * p - 1)
                u, v = u - g * v, v - g * u
            a[i], b[i] = u, v
        return a, b

    return lambda params, eta, steps: two(*params, eta, steps)


def _torch():
    import torch

    torch.set_num_threads(cores())

    @torch.compile
    def step(x, y, eta):
        p = x * y
        g = eta * p * (p * p - 1)
        return x - g * y, y - g * x

    def run(params, eta, steps):
        x, y, eta = (torch.from_numpy(np.array(a)) for a in (*params, eta))
        for _ in range(steps):
            x, y = step(x, y, eta)
        return x.numpy(), y.numpy()

    return run


@partial(jax.jit, static_argnums=2)
def _scan(params, eta, steps):
    def loss(p):
        return 0.5 * (1 - p[0] ** 2 * p[1] ** 2) ** 2

    def orbit(p, eta):
        def step(p, _):
            x_slope, y_slope = jax.grad(loss)(p)
            return (p[0] - eta / 2 * x_slope, p[1] - eta / 2 * y_slope), None

        return jax.lax.scan(step, p, length=steps)[0]

    return jax.vmap(orbit)(params, eta)


def vmap_scan(params, eta, steps):
    """jit(vmap(scan(grad))) over all lanes."""
    return jax.block_until_ready(_scan(tuple(params), eta, steps))


def available() -> tuple[dict, dict]:
    """Peers for model (2, 2) by name, and why others are missing."""
    found = {"NumPy": numpy_loop, "jit(vmap(scan))": vmap_scan}
    missing = {}
    for name, package, make in (
        ("numba prange", "numba", _numba),
        ("torch.compile", "torch", _torch),
    ):
        if importlib.util.find_spec(package) is None:
            missing[name] = f"{package} is not installed (extra bench)"
        else:
            found[name] = make()
    return found, missing
