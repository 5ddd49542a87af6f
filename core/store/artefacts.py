"""Where each artefact lives and in which format: the one module that both the IO managers and the explorer use.

An artefact is one folder per asset and category::

    <root>/<asset>/<category>/manifest.json          what is current; replaced atomically, last
    <root>/<asset>/<category>/previous.json          the manifest before it, of artefacts that can be put back
    <root>/<asset>/<category>/<version>/<field>.*    .parquet tables, .npy arrays (memory-mapped), .npz sparse matrices

A reader follows the manifest, so it sees the old artefact until the new one is whole, and a writer that is killed
leaves only a folder that no manifest names.
"""

import calendar
import contextlib
import dataclasses
import errno
import hashlib
import importlib
import io
import json
import logging
import os
import re
import shutil
import time
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from upath import UPath

from core.errors import InputError
from core.store import files, leases
from core.store.bucket_copies import local_copy
from core.store.earlier import as_today
from core.store.files import DamagedFileError
from core.store.manifest import (
    ADDED_LATER,
    ARTEFACTS,
    LARGEST,
    MANIFEST,
    READABLE,
    VERSION_NAME,
    Manifest,
    check_names,
    digest,
    file_entries,
    is_asset_part,
    is_category,
    is_field,
    parse,
    remedy,
)

_T = TypeVar("_T")
PREVIOUS = "previous.json"
_LOG = logging.getLogger(__name__)
_STAMP = "%Y%m%dT%H%M%S"
_UNFINISHED = re.compile(re.escape(MANIFEST) + r"\.[0-9a-f]{8}\.tmp")
_ABANDONED_SECONDS = 900.0
"""A version that no manifest names, and that nobody is writing, is removed once it is older than this."""
_STAGED_SECONDS = 900.0
"""A version's folder that has no lease yet is removed once it is older than this: its writer was killed."""
_UNKNOWN_SECONDS = 86_400.0
"""The same for one whose writer is on another machine, where this machine cannot tell whether it is alive."""
_MOST_ATTEMPTS = 20


class Store:
    """Artefacts below one root folder or bucket.

    Args:
        root: local path or any URL that universal-pathlib knows (``s3://bucket/prefix``).
    """

    def __init__(self, root: str | os.PathLike[str] | UPath) -> None:
        self.root = store_path(root)

    def folder(self, asset: str, category: str) -> UPath:
        """The folder of an artefact; the IO manager arrives at the same path from the asset key.

        Raises:
            InputError: a name that could lead out of the store.
        """
        check_names(asset, category)
        return self.root.joinpath(*asset.split("/"), category)

    def manifest(self, asset: str, category: str) -> Manifest | None:
        """The current manifest, or None if the asset was never materialized. Raises InputError when it is damaged."""
        return read_manifest(self.folder(asset, category), asset, category)

    def earlier(self, asset: str, category: str) -> Manifest | None:
        """The manifest of what a writer is about to replace; see :func:`earlier_manifest`."""
        return earlier_manifest(self.folder(asset, category), asset, category)

    def previous(self, asset: str, category: str) -> Manifest | None:
        """The manifest that :meth:`put_back` would make current, or None. Raises InputError when it is damaged."""
        return _read_previous(self.folder(asset, category), asset, category)

    def write(
        self, asset: str, category: str, value: Any, info: dict[str, Any] | None = None, way_back: bool = False
    ) -> Manifest:
        """Store a new version of an artefact and make it current; see :func:`write_artefact`."""
        return write_artefact(self.folder(asset, category), asset, category, value, info, way_back=way_back)

    def put_back(self, asset: str, category: str) -> Manifest:
        """Make the previous version of an artefact current; see :func:`put_back`."""
        return put_back(self.folder(asset, category), asset, category)

    def read(self, asset: str, category: str) -> Any:
        """Load the current version; see :func:`read_artefact`. Raises FileNotFoundError if it does not exist."""
        return read_artefact(self.folder(asset, category), asset, category)

    def read_previous(self, asset: str, category: str) -> Any:
        """Load the previous version. Raises FileNotFoundError if there is none, InputError if it is damaged."""
        folder = self.folder(asset, category)
        manifest = _read_previous(folder, asset, category)
        if manifest is None:
            raise FileNotFoundError(f"there is no previous version of {asset} of {category} at {folder}")
        try:
            return _read_value(folder / manifest.version, manifest)
        except DamagedFileError as error:
            raise InputError(f"{error}; {remedy(asset, category)}") from error

    def read_field(self, asset: str, category: str, field: str) -> Any:
        """Load one field of the current version; the same otherwise."""
        return _current(self.folder(asset, category), asset, category, lambda at, m: _read_field(at, _entry(m, field)))

    def file(self, asset: str, category: str, field: str) -> Path:
        """Local path of one field's file, for readers that want a part of it only; its size is compared.

        Raises:
            FileNotFoundError: there is no such artefact.
            InputError: it is damaged.
        """

        def find(at: UPath, manifest: Manifest) -> Path:
            entry = _entry(manifest, field)
            path = _local(at, entry)
            files.check_size(path, entry)
            return path

        return _current(self.folder(asset, category), asset, category, find)

    def categories(self, asset: str) -> list[str]:
        """Categories for which the asset is materialized, sorted."""
        base = self.folder(asset, "any").parent
        if not base.exists():
            return []
        return sorted(p.name for p in base.iterdir() if is_category(p.name) and (p / MANIFEST).exists())

    def artefacts(self, category: str | None = None) -> Iterator[tuple[str, str]]:
        """Asset and category of all that is materialized, of one category or of all, damaged or not."""
        yield from _artefacts(self.root, (), category)


