"""Where a store lies, as keys and bytes: a folder, a URL, or a store of Zarr's own.

Everything else in this room speaks of keys, so that a local disk, an object store and the stores
that tests break on purpose are one case. A folder is looked at before it is read: whatever is
neither a folder nor a plain file of a chunk's size is refused, since reading it could wait for
ever, and writing through it would change what lies elsewhere.
"""

import contextlib
import errno
import importlib.util
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from zarr.abc.store import Store
from zarr.buffer import cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore

Place = str | os.PathLike | Store
"""A folder, a URL such as s3://bucket/name.zarr, or a store of Zarr's."""

LARGEST_CHUNK = 2**31 - 1
"""Bytes that a chunk can have: Blosc compresses no more."""

_LEFTOVER = ".partial"  # Zarr's name for a file that is being written
_HOUR = 3600


def as_store(place: Place) -> Store:
    """The store at a place, which need not exist.

    Args:
      place: a folder, a URL, or a store.

    Returns:
      A store that can be written where its kind can.

    Raises:
      ValueError: if the URL's file system is not installed.
      FileExistsError: if the place is a folder with something in it that no store holds.

    Example:
      >>> as_store("memory://sweeps/first.zarr")
      <FsspecStore(AsyncFileSystemWrapper, /sweeps/first.zarr)>
    """
    if isinstance(place, Store):
        return place
    folder = local(place)
    if folder is not None:
        for _ in files(folder):
            pass
        return LocalStore(folder)
    if not importlib.util.find_spec("fsspec"):
        raise ValueError(f"A store by URL needs fsspec: install eos_jax[remote] for `{place}`.")
    try:
        return FsspecStore.from_url(str(place))
    except (ImportError, ValueError) as error:
        raise ValueError(f"No store can be opened at `{place}`: {error}.") from None


def local(place: Place) -> Path | None:
    """The folder of a place; None if it is elsewhere than on a disk."""
    if isinstance(place, LocalStore):
        return place.root
    if isinstance(place, Store):
        return None
    text = os.fspath(place)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    return None if re.match(r"[A-Za-z][\w+.-]*:(:|//)", text) else Path(text)


def files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file under a folder, by its key, with what the system knows of it.

    Raises:
      FileExistsError: at a link, a pipe or a file too large for a chunk.
    """
    waiting = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except FileNotFoundError:  # not there yet, or a file that was just renamed
            continue
        except NotADirectoryError:
            raise FileExistsError(f"`{folder}` exists and is not a folder.") from None
        for entry in entries:
            key = f"{prefix}{entry.name}"
            if entry.is_symlink():
                raise FileExistsError(f"`{folder}` holds a link, `{key}`; it is not used.")
            if entry.is_dir():
                waiting.append((Path(entry.path), f"{key}/"))
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(found.st_mode):
                raise FileExistsError(f"`{folder}` holds what is no file, `{key}`; it is not used.")
            if found.st_size > LARGEST_CHUNK:
                raise FileExistsError(
                    f"`{folder}` holds `{key}` of {found.st_size} bytes, more than a chunk can "
                    "have; it is not used."
                )
            yield key, found


def read(store: Store, key: str) -> bytes | None:
    """The bytes at a key; None if there are none."""
    if isinstance(store, LocalStore) and not store.root.exists():
        return None  # asked itself, the store would make the folder
    found = sync(store.get(key, default_buffer_prototype()))
    return None if found is None else found.to_bytes()


def put(store: Store, key: str, data: bytes) -> None:
    """Write bytes at a key, whole or not at all."""
    sync(store.set(key, cpu.Buffer.from_bytes(data)))


def put_first(store: Store, key: str, data: bytes) -> None:
    """Write bytes at a key unless something is there; of two at once, one writes."""
    try:
        sync(store.set_if_not_exists(key, cpu.Buffer.from_bytes(data)))
    except OSError as error:  # file systems without hard links cannot promise it
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        put(store, key, data)


def remove(store: Store, key: str) -> None:
    """Remove a key, if it is there."""
    sync(store.delete(key))


def keys(store: Store, prefix: str = "") -> Iterator[str]:
    """All keys in a folder of a store, in any order; leftovers of writers are none."""
    if isinstance(store, LocalStore):
        found: Iterable[str] = (f"{prefix}{key}" for key, _ in files(store.root / prefix))
    else:
        found = sync(_listed(store, prefix))
    return (key for key in found if not key.endswith(_LEFTOVER))


async def _listed(store, prefix):
    with contextlib.suppress(FileNotFoundError):
        return [key async for key in store.list_prefix(prefix)]
    return []


def times(store: Store, prefix: str) -> list[float]:
    """When the chunks in a folder of a store were written; none elsewhere than on a disk."""
    if not isinstance(store, LocalStore):
        return []
    found = files(store.root / prefix)
    return [info.st_mtime for key, info in found if not key.endswith((_LEFTOVER, ".json"))]


def sweep_up(store: Store) -> None:
    """Remove what writers that were killed left in a folder, if it is an hour old."""
    if not isinstance(store, LocalStore):
        return
    for key, found in files(store.root):
        if key.endswith(_LEFTOVER) and found.st_mtime < time.time() - _HOUR:
            (store.root / key).unlink(missing_ok=True)
