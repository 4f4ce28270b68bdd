"""AirVPN's API for an account: who it is, its devices, and the configuration of a device.

Failures come with HTTP 200 and a JSON body, ``{"error": "Not authorized"}`` or ``{"result": "error", ...}``, also from
the generator, whose good answers are text. At most 600 requests in ten minutes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from app.https.exchange import Response
from app.model import Secret
from app.providers import airvpn_config
from app.providers.airvpn_config import DeviceConfig
from app.providers.airvpn_relays import PORTS
from app.providers.client import Errors, Problem, ProviderClient, http_problem, raises
from app.providers.errors import WrongCredentialsError

T = TypeVar("T")

DEFAULT_DEVICE = "Default"
_REFUSED = "refused"
_NOT_AUTHORIZED = "not authorized"


class _Failure(Struct, frozen=True):
    result: Any = None
    error: Any = None
    message: Any = None


class User(Struct, frozen=True):
    premium: Any = None  # booleans and numbers may be sent as text
    expiration_unix: Any = None

    @property
    def expires(self) -> float:
        """Unix time; 0 = not known."""
        try:
            return max(0.0, float(self.expiration_unix))
        except (TypeError, ValueError, OverflowError):
            return 0.0

    @property
    def is_expired(self) -> bool:
        """Whether AirVPN says that there is no subscription; False where it says nothing."""
        return str(self.premium).lower() in {"false", "0"}


class _UserInfo(Struct, frozen=True):
    user: User


class _Device(Struct, frozen=True):
    name: str = ""


class _Devices(Struct, frozen=True):
    devices: list[_Device]


def _problem(answer: Response) -> Problem:
    """The problem in an answer: with an HTTP status of its own, or in the body of one that looks fine."""
    if not answer.ok or answer.body.lstrip()[:1] != b"{":
        return http_problem(answer)
    try:
        failure = msgspec.json.decode(answer.body, type=_Failure)
    except (ValueError, RecursionError):
        return None  # whoever reads the answer says what is wrong with it
    if failure.error is None and failure.result != "error":
        return None
    words = f"{failure.error or ''} {failure.message or ''}".lower()
    return _NOT_AUTHORIZED if "not authorized" in words else _REFUSED


_KEY_NOT_ACCEPTED = raises(
    WrongCredentialsError,
    "AirVPN does not accept this API key; make one in the Client Area, under API",
    field="api_key",
)
ERRORS = Errors(dict.fromkeys((401, 403, _NOT_AUTHORIZED), _KEY_NOT_ACCEPTED), _problem)


class AirVpnApi:
    """The requests that need an API key. All raise WrongCredentialsError and the client's errors."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def user(self, api_key: Secret) -> User:
        return (await self._read(_UserInfo, "/api/userinfo/", api_key)).user

    async def devices(self, api_key: Secret) -> tuple[str, ...]:
        """The names of the account's devices."""
        return tuple(device.name for device in (await self._read(_Devices, "/api/devices/", api_key)).devices)

    async def device_config(self, api_key: Secret, device: str) -> DeviceConfig:
        """The keys and addresses of ``device``; for a name that AirVPN does not know, those of the default device."""
        query = {
            "protocols": f"wireguard_1_udp_{PORTS[0]}",
            "servers": "earth",  # any: all that is used of the file is the same for all
            "device": device,
            "system": "linux",
            "resolve": "on",
            "iplayer_entry": "ipv4",
            "iplayer_exit": "ipv4_ipv6",
        }
        answer = await self._client.request(
            "GET", "/api/generator/", errors=ERRORS, query=query, key=_header(api_key), accept="*/*"
        )
        return airvpn_config.parse(answer.body)

    async def _read(self, kind: type[T], path: str, api_key: Secret) -> T:
        query = {"format": "json"}
        return await self._client.read(kind, "GET", path, errors=ERRORS, query=query, key=_header(api_key))


def _header(api_key: Secret) -> tuple[str, Secret]:
    return ("API-KEY", api_key)
