"""Where this installation keeps its files, from environment variables with sensible defaults.

Everything is relative to ``ALSOBOUGHT_HOME``, by default the current directory.
"""

import os
import re
from pathlib import Path

from core.errors import InputError
from core.untrusted.urls import shown


def home() -> Path:
    """The project folder: ``ALSOBOUGHT_HOME`` or the current directory."""
    return Path(os.environ.get("ALSOBOUGHT_HOME") or Path.cwd()).resolve()


def store_root() -> str:
    """Root of the artefact store, a path or a URL: ``ALSOBOUGHT_STORE`` or ``data/store``.

    Raises:
        InputError: the URL has a password or a query: the store's place is shown in messages, logs and pages.
    """
    root = os.environ.get("ALSOBOUGHT_STORE") or str(home() / "data" / "store")
    if shown(root) != re.sub(r"(?<=://)[^/@:]*@", "", root):  # a user's name alone may be
        scheme = root.partition(":")[0].upper()
        raise InputError(
            "ALSOBOUGHT_STORE: a URL's password and query do not belong there. Name the place alone, and give the "
            "credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://, else fsspec's "
            f"variables (FSSPEC_{scheme}_USERNAME, FSSPEC_{scheme}_PASSWORD, ...)"
        )
    return root


def raw_dir() -> Path:
    """Folder that local sources in categories.yaml are relative to: ``RAW_DIR`` or ``data/raw``."""
    return (home() / os.environ["RAW_DIR"]).resolve() if os.environ.get("RAW_DIR") else default_raw_dir()


def default_raw_dir() -> Path:
    """Folder that local sources are relative to where ``RAW_DIR`` is not set."""
    return (home() / "data" / "raw").resolve()


def download_dir() -> Path:
    """Where remote sources are kept once downloaded."""
    return home() / "data" / "downloads"


def checkpoint_dir() -> Path:
    """Where interrupted trainings leave their checkpoints."""
    return home() / "data" / "checkpoints"


def serving_dir() -> Path:
    """Where the API keeps what it prepares of each version, once per machine: ``ALSOBOUGHT_API_CACHE`` or
    ``data/serving``."""
    return (home() / (os.environ.get("ALSOBOUGHT_API_CACHE") or "data/serving")).resolve()


def categories_file() -> Path:
    """``ALSOBOUGHT_CATEGORIES`` or ``categories.yaml``."""
    return (home() / (os.environ.get("ALSOBOUGHT_CATEGORIES") or "categories.yaml")).resolve()
