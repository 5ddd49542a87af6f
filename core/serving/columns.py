"""Columns in plain files that are memory-mapped: numbers, and texts as bytes with offsets.

A process that maps a column has only the pages in memory that it has looked at, and all processes of a machine share
them.
"""

import mmap
import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

_OFFSETS = ".offsets"
_BYTES = ".bytes"


class Texts:
    """A column of texts.

    Args:
        folder: where its files are.
        name: name of the column.
        is_large: whether the texts are read from their file instead of being mapped; they cannot be searched then.

    Raises:
        OSError, ValueError: the files are missing or do not belong together.
    """

    def __init__(self, folder: Path, name: str, is_large: bool = False) -> None:
        self._offsets = memoryview(_mapped(folder / f"{name}{_OFFSETS}")).cast("q")
        path = folder / f"{name}{_BYTES}"
        self._records = Records(path) if is_large else None
        self._bytes = memoryview(b"" if is_large else _mapped(path))
        if not len(self._offsets) or self._offsets[-1] != path.stat().st_size:
            raise ValueError(f"{folder / name} is damaged: its offsets do not fit its bytes")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> str:
        return self.raw(row).decode()

    def raw(self, row: int) -> bytes:
        """The UTF-8 bytes of a text."""
        start, end = self._offsets[row], self._offsets[row + 1]
        return bytes(self._bytes[start:end]) if self._records is None else self._records.read(start, end)

    def find(self, text: str) -> int:
        """The row of a text in a column that ascends by UTF-8 bytes; -1 if it is not there."""
        try:
            wanted = text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
            return -1
        offsets, data = self._offsets, self._bytes
        low, high = 0, len(offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if bytes(data[offsets[middle] : offsets[middle + 1]]) < wanted:
                low = middle + 1
            else:
                high = middle
        is_there = low < len(offsets) - 1 and bytes(data[offsets[low] : offsets[low + 1]]) == wanted
        return low if is_there else -1


class TextsWriter:
    """Writes a column of texts part by part; nulls become empty."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._out: BinaryIO = (folder / f"{name}{_BYTES}").open("wb")
        self._lengths: list[np.ndarray] = [np.zeros(1, np.int64)]

    def add(self, values: pa.Array) -> None:
        """Append string values."""
        plain = values.cast(pa.large_string()).fill_null("")
        plain = pa.concat_arrays([plain])  # without an offset into a larger array
        offsets = np.frombuffer(plain.buffers()[1], np.int64)[plain.offset : plain.offset + len(plain) + 1]
        if len(plain):
            self._out.write(memoryview(plain.buffers()[2])[offsets[0] : offsets[-1]])
            self._lengths.append(np.diff(offsets))

    def add_all(self, values: Iterable[str]) -> None:
        """Append Python strings."""
        self.add(pa.array(values, pa.large_string()))

    def close(self) -> None:
        """Write the offsets."""
        self._out.close()
        offsets = np.cumsum(np.concatenate(self._lengths))
        write_numbers(self._folder, f"{self._name}{_OFFSETS}", offsets.astype(np.int64))


def write_numbers(folder: Path, name: str, values: np.ndarray) -> None:
    """Write a column of numbers."""
    np.ascontiguousarray(values).tofile(folder / name)


def numbers(folder: Path, name: str, dtype: Any) -> np.ndarray:
    """A memory-mapped column of numbers of a NumPy type."""
    return np.frombuffer(_mapped(folder / name), dtype)


def _mapped(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as file:
        if not path.stat().st_size:  # an empty file cannot be mapped
            return b""
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _maps.add(mapped)
    return mapped


_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def drop_pages(above: int) -> bool:
    """Give the pages of all maps back if this process has more than ``above`` bytes of mapped files in memory.

    They stay in the page cache, from which they are mapped again when they are looked at.
    """
    if _mapped_bytes() <= above:
        return False
    for mapped in list(_maps):
        mapped.madvise(mmap.MADV_DONTNEED)
    return True


def _mapped_bytes() -> int:
    try:
        fields = Path("/proc/self/statm").read_bytes().split()
    except OSError:  # not Linux
        return 0
    return int(fields[2]) * mmap.PAGESIZE


class Records:
    """The bytes of a large file at any place, read without mapping it.

    Random reads of a mapped file leave all of its pages in the process's memory, and each page that is mapped for the
    first time costs ten times as much as reading it from the same page cache by a call of the system.
    """

    def __init__(self, path: str | Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to before ``end``; fewer at the end of the file."""
        return os.pread(self._descriptor, end - start, start)


class Rows:
    """The rows of a stored array ``[n, k]``, each as a list of Python numbers.

    Args:
        array: memory-mapped or not.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self._width = array.shape[1] * array.itemsize
        self._records, self._first = None, 0
        if isinstance(array, np.memmap) and array.flags.c_contiguous and array.filename is not None:
            self._records, self._first = Records(str(array.filename)), int(array.offset)

    def row(self, number: int) -> list[Any]:
        """A row; its number counts from 0 and must exist."""
        if self._records is None:
            return list(self._array[number].tolist())
        start = self._first + number * self._width
        return list(np.frombuffer(self._records.read(start, start + self._width), self._array.dtype).tolist())
