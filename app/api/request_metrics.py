"""Metrics of the API's requests, by route: how many, with which status, how long they took."""

from __future__ import annotations

import time
from typing import cast

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from quart import Quart, Response, g, request

EXTENSION = "vpn_gateway_requests"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
OTHER = "other"  # every path that does not exist: clients choose those, so they must not become labels
_STARTED = "request_started"

disable_created_metrics()  # they double the series, and process_start_time_seconds says the same


class Requests:
    """The metrics; their labels are the routes' templates, methods and statuses, never a client's text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "vpn_gateway_http_request_duration_seconds",
            "Time until an answer was ready",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "vpn_gateway_http_responses",
            "Answers by status; 429 is a rate limit",
            ("method", "route", "code"),
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._seconds.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()


def requests_of(app: Quart) -> Requests:
    return cast("Requests", app.extensions[EXTENSION])


def install(app: Quart) -> None:
    """Measure every request of ``app``; installed before all other hooks, so that their refusals count too."""
    requests = Requests()
    app.extensions[EXTENSION] = requests

    async def before_request() -> None:
        setattr(g, _STARTED, time.monotonic())

    async def after_request(response: Response) -> Response:
        rule = request.url_rule
        method, route = (request.method, rule.rule) if rule is not None else (OTHER, OTHER)
        now = time.monotonic()
        requests.observe(method, route, response.status_code, now - getattr(g, _STARTED, now))
        return response

    app.before_request(before_request)
    app.after_request(after_request)
