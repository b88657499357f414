"""Stores, places and configurations made by somebody hostile: what the command does with each.

    python -m tests.results.hostile FOLDER [all]

runs the command on every case, in one process of limited memory, with an alarm for each, and prints
one JSON object a case. `test_hostile.py` says what must hold.
"""

import contextlib
import io
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from eos_jax import cli

SECONDS = 20
ROOM = 2**30  # bytes that a case may take

GOOD = """
steps = 50
tile = 4
objective = { name = "scalar_product", multiplicities = [2, 2] }
axes = { x = { start = 2.0, stop = 3.0, num = 5 }, y = [0.3, 0.4], eta = 0.2 }
"""


def edit(name, change):
    """Change the metadata of an array in both copies, or those of the group."""

    def spoil(store):
        root = store / "zarr.json"
        document = json.loads(root.read_text())
        if name is None:
            document = change(document) or document
        else:
            own = json.loads((store / name / "zarr.json").read_text())
            own = change(own) or own
            (store / name / "zarr.json").write_text(json.dumps(own))
            document["consolidated_metadata"]["metadata"][name] = own
        root.write_text(json.dumps(document))

    return spoil


def set_(*path, to):
    """Set a value deep in a document."""

    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def array(*path, to, of="loss"):
    return edit(of, set_(*path, to=to))


def attribute(name, to):
    return edit(None, set_("attributes", name, to=to))


def label(name, to, of="loss"):
    return edit(of, set_("attributes", name, to=to))


def write(key, data):
    def spoil(store):
        (store / key).write_bytes(data)

    return spoil


def link(key, to):
    def spoil(store):
        place = store / key
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        place.symlink_to(to)

    return spoil


def special(key, make):
    def spoil(store):
        place = store / key
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        make(place)

    return spoil


def sparse(size):
    def make(place):
        place.touch()
        os.truncate(place, size)

    return make


def a_socket(place):
    here = os.getcwd()
    os.chdir(place.parent)  # names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(place.name)
    finally:
        os.chdir(here)


def rename(name, to):
    """Call an array something else in the group's list."""

    def change(document):
        arrays = document["consolidated_metadata"]["metadata"]
        arrays[to] = arrays.pop(name)

    return edit(None, change)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


SHAPE, CHUNKS = ("shape",), ("chunk_grid", "configuration", "chunk_shape")
DEEP = "[" * 200_000 + "]" * 200_000
CODEC = {"name": "pickle", "configuration": {}}

