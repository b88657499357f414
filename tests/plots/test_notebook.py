"""A notebook run headless: every picture is shown once, and the user's own are shown after ours.

Needs nbclient and ipykernel, which the project does not depend on.
"""

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.slow

DATA = """
import numpy as np, xarray as xr
from eos_jax import plots
dims = ("x", "y")
lanes = {"outcome": (dims, np.ones((2, 2), np.uint8)), "sharpness": (dims, np.eye(2)),
         "threshold": (dims, np.full((2, 2), 2.0))}
ds = xr.Dataset(lanes, coords={"x": [0.0, 1], "y": [0.0, 1], "eta": 1.0})
"""

CELLS = (
    # the user's own first, so that the inline backend is at work
    ("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", 1),
    ("import matplotlib\nbefore = matplotlib.get_backend(), dict(matplotlib.rcParams)", 0),
    (DATA, 0),
    ("plots.draw(ds)", 1),
    ("figure = plots.draw(ds, 'outcome')", 0),
    ("figure", 1),
    ("figure.savefig(__import__('io').BytesIO(), format='png')", 0),
    ("assert before == (matplotlib.get_backend(), dict(matplotlib.rcParams))", 0),
    ("plt.plot([3, 4]);", 1),
    ("axes = plt.figure().subplots()\nplots.sharpness_map(ds, axes);", 1),  # into the user's own
)


@pytest.mark.parametrize("first", [0, 2], ids=["pyplot first", "ours first"])
def test_every_picture_is_shown_once(first):
    """With pyplot imported before our pictures, and after."""
    cells = [*CELLS[first:]]
    if first:  # `before` is of the cells left out
        cells = [(code, shown) for code, shown in cells if "before" not in code]
        cells.insert(3, (CELLS[0][0], 1))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code, _ in cells]
    )
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for (code, shown), cell in zip(cells, notebook.cells):
        pictures = [out for out in cell.outputs if "image/png" in out.get("data", {})]
        assert len(pictures) == shown, code
