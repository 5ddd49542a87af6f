"""Versions in a folder or bucket, with a small file that says which of them is current.

::

    <root>/<category>/current.json     version, digest, rows and files of the current version and of the previous one
    <root>/<category>/<version>/…      the files

``current.json`` is replaced in one step once a version is whole. A writer that is killed leaves a folder that the file
does not name and whose lease names a process that is gone; the next delivery removes it.
"""

import calendar
import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upath import UPath

from core import paths
from core.delivery.place import Receipt, Shipment, Version, nothing_to_put_back
from core.errors import InputError
from core.store import leases
from core.store.artefacts import store_path
from core.store.manifest import VERSION_NAME, check_names
from core.untrusted.urls import scrubbed, shown

POINTER = "current.json"
_LARGEST = 1 << 20
_UNKNOWN_SECONDS = 86_400.0
"""What a writer on another machine left is removed once it is older than this: nobody here knows whether it lives."""


def location(url: str, default: str) -> str:
    """The root that a category's settings name; a path is relative to the project folder.

    Args:
        url: path or URL; empty for the default.
        default: folder in the project's ``data``.
    """
    return url if "://" in url else str(paths.home() / (url or f"data/{default}"))


@dataclass(frozen=True)
class Written:
    """What was written into a version's folder, and compared.

    Attributes:
        rows: number of rows.
        compared: number of lists or vectors that were read back.
    """

    rows: int
    compared: int


