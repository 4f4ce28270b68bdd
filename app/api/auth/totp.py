"""The second factor: one-time passwords (RFC 6238), and recovery codes for when the phone or the clock is gone."""

from __future__ import annotations

import hmac
import re
import secrets
import time

import msgspec

from app.auth.state import Totp, digest
from app.model import Secret

STEP = 30  # seconds
DRIFT = 1  # steps that the two clocks may be apart
REMEMBERED = 16  # steps whose codes were used
RECOVERY_CODES = 10
ISSUER = "VPN Gateway"

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no characters that look alike
_DIGITS = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[a-z2-9]{16}")


def new_secret() -> Secret:
    import pyotp  # noqa: PLC0415 - only with a second factor

    return Secret(pyotp.random_base32())


def uri(secret: Secret) -> str:
    """The URI in the QR code for an authenticator app (otpauth, Key URI Format)."""
    from pyotp.totp import TOTP  # noqa: PLC0415

    return TOTP(secret.reveal()).provisioning_uri(name="admin", issuer_name=ISSUER)


def new_recovery_codes() -> tuple[str, ...]:
    """New recovery codes of 80 bits each, to be shown once."""
    return tuple(
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)
    )


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).lower()


def code_hash(recovery_code: str) -> str:
    return digest(_plain(recovery_code))


def step_of(secret: Secret, code: str, now: float) -> int | None:
    """The time step near ``now`` whose code is ``code``; None = the code is wrong."""
    from pyotp.totp import TOTP  # noqa: PLC0415

    given = _plain(code)
    if not _DIGITS.fullmatch(given):
        return None
    generator = TOTP(secret.reveal())
    current = int(now) // STEP
    found = None
    for step in range(max(0, current - DRIFT), current + DRIFT + 1):  # always all of them, for constant time
        if hmac.compare_digest(generator.generate_otp(step), given):
            found = step
    return found


def spend(totp: Totp, code: str, now: float | None = None) -> Totp | None:
    """The second factor after ``code`` was used up; None where the code is wrong or was used before.

    Used steps are remembered individually, not as the latest one: a clock that is set back must not lock the owner out.
    """
    given = _plain(code)
    if _RECOVERY.fullmatch(given):
        hashed = digest(given)
        if hashed not in totp.recovery:
            return None
        return msgspec.structs.replace(totp, recovery=tuple(h for h in totp.recovery if h != hashed))
    step = step_of(totp.secret, code, time.time() if now is None else now)
    if step is None or step in totp.used:
        return None
    return msgspec.structs.replace(totp, used=(*totp.used, step)[-REMEMBERED:])
