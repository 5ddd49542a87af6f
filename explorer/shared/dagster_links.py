"""Addresses and commands that lead from an artefact to Dagster."""

import os
import shlex
from collections.abc import Iterable
from urllib.parse import quote

from core import paths
from core.untrusted.urls import shown


def materialize_command(category: str, select: str | None = None) -> str:
    """The command that materializes a category, or part of it if ``select`` is a Dagster asset selection.

    It names the folder of the sources if that is not the default, because another terminal would not know it.
    """
    words = [f"make materialize CATEGORY={category}", *([] if select is None else [f"SELECT='{select}'"])]
    if (folder := paths.raw_dir()) != paths.default_raw_dir():
        words.append(f"RAW_DIR={shlex.quote(str(folder))}")
    return " ".join(words)


def asset_selection(assets: Iterable[str]) -> str:
    """The Dagster asset selection of exactly these assets."""
    return " or ".join(f'key:"{asset}"' for asset in assets)


def dagster_url() -> str:
    """Address of the Dagster UI: ``ALSOBOUGHT_DAGSTER_URL``, or the address at which ``make demo`` serves it."""
    return shown(os.environ.get("ALSOBOUGHT_DAGSTER_URL") or "http://localhost:3000").rstrip("/")


def asset_page(asset: str, category: str) -> str:
    """Address of an asset's partition in the Dagster UI. The category is a partition key and so safe in an address."""
    return f"{dagster_url()}/assets/{asset}?view=partitions&partition={category}"


def run_page(run_id: str) -> str:
    """Address of a run in the Dagster UI."""
    return f"{dagster_url()}/runs/{quote(run_id, safe='')}"
