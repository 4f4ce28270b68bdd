"""The health check ``GET /health``: plain text, for monitors and load balancers."""

from __future__ import annotations

from quart import Blueprint

from app.api.context import snapshot
from app.api.operation import Download, operation
from app.errors import GatewayError

blueprint = Blueprint("health", __name__)


@operation(blueprint, "GET", "/health", scope="public", produces="text/plain; charset=utf-8", errors=(503,))
async def health() -> Download:
    """Check that the gateway works.

    200 when both processes answer, whatever the tunnel's state: a blocked gateway is healthy.
    """
    try:
        await snapshot()
    except GatewayError as error:
        return Download(f"unhealthy: {error.message}\n".encode(), status=503)
    return Download(b"healthy")
