"""The content of a file as UTF-8 text, whatever it is packed in and however its text is encoded.

An archive that is cut short or whose checksum is wrong is refused whole: the part that is left looks like a
complete file to everything that follows.
"""

import bz2
import codecs
import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from core.progress import Progress, silent

_READ_BYTES = 1 << 20
_BLOCK_BYTES = 4 << 20
_HEAD_BYTES = 1 << 20
_MAGIC_BYTES = 1 << 9
_MAX_LAYERS = 4
_XZ_MEMORY = 256 << 20
_ZIP_STEP = 1 << 16
"""Bytes taken from zip and zstandard at a time: what comes before a damage is known to this grain."""

_UTF8_BOM = codecs.BOM_UTF8
_ENCODINGS = (  # UTF-32 first, as its mark begins like the one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENDLESS_CR = re.compile(rb"[^\r\n]*\r+(?![\r\n])")
_SYSTEM_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class UnreadableError(ValueError):
    """The file is not of a kind that can be read; the message is a sentence without the file's name."""


class DamageError(Exception):
    """The data ends or breaks at this place.

    Attributes:
        how: "cut off", "damaged" or "cut off or damaged".
        detail: what said so.
    """

    def __init__(self, how: str, detail: str) -> None:
        super().__init__(how, detail)
        self.how, self.detail = how, " ".join(detail.split())[:200]

    def refusal(self, lines: int) -> UnreadableError:
        """Why the file is refused; ``lines`` whole lines came before."""
        place = f" after line {lines:,}" if lines else ""
        return UnreadableError(f"the file is {self.how}{place} ({self.detail}); fetch it again")


class _Decoder(Protocol):
    """What ``bz2`` and ``lzma`` offer, and :class:`_Gunzip` for ``zlib``."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class UnpackedFile:
    """The unpacked content of a file.

    Attributes, complete once :meth:`chunks` is exhausted:
        size: bytes of the file as it lies on disk.
        fingerprint: SHA-256 of these bytes.
    """

    def __init__(self, path: Path, progress: Progress = silent, stage: str = "read") -> None:
        self.size = path.stat().st_size
        self._path = path
        self._hash = hashlib.sha256()
        self._progress = progress
        self._stage = stage

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most a few MB: UTF-8 without a mark, lines ending with a line feed.

        Raises:
            DamageError: the archive is cut or damaged here.
            UnreadableError: it is packed in a way that is not supported.
        """
        return _as_text(self._unpacked())

    def head(self) -> bytes:
        """The first MB or so of the content; a damage after it is not looked for.

        Raises:
            UnreadableError: as :meth:`chunks`, or the archive is cut or damaged in here.
        """
        head, length = [], 0
        try:
            for chunk in self.chunks():
                head.append(chunk)
                length += len(chunk)
                if length >= _HEAD_BYTES:
                    break
        except DamageError as damage:
            raise damage.refusal(sum(chunk.count(b"\n") for chunk in head)) from damage
        return b"".join(head)

    def _unpacked(self) -> Iterator[bytes]:
        chunks = self._raw()
        for layer in range(_MAX_LAYERS + 1):
            start, chunks = peek(chunks, _MAGIC_BYTES)
            if is_zip(start):
                if layer:
                    raise UnreadableError(
                        "this is a zip archive inside another archive; unpack it once and use what is in it"
                    )
                chunks = self._zip_member()
            elif (unpack := _unpacker(start)) is not None:
                chunks = unpack(chunks)
            else:
                return chunks
        raise UnreadableError(f"the file is packed more than {_MAX_LAYERS} times over; unpack it")

    def _raw(self) -> Iterator[bytes]:
        done = 0
        with self._path.open("rb") as file:
            while raw := file.read(_READ_BYTES):
                self._hash.update(raw)
                done += len(raw)
                yield raw
                self._progress(self._stage, done, self.size, "bytes")

    def _zip_member(self) -> Iterator[bytes]:
        """The content of the only file in a zip, which cannot be read from front to back."""
        self._hash = hashlib.sha256()
        with self._path.open("rb") as file:
            self._hash = hashlib.file_digest(file, "sha256")
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
                raise DamageError("cut off or damaged", f"zip: {error}") from error
            with archive:
                member = only_member(archive)
                try:
                    with archive.open(member) as content:
                        while data := content.read(_ZIP_STEP):
                            yield data
                            self._progress(self._stage, min(file.tell(), self.size), self.size, "bytes")
                except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
                    raise DamageError("cut off or damaged", f"zip: {error}") from error
                except (RuntimeError, NotImplementedError) as error:
                    raise UnreadableError(
                        f"the zip archive cannot be unpacked here ({error}); unpack it and use the file in it"
                    ) from error
        self._progress(self._stage, self.size, self.size, "bytes")


def is_zip(start: bytes) -> bool:
    """Whether a file that begins so is a zip archive (an Excel workbook is one too)."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in a zip; folders and what operating systems add do not count.

    Raises:
        UnreadableError: there are several or none, or it is an office document.
    """
    names = set(archive.namelist())
    if any(name.startswith("xl/") for name in names):
        raise UnreadableError("this is an Excel workbook; save the sheet as CSV (UTF-8)")
    if "content.xml" in names or "[Content_Types].xml" in names:
        raise UnreadableError("this is an office document; save the sheet as CSV (UTF-8)")
    files = [
        info
        for info in archive.infolist()
        if not info.filename.endswith(("/", *_SYSTEM_FILES)) and not info.filename.startswith(_SYSTEM_FILES)
    ]
    if not files:
        raise UnreadableError("this zip archive holds no file; fetch it again")
    if len(files) > 1:
        named = ", ".join(_plain(info.filename) for info in files[:5]) + (", ..." if len(files) > 5 else "")
        raise UnreadableError(
            f"this zip archive holds {len(files):,} files ({named}); unpack it and name the one that is meant"
        )
    return files[0]


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:80])