def _artefacts(folder: UPath, parts: tuple[str, ...], category: str | None) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if parts and is_category(path.name) and category in (None, path.name) and (path / MANIFEST).exists():
            yield "/".join(parts), path.name
        elif is_asset_part(path.name) and not VERSION_NAME.fullmatch(path.name) and len(parts) < _DEEPEST:
            yield from _artefacts(path, (*parts, path.name), category)


_DEEPEST = 4
"""Parts of an asset's name, at most."""


def store_path(root: str | os.PathLike[str] | UPath) -> UPath:
    """The root of a store as a path; in a bucket, one that does not remember listings: other processes write there."""
    if isinstance(root, UPath) or "://" not in str(root):
        return UPath(root)
    return UPath(root, use_listings_cache=False)


def read_manifest(folder: UPath, asset: str, category: str) -> Manifest | None:
    """The manifest in an artefact's folder, or None.

    Raises:
        InputError: it is damaged, or that of something else.
    """
    return _parsed(folder, MANIFEST, asset, category)


def _read_previous(folder: UPath, asset: str, category: str) -> Manifest | None:
    return _parsed(folder, PREVIOUS, asset, category)


def _parsed(folder: UPath, name: str, asset: str, category: str) -> Manifest | None:
    data = _manifest_bytes(folder, name)
    if data is None:
        return None
    try:
        return parse(data, asset, category)
    except ValueError as error:
        raise InputError(f"{folder / name} is damaged ({error}); {remedy(asset, category)}") from error


def earlier_manifest(folder: UPath, asset: str, category: str) -> Manifest | None:
    """The same for a caller that is about to replace the artefact: a damaged one counts as never made, and a warning is
    logged."""
    data = _manifest_bytes(folder)
    return None if _warn_of_damage(folder, data, asset, category) or data is None else parse(data, asset, category)


def _warn_of_damage(folder: UPath, data: bytes | None, asset: str, category: str) -> bool:
    try:
        if data is not None:
            parse(data, asset, category)
    except ValueError as error:
        _LOG.warning("%s is damaged (%s): it counts as never made", folder / MANIFEST, error)
        return True
    return False


def _manifest_bytes(folder: UPath, name: str = MANIFEST) -> bytes | None:
    try:
        with (folder / name).open("rb") as file:
            return bytes(file.read(LARGEST + 1))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return b""


