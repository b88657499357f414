"""The server: its pixels are a sweep's, and nothing that a client does breaks it or leaves it."""

import concurrent.futures
import re
import socket
import tomllib

import msgspec
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import config, explorer, plots
from eos_jax.config import Range
from eos_jax.explorer import questions, server, work
from tests.explorer.conftest import PAPER, VIEW, Client

PLAIN = msgspec.to_builtins(VIEW)


def changed(**change):
    return {**PLAIN, **change}


def bowl(x, v):
    """1/2 x^2 + 1/4 v^2: gradient descent is stable below eta = 2."""
    return x**2 / 2 + v**2 / 4


# What it answers ---------------------------------------------------------------------------------


def test_a_window_is_the_sweep_of_its_configuration_bit_by_bit(client):
    head, data = client.window(VIEW)
    expected = eos.sweep(**config.arguments(VIEW))
    assert head["dims"] == ["x", "y"]
    assert {n for n in data if not n.startswith("axis:")} == set(expected.data_vars)
    for name in expected.data_vars:
        np.testing.assert_array_equal(data[name], expected[name].values)
    np.testing.assert_array_equal(data["axis:x"], np.linspace(3.0, 3.4, 40))
    assert {1, 2} <= set(np.unique(data["outcome"]))
    assert head["lane_steps"] == int(expected.steps.sum())


