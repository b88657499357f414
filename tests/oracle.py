"""An independent simulator of the paper's model in plain NumPy; shares no code with eos_jax.

Everything is checked after every step, one lane being decided the moment it deserves it. Decided
lanes are taken out from time to time, which is what makes it fast enough to test against.
"""

import numpy as np

PENDING, CONVERGED, DIVERGED, UNDECIDED = 0, 1, 2, 5


# orbits that diverge overflow, and are meant to
_quiet = np.errstate(over="ignore", invalid="ignore")


@_quiet
def step(x, y, eta):
    """One step of gradient descent on 1/2 (1 - xyzw)^2 from (x, y, x, y)."""
    slope = eta * x * y * (x * x * y * y - 1)
    return x - slope * y, y - slope * x


@_quiet
def loss(x, y):
    return 0.5 * (1 - x * x * y * y) ** 2


@_quiet
def sharpness(x, y):
    """The largest of the four eigenvalues that the paper's appendix gives, erratum 1 mended."""
    g, s = x * y, x * x + y * y
    middle = s * (3 * g**2 - 1)
    root = np.sqrt(s**2 * (1 - 3 * g**2) ** 2 + 4 * g**2 * (3 - 10 * g**2 + 7 * g**4))
    return np.max([(middle + root) / 2, x * x * (1 - g * g), y * y * (1 - g * g)], axis=0)


@_quiet
def run(x, y, eta, steps, tolerance=1e-12, escape=1e6):
    """Outcome, steps and last point of every lane, all arrays of one shape."""
    x, y, eta = (np.array(v, float).ravel() for v in np.broadcast_arrays(x, y, eta))
    outcome = np.full(x.shape, UNDECIDED, np.uint8)
    taken = np.full(x.shape, steps)
    last = np.stack([x, y])
    lane = np.arange(x.size)
    undecided = np.ones(x.size, bool)
    for t in range(steps + 1):
        gone = ~((np.abs(x) <= escape) & (np.abs(y) <= escape))
        near = loss(x, y) < tolerance
        here = undecided & (gone | near)
        if here.any():
            # at a point within tolerance of a minimum sharper than 2/eta the orbit goes on
            calm = here & ~gone
            calm[calm] = sharpness(x[calm], y[calm]) < 2 / eta[calm]
            for mask, label in ((gone & undecided, DIVERGED), (calm, CONVERGED)):
                at = lane[mask]
                outcome[at], taken[at] = label, t
                last[:, at] = x[mask], y[mask]
            undecided &= ~(gone | calm)
        if t == steps or not undecided.any():
            break
        if undecided.sum() < 0.8 * undecided.size:
            x, y, eta, lane = (v[undecided] for v in (x, y, eta, lane))
            undecided = np.ones(x.size, bool)
        x, y = step(x, y, eta)
    last[:, lane[undecided]] = x[undecided], y[undecided]
    return outcome, taken, last[0], last[1]


def product_gradient(factors):
    """Gradient of 1/2 (1 - product)^2 in free factors of shape (n, ...), as the plain formula."""
    residual = np.prod(factors, axis=0) - 1
    others = [np.prod(np.delete(factors, i, axis=0), axis=0) for i in range(len(factors))]
    return residual * np.stack(others)


def product_hessian(factors):
    """Hessian of 1/2 (1 - product)^2 at one point of n free factors, entry by entry."""
    size = len(factors)
    without = lambda *left: np.prod([f for i, f in enumerate(factors) if i not in left])  # noqa: E731
    residual = np.prod(factors) - 1
    return np.array(
        [
            [
                without(i) * without(j) + (residual * without(i, j) if i != j else 0.0)
                for j in range(size)
            ]
            for i in range(size)
        ]
    )


@_quiet
def samples(x, y, eta, steps, every=1, tolerance=1e-12, escape=1e6):
    """What is seen of orbits until they are decided, one row for each sample, one column a lane.

    Returns outcome, steps, and x and y at the samples: NaN from an orbit's escape on, and after the
    step at which it is decided.
    """
    outcome, taken, _, _ = run(x, y, eta, steps, tolerance, escape)
    x, y, eta = (np.array(v, float).ravel() for v in np.broadcast_arrays(x, y, eta))
    seen = []
    for t in range(steps + 1):
        if t % every == 0:
            shown = (t <= taken) & (np.abs(x) <= escape) & (np.abs(y) <= escape)
            seen.append(np.where(shown, [x, y], np.nan))
        x, y = step(x, y, eta)
    return outcome, taken, np.array(seen)[:, 0], np.array(seen)[:, 1]