class Folder:
    """The versions of one category in a folder or bucket.

    Args:
        place: name of the place, for messages and receipts.
        category: whose versions.
        root: folder or URL, below which the category has a folder.
    """

    def __init__(self, place: str, category: str, root: str) -> None:
        check_names(place, category)
        self._place, self._category = place, category
        self._root = root
        try:
            self.path = store_path(root) / category
        except (ValueError, ImportError) as error:
            raise self._unusable(error) from None

    def deliver(self, shipment: Shipment, write: Callable[[UPath], Written]) -> Receipt:
        """Write a version's files by ``write``, which also compares them, and make the version current.

        Raises:
            InputError: the folder cannot be used; what was current is current.
        """
        target = self.path / shipment.version
        try:
            self._remove_leftovers()
            try:
                leases.take(target)
                written = write(target)
                files = {file.name: file.stat().st_size for file in target.iterdir() if file.name != leases.LEASE}
                before = self._pointer()
                new = {
                    "version": shipment.version, "digest": shipment.digest, "rows": written.rows, "files": files,
                    "previous": _previous(before, shipment.digest),
                }  # fmt: skip
                self._point(new)
            except BaseException:
                with contextlib.suppress(OSError):
                    if (self._pointer() or {}).get("version") != shipment.version:
                        _remove(target)
                raise
            with contextlib.suppress(OSError):
                leases.release(target)
            self._remove_leftovers(superseded=True)
        except OSError as error:
            raise self._unusable(error) from None
        where = shown(str(self.path))
        return Receipt(
            self._place, shipment.version, shipment.digest, written.rows, written.compared, info={"where": where}
        )

    def current(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        pointer = self._read()
        return _version(pointer) if pointer else None

    def previous(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        back = (self._read() or {}).get("previous")
        return _version(back) if back else None

    def put_back(self) -> Version:
        """See :class:`core.delivery.place.Place`."""
        current = self._read()
        back = (current or {}).get("previous")
        if current is None or back is None:
            raise nothing_to_put_back(self._place, self._category)
        try:
            if not all((self.path / back["version"] / name).exists() for name in back["files"]):
                raise InputError(
                    f"{self._place} of {self._category}: files of {back['version']} are missing in {self.path}, so it "
                    f"is not put back; `alsobought publish {self._category}` delivers the current lists"
                )
            self._point(back | {"previous": {key: value for key, value in current.items() if key != "previous"}})
        except OSError as error:
            raise self._unusable(error) from None
        return _version(back)

    def _read(self) -> dict[str, Any] | None:
        try:
            return self._pointer()
        except OSError as error:
            raise self._unusable(error) from None

    def _pointer(self) -> dict[str, Any] | None:
        file = self.path / POINTER
        try:
            with file.open("rb") as opened:
                data = opened.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        try:
            content = json.loads(data)
            for version in (content, content.get("previous") or content):
                if not (VERSION_NAME.fullmatch(version["version"]) and isinstance(version["files"], dict)):
                    raise ValueError
            return dict(content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f"{file} is damaged; remove it and run `alsobought publish {self._category} --place {self._place}`"
            ) from None

    def _point(self, content: dict[str, Any]) -> None:
        replace(self.path / POINTER, json.dumps(content, indent=1).encode())

    def _remove_leftovers(self, superseded: bool = False) -> None:
        """Remove folders of killed writers; with ``superseded``, whole versions that are not needed any more too.

        A folder stays if the pointer names it at this moment or its writer may be alive.
        """
        if not self.path.exists():
            return
        for folder in list(self.path.iterdir()):
            name = folder.name.removeprefix(leases.STAGED)
            if not VERSION_NAME.fullmatch(name):
                if name.startswith(f"{POINTER}.") and name.endswith(".tmp") and _age_of_file(folder) > _UNKNOWN_SECONDS:
                    folder.unlink()
                continue
            pointer = self._pointer() or {}
            if name in (pointer.get("version"), (pointer.get("previous") or {}).get("version")):
                continue
            has_lease = (folder / leases.LEASE).exists()
            alive = leases.writer_is_alive(folder)
            if folder.name != name and not has_lease:
                alive = None  # its writer may be about to put the lease there
            gone = _age(name) > _UNKNOWN_SECONDS if alive is None else not alive
            if gone and (superseded or has_lease):
                _remove(folder)

    def _unusable(self, error: Exception) -> InputError:
        text = scrubbed(str(error) or type(error).__name__, self._root)
        return InputError(
            f"{self._place} of {self._category}: {shown(self._root)} cannot be used ({text}); what was delivered there "
            "before stays current"
        )


class FolderPlace:
    """What the places that are a folder have in common; see :class:`core.delivery.place.Place`."""

    _folder: Folder

    def current(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._folder.current()

    def previous(self) -> Version | None:
        """See :class:`core.delivery.place.Place`."""
        return self._folder.previous()

    def put_back(self) -> Version:
        """See :class:`core.delivery.place.Place`."""
        return self._folder.put_back()


def _previous(current: dict[str, Any] | None, digest: str) -> dict[str, Any] | None:
    """What is the previous version once a new one with this digest is current."""
    if current is None:
        return None
    if current["digest"] == digest:
        return current.get("previous")
    return {key: value for key, value in current.items() if key != "previous"}


def _version(content: dict[str, Any]) -> Version:
    return Version(content["version"], content["digest"], content["rows"])


def _age(version: str) -> float:
    """Seconds since the version's name was made."""
    return time.time() - calendar.timegm(time.strptime(version.split("-")[0], "%Y%m%dT%H%M%S"))


def _age_of_file(file: UPath) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except (FileNotFoundError, AttributeError):
        return 0.0


def _is_local(path: UPath) -> bool:
    return getattr(path, "protocol", "") in ("", "file", "local")


def sync(file: Any) -> None:
    """Flush an open file to the disk, where it is on one."""
    file.flush()
    with contextlib.suppress(AttributeError, OSError):  # a bucket's file has no descriptor
        os.fsync(file.fileno())


def replace(path: UPath, data: bytes) -> None:
    """Make ``data`` the content of ``path`` in one step: by a rename in a folder, by a single put in a bucket."""
    if not _is_local(path):
        path.write_bytes(data)
        return
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            sync(file)
        Path(str(temporary)).replace(str(path))
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _remove(folder: UPath) -> None:
    if _is_local(folder):
        shutil.rmtree(str(folder), ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)