def peek(
    chunks: Iterator[bytes], size: int, enough: Callable[[bytes], bool] | None = None
) -> tuple[bytes, Iterator[bytes]]:
    """The beginning, and all again from the start.

    The beginning ends with the first piece with which there are ``size`` bytes, or that is ``enough``, or is the last.
    """
    taken: list[bytes] = []
    length, damage = 0, None
    try:
        while length < size and (chunk := next(chunks, None)) is not None:
            taken.append(chunk)
            length += len(chunk)
            if enough is not None and enough(chunk):
                break
    except DamageError as error:
        damage = error
    start = b"".join(taken)
    taken.clear()

    def again(start: bytes) -> Iterator[bytes]:
        if start:
            yield start
        del start
        if damage is not None:
            raise damage
        yield from chunks

    return start, again(start)


class _Gunzip:
    """``zlib`` with the interface of ``bz2`` and ``lzma``."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._stream.decompress(data or self._stream.unconsumed_tail, max(max_length, 0))


_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")


def _unpacker(start: bytes) -> Callable[[Iterator[bytes]], Iterator[bytes]] | None:
    if start.startswith(b"\x1f\x8b"):
        return lambda chunks: _streams(chunks, _Gunzip, "gzip")
    if start.startswith(b"BZh") and start[4:10] in _BZIP2_BLOCKS:
        return lambda chunks: _streams(chunks, bz2.BZ2Decompressor, "bzip2")
    if start.startswith((b"\xfd7zXZ\0", b"]\0\0")):
        return lambda chunks: _streams(chunks, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), "xz")
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F):
        return _zstandard
    return None


def _streams(chunks: Iterator[bytes], new: Callable[[], _Decoder], kind: str) -> Iterator[bytes]:
    """What one or several compressed streams after each other hold; padding with zeros between them is usual.

    The file objects of the standard library will not do: those of bz2 and lzma take a damaged second stream for the end
    of the file.
    """
    decoder = new()
    for chunk in chunks:
        while chunk or not (decoder.eof or decoder.needs_input):
            if decoder.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                decoder = new()
            try:
                content = decoder.decompress(chunk, _BLOCK_BYTES)
            except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
                raise DamageError("damaged", f"{kind}: {error}") from error
            chunk = decoder.unused_data if decoder.eof else b""
            if content:
                yield content
    if not decoder.eof:
        raise DamageError("cut off", f"the {kind} data has no end")


class _ByteStream:
    """An iterator of bytes as the file object that Arrow asks for."""

    closed = False

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _zstandard(chunks: Iterator[bytes]) -> Iterator[bytes]:
    source: Any = pa.PythonFile(_ByteStream(chunks), mode="r")
    stream = pa.CompressedInputStream(source, "zstd")
    while True:
        try:
            content = stream.read(_ZIP_STEP)
        except OSError as error:
            how = "cut off" if "runcated" in str(error) else "damaged"
            raise DamageError(how, f"zstandard: {error}") from error
        if not content:
            return
        yield content


def _as_text(chunks: Iterator[bytes]) -> Iterator[bytes]:
    start, chunks = peek(chunks, _MAGIC_BYTES)
    encoding = next((name for mark, name in _ENCODINGS if start.startswith(mark)), None) or _unmarked(start)
    if encoding is not None:
        chunks = _utf8(chunks, encoding)
    head, chunks = peek(chunks, _HEAD_BYTES, _ends_a_line)
    old_mac = _ENDLESS_CR.match(head) is not None
    marked = head.startswith(_UTF8_BOM)
    del start, head
    for chunk in chunks:
        if marked:
            chunk, marked = chunk[len(_UTF8_BOM) :], False
        yield chunk.replace(b"\r", b"\n") if old_mac else chunk


def _ends_a_line(chunk: bytes) -> bool:
    return (b"\n" in chunk or b"\r" in chunk) and not chunk.endswith(b"\r")


def _unmarked(start: bytes) -> str | None:
    """UTF-16 without a mark: text that begins with 16 or more characters of ASCII shows a zero in every other byte."""
    low, high = start[:64:2], start[1:64:2]
    if len(high) >= 16 and not any(high) and all(low):
        return "utf-16-le"
    if len(high) >= 16 and not any(low) and all(high):
        return "utf-16-be"
    return None


def _utf8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-8 of other Unicode; invalid characters come out as invalid UTF-8, for the readers to see."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise DamageError("cut off or damaged", f"{encoding}: {getattr(error, 'reason', error)}") from error
