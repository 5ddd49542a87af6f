"""Where a category's data is, and how it becomes a local file."""

import hashlib
import http.client
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from core.catalog.formats import AUTO, SourceOptions, format_names
from core.catalog.lines import file_sha256
from core.catalog.sources.download import download, remote_stamp
from core.catalog.sources.remote import Limits, Stamp
from core.errors import InputError
from core.progress import Progress, silent
from core.untrusted.urls import scrubbed, shown

_PACKAGE = "package:"
"""Leads the path of a file that comes with an installed Python package."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Source:
    """Where a category's data is.

    Attributes:
        path: a local path (relative ones are relative to RAW_DIR), ``file://``, ``http(s)://`` or any URL for which
            fsspec has a file system (``s3://``, ``gs://``, ``memory://``).
        format: name of one of ``core.catalog.formats.FORMATS``, or "auto": then the file's content decides.
        products: an optional table of products (path or URL as above) beside a table of pairs or order lines.
        sha256: checksum of the file at ``path``, 64 hex digits.
        options: what the category says about how the files are to be read.

    Raises:
        InputError: the path is empty, or there is no such format or checksum.
    """

    path: str
    format: str = AUTO
    products: str | None = None
    sha256: str | None = None
    options: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise InputError("categories.yaml: a source has no path; name a file or a URL")
        if self.format not in format_names():
            known = ", ".join(format_names())
            raise InputError(f"categories.yaml: {shown(self.path)}: format {self.format!r} is not one of {known}")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise InputError(f"categories.yaml: {shown(self.path)}: sha256 {self.sha256!r} is not 64 hex digits")


class UnreachableError(OSError):
    """The state of a remote source cannot be asked for now; what was read from it earlier can still be used."""

    def __init__(self, message: str) -> None:
        super().__init__(scrubbed(message))


def state(source: Source, raw_dir: Path) -> dict[str, Any] | None:
    """What tells whether a source changed since it was read, without reading it.

    Size and modification time of local files; ETag, Last-Modified and size of remote ones, as far as the server tells
    them; a pinned checksum instead of asking. A changed path or format is a change too. Touching a local file counts
    as changing it: telling that apart would mean reading it.

    Returns:
        JSON-able facts to compare for equality; None where the server tells nothing about its file.

    Raises:
        InputError: a local file is not there.
        UnreachableError: a remote one cannot be asked.
    """
    facts: dict[str, Any] = {"format": source.format}
    if source.options != SourceOptions():
        facts["options"] = asdict(source.options)
    for name, path, sha256 in (("source", source.path, source.sha256), ("products", source.products, None)):
        if path is None:
            continue
        file_facts = _state_of(path, sha256, raw_dir)
        if file_facts is None:
            return None
        facts[name] = {"path": shown(path), **file_facts}
    return facts


def _state_of(path: str, sha256: str | None, raw_dir: Path) -> dict[str, Any] | None:
    pinned: Mapping[str, Any] = {"sha256": sha256.lower()} if sha256 else {}
    if is_remote(path):
        if pinned:
            return dict(pinned)
        try:
            stamp = remote_stamp(path)
        except (InputError, OSError, http.client.HTTPException) as error:
            reason = scrubbed(str(error), path)
            raise UnreachableError(f"{shown(path)} cannot be asked whether it changed: {reason}") from None
        return None if stamp == Stamp() else asdict(stamp)
    files = local_files(path, raw_dir)
    stats = [file.stat() for file in files]
    if len(stats) == 1 and not is_several(path, raw_dir):
        return {**pinned, "size": stats[0].st_size, "modified_ns": stats[0].st_mtime_ns}
    listed = [[str(file), s.st_size, s.st_mtime_ns] for file, s in zip(files, stats, strict=True)]
    digest = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    return {"files": len(stats), "size": sum(s.st_size for s in stats), "listing": digest}


def check_local(source: Source, raw_dir: Path) -> None:
    """Raises InputError: a file of the source that is a local one is not there. Asks no server."""
    for path in (source.path, source.products):
        if path is not None and not is_remote(path):
            local_files(path, raw_dir)


def fetch(
    source: Source, raw_dir: Path, cache_dir: Path, progress: Progress = silent, limits: Limits | None = None
) -> Path:
    """The local file of a source: a local one is used in place, a remote one is downloaded into ``cache_dir``.

    See ``core.catalog.sources.download`` for what a download survives.

    Raises:
        InputError: missing file, wrong checksum, or a download that failed; names the place and the remedy.
    """
    return fetch_file(source.path, source.sha256, raw_dir, cache_dir, progress, limits)


def fetch_file(
    path: str,
    sha256: str | None,
    raw_dir: Path,
    cache_dir: Path,
    progress: Progress = silent,
    limits: Limits | None = None,
) -> Path:
    """Like :func:`fetch` for one path or URL."""
    if is_remote(path):
        return download(path, sha256.lower() if sha256 else None, cache_dir, progress, limits)
    local = local_file(path, raw_dir)
    if sha256 and (digest := file_sha256(local)) != sha256.lower():
        raise InputError(
            f"{local}: its SHA-256 is {digest}, categories.yaml expects {sha256.lower()}. "
            "Replace the file, or correct sha256 in categories.yaml if the new content is right"
        )
    return local


def is_remote(path: str) -> bool:
    """Whether a path is the URL of a file on another machine."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme != "file"


def local_files(path: str, raw_dir: Path) -> list[Path]:
    """The files of a local source: one, or those of a folder or of a pattern (``orders/*.parquet``), by name.

    Files whose name begins with a dot or an underscore, and those that are still being written (``.part``, ``.tmp``),
    are left out of a folder.

    Raises:
        InputError: there is none.
    """
    local = local_path(path, raw_dir)
    if local.is_dir():
        found = [file for file in local.rglob("*") if file.is_file() and _is_data(file.relative_to(local))]
    elif any(mark in path for mark in "*?") and not local.exists():
        found = [file for file in local.parent.glob(local.name) if file.is_file() and _is_data(Path(file.name))]
    else:
        return [local_file(path, raw_dir)]
    if not found:
        raise InputError(f"{local} holds no file that could be read; put one there, or correct the category's source")
    return sorted(found)


def is_several(path: str, raw_dir: Path) -> bool:
    """Whether a source is a folder or a pattern, which may hold any number of files."""
    if is_remote(path):
        return False
    local = local_path(path, raw_dir)
    return local.is_dir() or (any(mark in path for mark in "*?") and not local.exists())


def _is_data(name: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in name.parts) and name.suffix not in (".part", ".tmp")


def local_path(path: str, raw_dir: Path) -> Path:
    """Where a local path leads; relative ones start at ``raw_dir``."""
    if path.startswith(_PACKAGE):
        return _in_package(path.removeprefix(_PACKAGE))
    return Path(url2pathname(urlsplit(path).path)) if "://" in path else Path(raw_dir, Path(path).expanduser())


def _in_package(path: str) -> Path:
    """A data file of an installed Python package, which is not imported. Raises InputError if there is none."""
    name, _, rest = path.partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, rest)
        if file.is_file() and file.resolve().is_relative_to(Path(folder).resolve()):
            return file
    raise InputError(
        f"{_PACKAGE}{path}: no installed package has this file; install the package, or correct the category's source "
        "in categories.yaml"
    )


def local_file(path: str, raw_dir: Path) -> Path:
    """The local file. Raises InputError if there is none."""
    local = local_path(path, raw_dir)
    if not local.is_file():
        what = "is a folder, not a file" if local.is_dir() else "does not exist"
        raise InputError(
            f"{local} {what}. Put the file there, set RAW_DIR (now {raw_dir}) to the folder that holds it, "
            "or correct the category's source in categories.yaml"
        )
    return local
