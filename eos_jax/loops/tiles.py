"""Lanes run until they stop, in one call of machine code.

A number of lanes is in flight; their state is in registers for a block of 32 steps, after which
every lane is looked at. One that may have stopped within the block goes, as it was at the block's
beginning, to a queue of its own, and the next lane of the tile takes its place. Queued lanes are
replayed together, every step looked at, to the first point that stops them. So no step is examined
but in the block that matters, and no lane waits for another.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

from eos_jax.loops import llvm
from eos_jax.loops.registers import addresses, at, lanes_in_flight, lanes_together
from eos_jax.loops.scalars import Scalars, has_loops
from eos_jax.registry import made_once

BLOCK = 32
"""Steps between examinations. Part of what a result means, so not a setting."""

_CALLED = "ptr %leaves, ptr %steps, ptr %order, i64 %count, i32 %horizon"


class Lists(NamedTuple):
    """What the lanes of a tile do, as lists of scalar operations.

    A lane's leaves are, in this order: `params` parameters, the rule's state, the observers'
    accumulators, the hyperparameters, and what its end is compared with.

    Attributes:
      step: parameters, state, hyperparameters to parameters, state.
      look: parameters, what they are compared with, to whether a minimum is in reach and whether
        the lane is gone; None if neither stops a lane.
      observe: all leaves but the last kind, steps taken and whether the lane is shown, to
        accumulators; None without observers.
      dtypes: of the leaves.
      params: how many parameters.
      moving: how many parameters and leaves of state.
      seen: how many accumulators.
      hyper: how many hyperparameters.
      every: steps between samples.
    """

    step: Scalars
    look: Scalars | None
    observe: Scalars | None
    dtypes: tuple[str, ...]
    params: int
    moving: int
    seen: int
    hyper: int
    every: int

    @property
    def chunk(self) -> int:
        """Steps after which a sample may be due."""
        return _divisor(self.every) if self.observe else BLOCK


def _divisor(every):
    chunk = BLOCK
    while every % chunk:
        chunk //= 2
    return chunk


class Functions(NamedTuple):
    """The machine code for one kind of tile.

    Attributes:
      code: what keeps it alive.
      run: (leaves, steps, order, count, horizon, budget) -> lanes of `order` that are still under
        way when the budget of blocks is spent; the others have stopped.
      replay: (leaves, steps, order, count, horizon): takes lanes to the end of their block, or to
        where they are gone, minima in reach unheeded.
    """

    code: Any
    run: Any
    replay: Any


@made_once
def functions(lists: Lists, processor: tuple[str, str] | None = None) -> Functions:
    """Machine code for tiles that do what some lists say."""
    lanes = lanes_in_flight(lists.dtypes[0])
    few = max(2, 2 * llvm.register_file()[1] // llvm.size_of(lists.dtypes[0]))
    few = min(few, lanes)
    module = "\n".join((_replay(lists, lanes, few), _run(lists, lanes), _unheeded(lists, lanes)))
    code = llvm.compiled(module, processor)
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    called = (pointer, pointer, pointer, count, ctypes.c_int32)
    return Functions(
        code,
        ctypes.CFUNCTYPE(count, *called, count)(code.get_function_address("run")),
        ctypes.CFUNCTYPE(None, *called)(code.get_function_address("unheeded")),
    )


def _rows(text, lists, length):
    """Room for so many lanes: for each leaf, their steps, and their numbers."""
    leaves = [text.reserve(f"[{length} x {llvm.stored_type(d)}]") for d in lists.dtypes]
    return leaves, text.reserve(f"[{length} x i32]"), text.reserve(f"[{length} x i64]")


def _copy(text, dtype, source, index, target, place):
    kind = llvm.stored_type(dtype)
    value = text.make(f"load {kind}, ptr {at(text, dtype, source, index)}")
    text.say(f"store {kind} {value}, ptr {at(text, dtype, target, place)}")


def _copy_lane(text, lists, sources, index, targets, place):
    """One lane, its steps and leaves, from one set of arrays to another."""
    for dtype, source, target in zip(lists.dtypes, sources[0], targets[0]):
        _copy(text, dtype, source, index, target, place)
    _copy(text, "int32", sources[1], index, targets[1], place)


def _load(text, lists, rows, lanes, index="0"):
    return [
        llvm.load_lanes(text, dtype, lanes, at(text, dtype, row, index))
        for dtype, row in zip(lists.dtypes, rows)
    ]


def _parts(lists, leaves):
    """Leaves by kind: moving, seen, hyperparameters, what ends are compared with."""
    first, second = lists.moving, lists.moving + lists.seen
    third = second + lists.hyper
    return leaves[:first], leaves[first:second], leaves[second:third], leaves[third:]


def _look(text, lists, moving, start, lanes):
    """Whether a minimum is in reach, and whether the lane is gone."""
    if lists.look is None:
        return "zeroinitializer", "zeroinitializer"
    return llvm.write(text, lists.look, [*moving[: lists.params], *start], lanes)


def _see(text, lists, places, hyper, steps, shown, lanes):
    """The observers see the points of lanes, whose leaves are in variables."""
    kinds = [llvm.vector(dtype, lanes) for dtype in lists.dtypes]
    known = lists.moving + lists.seen
    now = [text.make(f"load {k}, ptr {p}") for k, p in zip(kinds[:known], places)]

    def observe():
        new = llvm.write(text, lists.observe, [*now, *hyper, steps, shown], lanes)
        for kind, place, value in zip(kinds[lists.moving :], places[lists.moving :], new):
            text.say(f"store {kind} {value}, ptr {place}")

    if BLOCK % lists.every == 0:
        due = shown
    else:
        every = llvm.splat(lists.every, "int32", lanes)
        kind = llvm.vector("int32", lanes)
        rest = text.make(f"urem {kind} {steps}, {every}")
        due = text.make(f"icmp eq {kind} {rest}, zeroinitializer")
        due = text.make(f"and <{lanes} x i1> {due}, {shown}")
    llvm.when(text, llvm.any_of(text, due, lanes), observe)


def _step(text, lists, places, hyper, lanes):
    """One step of lanes whose leaves are in variables: values before and after."""
    kinds = [llvm.vector(dtype, lanes) for dtype in lists.dtypes[: lists.moving]]
    now = [text.make(f"load {kind}, ptr {place}") for kind, place in zip(kinds, places)]
    return kinds, now, llvm.write(text, lists.step, [*now, *hyper], lanes)


def _replay(lists, lanes, few):
    """Lanes of a queue, each to its first point that stops it, and back to their arrays."""
    text = llvm.Text()
    rows = addresses(text, "%rows", len(lists.dtypes))
    arrays = addresses(text, "%leaves", len(lists.dtypes))
    whole = llvm.vector("int32", few)
    spread = text.make(f"insertelement <{few} x i1> poison, i1 %heed, i64 0")
    heed = text.make(
        f"shufflevector <{few} x i1> {spread}, <{few} x i1> poison, <{few} x i32> zeroinitializer"
    )
    spread = text.make(f"insertelement {whole} poison, i32 %horizon, i64 0")
    horizon = text.make(
        f"shufflevector {whole} {spread}, {whole} poison, <{few} x i32> zeroinitializer"
    )

    def group(index):
        leaves = _load(text, lists, rows, few, index)
        steps = llvm.load_lanes(text, "int32", few, at(text, "int32", "%row_steps", index))
        _, _, hyper, start = _parts(lists, leaves)
        known = lists.moving + lists.seen
        kinds = [llvm.vector(dtype, few) for dtype in lists.dtypes]
        places = [text.variable(k, v) for k, v in zip(kinds[:known], leaves)]
        count = text.variable(whole, steps)
        past = text.make(f"and {whole} {steps}, {llvm.splat(BLOCK - 1, 'int32', few)}")
        left = text.make(f"sub {whole} {llvm.splat(BLOCK, 'int32', few)}, {past}")
        end = text.make(f"add {whole} {steps}, {left}")
        sooner = text.make(f"icmp slt {whole} {horizon}, {end}")
        end = text.make(f"select <{few} x i1> {sooner}, {whole} {horizon}, {whole} {end}")
        out = text.label("out")

        def turn(_):
            kinds, now, new = _step(text, lists, places, hyper, few)
            near, gone = _look(text, lists, now, start, few)
            taken = text.make(f"load {whole}, ptr {count}")
            halted = text.make(f"icmp sge {whole} {taken}, {end}")
            if lists.look is not None:
                heeded = text.make(f"and <{few} x i1> {near}, {heed}")
                stops = text.make(f"or <{few} x i1> {heeded}, {gone}")
                halted = text.make(f"or <{few} x i1> {halted}, {stops}")
            moves = text.make(f"xor <{few} x i1> {halted}, splat (i1 true)")
            for kind, place, before, after in zip(kinds, places, now, new):
                kept = text.make(f"select <{few} x i1> {halted}, {kind} {before}, {kind} {after}")
                text.say(f"store {kind} {kept}, ptr {place}")
            more = text.make(f"zext <{few} x i1> {moves} to {whole}")
            taken = text.make(f"add {whole} {taken}, {more}")
            text.say(f"store {whole} {taken}, ptr {count}")
            if lists.observe is not None:
                _see(text, lists, places, hyper, taken, moves, few)
            going = text.label("going")
            text.say(f"br i1 {llvm.any_of(text, moves, few)}, label %{going}, label %{out}")
            text.begin(going)

        llvm.counted(text, str(BLOCK), turn)
        text.say(f"br label %{out}")
        text.begin(out)
        for dtype, kind, place, row in zip(lists.dtypes, kinds, places, rows):
            value = text.make(f"load {kind}, ptr {place}")
            llvm.store_lanes(text, dtype, few, value, at(text, dtype, row, index))
        value = text.make(f"load {whole}, ptr {count}")
        llvm.store_lanes(text, "int32", few, value, at(text, "int32", "%row_steps", index))

    llvm.counted(text, "%count", group, by=few)

    def back(index):
        lane = text.make(f"load i64, ptr {at(text, 'int64', '%row_ids', index)}")
        _copy_lane(text, lists, (rows, "%row_steps"), index, (arrays, "%steps"), lane)

    llvm.counted(text, "%count", back)
    text.say("ret void")
    arguments = ("ptr %leaves, ptr %steps, ptr %rows, ptr %row_steps, ptr %row_ids, i64 %count, "
                 "i32 %horizon, i1 %heed")  # fmt: skip
    return llvm.function("replay", arguments, text).replace("define void", "define internal void")


def _replay_rows(text, queue, first, count, heed):
    """A call of `replay` for some lanes of a queue."""
    leaves, steps, ids = queue
    table = text.reserve(f"[{len(leaves)} x ptr]")
    for number, (dtype, row) in enumerate(leaves):
        place = text.make(f"getelementptr ptr, ptr {table}, i64 {number}")
        text.say(f"store ptr {at(text, dtype, row, first)}, ptr {place}")
    text.say(
        f"call void @replay(ptr %leaves, ptr %steps, ptr {table}, "
        f"ptr {at(text, 'int32', steps, first)}, ptr {at(text, 'int64', ids, first)}, "
        f"i64 {count}, i32 %horizon, i1 {heed})"
    )


def _run(lists, lanes):
    """Lanes of the order, to where each stops."""
    text = llvm.Text()
    arrays = (addresses(text, "%leaves", len(lists.dtypes)), "%steps")
    slots = _rows(text, lists, lanes)
    queue = _rows(text, lists, 2 * lanes)
    queue_leaves = (list(zip(lists.dtypes, queue[0])), queue[1], queue[2])
    for dtype, row in (*zip(lists.dtypes, slots[0]), *zip(lists.dtypes, queue[0])):
        # lanes that are none compute something harmless
        for length, of in ((lanes, slots[0]), (2 * lanes, queue[0])):
            if row in of:
                kind = f"<{length} x {llvm.stored_type(dtype)}>"
                text.say(f"store {kind} zeroinitializer, ptr {row}")
    for length, of in ((lanes, slots), (2 * lanes, queue)):
        text.say(f"store <{length} x i32> zeroinitializer, ptr {of[1]}")
    mask = f"i{lanes}"
    following, queued = text.variable("i64", "0"), text.variable("i64", "0")
    spent = text.variable("i64", "0")
    live = text.variable(mask, "0")

    def fill(slot):
        """The next lane of the order into a slot, or none."""
        number = text.make(f"load i64, ptr {following}")
        more = text.make(f"icmp slt i64 {number}, %count")
        take, none, done = text.label("take"), text.label("none"), text.label("filled")
        bit = text.make(f"shl {mask} 1, {_resized(text, slot, lanes)}")
        before = text.make(f"load {mask}, ptr {live}")
        text.say(f"br i1 {more}, label %{take}, label %{none}")
        text.begin(take)
        lane = text.make(f"load i64, ptr {at(text, 'int64', '%order', number)}")
        _copy_lane(text, lists, arrays, lane, slots, slot)
        text.say(f"store i64 {lane}, ptr {at(text, 'int64', slots[2], slot)}")
        text.say(f"store {mask} {text.make(f'or {mask} {before}, {bit}')}, ptr {live}")
        text.say(f"store i64 {text.make(f'add i64 {number}, 1')}, ptr {following}")
        text.say(f"br label %{done}")
        text.begin(none)
        others = text.make(f"xor {mask} {bit}, -1")
        text.say(f"store {mask} {text.make(f'and {mask} {before}, {others}')}, ptr {live}")
        text.say(f"br label %{done}")
        text.begin(done)

    llvm.counted(text, str(lanes), fill)
    head, work, full, out = (text.label(n) for n in ("head", "work", "full", "out"))
    text.say(f"br label %{head}")
    text.begin(head)
    alive = text.make(f"load {mask}, ptr {live}")
    used = text.make(f"load i64, ptr {spent}")
    some = text.make(f"icmp ne {mask} {alive}, 0")
    cheap = text.make(f"icmp slt i64 {used}, %budget")
    text.say(f"br i1 {text.make(f'and i1 {some}, {cheap}')}, label %{work}, label %{out}")
    text.begin(work)
    text.say(f"store i64 {text.make(f'add i64 {used}, 1')}, ptr {spent}")
    decided, ending, store = _block(text, lists, slots, lanes)
    decided = text.make(f"and {mask} {decided}, {alive}")
    others = text.make(f"xor {mask} {decided}, -1")
    ending = text.make(f"and {mask} {ending}, {text.make(f'and {mask} {alive}, {others}')}")

    def queue_up(slot):
        size = text.make(f"load i64, ptr {queued}")
        _copy_lane(text, lists, slots, slot, queue, size)
        _copy(text, "int64", slots[2], slot, queue[2], size)
        text.say(f"store i64 {text.make(f'add i64 {size}, 1')}, ptr {queued}")

    _each_bit(text, decided, lanes, queue_up)
    store()
    _each_bit(text, ending, lanes, queue_up)
    _each_bit(text, text.make(f"or {mask} {decided}, {ending}"), lanes, fill)
    size = text.make(f"load i64, ptr {queued}")
    enough = text.make(f"icmp sge i64 {size}, {lanes}")
    text.say(f"br i1 {enough}, label %{full}, label %{head}")
    text.begin(full)
    first = text.make(f"sub i64 {size}, {lanes}")
    text.say(f"store i64 {first}, ptr {queued}")
    _replay_rows(text, queue_leaves, first, str(lanes), "true")
    text.say(f"br label %{head}")

    text.begin(out)
    size = text.make(f"load i64, ptr {queued}")
    _replay_rows(text, queue_leaves, "0", size, "true")
    # what is still under way goes back to the arrays and to the front of the order
    waiting = text.variable("i64", "0")

    def put_back(slot):
        lane = text.make(f"load i64, ptr {at(text, 'int64', slots[2], slot)}")
        _copy_lane(text, lists, slots, slot, arrays, lane)
        place = text.make(f"load i64, ptr {waiting}")
        text.say(f"store i64 {lane}, ptr {at(text, 'int64', '%order', place)}")
        text.say(f"store i64 {text.make(f'add i64 {place}, 1')}, ptr {waiting}")

    _each_bit(text, text.make(f"load {mask}, ptr {live}"), lanes, put_back)
    number = text.make(f"load i64, ptr {following}")
    rest = text.make(f"sub i64 %count, {number}")

    def keep(index):
        source = text.make(f"add i64 {number}, {index}")
        place = text.make(f"load i64, ptr {waiting}")
        _copy(text, "int64", "%order", source, "%order", place)
        text.say(f"store i64 {text.make(f'add i64 {place}, 1')}, ptr {waiting}")

    llvm.counted(text, rest, keep)
    text.say(f"ret i64 {text.make(f'load i64, ptr {waiting}')}")
    return llvm.function("run", _CALLED + ", i64 %budget", text, "i64")


def _resized(text, slot, lanes):
    """An index of 64 bits as a number of as many bits as there are lanes."""
    if lanes == 64:
        return slot
    return text.make(f"{'zext' if lanes > 64 else 'trunc'} i64 {slot} to i{lanes}")


def _each_bit(text, bits, lanes, action):
    """Do something for each bit that is set, from the lowest."""
    mask = f"i{lanes}"
    left = text.variable(mask, bits)
    head, inside, done = text.label("bits"), text.label("bit"), text.label("done")
    text.say(f"br label %{head}")
    text.begin(head)
    now = text.make(f"load {mask}, ptr {left}")
    some = text.make(f"icmp ne {mask} {now}, 0")
    text.say(f"br i1 {some}, label %{inside}, label %{done}")
    text.begin(inside)
    index = text.make(f"call {mask} @llvm.cttz.{mask}({mask} {now}, i1 true)")
    if lanes != 64:
        index = text.make(f"{'trunc' if lanes > 64 else 'zext'} {mask} {index} to i64")
    less = text.make(f"sub {mask} {now}, 1")
    text.say(f"store {mask} {text.make(f'and {mask} {now}, {less}')}, ptr {left}")
    action(index)
    text.say(f"br label %{head}")
    text.begin(done)


def _block(text, lists, slots, lanes):
    """32 steps of the lanes in the slots.

    Returns which may have stopped, from where their block began; which have less than a block to
    go from where it ended; and how to store all.
    """
    turns = lists.observe is not None and has_loops(lists.observe)
    # a loop within an observer would wait for one register of lanes at a time
    width = lanes if turns else lanes_together(lists.step, lanes, lists.dtypes[0])
    kinds = [llvm.vector(dtype, width) for dtype in lists.dtypes]
    known, whole = lists.moving + lists.seen, llvm.vector("int32", width)
    spread = text.make(f"insertelement {whole} poison, i32 %horizon, i64 0")
    horizon = text.make(
        f"shufflevector {whole} {spread}, {whole} poison, <{width} x i32> zeroinitializer"
    )
    copies = []  # a register of lanes each
    for first in range(0, lanes, width):
        leaves = _load(text, lists, slots[0], width, str(first))
        steps = llvm.load_lanes(text, "int32", width, at(text, "int32", slots[1], str(first)))
        places = [text.variable(k, v) for k, v in zip(kinds[:known], leaves)]
        copies.append((first, leaves, places, text.variable(whole, steps)))

    def move(_):
        for _, leaves, places, _ in copies:
            _, _, new = _step(text, lists, places, _parts(lists, leaves)[2], width)
            for kind, place, value in zip(kinds, places, new):
                text.say(f"store {kind} {value}, ptr {place}")

    def chunk(_):
        llvm.counted(text, str(lists.chunk), move)
        for _, leaves, places, count in copies:
            taken = text.make(f"load {whole}, ptr {count}")
            taken = text.make(f"add {whole} {taken}, {llvm.splat(lists.chunk, 'int32', width)}")
            text.say(f"store {whole} {taken}, ptr {count}")
            if lists.observe is not None:
                hyper = _parts(lists, leaves)[2]
                _see(text, lists, places, hyper, taken, "splat (i1 true)", width)

    llvm.counted(text, str(BLOCK // lists.chunk), chunk)
    last = text.make(f"sub {whole} {horizon}, {llvm.splat(BLOCK, 'int32', width)}")
    bits = ending = "0"
    for first, leaves, places, count in copies:
        after = text.make(f"load {whole}, ptr {count}")
        stops = text.make(f"icmp sgt {whole} {after}, {horizon}")
        if lists.look is not None:
            moving = [
                text.make(f"load {k}, ptr {p}") for k, p in zip(kinds, places[: lists.moving])
            ]
            near, gone = _look(text, lists, moving, _parts(lists, leaves)[3], width)
            seems = text.make(f"or <{width} x i1> {near}, {gone}")
            stops = text.make(f"or <{width} x i1> {stops}, {seems}")
        bits = _with_bits(text, bits, stops, first, width, lanes)
        ends = text.make(f"icmp sgt {whole} {after}, {last}")
        ending = _with_bits(text, ending, ends, first, width, lanes)

    def store():
        for first, _, places, count in copies:
            for dtype, kind, place, row in zip(lists.dtypes, kinds, places, slots[0]):
                value = text.make(f"load {kind}, ptr {place}")
                llvm.store_lanes(text, dtype, width, value, at(text, dtype, row, str(first)))
            value = text.make(f"load {whole}, ptr {count}")
            llvm.store_lanes(text, "int32", width, value, at(text, "int32", slots[1], str(first)))

    return bits, ending, store


def _with_bits(text, bits, truths, first, width, lanes):
    """The bits of all lanes with those of some from the first on."""
    mine = text.make(f"bitcast <{width} x i1> {truths} to i{width}")
    if width == lanes:
        return mine
    mine = text.make(f"zext i{width} {mine} to i{lanes}")
    mine = text.make(f"shl i{lanes} {mine}, {first}")
    return text.make(f"or i{lanes} {bits}, {mine}")


def _unheeded(lists, lanes):
    """Lanes of the order to the end of their block, minima in reach unheeded."""
    text = llvm.Text()
    arrays = (addresses(text, "%leaves", len(lists.dtypes)), "%steps")
    queue = _rows(text, lists, lanes)
    queue_leaves = (list(zip(lists.dtypes, queue[0])), queue[1], queue[2])
    for dtype, row in zip(lists.dtypes, queue[0]):
        text.say(f"store <{lanes} x {llvm.stored_type(dtype)}> zeroinitializer, ptr {row}")
    text.say(f"store <{lanes} x i32> zeroinitializer, ptr {queue[1]}")

    def portion(first):
        left = text.make(f"sub i64 %count, {first}")
        fewer = text.make(f"icmp slt i64 {left}, {lanes}")
        size = text.make(f"select i1 {fewer}, i64 {left}, i64 {lanes}")

        def take(index):
            place = text.make(f"add i64 {first}, {index}")
            lane = text.make(f"load i64, ptr {at(text, 'int64', '%order', place)}")
            _copy_lane(text, lists, arrays, lane, queue, index)
            text.say(f"store i64 {lane}, ptr {at(text, 'int64', queue[2], index)}")

        llvm.counted(text, size, take)
        _replay_rows(text, queue_leaves, "0", size, "false")

    llvm.counted(text, "%count", portion, by=lanes)
    text.say("ret void")
    return llvm.function("unheeded", _CALLED, text)


__all__ = ["BLOCK", "Functions", "Lists", "functions"]