def write_artefact(
    folder: UPath,
    asset: str,
    category: str,
    value: Any,
    info: dict[str, Any] | None = None,
    still_wanted: Callable[[], bool] | None = None,
    way_back: bool = False,
) -> Manifest:
    """Write a value as a new version and then name it in the manifest, in this order.

    Of two that write at once the last manifest wins, and both versions are whole.

    Args:
        folder: the artefact's folder.
        value: a ``pa.Table``, NumPy array, SciPy sparse matrix or one of the dataclasses that a manifest may name,
            whose fields may be those, dicts of those, or JSON-able values.
        info: JSON-able provenance.
        still_wanted: asked once all files are written, right before the version becomes current.
        way_back: whether the version that was current before can be put back. A version with the same content as the
            new one is not worth putting back, so the one before it stays the previous one.

    Raises:
        TypeError: for a value of any other type, an array of Python objects, or a name that cannot be a file's.
        InputError: the disk is full, or the value is no longer wanted; nothing of the new version is left there. Or
            somebody removed the new version's files while they were written; then what was current is again.
    """
    check_names(asset, category)
    version = time.strftime(_STAMP, time.gmtime()) + "-" + uuid.uuid4().hex[:8]
    target = folder / version
    try:
        leases.take(target)
        kind, fields = _write_value(target, value)
        fields = json.loads(json.dumps(fields))  # as a reader will see it: the digest is of that
        manifest = Manifest(asset, category, version, kind, fields, time.time(), info or {}, digest(kind, fields))
        data = _as_bytes(manifest)
        parse(data, asset, category)  # nothing is written that could not be read
        _check_whole(target, manifest)
        if still_wanted is not None and not still_wanted():
            raise InputError(f"{asset} of {category} was not stored: the run that made it has ended")
        before = _manifest_bytes(folder)
        _warn_of_damage(folder, before, asset, category)
        _replace(folder / MANIFEST, data)
    except BaseException as error:
        with contextlib.suppress(OSError):
            # An interrupt, or a bucket's lost answer, may have come right after the manifest was put.
            if version not in _named(_manifest_bytes(folder)):
                _remove(target)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"{folder}: there is no room to store {asset} of {category}"
            raise InputError(
                f"{where} ({error}); make room and materialize it again: what was there is current"
            ) from error
        raise
    try:
        _check_whole(target, manifest)
    except InputError:
        if _manifest_bytes(folder) == data:
            if before is None:
                (folder / MANIFEST).unlink()
            else:
                _replace(folder / MANIFEST, before)
        raise
    if way_back and before is not None and _is_other(before, manifest):
        _replace(folder / PREVIOUS, before)
    with contextlib.suppress(OSError):
        leases.release(target)
    _drop_old_versions(folder, keep={version, *_named(before)})
    return manifest


def put_back(folder: UPath, asset: str, category: str) -> Manifest:
    """Make the previous version of an artefact current; the current one becomes the previous one.

    What it counts as made from is what the version that it replaces was made from: it stays current until something
    new is made, and is not out of date.

    Raises:
        InputError: there is no previous version, or its files are not whole.
    """
    current, back = read_manifest(folder, asset, category), _read_previous(folder, asset, category)
    if current is None or back is None:
        raise InputError(
            f"there is no previous version of {asset} of {category} to put back: the store keeps the current version "
            "and the one before it, and only one was stored"
        )
    _check_whole(folder / back.version, back)
    replaced = {name: current.info.get(name) for name in ("inputs", "code_version", "config")}
    back = dataclasses.replace(back, info=back.info | replaced | {"put_back": time.time()})
    before = _manifest_bytes(folder)
    _replace(folder / MANIFEST, _as_bytes(back))
    if before is not None:
        _replace(folder / PREVIOUS, before)
    return back


def _as_bytes(manifest: Manifest) -> bytes:
    return json.dumps(dataclasses.asdict(manifest), indent=1, allow_nan=False).encode()


def _is_other(before: bytes, manifest: Manifest) -> bool:
    """Whether the bytes are a manifest of other content than that of ``manifest``."""
    with contextlib.suppress(ValueError):
        return parse(before, manifest.asset, manifest.category).digest != manifest.digest
    return False


def _check_whole(target: UPath, manifest: Manifest) -> None:
    """Raise InputError if one of the version's files is missing or not of its size."""
    sizes = _sizes(target)
    for entry in file_entries(manifest.fields):
        if sizes.get(entry["file"]) != entry["bytes"]:
            raise InputError(
                f"{target / entry['file']} was removed or changed while {manifest.asset} of {manifest.category} was "
                f"stored; {remedy(manifest.asset, manifest.category)}"
            )


def _sizes(folder: UPath) -> dict[str, int]:
    """Name → bytes of the files in a folder, in one request where it is in a bucket."""
    if _is_local(folder):
        try:
            with os.scandir(str(folder)) as found:
                return {file.name: file.stat().st_size for file in found if file.is_file()}
        except FileNotFoundError:
            return {}
    try:
        folder.fs.invalidate_cache(folder.path)
        listed = folder.fs.ls(folder.path, detail=True)
    except FileNotFoundError:
        return {}
    return {file["name"].rstrip("/").rpartition("/")[2]: int(file["size"] or 0) for file in listed}


def read_artefact(folder: UPath, asset: str, category: str, sums: bool = False) -> Any:
    """Load the current version from an artefact's folder; arrays are memory-mapped.

    Args:
        folder: the artefact's.
        asset, category: which it is.
        sums: compare every file's SHA-256 with the manifest's before anything is made of it; sizes, shapes and types
            are compared always.

    Raises:
        FileNotFoundError: the artefact was never materialized.
        InputError: it is damaged; the message names the file and the command that makes the artefact again.
    """
    return _current(folder, asset, category, lambda at, manifest: _read_value(at, manifest, sums))


