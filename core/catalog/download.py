"""Remote files into a local cache, surviving cut connections, changed files and killed processes.

Belongs here: transports (http with urllib, everything else with fsspec), resuming, retries, checksums, the cache's
notes. Does not belong here: local files (``core.catalog.source``) and what a file says.

What lies in the cache for a URL: the file, ``.json`` beside it (its size, SHA-256 and stamp: ETag, date), while it
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
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import fsspec

from core.catalog.lines import file_sha256
from core.errors import InputError
from core.progress import Progress

try:
    import fcntl
except ImportError:  # Windows: two processes that load the same file at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

RETRY_WAITS = (1.0, 4.0, 15.0)
"""Seconds before each new attempt; the count starts again whenever the download got further."""

_TIMEOUT = 60.0
_QUICK_TIMEOUT = 10.0  # of asking for a file's state, where nobody may be kept waiting
_LONGEST_WAIT = 60.0
_FURTHER = 1 << 16  # bytes that count as getting further
_CHUNK = 1 << 18
_BY_HAND = "or fetch the file by other means and name the local file as the category's source in categories.yaml"


def shown(url: str) -> str:
    """The URL without what may be secret: user, password and query."""
    return re.sub(r"(?<=://)[^/@]*@", "", url.partition("?")[0])


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


def remote_stamp(url: str) -> Stamp:
    """Ask for a remote file's state; quick, and loads nothing.

    Raises:
        InputError: there is no such file, or it may not be read.
        OSError, http.client.HTTPException: the server cannot be reached now.
    """
    return _remote(url).stamp()


def _remote(url: str) -> Remote:
    return _Http(url) if url.lower().startswith(("http://", "https://")) else _Fsspec(url)


def download(url: str, sha256: str | None, cache_dir: Path, progress: Progress) -> Path:
    """The cached copy of ``url``, loaded or refreshed where needed.

    Args:
        url: http(s) or any URL that fsspec opens.
        sha256: 64 lower-case hex digits that the content must have, or None.
        cache_dir: folder of the cache, created if missing.
        progress: told ``download`` in bytes.

    Raises:
        InputError: the file cannot be had (not found, refused, unreachable after all retries) or has another checksum.
    """
    name = re.sub(r"[^\w.-]", "_", shown(url).rstrip("/").rpartition("/")[2])[-100:] or "file"
    target = cache_dir / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"
    remote = _remote(url)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(target.name + ".lock")):
            if not _is_good(target, sha256, remote):
                _load(url, remote, target, sha256, progress)
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


def _load(url: str, remote: Remote, target: Path, sha256: str | None, progress: Progress) -> None:
    part = target.with_name(target.name + ".part")
    furthest = failures = 0
    while True:
        try:
            stamp = _advance(remote, part, sha256 is not None, progress)
            break
        except (OSError, http.client.HTTPException) as error:
            size = part.stat().st_size if part.exists() else 0
            failures = 1 if size >= furthest + _FURTHER else failures + 1
            furthest = max(furthest, size)
            if failures > len(RETRY_WAITS):
                raise InputError(
                    f"{shown(url)}: download failed {failures} times, the last time with: {_reason(error)}. "
                    f"What came so far is kept and the next run goes on from it. Check address and network, {_BY_HAND}"
                ) from error
            time.sleep(max(RETRY_WAITS[failures - 1], _retry_after(error)))
    digest = file_sha256(part)
    if sha256 is not None and digest != sha256:
        part.unlink()
        _note_of(part).unlink()
        raise InputError(
            f"{shown(url)}: the file's SHA-256 is {digest}, categories.yaml expects {sha256}; it was removed. "
            "Run again if the transfer went wrong, or correct sha256 in categories.yaml if the file was changed"
        )
    part.replace(target)
    _write_note(target, stamp, digest)
    _note_of(part).unlink()


def _advance(remote: Remote, part: Path, pinned: bool, progress: Progress) -> Stamp:
    """One attempt to complete ``part``; returns the stamp of the complete file.

    Raises:
        ConnectionError: the connection ended before the file did.
    """
    note = _read_note(part)
    known = note[0] if note else Stamp()
    have = part.stat().st_size if part.exists() and note else 0
    # Without a validator nothing but the checksum at the end would notice parts of two different files.
    offset = have if known.validator or pinned else 0
    if offset and offset == known.size:
        return known
    opened = remote.open(offset, known)
    with contextlib.closing(opened.stream):
        total, done = opened.stamp.size, opened.offset
        with part.open("ab" if done else "wb") as file:
            _write_note(part, opened.stamp, None)
            while chunk := opened.stream.read(_CHUNK):
                _write(file, chunk)
                done += len(chunk)
                progress("download", done, total or 0, "bytes")
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done != total:
        raise ConnectionError(f"connection ended after {done:,} of {total:,} bytes")
    return Stamp(done, opened.stamp.etag, opened.stamp.modified)


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:  # not to be mistaken for the network's fault, which is retried
        raise InputError(f"{file.name}: cannot write the download ({error}); make room on the disk") from error


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__


def _retry_after(error: Exception) -> float:
    headers = getattr(error, "headers", None)
    value = headers.get("Retry-After", "") if headers else ""
    return min(float(value), _LONGEST_WAIT) if value.isdigit() else 0.0


class _Http:
    """A file behind http or https; redirects are followed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def open(self, offset: int, known: Stamp) -> Opened:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and known.validator:
            headers["If-Range"] = known.validator
        try:
            response = self._request(headers)
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
                return self.open(0, Stamp())
            raise
        if response.headers.get_content_type() == "text/html":
            response.close()
            raise InputError(
                f"{shown(self._url)}: is a web page, not a data file; name the file's own address, {_BY_HAND}"
            )
        stamp = _http_stamp(response)
        if response.status != http.client.PARTIAL_CONTENT:
            return Opened(response, 0, stamp)
        start, total = _content_range(response)
        stamp = Stamp(total, stamp.etag, stamp.modified)
        if start != offset or stamp.validator != known.validator or known.size not in (None, total):
            response.close()  # another file, sent by a server that takes no notice of If-Range
            return self.open(0, Stamp())
        return Opened(response, offset, stamp)

    def unchanged(self, known: Stamp) -> bool:
        headers = {"If-None-Match": known.etag} if known.etag else {}
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            with self._request(headers) as response:
                return _http_stamp(response) == known
        except urllib.error.HTTPError as error:
            if error.code == http.client.NOT_MODIFIED:
                return True
            raise

    def stamp(self) -> Stamp:
        try:
            with self._request({}, "HEAD", _QUICK_TIMEOUT) as response:
                return _http_stamp(response)
        except (InputError, urllib.error.HTTPError):
            # Some servers know no HEAD; the answer to GET is closed before its content is read.
            with self._request({}, "GET", _QUICK_TIMEOUT) as response:
                return _http_stamp(response)

    def _request(self, headers: dict[str, str], method: str = "GET", timeout: float = _TIMEOUT) -> Any:
        headers = {"User-Agent": "alsobought", "Accept-Encoding": "identity", **headers}
        try:
            request = urllib.request.Request(self._url, headers=headers, method=method)  # noqa: S310 (http(s) only)
            return urllib.request.urlopen(request, timeout=timeout)  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            final = error.code in (304, 408, 416, 429) or error.code >= 500
            if final:
                raise
            remedy = f"Check the address in categories.yaml, {_BY_HAND}"
            raise InputError(
                f"{shown(self._url)}: the server answered {error.code} {error.reason}. {remedy}"
            ) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                remedy = "Check the machine's clock and certificates"
                raise InputError(f"{shown(self._url)}: {error.reason.verify_message}. {remedy}, {_BY_HAND}") from error
            raise
        except (ValueError, http.client.InvalidURL) as error:
            raise InputError(f"{shown(self._url)}: is no valid URL ({error}); correct it in categories.yaml") from error


def _http_stamp(response: Any) -> Stamp:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    return Stamp(size, response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _content_range(response: Any) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


class _Fsspec:
    """A file in any file system that fsspec knows."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._fs, self._path = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise InputError(f"{shown(url)}: {error}") from error
        except ValueError as error:
            raise InputError(f"{shown(url)}: {error}; correct the category's source in categories.yaml") from error

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
            what = type(error).__name__
            raise InputError(f"{shown(self._url)}: {what}: {error}. Check the address in categories.yaml") from error
        except Exception as error:  # backends raise their own types, missing credentials included
            raise OSError(f"{type(error).__name__}: {error}") from error
