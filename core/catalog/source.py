"""Where a category's data is, and how it becomes a local file.

Belongs here: the description of a source, local paths, checksums. Does not belong here: how bytes come over a network
(``core.catalog.download``) and what a file says.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from core.catalog.download import download, shown
from core.catalog.lines import file_sha256
from core.errors import InputError
from core.progress import Progress, silent

FORMATS = ("auto", "mcauley", "pairs")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Source:
    """Where a category's data is.

    Attributes:
        path: a local path (relative ones are relative to RAW_DIR), ``file://``, ``http(s)://`` or any URL for which
            fsspec has a file system (``s3://``, ``gs://``, ``memory://``).
        format: "mcauley" (Amazon metadata, 2014 and 2018 form, told apart line by line), "pairs" (a CSV or Parquet
            table of pairs) or "auto" (told from the file's content).
        products: an optional products table (CSV or Parquet, path or URL as above) beside a pairs table.
        sha256: checksum of the file at ``path``, 64 hex digits.

    Raises:
        InputError: a format or checksum that cannot be one.
    """

    path: str
    format: str = "auto"
    products: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise InputError("categories.yaml: a source has no path; name a file or a URL")
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise InputError(f"categories.yaml: {shown(self.path)}: format {self.format!r} is not one of {known}")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise InputError(f"categories.yaml: {shown(self.path)}: sha256 {self.sha256!r} is not 64 hex digits")


def fetch(source: Source, raw_dir: Path, cache_dir: Path, progress: Progress = silent) -> Path:
    """The local file of a source: a local one is used in place, a remote one is downloaded into ``cache_dir``.

    See ``core.catalog.download`` for what a download survives.

    Raises:
        InputError: missing file, wrong checksum, or a download that failed; names the place and the remedy.
    """
    return fetch_file(source.path, source.sha256, raw_dir, cache_dir, progress)


def fetch_file(path: str, sha256: str | None, raw_dir: Path, cache_dir: Path, progress: Progress = silent) -> Path:
    """Like :func:`fetch` for one path or URL."""
    scheme, separator, _ = path.partition("://")
    if separator and scheme != "file":
        return download(path, sha256.lower() if sha256 else None, cache_dir, progress)
    local = Path(url2pathname(urlsplit(path).path)) if separator else Path(raw_dir, Path(path).expanduser())
    if not local.is_file():
        what = "is a folder, not a file" if local.is_dir() else "does not exist"
        raise InputError(
            f"{local} {what}. Put the file there, set RAW_DIR (now {raw_dir}) to the folder that holds it, "
            "or correct the category's source in categories.yaml"
        )
    if sha256 and (found := file_sha256(local)) != sha256.lower():
        raise InputError(
            f"{local}: its SHA-256 is {found}, categories.yaml expects {sha256.lower()}. "
            "Replace the file, or correct sha256 in categories.yaml if the new content is right"
        )
    return local
