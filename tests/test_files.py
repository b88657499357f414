"""Files are whole or not there, and links are not written through (R5, R14)."""

import os

import matplotlib.figure
import pytest

from eos_jax import plots
from eos_jax.files import whole


def test_what_is_cut_short_leaves_what_was_there(tmp_path):
    place = tmp_path / "a.txt"
    place.write_text("before")
    with pytest.raises(OSError, match="No space"), whole(place) as part:
        part.write_text("half")
        raise OSError(28, "No space left on device")
    assert place.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_pictures_replace_links(ending, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / f"a.{ending}").symlink_to(outside)
    figure = matplotlib.figure.Figure()
    plots.save(figure, tmp_path / f"a.{ending}")
    assert outside.read_text() == "precious"
    assert not (tmp_path / f"a.{ending}").is_symlink()
    assert (tmp_path / f"a.{ending}").stat().st_size > 500


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_in_the_middle_of_a_picture(tmp_path, monkeypatch):
    def full(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half a picture")
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"the other half")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        plots.save(matplotlib.figure.Figure(), tmp_path / "a.pdf")
    assert os.listdir(tmp_path) == []