@pytest.mark.parametrize("part", [2, 8])
def test_pixels_of_a_coarse_window_are_pixels_of_the_whole(client, part):
    _, coarse = client.window(VIEW, part=part)
    _, whole = client.window(VIEW)
    some = (slice(part // 2, None, part),) * 2
    assert coarse["outcome"].shape == whole["outcome"][some].shape
    for name in ("outcome", "steps", "loss", "sharpness"):
        np.testing.assert_array_equal(coarse[name], whole[name][some])


def test_a_bowl_converges_below_two_over_its_curvature():
    """Across is eta, up is x: a transposed picture would be another."""
    own = eos.objectives.from_function(bowl, floor=0.0)
    axes = {"eta": Range(1.5, 2.5, 20), "x": Range(1.0, 2.0, 10), "v": 0.0}
    view = config.Configuration(20_000, axes)
    with explorer.serve(explorer.Context(view, own=own)) as running:
        asker = Client(running.address)
        _, data = asker.window(view)
        assert asker.ask("start")[1]["own"] == "bowl"
    stable = data["axis:eta"] < 2
    assert (data["outcome"][stable] == eos.Outcome.CONVERGED).all()
    assert (data["outcome"][~stable] == eos.Outcome.DIVERGED).all()


def test_an_orbit_is_gradient_descent_from_the_start_given(client):
    start = {"x": 3.1, "y": 0.3}
    status, found = client.ask("orbit", {"configuration": VIEW, "start": start})
    assert status == 200
    x, y = start["x"], start["y"]
    for step in range(20):
        assert found["orbit"]["x_orbit"][step] == pytest.approx(x, rel=1e-9)
        assert found["orbit"]["loss"][step] == pytest.approx((1 - x * x * y * y) ** 2 / 2, rel=1e-6)
        slope = x * y * (x * x * y * y - 1)
        x, y = x - 0.2 * slope * y, y - 0.2 * slope * x
    assert set(found["orbit"]["threshold"]) == {10.0}
    assert found["outcome"] == eos.Outcome.CONVERGED and found["shown"] == found["steps"] + 1
    assert not found["parts"] and len(found["orbit"]["loss"]) == found["shown"]


def test_where_one_ulp_changes_a_fate_is_said(client):
    head, data = client.window(VIEW, trust=True)
    assert set(np.unique(data["changed_ulp"])) <= {0, 1}
    assert "trusted" in head["trust"]
    assert head["ulps"]["x"] == pytest.approx(0.4 / 39 / np.spacing(3.4), rel=1e-6)
    deep = changed(axes={**PLAIN["axes"], "x": {"start": 3.1, "stop": 3.1 + 4e-15, "num": 9}})
    assert client.window(deep)[0]["ulps"]["x"] <= 2


def test_what_is_taken_away_does_the_same(client, tmp_path):
    asked = changed(rule={"name": "heavy_ball", "momentum": 0.5}, steps=500, dtype="float32",
                    stop={"longest_period": 4}, observe={"top": {"observer": "maximum"}},
                    sharpness="exact", axes={**PLAIN["axes"], "eta": 0.1})  # fmt: skip
    status, found = client.ask("text", {"configuration": asked})
    assert status == 200
    path = tmp_path / "map.toml"
    path.write_text(found["toml"])
    assert config.load(path) == msgspec.convert(asked, config.Configuration)
    names = {}
    exec(found["python"], names)
    expected = eos.sweep(**config.arguments(config.load(path)))
    assert names["ds"].identical(expected)
    assert {"top", "period"} <= set(names["ds"].data_vars)


def test_a_window_as_netcdf_and_as_a_picture(client, tmp_path):
    pytest.importorskip("h5py")  # else it is NetCDF 3, which holds less
    import xarray as xr

    status, found = client.ask("netcdf", {"configuration": VIEW})
    assert status == 200
    (tmp_path / "map.nc").write_bytes(found)
    with xr.open_dataset(tmp_path / "map.nc") as dataset:
        np.testing.assert_array_equal(dataset.steps, eos.sweep(**config.arguments(VIEW)).steps)
    swept = eos.sweep(**config.arguments(VIEW))
    for variable, options in (
        (None, {"kind": "outcome"}),
        ("sharpness", {"kind": "sharpness"}),
        ("loss", {"kind": "map", "variable": "loss", "log": True}),
    ):
        asked = {"configuration": VIEW, "variable": variable, "log": variable == "loss"}
        status, found = client.ask("picture", asked)
        plots.save(plots.draw(swept, **options), tmp_path / "map.png")
        assert status == 200 and found == (tmp_path / "map.png").read_bytes()


def test_the_page_learns_every_registered_rule_and_small_objective(client):
    _, known = client.ask("start")
    assert {rule["name"] for rule in known["rules"]} == set(eos.rules.registry)
    assert {o["name"] for o in known["objectives"]} <= set(eos.objectives.registry)
    for family in known["objectives"]:
        named = {"name": family["name"], **family["examples"][0]}
        status, found = client.ask("system", {"objective": named})
        assert status == 200 and "eta" in found["hyperparameters"]
    assert known["system"] == client.ask("system", {"objective": PAPER})[1]
    scales = known["palettes"] | client.ask("palettes")[1]
    assert set(scales) == {"converged", "diverged", "value", "gap"}
    assert {len(scale) for scale in scales.values()} == {256}


@pytest.mark.slow
def test_entries_of_matrices_are_axes(client):
    """The page's map, orbit and texts are those of the sweep that a reader would write."""
    named = {"name": "deep_linear_network", "sizes": [1, 2, 1], "singular_values": [2.0]}
    _, system = client.ask("system", {"objective": named})
    assert system["parameters"] == {"W1": [2, 1], "W2": [1, 2]}
    begin = system["starts"]
    ranges = {"W1_at_1_0": Range(-1, 1, 9), "eta": Range(0.1, 0.6, 7)}
    asked = {"steps": 100, "objective": named, "axes": {**ranges, **begin}}
    head, data = client.window(asked)
    objective = eos.objectives.make(**named)
    axes = {"W1_at_1_0": np.linspace(-1, 1, 9), "eta": np.linspace(0.1, 0.6, 7), **begin}
    swept = eos.sweep(objective, axes, 100)
    assert head["dims"] == ["W1_at_1_0", "eta"]
    np.testing.assert_array_equal(data["steps"], swept.steps)
    status, orbit = client.ask("orbit", {"configuration": asked,
                                         "start": {"W1_at_1_0": 0.75, "eta": 0.1}})  # fmt: skip
    lane = swept.sel(W1_at_1_0=0.75, eta=0.1)
    assert status == 200 and orbit["steps"] == int(lane.steps)
    track = orbit["orbit"]["W1_at_1_0_orbit"]
    assert track[0] == 0.75 and track[-1] == pytest.approx(float(lane.W1_final[1, 0]), rel=1e-6)
    _, texts = client.ask("text", {"configuration": asked})
    found = {}
    exec(texts["python"], found)
    np.testing.assert_array_equal(found["ds"].steps, swept.steps)
    (read,) = [config.changed(tomllib.loads(texts["toml"]), [])]
    assert read.axes["W1"] == begin["W1"]


# What it refuses ---------------------------------------------------------------------------------


def test_it_listens_to_this_machine_alone():
    with (
        explorer.serve(explorer.Context(VIEW)) as one,
        explorer.serve(explorer.Context(VIEW)) as two,
    ):
        assert one.server_address[0] == two.server_address[0] == "127.0.0.1"
        assert one.token != two.token and len(one.token) >= 32
        assert one.server_port != two.server_port


def test_without_its_token_nothing_is_served(client):
    token = client.parts.path.strip("/")
    for path in ("/", "/start", "/x/", f"/{token[:-1]}/", f"/{token}", f"/{token}x/", "//", "/é/"):
        for method, body in (("GET", None), ("POST", b"{}")):
            status, found, _ = client.send(method, path.replace("é", "%C3%A9"), body)
            assert status == 403 and b"token" in found


def test_a_page_elsewhere_that_points_here_is_refused(client):
    status, *_ = client.send("GET", client.parts.path, headers={"Host": "evil.example"})
    assert status == 403


def test_nothing_but_the_page_and_its_questions_is_there(client):
    for name in ("page.html", "../", "%2e%2e/", "../../etc/passwd", "server.py", "window"):
        status, found, _ = client.send("GET", client.parts.path + name)
        assert status in (403, 404) and b"root:" not in found
    assert client.ask("nothing", {})[0] == 404
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert client.send(method, client.parts.path + "window", b"{}")[0] == 501


def test_the_page_is_one_file_and_may_ask_nobody_else(client):
    status, found, headers = client.send("GET", client.parts.path)
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    text = found.decode()
    assert not re.findall(r"https?://", text)
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:)", text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": {"x": {"start": 1, "stop": 2, "num": 5000},
                   "y": {"start": 1, "stop": 2, "num": 5000}, "eta": 0.1}}, "at most 1,048,576"),
        ({"steps": 10**7}, "horizon is 0 to 1,000,000"),
        ({"steps": 10**6, "axes": {"x": {"start": 1, "stop": 2, "num": 1000},
                                   "y": {"start": 1, "stop": 2, "num": 1000}, "eta": 0.1}},
         "times horizon"),
        ({"combine": "zip"}, "product"),
        ({"objective": {"name": "nothing"}}, "must be one of"),
        ({"objective": {"name": "scalar_product", "multiplicities": [200, 200]}}, "256 dimensions"),
        ({"objective": {"name": "fully_connected", "sizes": [3, 10**9, 1]}}, "at most 256"),
        ({"objective": {"name": "fully_connected", "sizes": [3, 4, 1], "folder": "/etc"}},
         "plain name"),
        ({"rule": {"name": "heavy_ball", "momentum": 7}}, "momentum"),
        ({"axes": {"x": 1.0, "y": 1.0, "eta": 0.1}}, "two axes"),
        ({"axes": {"x": {"start": 1, "stop": 2, "num": 9}, "y": {"start": 1, "stop": 2, "num": 9},
                   "eta": -0.1}}, "must be positive"),
        ({"stop": {"longest_period": 10**6}}, "longest period"),
        ({"observe": {"all": {"observer": "trace", "last": 10**6}}}, "at most 256"),
        ({"steps": "many"}, "Expected `int`"),
        ({"surprise": 1}, "unknown field"),
    ],
)  # fmt: skip
def test_too_much_is_answered_with_what_is_allowed(client, change, words):
    sentence = client.refused("window", {"configuration": changed(**change)})
    assert words in sentence and "\n" not in sentence


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 60_000, b'{"configuration": NaN}',
     b'{"configuration": {"steps": 1e999, "axes": {}}}', b"0" * 1000, b'"' + b"a" * 1000],
)  # fmt: skip
def test_what_is_no_question_is_answered_so(client, body):
    status, found, _ = client.send("POST", client.parts.path + "window", body)
    assert status == 400 and b"does not fit" in found


