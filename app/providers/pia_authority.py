"""The certificate authority of PIA's servers: given, or fetched from PIA and recognized by its fingerprint.

The file ``ca.rsa.4096.crt`` is byte-identical in PIA's shell scripts, PIA's desktop app and a third party's program,
and a fourth one pins the same hash; so the hash is part of this gateway, and the file is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Mapping

from app.errors import GatewayError, InvalidFieldError
from app.https.transport import tls_context
from app.model import Secret
from app.providers.client import ProviderClient
from app.providers.config import ApiConfig

FINGERPRINT = "1fd25658456eab3041fba77ccd398ab8124edcc1b8b2fc1d55fdf6b1bbfc9d70"  # SHA-256 of the certificate (DER)
PATH = "/openvpn/ca.rsa.4096.crt"
MIRROR_PATH = "/pia-foss/manual-connections/master/ca.rsa.4096.crt"

FIELD = "ca_certificate"
_BEGIN, _END = "-----BEGINCERTIFICATE-----", "-----ENDCERTIFICATE-----"


class PiaAuthority:
    """Finds the authority: that of ``providers.toml``, of the sign-in form, or PIA's own (kept with the account)."""

    def __init__(self, server_api: ApiConfig, pia: ProviderClient, mirror: ProviderClient) -> None:
        self._server_api = server_api
        self._sources = ((pia, PATH), (mirror, MIRROR_PATH))

    def for_credentials(self, credentials: Mapping[str, Secret]) -> str | None:
        """The authority as PEM file or PEM text, None if missing. Raises InvalidFieldError."""
        if self._server_api.ca is not None:
            return self._server_api.ca
        if FIELD not in credentials:
            return None
        try:
            pem = ssl.DER_cert_to_PEM_cert(_der(credentials[FIELD].reveal()))
            tls_context(pem)
        except (ValueError, ssl.SSLError):
            raise InvalidFieldError("PIA's certificate authority: not a valid certificate", field=FIELD) from None
        return pem

    async def complete(self, credentials: dict[str, Secret]) -> dict[str, Secret]:
        """``credentials`` with the authority. Raises InvalidFieldError where it can neither be used nor fetched."""
        if self.for_credentials(credentials) is not None:
            return credentials
        for client, path in self._sources:
            try:
                answer = await client.request("GET", path)
                der = _der("".join(answer.body.decode("ascii").split()))
            except (GatewayError, ValueError):
                continue
            if hashlib.sha256(der).hexdigest() == FINGERPRINT:
                return {**credentials, FIELD: Secret(_BEGIN + base64.b64encode(der).decode() + _END)}
        raise InvalidFieldError(
            "PIA's certificate authority: it cannot be fetched from PIA now; try again later, or enter it",
            field=FIELD,
        )


def _der(text: str) -> bytes:
    """The certificate in PEM without blanks, which a form's field loses. Raises ValueError."""
    return base64.b64decode(text.removeprefix(_BEGIN).removesuffix(_END), validate=True)
