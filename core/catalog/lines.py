"""The content of a file as blocks of whole lines."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.catalog.containers import DamageError, UnpackedFile
from core.progress import Progress, silent

MAX_LINE_BYTES = 16 << 20


class Fault(NamedTuple):
    """Something unreadable: 1-based line (0 for the whole file), reason, raw excerpt."""

    line: int
    reason: str
    excerpt: str | bytes


class LineBlocks:
    """Reads a file, packed or not, in blocks that end at line boundaries.

    A line beyond ``MAX_LINE_BYTES`` is replaced by an empty one without being held in memory, and noted in ``faults``.

    Attributes, complete once :meth:`blocks` is exhausted:
        faults: what was unreadable.
        size: bytes of the file as it lies on disk.
        fingerprint: SHA-256 of these bytes.
    """

    def __init__(self, path: Path, progress: Progress = silent, stage: str = "read") -> None:
        self.faults: list[Fault] = []
        self._content = UnpackedFile(path, progress, stage)
        self.size = self._content.size

    @property
    def fingerprint(self) -> str:
        return self._content.fingerprint

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of one or more lines; each line but perhaps the file's last ends with a line feed.

        Raises:
            UnreadableError: the file is cut or damaged, or packed in a way that is not supported.
        """
        pending, lines, overlong = b"", 0, False
        chunks = self._content.chunks()
        while True:
            try:
                chunk = next(chunks, None)
            except DamageError as damage:
                raise damage.refusal(lines) from damage
            if chunk is None:
                break
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
        if pending:
            yield pending


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
