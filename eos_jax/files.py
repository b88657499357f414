"""Files that are written whole or not at all, whatever becomes of the process or the disk."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Generator[Path]:
    """A place to write a file at, which takes its name when it is complete.

    What was there is replaced; a link is replaced too, not written through. Folders are made.

    Args:
      path: the file.

    Example:
      >>> import pathlib, tempfile
      >>> place = pathlib.Path(tempfile.mkdtemp(), "new", "a.txt")
      >>> with whole(place) as part:
      ...     _ = part.write_text("all of it")
      >>> [file.name for file in place.parent.iterdir()]
      ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
