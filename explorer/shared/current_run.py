"""The run of a category that is in progress, as the Dagster UI tells it; nothing where no UI can be reached."""

import concurrent.futures
import json
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from explorer.shared.dagster_links import dagster_url

_SECONDS = 1.0
"""Time that the UI has to answer; the page waits for it."""
_ASKING = concurrent.futures.ThreadPoolExecutor(2, "dagster")
"""Asks in a thread, because looking up the UI's host name knows no time limit."""
_ANSWER_BYTES = 8 << 20
_QUERY = """
query ($partition: String!) {
  runsOrError(limit: 1, filter: {
    statuses: [STARTED], tags: [{key: "dagster/partition", value: $partition}]
  }) {
    ... on Runs { results { runId startTime stepKeysToExecute stepStats { stepKey status startTime endTime } } }
  }
}
"""
_ENDED = ("SUCCESS", "FAILURE", "SKIPPED")


@dataclass(frozen=True)
class CurrentRun:
    """A run in progress.

    Attributes:
        run_id: Dagster's id.
        seconds: time since it started.
        ended: number of steps that have ended.
        steps: number of all its steps.
        running: names of the steps in progress, with slashes.
    """

    run_id: str
    seconds: float
    ended: int
    steps: int
    running: tuple[str, ...]


@st.cache_data(ttl=3, max_entries=50, show_spinner=False)
def current_run(category: str) -> CurrentRun | None:
    """The latest run in progress that makes a category; None if there is none or the UI does not answer in a second."""
    try:
        return _ASKING.submit(_ask, category).result(_SECONDS)
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return None  # no UI, or something else listens there; running out of time is an OSError too


def _ask(category: str) -> CurrentRun | None:
    address = f"{dagster_url()}/graphql"
    if urlsplit(address).scheme not in ("http", "https"):
        return None
    question = json.dumps({"query": _QUERY, "variables": {"partition": category}}).encode()
    request = urllib.request.Request(address, question, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
        told = json.loads(answer.read(_ANSWER_BYTES))
    return _parsed(told["data"]["runsOrError"].get("results") or [])


def _parsed(runs: list[dict[str, Any]]) -> CurrentRun | None:
    if not runs:
        return None
    run = runs[0]
    stats = run["stepStats"] or []
    return CurrentRun(
        run_id=str(run["runId"]),
        seconds=max(0.0, time.time() - float(run["startTime"] or time.time())),
        ended=sum(step["status"] in _ENDED for step in stats),
        steps=len(run["stepKeysToExecute"] or []),
        running=tuple(
            str(step["stepKey"]).replace("__", "/") for step in stats if step["startTime"] and not step["endTime"]
        ),
    )
