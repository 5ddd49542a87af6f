"""Downloads remote files into a local cache, and survives cut connections, changed files and killed processes.

The cache holds for each URL: the file, ``.json`` beside it (its size, SHA-256 and stamp: ETag, date), while it
is being loaded ``.part`` and ``.part.json``, and ``.lock`` against two processes loading the same file. A cut
download goes on where it stopped if the server says that the file is still the same, else it starts again. A file
with a pinned checksum is never asked for again; without one the server is asked whether it changed, and the cached
file is used when it did not or when the server cannot be reached.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fsspec

from core.catalog.lines import file_sha256
from core.catalog.sources.remote import Limits, Opened, Remote, Stamp
from core.catalog.sources.web import BY_HAND, Web, retry_after
from core.errors import InputError
from core.progress import Progress
from core.untrusted.urls import scrubbed, shown

try:
    import fcntl
except ImportError:  # Windows: two processes that load the same file at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

RETRY_WAITS = (1.0, 4.0, 15.0)
"""Seconds before each new attempt; the count starts again whenever the download got further."""

_LONGEST_WAIT = 60.0
_FURTHER = 1 << 16  # bytes that count as getting further
_CHUNK = 1 << 18
_HTTP = ("http://", "https://")


def remote_stamp(url: str) -> Stamp:
    """Ask for a remote file's state; quick, and loads nothing.

    Raises:
        InputError: there is no such file, or it may not be read.
        OSError, http.client.HTTPException: the server cannot be reached now.
    """
    return _remote(url).stamp()


def _remote(url: str, deadline: float | None = None) -> Remote:
    if url.lower().startswith(_HTTP):
        return Web(url, deadline)
    if any(part.startswith(_HTTP) for part in re.split(r"::", url.lower())):
        # It would be asked for without what this program takes care of: where a redirect may lead, and credentials.
        raise InputError(f"{shown(url)}: an http address cannot be a part of another; name it alone, {BY_HAND}")
    return _Fsspec(url)


def download(url: str, sha256: str | None, cache_dir: Path, progress: Progress, limits: Limits | None = None) -> Path:
    """The cached copy of ``url``, loaded or refreshed where needed.

    Args:
        url: http(s) or any URL that fsspec opens.
        sha256: 64 lower-case hex digits that the content must have, or None.
        cache_dir: folder of the cache, created if missing.
        progress: told ``download`` in bytes.
        limits: what it may take; by default :class:`core.catalog.sources.remote.Limits`.

    Raises:
        InputError: the file cannot be had (not found, refused, unreachable after all retries, beyond the limits) or has
            another checksum.
    """
    limits = limits or Limits()
    deadline = time.monotonic() + limits.seconds
    name = re.sub(r"[^\w.-]", "_", shown(url).rstrip("/").rpartition("/")[2])[-100:] or "file"
    target = cache_dir / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    remote = _remote(url, deadline)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(target.name + ".lock")):
            if not _is_good(target, sha256, remote):
                _Load(url, remote, target, sha256, progress, limits, deadline).run()
    except OSError as error:
        raise InputError(
            f"{cache_dir}: cannot keep downloads there ({error}); make room or make it writable"
        ) from error
    return target


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_note(path: Path) -> tuple[Stamp, str | None] | None:
    """Stamp and SHA-256 noted beside ``path``, None if there is no usable note."""
    try:
        note = json.loads(_note_of(path).read_text())
        return Stamp(**note["stamp"]), note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_note(path: Path, stamp: Stamp, sha256: str | None) -> None:
    note = _note_of(path)
    temporary = note.with_name(note.name + ".tmp")
    temporary.write_text(json.dumps({"stamp": asdict(stamp), "sha256": sha256}))
    temporary.replace(note)


def _is_good(target: Path, sha256: str | None, remote: Remote) -> bool:
    note = _read_note(target)
    if note is None or not target.is_file():
        return False
    stamp, digest = note
    if target.stat().st_size != stamp.size:
        return False
    if sha256 is not None:
        return digest == sha256
    try:
        return remote.unchanged(stamp)
    except (InputError, OSError, http.client.HTTPException):
        return True  # an older copy is better than none


class _Load:
    """One download that the cache does not have, from its first attempt to the file in place."""

    def __init__(
        self,
        url: str,
        remote: Remote,
        target: Path,
        sha256: str | None,
        progress: Progress,
        limits: Limits,
        deadline: float,
    ) -> None:
        self._url, self._remote, self._target, self._sha256 = url, remote, target, sha256
        self._progress, self._limits, self._deadline = progress, limits, deadline
        self._part = target.with_name(target.name + ".part")

    def run(self) -> None:
        """Load, check and put in place. Raises InputError."""
        stamp = self._attempts()
        digest = file_sha256(self._part)
        if self._sha256 is not None and digest != self._sha256:
            self._discard()
            raise InputError(
                f"{shown(self._url)}: the file's SHA-256 is {digest}, categories.yaml expects {self._sha256}; it was "
                "removed. Run again if the transfer went wrong, or correct sha256 in categories.yaml if the file was "
                "changed"
            )
        self._part.replace(self._target)
        _write_note(self._target, stamp, digest)
        _note_of(self._part).unlink()

    def _attempts(self) -> Stamp:
        furthest = failures = 0
        while True:
            try:
                return self._advance()
            except (OSError, http.client.HTTPException) as error:
                self._check_time()
                size = self._part.stat().st_size if self._part.exists() else 0
                failures = 1 if size >= furthest + _FURTHER else failures + 1
                furthest = max(furthest, size)
                if failures > len(RETRY_WAITS):
                    reason = scrubbed(_reason(error), self._url)
                    raise InputError(
                        f"{shown(self._url)}: download failed {failures} times, the last time with: {reason}. What "
                        f"came so far is kept and the next run goes on from it. Check address and network, {BY_HAND}"
                    ) from None
                wait = max(RETRY_WAITS[failures - 1], min(retry_after(error), _LONGEST_WAIT))
                self._check_time(wait)
                time.sleep(wait)

    def _advance(self) -> Stamp:
        """One attempt to complete the part; returns the stamp of the complete file.

        Raises:
            ConnectionError: the connection ended before the file did.
        """
        note = _read_note(self._part)
        known = note[0] if note else Stamp()
        have = self._part.stat().st_size if self._part.exists() and note else 0
        # Without a validator nothing but the checksum at the end would notice parts of two different files.
        offset = have if known.validator or self._sha256 is not None else 0
        if offset and offset == known.size:
            return known
        opened = self._remote.open(offset, known)
        with contextlib.closing(opened.stream):
            return self._receive(opened)

    def _receive(self, opened: Opened) -> Stamp:
        total, done = opened.stamp.size, opened.offset
        self._check_size(total or 0)
        with self._part.open("ab" if done else "wb") as file:
            _write_note(self._part, opened.stamp, None)
            while chunk := opened.stream.read(_CHUNK):
                done += len(chunk)
                self._check_size(done)
                _write(file, chunk)
                self._check_time()
                self._progress("download", done, total or 0, "bytes")
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done != total:
            raise ConnectionError(f"connection ended after {done:,} of {total:,} bytes")
        self._check_time()  # an answer without a length that was cut at the deadline looks whole
        return Stamp(done, opened.stamp.etag, opened.stamp.modified)

    def _check_size(self, size: int) -> None:
        if size > self._limits.bytes:
            self._discard()
            raise InputError(
                f"{shown(self._url)}: has {size:,} bytes or more, allowed are {self._limits.bytes:,}; none of it "
                "was kept. Check the address, or raise guard.download_gigabytes for this category in categories.yaml"
            )

    def _check_time(self, ahead: float = 0.0) -> None:
        if time.monotonic() + ahead >= self._deadline:
            raise InputError(
                f"{shown(self._url)}: the download did not finish within {self._limits.seconds:,.0f} seconds. "
                "What came so far is kept and the next run goes on from it. Run again, or raise guard.download_hours "
                "for this category in categories.yaml"
            ) from None

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        _note_of(self._part).unlink(missing_ok=True)


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:  # not to be mistaken for the network's fault, which is retried
        raise InputError(f"{file.name}: cannot write the download ({error}); make room on the disk") from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__


class _Fsspec:
    """A file in any file system that fsspec knows."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._fs, self._path = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise InputError(f"{shown(url)}: {scrubbed(str(error), url)}") from None
        except ValueError as error:
            reason = scrubbed(str(error), url)
            raise InputError(f"{shown(url)}: {reason}; correct the category's source in categories.yaml") from None

    def open(self, offset: int, known: Stamp) -> Opened:
        with self._translated():
            stamp = self._stamp()
            stream = self._fs.open(self._path, "rb")
            start = offset if stamp == known else 0
            stream.seek(start)
            return Opened(stream, start, stamp)

    def unchanged(self, known: Stamp) -> bool:
        return self.stamp() == known

    def stamp(self) -> Stamp:
        with self._translated():
            return self._stamp()

    def _stamp(self) -> Stamp:
        self._fs.invalidate_cache()
        return Stamp(self._fs.info(self._path).get("size"), self._fs.ukey(self._path))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            what = f"{type(error).__name__}: {scrubbed(str(error), self._url)}"
            raise InputError(f"{shown(self._url)}: {what}. Check the address in categories.yaml") from None
        except Exception as error:  # backends raise their own types, missing credentials included
            raise OSError(f"{type(error).__name__}: {scrubbed(str(error), self._url)}") from None
