"""Report a failed run to a chat or pager through a webhook."""

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
from orchestration.runs.failures import failure_text

VARIABLE = "ALSOBOUGHT_FAILURE_WEBHOOK"
_SECONDS = 10.0
_MAX_CHARACTERS = 2000
"""Length to which an error is cut; chats refuse long messages."""


def webhook() -> str:
    """The URL to post to; empty if no webhook is set."""
    return os.environ.get(VARIABLE, "").strip()


def message(run: dg.DagsterRun, failed: Sequence[dg.DagsterEvent]) -> dict[str, Any]:
    """The content that is posted, as JSON.

    Slack, Mattermost and the workflows of Teams show ``text`` alone; the other fields are for programs.
    """
    category = run.tags.get("dagster/partition", "")
    errors = [scrubbed(failure_text(event))[:_MAX_CHARACTERS] for event in failed]
    base = shown(os.environ.get("ALSOBOUGHT_DAGSTER_URL") or "http://localhost:3000").rstrip("/")
    page = f"{base}/runs/{run.run_id}"
    title = f"alsobought: {run.job_name} of {category or 'no category'} failed ({page})"
    return {
        "text": "\n".join([title, *errors]),
        "category": category,
        "job": run.job_name,
        "run_id": run.run_id,
        "url": page,
        "errors": errors,
    }


def post(url: str, content: dict[str, Any]) -> str:
    """Post JSON and return what went wrong, or an empty text.

    It never raises, and it names no part of the URL, because the URL's path is a secret. It names the type of an error,
    and quotes its text only if that comes from the operating system.
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
        return f"the webhook in {VARIABLE} did not accept the message: its server answered {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = f": {reason.strerror}" if isinstance(reason, OSError) and reason.strerror else ""
        return f"the webhook in {VARIABLE} did not accept the message: {type(error).__name__}{text}"
