"""What a category's lists are made from besides its models: the rules, the stock table and the pins."""

import functools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.catalog.lines import file_sha256
from core.catalog.sources.download import remote_stamp
from core.catalog.sources.remote import Limits, Stamp
from core.catalog.sources.source import fetch_file, is_remote, local_file
from core.categories import Category
from core.errors import InputError
from core.progress import Progress, silent
from core.untrusted.urls import shown


def lists_state(category: Category, raw_dir: Path, only_at_hand: bool = False) -> dict[str, Any]:
    """What tells whether the rules, the stock table or the pins changed, without reading them.

    Args:
        category: the category.
        raw_dir: folder of relative paths.
        only_at_hand: no server is asked, and a local file that is missing counts as not known: it may be on the machine
            that makes the lists.

    Returns:
        JSON-able: ``rules``, ``stock`` and ``pins``. The state of a file is its path with the SHA-256 of a local file,
        or ETag, date and size of a remote one. It is empty if the category names no such file, and None if it is not
        known, e.g. because the server cannot be asked or tells nothing.
    """
    return {
        "rules": category.rules.as_dict(),
        "stock": _state_of(category.stock, raw_dir, only_at_hand),
        "pins": _state_of(category.pins, raw_dir, only_at_hand),
    }


def fetch_lists_file(
    path: str, raw_dir: Path, cache_dir: Path, progress: Progress = silent, limits: Limits | None = None
) -> Path:
    """The local file of a stock table or of pins. Raises InputError if it cannot be had."""
    return fetch_file(path, None, raw_dir, cache_dir, progress, limits)


def _state_of(path: str | None, raw_dir: Path, only_at_hand: bool) -> dict[str, Any] | None:
    if path is None:
        return {}
    if is_remote(path):
        try:
            stamp = Stamp() if only_at_hand else remote_stamp(path)
        except (InputError, OSError):
            return None
        return None if stamp == Stamp() else {"path": shown(path), **asdict(stamp)}
    try:
        file = local_file(path, raw_dir)
        stat = file.stat()
        return {"path": path, "sha256": _sum(file, stat.st_size, stat.st_mtime_ns)}
    except (InputError, OSError):
        return None if only_at_hand else {"path": path, "sha256": "the file is missing"}


@functools.lru_cache(maxsize=256)
def _sum(file: Path, size: int, modified_ns: int) -> str:
    """The file's SHA-256; it is only computed again if size or time differ."""
    return file_sha256(file)
