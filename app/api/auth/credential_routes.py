"""API keys and the second factor: ``/api/auth/keys`` and ``/api/auth/totp``."""

from __future__ import annotations

from quart import Blueprint

from app.api import qr_code
from app.api.auth import totp
from app.api.auth.body import (
    ConfirmTotp,
    CreatedKey,
    DisableTotp,
    Enrol,
    EnrolmentBody,
    KeyBody,
    KeysBody,
    NewKey,
    RecoveryBody,
)
from app.api.auth.caller import caller
from app.api.auth.confirmation import confirm_password
from app.api.auth.guard import auth
from app.api.operation import Success, operation

blueprint = Blueprint("auth_credentials", __name__)

DAY = 24 * 3600.0  # seconds


@operation(blueprint, "GET", "/api/auth/keys", scope="admin", errors=(409,))
async def list_keys() -> KeysBody:
    """List the API keys, without the keys themselves."""
    return KeysBody(
        tuple(KeyBody(k.id, k.name, k.scope, k.created, k.expires, k.last_used) for k in auth().api_keys.list())
    )


@operation(blueprint, "POST", "/api/auth/keys", limit="connection")
async def create_key(body: NewKey) -> CreatedKey:
    """Make an API key for a program. It is shown this once.

    The password is asked for again: a key outlives the session that makes it.
    """
    await confirm_password(body.password, body.code)
    lifetime = None if body.expires_in_days is None else body.expires_in_days * DAY
    key, text = await auth().api_keys.create(body.name, body.scope, lifetime)
    return CreatedKey(True, key.id, text)


@operation(blueprint, "DELETE", "/api/auth/keys/<id>")
async def revoke_key(id: str) -> Success:  # noqa: A002 - the name of the path's parameter
    """Revoke an API key, at once."""
    await auth().api_keys.revoke(id)
    return Success(True)


@operation(blueprint, "POST", "/api/auth/totp", limit="connection")
async def begin_totp(body: Enrol) -> EnrolmentBody:
    """Begin to set up a second factor: scan the QR code with an authenticator app, then confirm its first code."""
    secret = await auth().second_factor.begin_enrolment(body.password, caller())
    uri = totp.uri(secret)
    return EnrolmentBody(True, secret.reveal(), uri, qr_code.svg(uri))


@operation(blueprint, "POST", "/api/auth/totp/confirm", limit="connection")
async def confirm_totp(body: ConfirmTotp) -> RecoveryBody:
    """Finish the set-up: from now on signing in needs a code too."""
    return RecoveryBody(True, await auth().second_factor.confirm_enrolment(body.code))


@operation(blueprint, "DELETE", "/api/auth/totp", limit="connection")
async def disable_totp(body: DisableTotp) -> Success:
    """Remove the second factor; takes the password and a code, or a recovery code."""
    await auth().second_factor.disable(body.password, body.code, caller())
    return Success(True)
