"""The page in a notebook: the same script, and answers through the kernel's messages."""

import json
import re
import threading

import msgspec
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import config
from eos_jax.explorer import Context, notebook
from eos_jax.explorer.server import page
from tests.explorer.conftest import PAPER, VIEW, unpacked

pytest.importorskip("anywidget")


@pytest.fixture
def widget(monkeypatch):
    """A widget whose messages to the page are kept."""
    made = notebook.widget(Context(VIEW))
    made.said, made.came = {}, threading.Semaphore(0)

    def send(content, buffers=None):
        made.said[content["id"]] = (content, buffers)
        made.came.release()

    monkeypatch.setattr(made, "send", send)
    return made


def ask(widget, ident, name, question=None):
    text = json.dumps(msgspec.to_builtins(question))
    widget._handle_custom_msg({"id": ident, "name": name, "question": text}, [])
    assert widget.came.acquire(timeout=60)
    return widget.said[ident]


def test_a_window_comes_through_the_kernel(widget):
    content, (body,) = ask(widget, 1, "window", {"configuration": VIEW})
    assert content == {"id": 1}
    expected = eos.sweep(**config.arguments(VIEW))
    np.testing.assert_array_equal(unpacked(body)[1]["steps"], expected.steps.values)
    _, (body,) = ask(widget, 2, "start")
    assert json.loads(body)["configuration"] == msgspec.to_builtins(VIEW)


def test_errors_are_sentences(widget):
    content, _ = ask(widget, 1, "window", {"configuration": {"steps": 1, "axes": {}}})
    assert "two axes" in content["error"] or "must be one of" in content["error"]
    assert "Questions are" in ask(widget, 2, "secrets", {})[0]["error"]


def test_a_view_that_was_left_is_not_computed(widget):
    with_all = {"configuration": VIEW, "part": 1}
    widget._handle_custom_msg({"id": 7, "stop": True}, [])
    text = json.dumps(msgspec.to_builtins(with_all))
    widget._handle_custom_msg({"id": 7, "name": "window", "question": text}, [])
    ask(widget, 8, "window", with_all)  # its turn comes after
    assert 7 not in widget.said


def test_explore_takes_what_sweep_takes():
    obj = eos.objectives.make(**PAPER)
    shown = eos.explore(obj, {"x": np.linspace(3, 3.4, 9), "y": [0.1, 0.5], "eta": 0.2}, 100)
    assert shown._esm == notebook.module()
    axes = {"x": np.linspace(1, 2, 5), "y": [0.5, 1.0], "eta": 0.1}
    assert eos.explore(lambda x, y: (1 - x * y) ** 2, axes, 50)._esm == notebook.module()
    with pytest.raises(ValueError, match="Argument `rule`"):
        eos.explore(obj, rule=eos.rules.from_optax(lambda eta: __import__("optax").sgd(eta)))


def test_the_module_is_the_pages_own_script():
    text, module = page().decode(), notebook.module()
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert module.startswith(script)
    assert "export default" in module and not re.findall(r"https?://", module)
    for name in re.findall(r'data-part=\\"(\w+)\\"', module):
        assert f'data-part="{name}"' in text