def check_artefact(folder: UPath, asset: str, category: str) -> Manifest:
    """Compare every file of an artefact with its manifest by size and sum, in a bucket the bucket's own. Raises as
    the above does."""

    def check(at: UPath, manifest: Manifest) -> Manifest:
        for entry in file_entries(manifest.fields):
            files.check_sum(at / entry["file"], entry)
        return manifest

    return _current(folder, asset, category, check)


def _current(folder: UPath, asset: str, category: str, use: Callable[[UPath, Manifest], _T]) -> _T:
    """Do something with the current version, and start again if a rebuild replaces it meanwhile."""
    tried = ""
    for _ in range(_MOST_ATTEMPTS):
        manifest = read_manifest(folder, asset, category)
        if manifest is None:
            raise FileNotFoundError(f"{asset} of {category} is not materialized at {folder}")
        try:
            return use(folder / manifest.version, manifest)
        except FileNotFoundError as error:
            # The new manifest names a whole version; if it is the same one as before, its files are gone.
            if manifest.version == tried:
                raise InputError(f"{error.filename or error} is missing; {remedy(asset, category)}") from error
            tried = manifest.version
        except DamagedFileError as error:
            raise InputError(f"{error}; {remedy(asset, category)}") from error
    raise InputError(f"{folder} is replaced again and again; try again later")


def _write_value(target: UPath, value: Any) -> tuple[str, dict[str, Any]]:
    if _is_artefact(value):
        return type(value).__name__, _write_fields(target, "", value)
    described = _write_field(target, "value", value)
    if "file" not in described:
        raise TypeError(f"cannot store a {type(value).__name__}; see core.store.artefacts.write_artefact")
    return described["format"], {"value": described}


