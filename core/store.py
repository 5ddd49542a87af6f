"""Where each artefact lives and in which format: the one module that both the IO managers and the explorer use.

An artefact is one folder per asset and category::

    <root>/<asset>/<category>/manifest.json          what is current; replaced atomically, last
    <root>/<asset>/<category>/<version>/<field>.*    .parquet tables, .npy arrays (memory-mapped), .npz sparse matrices

Belongs here: paths, formats, manifests, atomicity. Does not belong here: what an artefact means, and when it is
made. A reader follows the manifest, so it sees the old artefact until the new one is whole, and a writer that is
killed leaves only a folder that no manifest names.
"""

import calendar
import contextlib
import dataclasses
import errno
import hashlib
import importlib
import io
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from upath import UPath

from core.bucket_copies import local_copy
from core.errors import InputError

MANIFEST = "manifest.json"
_STAMP = "%Y%m%dT%H%M%S"
_VERSION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_UNFINISHED = re.compile(re.escape(MANIFEST) + r"\.[0-9a-f]{8}\.tmp")
_ABANDONED_SECONDS = 900.0
"""A version that no manifest names is taken for abandoned, and removed, once it is older than this."""

_ARTEFACTS = {
    "ProductPairs": "core.pairs",
    "PairSplit": "core.split",
    "ProductGraph": "core.graph",
    "Embeddings": "core.interfaces",
    "Evaluation": "core.evaluation",
    "Neighbours": "core.neighbours",
    "Projection": "core.projection",
}
"""Dataclasses that may be stored, with their modules; a manifest can name no other type."""


@dataclass(frozen=True)
class Manifest:
    """What stands next to an artefact.

    Attributes:
        asset: asset name with slashes, e.g. ``embeddings/skipgram``.
        category: partition key.
        version: name of the folder that holds the files; unique per write, so it serves as a cache key.
        type: dataclass name, or ``table``, ``array``, ``matrix``.
        fields: field name → description: ``file`` with ``bytes`` (and ``rows`` / ``shape`` / ``dtype``) or an
            inline ``value``.
        created: seconds since the epoch (UTC).
        info: provenance given by the writer: run id, code version, config.
        digest: SHA-256 of what the artefact says, without how it was made (:data:`_NOT_CONTENT`): equal digests mean
            that whatever is made from the artefact need not be made again. Empty if an older program wrote it.
    """

    asset: str
    category: str
    version: str
    type: str
    fields: dict[str, Any]
    created: float
    info: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def bytes(self) -> int:
        """Total size of the artefact's files."""
        return sum(_sizes(self.fields))


_NOT_CONTENT = {"info", "learning_curve"}
"""Fields of stored dataclasses that hold wall times and the like, which differ each time an artefact is made."""


def _digest(kind: str, fields: dict[str, Any]) -> str:
    content = {name: entry for name, entry in fields.items() if name not in _NOT_CONTENT}
    return hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()


def _sizes(node: Any) -> Iterator[int]:
    if isinstance(node, dict):
        if "file" in node:
            yield int(node["bytes"])
        else:
            for child in node.values():
                yield from _sizes(child)


class Store:
    """Artefacts below one root folder or bucket.

    Args:
        root: local path or any URL that universal-pathlib knows (``s3://bucket/prefix``).
    """

    def __init__(self, root: str | os.PathLike[str] | UPath) -> None:
        self.root = store_path(root)

    def folder(self, asset: str, category: str) -> UPath:
        """The folder of an artefact; the IO manager arrives at the same path from the asset key."""
        return self.root.joinpath(*asset.split("/"), category)

    def manifest(self, asset: str, category: str) -> Manifest | None:
        """The current manifest, or None if the asset was never materialized."""
        return read_manifest(self.folder(asset, category))

    def write(self, asset: str, category: str, value: Any, info: dict[str, Any] | None = None) -> Manifest:
        """Store a new version of an artefact and make it current; see :func:`write_artefact`."""
        return write_artefact(self.folder(asset, category), asset, category, value, info)

    def read(self, asset: str, category: str) -> Any:
        """Load the current version; arrays are memory-mapped. Raises FileNotFoundError if there is none."""
        return read_artefact(self.folder(asset, category))

    def file(self, asset: str, category: str, field: str) -> Path:
        """Local path of one field's file, for readers that want a part of it only."""
        folder = self.folder(asset, category)
        manifest = read_manifest(folder)
        if manifest is None:
            raise FileNotFoundError(f"{asset} of {category} is not materialized below {self.root}")
        return _local(folder / manifest.version / manifest.fields[field]["file"])

    def categories(self, asset: str) -> list[str]:
        """Categories for which the asset is materialized, sorted."""
        base = self.root.joinpath(*asset.split("/"))
        if not base.exists():
            return []
        return sorted(p.name for p in base.iterdir() if (p / MANIFEST).exists())


