"""The site's pages: what they say is run, and what they name is there."""

import importlib.util
import re
import shlex
import textwrap
import warnings
from pathlib import Path

import pytest

import eos_jax as eos
from eos_jax import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")])
WRITTEN = [page for page in PAGES if page.name != "mutants.md"]


def blocks(page, language):
    """The code of a page in one language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_each_question_of_the_first_page_has_its_page():
    rows = re.findall(r"^\| (.+\?) \| \[\]\((.+)\) \|$", (DOCS / "index.md").read_text(), re.M)
    assert len(rows) == 13
    for _, target in rows:
        folder, name = target.split("/")
        path = ROOT / "scripts" / f"{name}.py" if folder == "gallery" else DOCS / f"{target}.md"
        assert path.exists(), target


def test_every_page_is_in_a_list_of_contents():
    listed = set(re.findall(r"^([\w/]+)$", (DOCS / "index.md").read_text(), re.M))
    names = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES}
    assert names - {"index"} <= listed


def test_links_between_pages_lead_somewhere():
    for page in WRITTEN:
        for target in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text()):
            if target.startswith(("gallery/", "../gallery/")):
                name = target.rpartition("/")[2]
                assert name == "index" or (ROOT / "scripts" / f"{name}.py").exists(), target
            elif not target.startswith("reference/"):
                found = (page.parent / target).resolve()
                assert found.exists() or found.with_suffix(".md").exists(), f"{page}: {target}"


def test_names_of_eos_that_pages_use_are_there():
    for page in WRITTEN:
        for code in blocks(page, "python"):
            for dotted in re.findall(r"\beos\.(\w+(?:\.\w+)*)", code):
                found = eos
                for name in dotted.split("."):
                    found = getattr(found, name)


def test_the_reference_refuses_what_is_undocumented(monkeypatch):
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    for room in pages.ROOMS:
        assert "autofunction" in pages.reference(room) or "autoclass" in pages.reference(room)
    monkeypatch.setattr(eos.sweep, "__doc__", None)
    with pytest.raises(ValueError, match="sweep is public and undocumented"):
        pages.reference("")


def optax_rules():
    """The script of the table of optax's rules, and the rows that are written."""
    spec = importlib.util.spec_from_file_location("optax_rules", DOCS / "optax_rules.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    _, _, table = (DOCS / "guide" / "optax.md").read_text().partition(script.TABLE)
    if not table:
        pytest.skip("the table is of another optax")
    rows = re.findall(r"^\| `(.+)` \| (.+) \| (.*) \|$", table, re.M)
    return script, {expression: (words, number) for expression, words, number in rows}


def test_every_factory_of_optax_is_in_the_table():
    script, rows = optax_rules()
    assert list(rows) == list(script.expressions().values())
    said = {name for name in dir(script.optax) if name.startswith(("scale_by_", "clip"))}
    assert len(said) > 20 and all(f"optax.{name}" in script.expressions() for name in said)


@pytest.mark.parametrize("expression", [
    pytest.param("optax.MultiSteps(optax.sgd(eta), 3)", marks=pytest.mark.slow),
    pytest.param("optax.sign_sgd(eta)", marks=pytest.mark.slow),
    pytest.param("all", marks=pytest.mark.long),
])  # fmt: skip
def test_the_table_of_optax_says_what_the_code_finds(expression):
    script, rows = optax_rules()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of optax are deprecated, and listed
        for one in rows if expression == "all" else [expression]:
            assert script.row(one) == rows[one], one


@pytest.mark.long
@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks(page, "python"):
        if "eos.explore(" in code:
            pytest.importorskip("anywidget")
        exec(compile(textwrap.dedent(code), str(page), "exec"), names)


@pytest.mark.long
def test_the_commands_of_a_page_run(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (page,) = [page for page in WRITTEN if page.stem == "command_line"]
    for code in blocks(page, "bash"):
        for line in code.splitlines():
            command, *arguments = shlex.split(line)
            assert command == "eos-jax"
            cli.main(arguments)
    assert (tmp_path / "fig7a.nc").exists()
    (tmp_path / "own.toml").write_text(blocks(page, "toml")[0])
    cli.main(["sweep", "own.toml", "--out", "own.zarr"])
    assert {"peak", "threshold"} <= set(eos.open("own.zarr").data_vars)


def test_the_version_is_the_same_everywhere():
    (cited,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    changed = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    (declared,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert cited == changed == declared
