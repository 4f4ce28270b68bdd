"""``GET /health``: plain text, for monitors and load balancers."""

from __future__ import annotations

from quart import Blueprint, Response

from app.api.context import snapshot
from app.errors import GatewayError

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
async def health() -> Response:
    """200 when both processes answer, whatever the tunnel does: a blocked gateway is a healthy one."""
    try:
        await snapshot()
    except GatewayError as error:
        return Response(f"unhealthy: {error.message}\n", 503, content_type="text/plain; charset=utf-8")
    return Response("healthy", 200, content_type="text/plain; charset=utf-8")