def test_long_questions_are_not_read(client):
    path = client.parts.path + "window"
    assert client.send("POST", path, b" " * (server.LONGEST_QUESTION + 1))[0] == 413
    for length in ("-1", "", "9" * 30, "1e3", "٣"):
        headers = {"Content-Length": length.encode()}
        assert client.send("POST", path, None, headers)[0] in (411, 413)


def raw(client, data):
    """Bytes sent as they are; what comes back, if anything."""
    with socket.create_connection((client.parts.hostname, client.parts.port), timeout=30) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        found = b""
        while piece := link.recv(4096):
            found += piece
        return found


def test_a_hundred_connections_at_once_good_and_bad_leave_it_running(client):
    path = client.parts.path.encode()
    host = client.parts.netloc.encode()
    bad = [
        b"\x00\x01\x02\r\n\r\n", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000 + b"\r\n\r\n",
        b"POST " + path + b"window HTTP/1.0\r\nHost: " + host + b"\r\nContent-Length: 99\r\n\r\n{",
        b"GET " + path + b" HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n", b"",
    ]  # fmt: skip
    tiny = changed(axes={"x": {"start": 2, "stop": 3, "num": 5},
                         "y": {"start": 0.1, "stop": 0.5, "num": 5}, "eta": 0.2})  # fmt: skip

    def one(number):
        try:
            if number % 2:
                return raw(client, bad[number // 2 % len(bad)])[:12]
            return client.ask("window", {"configuration": tiny})[0]
        except OSError:  # sent away
            return None

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        found = list(pool.map(one, range(100)))
    assert 200 in found
    np.testing.assert_array_equal(
        client.window(tiny)[1]["outcome"],
        eos.sweep(**config.arguments(msgspec.convert(tiny, config.Configuration))).outcome,
    )


def test_work_that_nobody_waits_for_is_stopped(client):
    """With `stop = false` every lane goes to the horizon: minutes, if it were not stopped."""
    endless = changed(
        steps=questions.STEPS,
        stop=False,
        axes={**PLAIN["axes"], "x": {"start": 2, "stop": 3, "num": 2**13}},
    )
    body = msgspec.json.encode({"configuration": endless})
    with socket.create_connection((client.parts.hostname, client.parts.port), timeout=60) as link:
        head = f"POST {client.parts.path}window HTTP/1.0\r\nHost: {client.parts.netloc}\r\n"
        link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while client.ask("progress")[1]["done"] == 0:
            pass
    assert client.window(VIEW)[0]["seconds"] is not None  # its turn has come
    assert client.ask("progress")[1]["seconds"] is None


def test_an_error_of_a_users_own_code_is_told_and_the_server_goes_on(client, monkeypatch):
    def fails(*_):
        raise RuntimeError("a loss of somebody")

    monkeypatch.setitem(work.QUESTIONS, "system", work.Asked(questions.System, fails))
    status, found = client.ask("system", {})
    assert status == 500 and "RuntimeError: a loss of somebody" in found["error"]
    assert client.ask("text", {"configuration": VIEW})[0] == 200


def test_settings_that_a_page_may_give_are_small_and_plain():
    for good in (None, {"name": "adam", "b1": 0.9}, {"sizes": [3, 4], "data": "gaussian"}):
        questions.check_settings("rule", good)
    for bad in ({"folder": "../x"}, {"a": {"b": ["c d"]}}, {"n": 257}, {"n": list(range(300))}):
        with pytest.raises(ValueError, match="Key `rule"):
            questions.check_settings("rule", bad)


def test_distances_are_in_units_of_the_coarsest_spacing():
    """Two neighbours at 8, where doubles are 16 times as far apart as at 0.5."""
    axis = np.array([0.5, 8.0, 8.0 + 2 * np.spacing(8.0)])
    assert questions.ulps(axis) == 2.0
    assert questions.ulps(axis[:1]) == np.inf and questions.ulps(np.array([1.0, 1.0])) == 0.0
    single = np.array([1.0, 1.0 + 2.0**-23], np.float32)
    assert questions.ulps(single) == 1.0


def test_the_default_view_is_the_papers(client):
    assert PAPER == msgspec.to_builtins(VIEW)["objective"]
    context = explorer.context_of(None)
    assert context.first.axes["x"] == Range(3.0, 3.4, 512)
