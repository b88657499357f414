"""`python -m benchmarks.explorer`: how soon `eos-jax explore` shows something, in Chromium.

The browser is running when the command is given. Times are those of the page itself: the first
picture is the coarse one, drawn; a zoom is one turn of the wheel on figure 7a at 512 x 512.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.__main__ import machine

CONFIG = Path(__file__).parents[1] / "configs" / "fig7a.toml"
MEASURES = "performance.getEntriesByType('measure').map((m) => [m.name, m.startTime + m.duration])"
DURATIONS = "performance.getEntriesByType('measure').map((m) => [m.name, m.duration])"
WORKING = "document.querySelector('#explorer').explorer?.working !== null"


def opened(browser, python, act):
    """Seconds from the command to its address and to what the page shows; `act` on the page."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.goto("about:blank")
    begun = time.time()
    command = [python, "-m", "eos_jax", "explore", str(CONFIG), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        seconds = {"address": time.time() - begun}
        tab.goto(address)
        settled(tab)
        origin = tab.evaluate("performance.timeOrigin") / 1e3 - begun
        seconds |= {name: origin + at / 1e3 for name, at in tab.evaluate(MEASURES)}
        act(tab)
        return seconds
    finally:
        process.terminate()
        process.wait()
        tab.close()


def settled(tab):
    """Wait for the finest picture; polled rarely, for polling takes a core from the server."""
    time.sleep(0.05)
    while tab.evaluate(WORKING):
        time.sleep(0.05)


def zoomed(count, found, tab):
    """Milliseconds of each part of `count` zooms, about a point of the boundary."""
    tab.evaluate("performance.clearMeasures()")
    stage = tab.locator("[data-part=stage]").bounding_box()
    tab.mouse.move(stage["x"] + 0.62 * stage["width"], stage["y"] + 0.58 * stage["height"])
    for _ in range(count):
        tab.mouse.wheel(0, -250)
        settled(tab)
    found += tab.evaluate(DURATIONS)


def main(arguments=None):
    """Print what the table of benchmarks/README.md holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="of the command")
    parser.add_argument("--zooms", type=int, default=20)
    parser.add_argument("--python", default=sys.executable, help="that runs the command")
    options = parser.parse_args(arguments)
    for key, value in machine().items():
        print(f"{key}: {value}")
    starts, zooms = [], []
    with sync_playwright() as found:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = found.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for number in range(options.starts):
            count = options.zooms if number == options.starts - 1 else 0
            starts.append(opened(browser, options.python, partial(zoomed, count, zooms)))
        browser.close()
    for name in starts[0]:
        times = [start[name] for start in starts]
        print(f"start, {name}: {statistics.median(times):.2f} s, {min(times):.2f} to "
              f"{max(times):.2f} of {len(times)}")  # fmt: skip
    for name in dict(zooms):
        times = [duration for part, duration in zooms if part == name]
        print(f"zoom, {name}: {statistics.median(times):.0f} ms, {min(times):.0f} to "
              f"{max(times):.0f} of {len(times)}")  # fmt: skip
    return starts, zooms


if __name__ == "__main__":
    main()
