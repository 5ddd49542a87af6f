"""Checks for what would fail a run in its first steps.

This module does not import Dagster, so that a person learns of it at once.
"""

import multiprocessing
import tempfile
from pathlib import Path

from core import paths
from core.catalog.sources.source import check_local, is_remote, local_path
from core.categories import Category
from core.errors import InputError


def check_source(category: Category) -> None:
    """Raises InputError if a local file that the category names does not exist. Remote files are not checked."""
    if category.source != "sample":
        check_local(category.data, paths.raw_dir())
    for key in ("stock", "pins"):
        path = getattr(category, key)
        if path is not None and not is_remote(path) and not (file := local_path(path, paths.raw_dir())).is_file():
            raise InputError(
                f"{file} does not exist; put the file there, or correct {key} of {category.name} in categories.yaml"
            )


def check_machine() -> None:
    """Raises InputError if the store's folder cannot be written to or steps cannot use shared memory."""
    root = paths.store_root()
    if "://" not in root:
        _check_folder(Path(root), "ALSOBOUGHT_STORE")
    try:
        multiprocessing.get_context("forkserver").Lock()
    except OSError as error:
        raise InputError(
            f"the machine's shared memory, /dev/shm, cannot be used ({error.strerror}), but steps need it to "
            "communicate with their run; free some of it, or make it larger, in a container e.g. with --shm-size=1g"
        ) from error


def _check_folder(folder: Path, variable: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to ({error.strerror}); set {variable} to a folder that can be"
        ) from error
