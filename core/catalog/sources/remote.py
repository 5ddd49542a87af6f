"""What a download needs of a remote file, whatever it is reached through."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stamp:
    """What tells one state of a remote file from another; None where the server does not say."""

    size: int | None = None
    etag: str | None = None
    modified: str | None = None

    @property
    def validator(self) -> str | None:
        """What may join two parts of a file (RFC 9110, 13.1.5): a strong ETag or a date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


@dataclass(frozen=True)
class Limits:
    """What one download may take.

    Attributes:
        seconds: of wall time, retries included.
        bytes: of the whole file.
    """

    seconds: float = 6 * 3600.0
    bytes: int = 200 * 10**9


class Stream(Protocol):
    """The part of a binary file object that a download needs."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass
class Opened:
    """A remote file open for reading from byte ``offset`` on."""

    stream: Stream
    offset: int
    stamp: Stamp


class Remote(Protocol):
    """One remote file. Its methods raise InputError if asking again is useless, else OSError or HTTPException."""

    def open(self, offset: int, known: Stamp) -> Opened:
        """Open at ``offset`` if the file is still in the state ``known``, else at 0."""
        ...

    def unchanged(self, known: Stamp) -> bool:
        """Whether the file is still in the state ``known``."""
        ...

    def stamp(self) -> Stamp:
        """The file's state now, without its content."""
        ...
