"""What is made once: equal arguments give the same object, also to threads that ask at once."""

import time
from concurrent.futures import ThreadPoolExecutor

from eos_jax.registry import made_once


def test_threads_that_ask_for_the_same_thing_wait_for_one_to_make_it():
    made = []

    @made_once
    def slow(what):
        made.append(what)
        time.sleep(0.05)
        return object()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(slow, ["one"] * 4))
    assert made == ["one"] and len({id(each) for each in found}) == 1
