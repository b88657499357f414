"""The site: `make docs` builds it into build/docs, warnings being errors, without the network."""

import shutil
import sys
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst

import eos_jax as eos

sys.path.insert(0, str(Path(__file__).parent))
import pages

project, author, version = "eos_jax", "the developers of eos_jax", eos.__version__
release, copyright = version, "the developers of eos_jax, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax",
              "sphinx-mathjax-offline", "sphinx_gallery.gen_gallery"]  # fmt: skip
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
myst_all_links_external = False
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "gallery/*.json", "generated/*"]
html_theme, html_title = "furo", f"eos_jax {version}"

html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
}
autodoc_typehints = "none"  # the signatures say them
napoleon_use_rtype = False
suppress_warnings = ["config.cache"]


def written_pictures(block, block_vars, gallery_conf):
    """The pictures that a script has written beside itself, moved into its page."""
    folder = Path(block_vars["src_file"]).parent
    names = []
    for picture in sorted(folder.glob("*.png")):
        place = next(block_vars["image_path_iterator"])
        shutil.move(picture, place)
        names.append(place)
    return figure_rst(names, gallery_conf["src_dir"])


sphinx_gallery_conf = {
    "examples_dirs": "../scripts",
    "gallery_dirs": "gallery",
    "filename_pattern": ".*",
    "image_scrapers": (written_pictures,),
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
}


pages.generate()


def moduli(app, what, name, obj, options, lines):
    """|x| is a modulus, no substitution; examples are left as they are."""
    example = False
    for place, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            lines[place] = line.replace("|", "\\|")


def setup(app):
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", moduli)
