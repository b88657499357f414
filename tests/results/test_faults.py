"""Faults in any order: whatever happened, verifying and running again gives the same bytes."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zarr.buffer.cpu import Buffer
from zarr.storage import MemoryStore

from eos_jax.results import store, verify
from tests.results import miniature
from tests.results.miniature import Killed, Mortal

pytestmark = pytest.mark.optimised


def killed(place, left, after, **options):
    """Run until the process dies; whether it did."""
    try:
        miniature.run(Mortal(place, left, after), **options)
    except Killed:
        return True
    return False


def test_killed_at_every_change():
    """Before each change, then again while it is resumed, then to the end."""
    last = 1
    while killed(MemoryStore(), last, False):
        last += 1
    assert last > 4 * 2 + 7  # two variables of four tiles, metadata, labels
    known = len([key for key in miniature.sound() if key not in TILES])
    for left in range(1, last):  # before one change is after the one before
        place = MemoryStore()
        assert killed(place, left, False)
        miniature.never_wrong(place)
        if left > known + 1:  # from the first tile on anybody may look, at any moment
            store.open_dataset(place)
        killed(place, 3, True)
        miniature.run(place)
        assert miniature.contents(place) == miniature.sound(), left


def test_verifying_is_killed():
    """What a check that was cut short did not say, the next one says."""
    for left in (1, 2, 3):
        place = filled()
        for key in ("loss/c/0", "loss/c/1", "loss/c/3"):
            damage(place, key, "flip", 12345)
        with pytest.raises(Killed):
            verify.damaged(Mortal(place, left))
        verify.damaged(place)
        miniature.run(place)
        assert miniature.contents(place) == miniature.sound()


def filled():
    return MemoryStore({key: Buffer.from_bytes(data) for key, data in miniature.sound().items()})


def damage(place, key, how, where=0):
    """Spoil what is at a key."""
    data = bytearray(place._store_dict[key].to_bytes())
    if how == "lose":
        del place._store_dict[key]
        return
    if how == "cut":
        data = data[: where % len(data)]
    elif how == "flip":
        data[where % len(data)] ^= 1 << (where % 8)
    elif how == "empty":
        data = b""
    elif how == "grow":
        data += b"\0" * 7
    place._store_dict[key] = Buffer.from_bytes(bytes(data))


HOWS = ("lose", "cut", "flip", "empty", "grow")
TILES = [key for key in ("loss/c/0", "loss/c/1", "loss/c/2", "loss/c/3",
                         "outcome/c/0", "outcome/c/1", "outcome/c/2", "outcome/c/3")]  # fmt: skip
LABELS = ["x/c/0", "y/c", "eta/c"]
METADATA = ["loss/zarr.json", "outcome/zarr.json", "x/zarr.json", "y/zarr.json", "eta/zarr.json"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("key", [*TILES[:1], *TILES[-1:], *LABELS, *METADATA, "zarr.json"])
def test_each_part_spoilt_in_each_way(key, how):
    place = filled()
    damage(place, key, how, 40)
    miniature.never_wrong(place)
    if key != "zarr.json":  # without the group's there is no result to speak of
        assert any(line.startswith(key.split("/")[0]) for line in verify.damaged(place)) or (
            key.startswith("outcome/c") and how == "lose"  # pending
        )
    miniature.run(place)
    assert miniature.contents(place) == miniature.sound()
    assert verify.damaged(place) == []


@pytest.mark.parametrize("key", [*TILES, *LABELS, *METADATA, "zarr.json"])
def test_what_is_lost_is_done_again_without_a_check(key):
    place = filled()
    damage(place, key, "lose")
    miniature.run(place)
    assert miniature.contents(place) == miniature.sound()


def test_a_configuration_that_was_touched_is_damage_not_another_sweep():
    place = filled()
    document = json.loads(place._store_dict["zarr.json"].to_bytes())
    attrs = document["attributes"]
    attrs["configuration"] = attrs["configuration"].replace('"steps": 60', '"steps": 61')
    place._store_dict["zarr.json"] = Buffer.from_bytes(json.dumps(document).encode())
    assert any("hash" in line for line in verify.damaged(place))
    miniature.run(place)
    assert miniature.contents(place) == miniature.sound()


@pytest.mark.parametrize("change", ["endian", "checksum", "chunks"])
def test_metadata_that_say_something_else(change):
    """Both copies, as a program would that rewrites them; data would be read as other numbers."""
    place = filled()
    for key in ("loss/zarr.json", "zarr.json"):
        document = json.loads(place._store_dict[key].to_bytes())
        of = (
            document
            if key != "zarr.json"
            else document["consolidated_metadata"]["metadata"]["loss"]
        )
        if change == "endian":
            of["codecs"][0]["configuration"]["endian"] = "big"
        elif change == "checksum":
            of["codecs"] = of["codecs"][:-1]
        else:
            of["chunk_grid"]["configuration"]["chunk_shape"] = [2]
        place._store_dict[key] = Buffer.from_bytes(json.dumps(document).encode())
    assert verify.damaged(place)
    miniature.run(place)
    verify.damaged(place)
    miniature.run(place)
    assert miniature.contents(place) == miniature.sound()


class Store(RuleBasedStateMachine):
    """Writers that die, shards, damage and checks, in any order."""

    @initialize()
    def begin(self):
        self.place = MemoryStore()
        self.group_lost = self.outcome_lost = False

    @rule(left=st.integers(1, 30), after=st.booleans())
    def a_run_dies(self, left, after):
        if not killed(self.place, left, after):
            self.mended()

    @rule(shard=st.sampled_from(["0/2", "1/2", "2/3"]), left=st.integers(1, 30))
    def a_shard_dies(self, shard, left):
        killed(self.place, left, False, backend=f"shard:{shard}")

    @rule(most=st.integers(0, 3))
    def two_writers(self, most):
        """Both have seen what is pending before either writes."""
        plan, values = miniature.layout()
        store.create(self.place, plan, miniature.BLOCK)
        self.mended()
        numbers = [store.pending(self.place) for _ in range(2)]
        writers = [store.writer(self.place) for _ in range(2)]
        for write, todo in zip(writers, numbers):
            for tile in miniature.tiles(miniature.SHAPE, miniature.BLOCK, todo[:most]):
                write(tile, {name: values[name][tile.slices] for name in values})

    @rule()
    def a_check(self):
        try:
            verify.damaged(self.place)
        except (FileNotFoundError, FileExistsError):
            pass

    @rule(data=st.data(), how=st.sampled_from(HOWS), where=st.integers(0, 5000))
    def damage(self, data, how, where):
        keys = [k for k in (*TILES, *LABELS, *METADATA, "zarr.json") if k in self.place._store_dict]
        # of both places that say whose the store is one has to be left
        lost = self.outcome_lost or "outcome/zarr.json" not in self.place._store_dict
        keys = [k for k in keys if not (k == "zarr.json" and lost)]
        keys = [k for k in keys if not (k == "outcome/zarr.json" and self.group_lost)]
        # a touched letter in the group's is another configuration or other circumstances
        keys = [k for k in keys if not (k == "zarr.json" and how == "flip")]
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        damage(self.place, key, how, where)
        self.group_lost |= key == "zarr.json"
        self.outcome_lost |= key == "outcome/zarr.json"

    def mended(self):
        self.group_lost = self.outcome_lost = False

    @rule()
    def verify_and_run(self):
        try:
            verify.damaged(self.place)
        except (FileNotFoundError, FileExistsError):
            miniature.run(self.place, most=0)  # writes what is known without the group
            verify.damaged(self.place)
        miniature.run(self.place)
        self.mended()
        assert miniature.contents(self.place) == miniature.sound()

    @invariant()
    def nobody_is_given_wrong_numbers(self):
        if hasattr(self, "place"):
            miniature.never_wrong(self.place)


Store.TestCase.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, derandomize=True
)
TestStore = Store.TestCase
