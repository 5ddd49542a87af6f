"""Telling a chat or pager about a failed run, by a webhook."""

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from core.untrusted.urls import scrubbed, shown
from orchestration.loggers import failure_text

VARIABLE = "ALSOBOUGHT_FAILURE_WEBHOOK"
_SECONDS = 10.0
_LONGEST = 2000
"""Characters of an error that are sent; chats refuse long messages."""


def webhook() -> str:
    """The URL to post to; empty if nobody wants to be told."""
    return os.environ.get(VARIABLE, "").strip()


def message(run: dg.DagsterRun, failed: Sequence[dg.DagsterEvent]) -> dict[str, Any]:
    """What is posted, as JSON.

    ``text`` alone is what Slack, Mattermost and Teams' workflows show; the other fields are for programs.
    """
    category = run.tags.get("dagster/partition", "")
    errors = [scrubbed(failure_text(event))[:_LONGEST] for event in failed]
    base = shown(os.environ.get("ALSOBOUGHT_DAGSTER_URL") or "http://localhost:3000").rstrip("/")
    page = f"{base}/runs/{run.run_id}"
    head = f"alsobought: {run.job_name} of {category or 'no category'} failed ({page})"
    return {
        "text": "\n".join([head, *errors]),
        "category": category,
        "job": run.job_name,
        "run_id": run.run_id,
        "url": page,
        "errors": errors,
    }


def post(url: str, content: dict[str, Any]) -> str:
    """Post JSON; returns what went wrong, or an empty text.

    Never raises, and names no part of the URL, the path of which is the secret: of an error it says what kind it is,
    and the text only where that is the system's.
    """
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            return f"{VARIABLE} is not an http or https URL; nothing was sent"
        request = urllib.request.Request(  # noqa: S310 (http and https only)
            url, json.dumps(content).encode(), {"Content-Type": "application/json", "User-Agent": "alsobought"}
        )
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"the webhook of {VARIABLE} did not take the message: its server answered {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = f": {reason.strerror}" if isinstance(reason, OSError) and reason.strerror else ""
        return f"the webhook of {VARIABLE} did not take the message: {type(error).__name__}{text}"
