"""What was read of the files of a folder, kept so that only new and changed files are read again."""

import contextlib
import hashlib
import json
import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.catalog.formats import SourceOptions

VERSION = "1"
"""Raised whenever the same file is read in another way."""
_FACTS = b"facts"


class ParsedFiles:
    """Tables of order lines by file; those of files that are no longer there are removed.

    Args:
        folder: where the tables of all sources are kept.
        source: the source's path or URL, whose tables stand in a folder of their own.
        options: how its files are read.
        secret: what else decides what is stored, such as the key of customers' hashes; only its hash is used.
    """

    def __init__(self, folder: Path, source: str, options: SourceOptions, secret: str = "") -> None:
        self._folder = folder / hashlib.sha256(source.encode()).hexdigest()[:32]
        self._rules = json.dumps(
            [VERSION, asdict(options), hashlib.sha256(secret.encode()).hexdigest()], sort_keys=True
        )
        self._used: set[str] = set()

    def find(self, path: Path) -> tuple[pa.Table, dict[str, Any]] | None:
        """The table of a file and the facts that were stored with it; None if the file has to be read."""
        name = self._name(path)
        try:
            table = pq.read_table(self._folder / name)
            facts = json.loads(table.schema.metadata[_FACTS])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        self._used.add(name)
        return table.replace_schema_metadata(None), facts

    def store(self, path: Path, table: pa.Table, facts: dict[str, Any]) -> None:
        """Keep a file's table; a full disk is no reason to fail, as the file can be read again."""
        name = self._name(path)
        part = self._folder / f".{uuid.uuid4().hex}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            pq.write_table(
                table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()}), part, compression="zstd"
            )
            part.replace(self._folder / name)
            self._used.add(name)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def remove_unused(self) -> None:
        """Remove the tables of all files that were neither found nor stored."""
        if not self._folder.is_dir():
            return
        for file in self._folder.iterdir():
            if file.name not in self._used:
                with contextlib.suppress(OSError):
                    file.unlink()
        if not self._used:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _name(self, path: Path) -> str:
        stat = path.stat()
        text = json.dumps([self._rules, str(path), stat.st_size, stat.st_mtime_ns])
        return hashlib.sha256(text.encode()).hexdigest()[:32] + ".parquet"
