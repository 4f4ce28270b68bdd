"""Key pairs, ``GET /api/keypair``: made for one answer and stored nowhere."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, request

from app.api.context import gateway
from app.api.operation import operation
from app.api.security import check_same_origin
from app.protocol.commands import GenerateKeypair

blueprint = Blueprint("keys", __name__)


class KeypairBody(Struct, frozen=True):
    private_key: str
    public_key: str

    def __repr__(self) -> str:
        return f"KeypairBody(***, {self.public_key!r})"


@operation(blueprint, "GET", "/api/keypair")
async def keypair() -> KeypairBody:
    """Generate a WireGuard key pair."""
    check_same_origin(request.headers)  # the one GET whose answer is a secret
    result = await gateway().submit(GenerateKeypair())
    return KeypairBody(result.private_key, result.public_key)