def _is_artefact(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and type(value).__name__ in ARTEFACTS


def _write_fields(target: UPath, prefix: str, value: Any) -> dict[str, Any]:
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    # A field that an artefact did not always have is left out while it is None, so that digests stay what they were.
    left_out = {f.name for f in dataclasses.fields(value) if f.metadata == ADDED_LATER and fields[f.name] is None}
    return {name: _write_field(target, prefix + name, field) for name, field in fields.items() if name not in left_out}


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
        if wrong := [key for key in value if not is_field(key)]:
            raise TypeError(f"{name}: {wrong[0]!r} is not a file name")
        items = {k: _write_field(target, f"{name}.{k}", v) for k, v in value.items()}
        return {"format": "dict", "items": items}
    json.dumps(value, allow_nan=False)  # raises TypeError for anything that is not plain data
    return {"format": "json", "value": value}


def _write_table(table: pa.Table, out: Any) -> None:
    """Write in row groups whose dictionaries hold the values of that group only.

    Arrow writes a dictionary column's whole dictionary into every row group: with 420,000 product ids that is 62
    bytes a row instead of 12, and a reader of one product's rows waits for all of them.
    """
    with pq.ParquetWriter(out, table.schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, max(table.num_rows, 1), _ROW_GROUP):
            part = table.slice(start, _ROW_GROUP)
            for place, column in enumerate(table.schema):
                if pa.types.is_dictionary(column.type):
                    plain = part.column(place).cast(column.type.value_type)
                    part = part.set_column(place, column, plain.dictionary_encode().cast(column.type))
            writer.write_table(part, row_group_size=_ROW_GROUP)


_ROW_GROUP = 64_000
"""Rows of a Parquet row group: small enough that the explorer reads one product's rows in a few milliseconds."""


def _read_value(folder: UPath, manifest: Manifest, sums: bool = False) -> Any:
    if manifest.type in READABLE:
        return _read_fields(folder, manifest.type, manifest.fields, sums)
    return _read_field(folder, manifest.fields["value"], sums)


def _read_fields(folder: UPath, kind: str, fields: Mapping[str, Any], sums: bool = False) -> Any:
    kind, fields = as_today(kind, fields)
    artefact_class = getattr(importlib.import_module(ARTEFACTS[kind]), kind)
    known = {known_field.name: known_field for known_field in dataclasses.fields(artefact_class)}
    needed = {
        name for name, known_field in known.items()
        if known_field.default is dataclasses.MISSING and known_field.default_factory is dataclasses.MISSING
    }  # fmt: skip
    if not needed <= set(fields) <= set(known):
        raise DamagedFileError(f"{folder} is damaged: its fields are not those of {kind}, or a newer version wrote it")
    values = {name: _read_field(folder, entry, sums) for name, entry in fields.items()}
    hints = typing.get_type_hints(artefact_class)
    for name, value in values.items():
        if not _is_of(value, hints[name]):
            raise DamagedFileError(f"{folder} is damaged: the field {name!r} of {kind} holds a {type(value).__name__}")
    artefact = artefact_class(**values)
    if kind == "ProductGraph":
        fault = files.csr_fault(artefact.indptr, artefact.indices, artefact.n_nodes, artefact.n_nodes)
        if fault or len(artefact.weights) != len(artefact.indices):
            raise DamagedFileError(f"{folder} is damaged: {fault or 'its weights are not as many as its pairs'}")
    return artefact


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a dataclass states for its field, items of dicts included."""
    if hint is Any:
        return True
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        return any(_is_of(value, part) for part in parts)
    if origin is dict:
        return isinstance(value, dict) and all(_is_of(item, parts[1]) for item in value.values())
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, origin or hint)


def _entry(manifest: Manifest, field: str) -> dict[str, Any]:
    entry = manifest.fields.get(field)
    if not isinstance(entry, dict) or "file" not in entry:
        raise DamagedFileError(f"{MANIFEST} of {manifest.asset} names no file of {field!r}")
    return entry


def _read_field(folder: UPath, entry: Mapping[str, Any], sums: bool = False) -> Any:
    match entry["format"]:
        case "json":
            return entry["value"]
        case "dict":
            return {key: _read_field(folder, item, sums) for key, item in entry["items"].items()}
        case "artefact":
            return _read_fields(folder, entry["type"], entry["fields"], sums)
    path = _local(folder, entry)
    if sums:
        files.check_sum(path, entry)
    return files.read(path, entry)


class _Hashing(io.RawIOBase):
    """Writes to a file and computes the digest on the way: reading a bucket's file back is expensive."""

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
    while True:
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        _write_file(temporary, lambda out: out.write(data))
        # Another writer may have taken it for one that was left behind.
        with contextlib.suppress(FileNotFoundError):
            Path(str(temporary)).replace(str(path))
            return


def _drop_old_versions(folder: UPath, keep: set[str]) -> None:
    """Remove all versions but the current and the one before it (for readers on their way, and for a way back).

    A version goes only if neither manifest names it at this moment and nobody is writing it. One that is finished stays
    while it is young, for readers on their way. So does a manifest that was not put in place. Nothing else in the
    folder is ours to remove. Memory maps that are open survive a removal on POSIX systems. Failing to remove is no
    failure of the write.
    """
    with contextlib.suppress(OSError):
        for old in list(folder.iterdir()):
            with contextlib.suppress(OSError, ValueError):
                if VERSION_NAME.fullmatch(old.name) and old.name not in keep and old.is_dir():
                    needed = _named(_manifest_bytes(folder)) | _named(_manifest_bytes(folder, PREVIOUS))
                    if _is_abandoned(old) and old.name not in needed:
                        _remove(old)
                elif _UNFINISHED.fullmatch(old.name) and time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
                    old.unlink()
                elif old.name.startswith(leases.STAGED) and time.time() - old.stat().st_mtime > _STAGED_SECONDS:
                    _remove(old)


def _is_abandoned(version: UPath) -> bool:
    age = time.time() - calendar.timegm(time.strptime(version.name.split("-")[0], _STAMP))
    if age <= _ABANDONED_SECONDS:
        return False
    alive = leases.writer_is_alive(version)
    return age > _UNKNOWN_SECONDS if alive is None else not alive


def _named(manifest: bytes | None) -> set[str]:
    """The versions that a manifest names, also one that cannot be read otherwise."""
    return {found.decode() for found in _NAMED.findall(manifest or b"")}


_NAMED = re.compile(VERSION_NAME.pattern.encode())


def _remove(folder: UPath) -> None:
    if _is_local(folder):
        shutil.rmtree(str(folder), ignore_errors=True)
    else:
        folder.fs.rm(folder.path, recursive=True)


def _is_local(path: UPath) -> bool:
    return getattr(path, "protocol", "") in ("", "file", "local")


def _local(version: UPath, entry: Mapping[str, Any]) -> Path:
    """A local path of a stored file."""
    path = version / entry["file"]
    return Path(str(path)) if _is_local(path) else local_copy(path, entry["bytes"], entry.get("sha256"))