STORES = {
    "a huge shape": array(*SHAPE, to=[10**15, 2]),
    "a huge shape of outcomes": array(*SHAPE, to=[10**15, 2], of="outcome"),
    "a shape beyond all numbers": array(*SHAPE, to=[10**400, 2]),
    "a negative shape": array(*SHAPE, to=[-5, 2]),
    "an empty shape": array(*SHAPE, to=[0, 2]),
    "no shape": array(*SHAPE, to=[]),
    "a shape of fractions": array(*SHAPE, to=[5.5, 2]),
    "a shape of text": array(*SHAPE, to=["5", "2"]),
    "a shape of truths": array(*SHAPE, to=[True, 2]),
    "a shape that is none": array(*SHAPE, to=None),
    "a hundred dimensions": array(*SHAPE, to=[2] * 100),
    "chunks of nothing": array(*CHUNKS, to=[0, 2]),
    "negative chunks": array(*CHUNKS, to=[-2, 2]),
    "huge chunks": array(*CHUNKS, to=[10**12, 10**12]),
    "chunks of fractions": array(*CHUNKS, to=[1.5, 2]),
    "chunks of other dimensions": array(*CHUNKS, to=[2]),
    "a grid of another kind": array("chunk_grid", to={"name": "fractal"}),
    "a grid that is text": array("chunk_grid", to="regular"),
    "objects": array("data_type", to="object"),
    "pickled objects": array("data_type", to={"name": "pickle", "configuration": {}}),
    "endless text": array("data_type", to={"name": "fixed_length_utf32",
                                           "configuration": {"length_bytes": 2**50}}),
    "a type that is a number": array("data_type", to=64),
    "a codec that runs code": array("codecs", to=[CODEC]),
    "an unknown codec": array("codecs", to=[{"name": "evil.codec"}]),
    "no codecs": array("codecs", to=[]),
    "codecs that are text": array("codecs", to="blosc"),
    "a codec without a name": array("codecs", to=[{}]),
    "codecs in codecs": array("codecs", to=[{"name": "sharding_indexed", "configuration": {}}]),
    "a codec's options": array("codecs", 1, "configuration", to={"cname": "rm -rf", "clevel": 99}),
    "a fill value of text": array("fill_value", to="touch executed"),
    "keys of another kind": array("chunk_key_encoding", to={"name": "v2"}),
    "keys that lead out": array("chunk_key_encoding",
                                to={"name": "default", "configuration": {"separator": "/../"}}),
    "storage transformers": array("storage_transformers", to=[{"name": "link"}]),
    "fields to be understood": array("evil", to={"must_understand": True}),
    "dimensions twice": array("dimension_names", to=["x", "x"]),
    "dimensions that lead out": array("dimension_names", to=["../x", "/y"]),
    "dimensions that are numbers": array("dimension_names", to=[1, 2]),
    "a format of the past": array("zarr_format", to=2),
    "an array that is a group": array("node_type", to="group"),
    "labels that are a list": array("attributes", to=[1]),
    "times before all time": label("units", "days since -9999999-01-01"),
    "a scale that is text": label("scale_factor", "0.1"),
    "coordinates of nowhere": label("coordinates", "../../etc passwd x"),
    "flags without meaning": label("flag_values", "all", of="outcome"),
    "no group": lambda store: (store / "zarr.json").unlink(),
    "metadata that are no text": write("zarr.json", os.urandom(1000)),
    "metadata that are empty": write("zarr.json", b""),
    "metadata that are a list": write("zarr.json", b"[1, 2]"),
    "metadata that are endless": write("zarr.json", b" " * (2**26 + 1)),
    "deep metadata": write("zarr.json", DEEP.encode()),
    "deep metadata of an array": write("loss/zarr.json", DEEP.encode()),
    "attributes that are a list": edit(None, set_("attributes", to=[])),
    "no configuration": edit(None, lambda d: d["attributes"].pop("configuration") and None),
    "a configuration that is code": attribute("configuration", "exec('import os')"),
    "a configuration that is a list": attribute("configuration", "[]"),
    "a deep configuration": attribute("configuration", DEEP),
    "a pickled configuration": attribute(
        "configuration", pickle.dumps(Bomb(), protocol=0).decode("latin1")),
    "a figure of nowhere": attribute("figure", "../../executed"),
    "an order of numbers": attribute("order", [1, 2]),
    "coordinates that are a number": attribute("coordinates", 7),
    "escapes for a terminal": attribute("title", "\x1b]0;executed\x07\x1b[2J"),
    "a list of arrays that is a list": edit(None, set_("consolidated_metadata", to=[1])),
    "an array that leads out": rename("loss", "../../outside"),
    "an array at an absolute path": rename("loss", "/tmp/outside"),
    "an array of no name": rename("loss", ""),
    "a folder that leads out": link("loss", "../outside"),
    "chunks that lead out": link("loss/c", "../../outside"),
    "a chunk that leads out": link("loss/c/0/0", "../../../../outside/precious"),
    "metadata that lead out": link("zarr.json", "../outside/precious"),
    "a link to itself": link("loss", "loss"),
    "a pipe for a chunk": special("loss/c/0/0", os.mkfifo),
    "a pipe for metadata": special("loss/zarr.json", os.mkfifo),
    "a pipe for the group": special("zarr.json", os.mkfifo),
    "a socket for a chunk": special("loss/c/0/0", a_socket),
    "a folder for a chunk": special("loss/c/0/0", os.mkdir),
    "a folder for metadata": special("loss/zarr.json", os.mkdir),
    "a chunk of many gigabytes": special("loss/c/0/0", sparse(2**37)),
    "metadata of many gigabytes": special("zarr.json", sparse(2**37)),
    "a chunk that would swell": write("loss/c/0/0", b"\2\1\x21\x08" + b"\xff\xff\xff\x7f" * 3),
    "a folder of a number without end": lambda store: (store / "loss" / "c" / ("9" * 200)).mkdir(),
}  # fmt: skip