def store_path(root: str | os.PathLike[str] | UPath) -> UPath:
    """The root of a store as a path; in a bucket, one that does not remember listings: other processes write there."""
    if isinstance(root, UPath) or "://" not in str(root):
        return UPath(root)
    return UPath(root, use_listings_cache=False)


def read_manifest(folder: UPath) -> Manifest | None:
    """The manifest in an artefact's folder, or None. Raises InputError when it is damaged."""
    try:
        text = (folder / MANIFEST).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return Manifest(**json.loads(text))
    except (json.JSONDecodeError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged ({error}); materialize the asset again") from error


def write_artefact(
    folder: UPath, asset: str, category: str, value: Any, info: dict[str, Any] | None = None
) -> Manifest:
    """Write a value as a new version and then name it in the manifest, in this order.

    Args:
        folder: the artefact's folder.
        value: a ``pa.Table``, NumPy array, SciPy sparse matrix or one of the dataclasses in this module's list,
            whose fields may be those, dicts of those, or JSON-able values.
        info: JSON-able provenance.

    Raises:
        TypeError: for a value of any other type, or an array of Python objects.
        InputError: the disk is full; nothing of the new version is left there.
    """
    version = time.strftime(_STAMP, time.gmtime()) + "-" + uuid.uuid4().hex[:8]
    target = folder / version
    target.mkdir(parents=True, exist_ok=True)
    before = read_manifest(folder)
    try:
        kind, fields = _write_value(target, value)
        digest = _digest(kind, fields)
        manifest = Manifest(asset, category, version, kind, fields, time.time(), info or {}, digest)
        _replace(folder / MANIFEST, json.dumps(dataclasses.asdict(manifest), indent=1, allow_nan=False).encode())
    except BaseException as error:
        _remove(target)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"{folder}: there is no room to store {asset} of {category}"
            raise InputError(
                f"{where} ({error}); make room and materialize it again: what was there is current"
            ) from error
        raise
    _drop_old_versions(folder, keep={version, before.version} if before else {version})
    return manifest


def read_artefact(folder: UPath) -> Any:
    """Load the current version from an artefact's folder. Raises FileNotFoundError if there is none."""
    for attempt in (1, 2, 3):
        manifest = read_manifest(folder)
        if manifest is None:
            raise FileNotFoundError(f"nothing is materialized at {folder}")
        try:
            return _read_value(folder / manifest.version, manifest)
        except FileNotFoundError:
            # A rebuild may have replaced the version between the two reads; the new manifest names a whole one.
            if attempt == 3:
                raise
    raise AssertionError("unreachable")


def _write_value(target: UPath, value: Any) -> tuple[str, dict[str, Any]]:
    if _is_artefact(value):
        return type(value).__name__, _write_fields(target, "", value)
    described = _write_field(target, "value", value)
    if "file" not in described:
        raise TypeError(f"cannot store a {type(value).__name__}; see core.store.write_artefact")
    return described["format"], {"value": described}


def _is_artefact(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and type(value).__name__ in _ARTEFACTS


def _write_fields(target: UPath, prefix: str, value: Any) -> dict[str, Any]:
    return {f.name: _write_field(target, prefix + f.name, getattr(value, f.name)) for f in dataclasses.fields(value)}


def _write_field(target: UPath, name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, pa.Table):
        file = target / f"{name}.parquet"
        written = _write_file(file, lambda out: _write_table(value, out))
        return {"format": "table", "file": file.name, **written, "rows": value.num_rows}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{name}: an array of Python objects cannot be stored")
        file = target / f"{name}.npy"
        written = _write_file(file, lambda out: np.lib.format.write_array(out, value, allow_pickle=False))
        return {
            "format": "array", "file": file.name, **written,
            "shape": list(value.shape), "dtype": str(value.dtype),
        }  # fmt: skip
    if sp.issparse(value):
        file = target / f"{name}.npz"
        matrix = sp.csr_matrix(value)
        written = _write_file(file, lambda out: sp.save_npz(out, matrix, compressed=False))
        return {
            "format": "matrix", "file": file.name, **written,
            "shape": list(matrix.shape), "dtype": str(matrix.dtype), "stored": int(matrix.nnz),
        }  # fmt: skip
    if _is_artefact(value):
        return {"format": "artefact", "type": type(value).__name__, "fields": _write_fields(target, f"{name}.", value)}
    if isinstance(value, dict) and any(
        isinstance(v, pa.Table | np.ndarray) or sp.issparse(v) or _is_artefact(v) for v in value.values()
    ):
        items = {k: _write_field(target, f"{name}.{k}", v) for k, v in value.items()}
        return {"format": "dict", "items": items}
    json.dumps(value, allow_nan=False)  # raises TypeError for anything that is not plain data
    return {"format": "json", "value": value}


def _write_table(table: pa.Table, out: Any) -> None:
    """Write in row groups whose dictionaries hold the values of that group only.

    Arrow writes a dictionary column's whole dictionary into every row group: with 420,000 product ids that is 62
    bytes a row instead of 12, and a reader of one product's rows waits for all of them.
    """
    with pq.ParquetWriter(out, table.schema, compression="zstd") as writer:
        for start in range(0, max(table.num_rows, 1), _ROW_GROUP):
            part = table.slice(start, _ROW_GROUP)
            for place, column in enumerate(table.schema):
                if pa.types.is_dictionary(column.type):
                    plain = part.column(place).cast(column.type.value_type)
                    part = part.set_column(place, column, plain.dictionary_encode().cast(column.type))
            writer.write_table(part, row_group_size=_ROW_GROUP)


_ROW_GROUP = 64_000
"""Rows of a Parquet row group: small enough that the explorer reads one product's rows in a few milliseconds."""


def _read_value(folder: UPath, manifest: Manifest) -> Any:
    if manifest.type in _ARTEFACTS:
        return _read_fields(folder, manifest.type, manifest.fields)
    return _read_field(folder, manifest.fields["value"])


def _read_fields(folder: UPath, kind: str, fields: dict[str, Any]) -> Any:
    made = getattr(importlib.import_module(_ARTEFACTS[kind]), kind)
    return made(**{name: _read_field(folder, entry) for name, entry in fields.items()})


def _read_field(folder: UPath, entry: dict[str, Any]) -> Any:
    match entry["format"]:
        case "json":
            return entry["value"]
        case "dict":
            return {key: _read_field(folder, item) for key, item in entry["items"].items()}
        case "artefact":
            return _read_fields(folder, entry["type"], entry["fields"])
    path = _local(folder / entry["file"])
    match entry["format"]:
        case "table":
            return pq.read_table(path, memory_map=True).unify_dictionaries()
        case "array":
            return np.load(path, mmap_mode="r" if 0 not in entry["shape"] else None, allow_pickle=False)
        case "matrix":
            return sp.load_npz(path)
        case other:
            raise InputError(f"{folder}: unknown format {other!r}; it was written by a newer version of this program")


class _Hashing(io.RawIOBase):
    """Passes on to a file what is written and takes its digest on the way: a bucket's file is dear to read back."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.digest = hashlib.sha256()
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.digest.update(data)
        self._out.write(data)
        self.written += size
        return size

    def tell(self) -> int:
        return self.written


def _write_file(path: UPath, write: Any) -> dict[str, Any]:
    """Write through an open binary file, so that folders and buckets are served alike, and flush it to disk.

    Returns:
        The file's ``bytes`` and ``sha256``.
    """
    with path.open("wb") as out:
        hashing = _Hashing(out)
        write(hashing)
        out.flush()
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):  # bucket files have no descriptor
            os.fsync(out.fileno())
    return {"bytes": hashing.written, "sha256": hashing.digest.hexdigest()}


def _replace(path: UPath, data: bytes) -> None:
    """Make ``data`` the content of ``path`` in one step: rename on a file system, a single put on a bucket."""
    if not _is_local(path):
        path.write_bytes(data)
        return
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    _write_file(temporary, lambda out: out.write(data))
    Path(str(temporary)).replace(str(path))


def _drop_old_versions(folder: UPath, keep: set[str]) -> None:
    """Remove all versions but the current and the one before it (for readers on their way, and for a way back).

    A folder that no manifest named stays while it is young: another process may be writing it. So does a manifest
    that was not put in place. Nothing else in the folder is ours to remove. Memory maps that are open survive a removal
    on POSIX systems. Failing to remove is no failure of the write.
    """
    for old in folder.iterdir():
        with contextlib.suppress(OSError, ValueError):
            if old.is_dir() and _VERSION.fullmatch(old.name) and old.name not in keep:
                written = calendar.timegm(time.strptime(old.name.split("-")[0], _STAMP))
                if time.time() - written > _ABANDONED_SECONDS:
                    _remove(old)
            elif _UNFINISHED.fullmatch(old.name) and time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
                old.unlink()


def _remove(folder: UPath) -> None:
    if _is_local(folder):
        shutil.rmtree(str(folder), ignore_errors=True)
    else:
        folder.fs.rm(folder.path, recursive=True)


def _is_local(path: UPath) -> bool:
    return getattr(path, "protocol", "") in ("", "file", "local")


def _local(path: UPath) -> Path:
    """A local path of a stored file."""
    return Path(str(path)) if _is_local(path) else local_copy(path)
