"""Opens a stored file, which may be damaged, and compares it with its description in the manifest.

A damaged file ends in a sentence: it can neither make a reader reserve memory for what is not there, nor hand to
compiled code an index that lies outside of an array.
"""

import hashlib
import math
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from upath import UPath

from core.errors import InputError
from core.typing import AnyArray


class DamagedFileError(InputError):
    """A stored file that is not what its manifest says; the message names the file and the fault, but no remedy."""


_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_CHUNK = 1 << 20
_MEMBERS = {"indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy"}
"""What SciPy puts into the file of a CSR matrix."""


def read(path: Path, entry: Mapping[str, Any]) -> Any:
    """What a file holds; arrays are memory-mapped.

    Args:
        path: of the local file.
        entry: the manifest's description of it (see ``core.store.manifest``).

    Raises:
        FileNotFoundError: it is not there.
        DamagedFileError: it is not what its manifest says.
    """
    readers = {"table": _table, "array": _array, "matrix": _matrix}
    try:
        check_size(path, entry)
        return readers[entry["format"]](path, entry)
    except DamagedFileError:
        raise
    except OSError as error:
        if error.errno is not None:  # of the system; Arrow raises one without a number for a damaged file
            raise
        raise DamagedFileError(f"{path} is damaged: {_short(error)}") from error
    except Exception as error:  # libraries raise all kinds, each at another place of a damaged file
        raise DamagedFileError(f"{path} is damaged: {_short(error)}") from error


def check_size(path: Path | UPath, entry: Mapping[str, Any]) -> None:
    """Compare a file's size with its manifest's. Raises FileNotFoundError or DamagedFileError."""
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise DamagedFileError(f"{path} is damaged: it has {size:,} bytes instead of {entry['bytes']:,}")


def check_sum(path: Path | UPath, entry: Mapping[str, Any]) -> None:
    """Compare a file's size and SHA-256 with its manifest's; where that has none, the size alone. Raises as above."""
    check_size(path, entry)
    if entry.get("sha256") and sha256(path) != entry["sha256"]:
        raise DamagedFileError(f"{path} is damaged: its bytes are not those that were written (SHA-256)")


def sha256(path: Path | UPath) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def csr_fault(indptr: AnyArray, indices: AnyArray, rows: int, columns: int) -> str:
    """What is wrong with the structure of a matrix of compressed rows, in a few words; empty if nothing is."""
    if len(indptr) != rows + 1:
        return f"it has {len(indptr) - 1} rows instead of {rows}"
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(indptr[1:] < indptr[:-1]):
        return "its rows do not follow one another"
    if len(indices) and (indices.min() < 0 or indices.max() >= columns):
        return "it has entries outside of its columns"
    return ""


def _table(path: Path, entry: Mapping[str, Any]) -> pa.Table:
    with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
        head = file.metadata
        rows = sum(head.row_group(group).num_rows for group in range(head.num_row_groups))
        if not head.num_rows == rows == entry["rows"]:
            raise DamagedFileError(f"{path} is damaged: it has {head.num_rows:,} rows instead of {entry['rows']:,}")
        table = file.read()
    if table.num_rows != entry["rows"]:
        raise DamagedFileError(f"{path} is damaged: it has {table.num_rows:,} rows instead of {entry['rows']:,}")
    table.validate()
    return table.unify_dictionaries()


def _array(path: Path, entry: Mapping[str, Any]) -> AnyArray:
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, tuple(entry["shape"]), [entry["dtype"]])
        start = file.tell()
        _need(start + math.prod(shape) * dtype.itemsize == entry["bytes"], "it is shorter or longer than its array")
        order: Any = "F" if fortran else "C"
        if 0 in shape:
            return np.empty(shape, dtype, order)
        return np.memmap(file, dtype, "r", start, shape, order)


def header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of an array in NumPy's format; leaves the file at its values.

    Raises:
        ValueError: it is not such an array, or holds Python objects.
    """
    version = np.lib.format.read_magic(file)
    _need(version in _HEADERS, f"its version {version} is unknown")
    found = _HEADERS[version](file)
    _need(not found[2].hasobject, "it holds Python objects")
    return found


def _header(file: Any, shape: tuple[int, ...], types: Collection[str]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The header of a stored array, which must be of this shape and one of these types."""
    found = header(file)
    _need(found[0] == shape, f"its array has the shape {found[0]} instead of {shape}")
    _need(str(found[2]) in types, f"its array is of {found[2]} instead of {' or '.join(types)}")
    return found


def _matrix(path: Path, entry: Mapping[str, Any]) -> sp.csr_matrix:
    rows, columns = entry["shape"]
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        _need(
            set(members) == _MEMBERS and len(archive.infolist()) == len(_MEMBERS), "its parts are not those of a matrix"
        )
        for member in members.values():
            stored = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
            _need(stored and member.file_size <= entry["bytes"], "one of its parts has another size than it says")

        def part(name: str, shape: tuple[int, ...], *types: str) -> AnyArray:
            with archive.open(f"{name}.npy") as file:
                _, _, dtype = _header(file, shape, types)
                size = math.prod(shape) * dtype.itemsize
                _need(file.tell() + size == members[f"{name}.npy"].file_size, f"its {name} has another size")
                data = bytearray(file.read())  # to its end, where zipfile compares its checksum
                return np.frombuffer(data, dtype).reshape(shape)

        _need(part("format", (), "|S3").item() == b"csr", "it is not in compressed rows")
        _need(part("shape", (2,), "int32", "int64").tolist() == [rows, columns], "it has another shape")
        indptr = part("indptr", (rows + 1,), "int32", "int64")
        indices = part("indices", (entry["stored"],), "int32", "int64")
        data = part("data", (entry["stored"],), entry["dtype"])
    fault = csr_fault(indptr, indices, rows, columns)
    _need(not fault, fault)
    return sp.csr_matrix((data, indices, indptr), shape=(rows, columns))


def _need(holds: Any, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _short(error: Exception) -> str:
    """The first line of a library's message, which may quote what it found."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if len(text) <= 300 else text[:299] + "…"