COMMANDS = {
    "info": lambda store, config, out: ["info", store],
    "plot": lambda store, config, out: ["plot", store, "--variable", "loss", "--out", out],
    "draw": lambda store, config, out: ["plot", store, "--out", out],
    "export": lambda store, config, out: ["export", store, "--out", f"{out}.csv"],
    "verify": lambda store, config, out: ["verify", store],
    "sweep": lambda store, config, out: ["sweep", config, "--out", store],
}

PLACES = {
    "no name": "", "a device": "/dev/null", "a pipe": "pipe", "where nothing can be": "/proc/a/b",
    "a byte that ends text": "a\0b", "a name without end": "a" * 5000, "a scheme of nowhere":
    "evil://x", "a server of nowhere": "http://127.0.0.1:9/a.zarr", "a scheme alone": "memory://",
    "everything": "/", "a folder of somebody": "../outside", "a file": "outside/precious",
}  # fmt: skip

CONFIGURATIONS = {
    "nested without end": f"axes = {DEEP}\n",
    "an axis that swells": GOOD.replace("num = 5", "num = 1_400_000_000"),
    "an axis beyond all memory": GOOD.replace("num = 5", f"num = {10**18}"),
    "copies that swell": GOOD.replace("[2, 2]", "[1_000_000_000, 2]"),
    "a tile that swells": GOOD.replace("tile = 4", f"tile = {10**18}"),
    "a period that swells": GOOD.replace("tile = 4", "stop = { longest_period = 1_000_000_000 }"),
    "a name that leads out": GOOD.replace("x = {", '"../x" = {'),
    "steps without end": GOOD.replace("steps = 50", f"steps = {10**30}"),
    "an observer of a file": GOOD + '[observe."/tmp/x"]\nobserver = "maximum"\n',
    "a rule that is code": GOOD + '[rule]\nname = "__import__"\n',
    "records that swell": GOOD.replace("steps = 50", "steps = 2_000_000_000")
    + '[observe.a]\nobserver = "trace"\n',
}


def attempt(arguments):
    """Exit code, standard error, seconds; a traceback is the code 99."""
    printed, began = io.StringIO(), time.perf_counter()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()) as said:
            cli.main([str(a) for a in arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException as error:
        code = 99
        printed.write(f"{type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    return {"code": code, "error": printed.getvalue()[-2000:], "said": said.getvalue()[-2000:],
            "seconds": time.perf_counter() - began}  # fmt: skip


class _TooLong(BaseException):
    pass


def _too_long(*_):
    raise _TooLong


def changed(folder):
    """What lies outside of the stores, to be compared."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def main(folder: Path, everything: bool) -> None:
    commands = COMMANDS if everything else {n: COMMANDS[n] for n in ("info", "verify", "sweep")}
    outside = folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    (folder / "sound.toml").write_text(GOOD)
    os.chdir(folder)
    os.mkfifo("pipe")
    cli.main(["sweep", "sound.toml", "--out", "sound"])
    cli.main(["plot", "sound", "--out", "sound.png"])
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, resource.RLIM_INFINITY))

    def say(case, command, found):
        found |= {"case": case, "command": command, "outside": sorted(os.listdir(outside)),
                  "precious": (outside / "precious").read_text(),
                  "executed": (folder / "executed").exists()}  # fmt: skip
        print(json.dumps(found), flush=True)

    for case, spoil in STORES.items():
        shutil.rmtree("in", ignore_errors=True)
        os.mkdir("in")
        shutil.copytree("sound", "in/store")
        spoil(folder / "in" / "store")
        resumed = everything or any(word in case for word in ("lead", "link", "pipe", "code"))
        for command, arguments in commands.items():
            if command == "sweep" and not resumed:  # the one that takes longest
                continue
            say(case, command, attempt(arguments("in/store", "sound.toml", "in/picture.png")))
    for case, place in PLACES.items():
        for command, arguments in commands.items():
            say(case, command, attempt(arguments(place, "sound.toml", "in/picture.png")))
    for case, text in CONFIGURATIONS.items():
        (folder / "hostile.toml").write_text(text)
        shutil.rmtree("in", ignore_errors=True)
        say(case, "configuration", attempt(["sweep", "hostile.toml", "--out", "in/store"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:] == ["all"])
