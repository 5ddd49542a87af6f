"""Counters in Prometheus' text format, over all workers of the server."""

import os
from functools import cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as _generate
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of prometheus-client: the folder in which several workers share their counters."""

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.5)
_REQUESTS = Counter("alsobought_api_requests", "Requests that were answered.", ["endpoint", "status"])
_SECONDS = Histogram("alsobought_api_request_seconds", "Time until the answer.", ["endpoint"], buckets=_BUCKETS)
_CREATED = Gauge(
    "alsobought_api_lists_created_timestamp_seconds", "When the lists that are served were made.", ["category"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
_REFUSED = Counter("alsobought_api_refused_versions", "Versions that could not be taken up.", ["category"])

CONTENT_TYPE = CONTENT_TYPE_LATEST


@cache
def _request(endpoint: str, status: int) -> Counter:
    return _REQUESTS.labels(endpoint, str(status))


@cache
def _duration(endpoint: str) -> Histogram:
    return _SECONDS.labels(endpoint)


def answered(endpoint: str, status: int, seconds: float) -> None:
    """Count a request."""
    _request(endpoint, status).inc()
    _duration(endpoint).observe(seconds)


def taken_up(category: str, created: float) -> None:
    """Note when the lists of a category were made that are served now."""
    _CREATED.labels(category).set(created)


def refused(category: str) -> None:
    """Count a version that could not be taken up."""
    _REFUSED.labels(category).inc()


def text() -> bytes:
    """All counters, those of the other workers included."""
    if FOLDER not in os.environ:
        return bytes(_generate(REGISTRY))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return bytes(_generate(registry))
