"""The bytes of a plain or gzip file as blocks of whole lines, however damaged the file is.

Belongs here: decompression, line boundaries, the limits on a line's length and the file's fingerprint. Does not
belong here: what a line says.
"""

import contextlib
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.progress import Progress, silent

MAX_LINE_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_BLOCK_BYTES = 4 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Fault(NamedTuple):
    """Something unreadable: 1-based line (0 for the whole file), reason, raw excerpt."""

    line: int
    reason: str
    excerpt: str | bytes


class LineBlocks:
    """Reads a file, gzip or not (told by its first bytes, not its name), in blocks that end at line boundaries.

    Damage never raises: a cut or broken gzip stream ends the lines before the damage (the unfinished last line is
    left out), a line beyond ``MAX_LINE_BYTES`` is replaced by an empty one without being held in memory; both are
    noted in ``faults``.

    Attributes, complete once :meth:`blocks` is exhausted:
        faults: what was unreadable.
        size: bytes of the file as it lies on disk.
        fingerprint: SHA-256 of these bytes.
    """

    def __init__(self, path: Path, progress: Progress = silent, stage: str = "read") -> None:
        self.faults: list[Fault] = []
        self.size = path.stat().st_size
        self._path = path
        self._hash = hashlib.sha256()
        self._progress = progress
        self._stage = stage
        self._damage = ""

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of one or more lines; each line but perhaps the file's last ends with a line feed."""
        pending, lines, overlong, first = b"", 0, False, True
        for content in self._content():
            chunk = content.removeprefix(_BOM) if first else content
            first = False
            start = chunk.find(b"\n") + 1
            if len(pending) + (start or len(chunk)) > MAX_LINE_BYTES:
                if not overlong:
                    excerpt = (pending[:200] + chunk[:200])[:200]
                    self.faults.append(Fault(lines + 1, f"line longer than {MAX_LINE_BYTES:,} bytes", excerpt))
                pending, overlong = b"", True
            if overlong:
                if not start:
                    continue
                chunk, overlong = chunk[start - 1 :], False  # the line feed stays, as the line's number counts
            end = chunk.rfind(b"\n") + 1
            if end:
                block = pending + chunk[:end]
                lines += block.count(b"\n")
                pending = chunk[end:]
                yield block
            else:
                pending += chunk
        if self._damage:
            self.faults.append(Fault(lines + 1, self._damage, pending[:200]))
        elif pending:
            yield pending

    def _content(self) -> Iterator[bytes]:
        zipped, inflate = None, zlib.decompressobj(wbits=31)
        for raw in self._raw():
            if zipped is None:
                zipped = raw.startswith(_GZIP_MAGIC)
            if not zipped:
                yield raw
            while zipped and raw and not self._damage:
                if inflate.eof:  # several gzip streams may follow each other; padding with zeros is usual
                    raw = raw.lstrip(b"\0")
                    if not raw:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                before = inflate.copy()
                try:
                    content = inflate.decompress(raw, _BLOCK_BYTES)
                    raw = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                except zlib.error as error:
                    self._damage = f"broken gzip stream: {error}"
                    content = _salvaged(before, raw)
                if content:
                    yield content
        if zipped and not inflate.eof and not self._damage:
            self._damage = "truncated gzip stream: the file ends before its data does"

    def _raw(self) -> Iterator[bytes]:
        done = 0
        with self._path.open("rb") as file:
            while raw := file.read(_READ_BYTES):
                self._hash.update(raw)
                done += len(raw)
                yield raw
                self._progress(self._stage, done, self.size, "bytes")


def _salvaged(inflate: "zlib._Decompress", raw: bytes) -> bytes:
    """What can still be decompressed before the damage, found byte by byte."""
    content = []
    with contextlib.suppress(zlib.error):
        for start in range(len(raw)):
            content.append(inflate.decompress(raw[start : start + 1]))
    return b"".join(content)


def first_line(path: Path) -> bytes:
    """The beginning (at most 64 KiB) of the first line of a plain or gzip file, as far as it is readable."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if start.startswith(_GZIP_MAGIC):
        start = _salvaged(zlib.decompressobj(wbits=31), start[: 1 << 12])
    return start.removeprefix(_BOM).partition(b"\n")[0]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
