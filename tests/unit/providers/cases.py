"""The cases of tests that are the same for every provider with accounts: one case a provider."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.model import Secret
from app.providers.account_provider import SignInProvider
from app.providers.airvpn import AirVpnProvider
from app.providers.azirevpn import AzireVpnProvider
from app.providers.hideme import HideMeProvider
from app.providers.ivpn import IvpnProvider
from app.providers.mullvad import MullvadProvider
from app.providers.nordvpn import NordVpnProvider
from app.providers.pia import PiaProvider
from app.providers.surfshark import SurfsharkProvider
from tests.support.providers import airvpn, azirevpn, hideme, ivpn, mullvad, nordvpn, pia, surfshark
from tests.support.providers.keys import key
from tests.support.providers.standin import StandIn
from tests.support.providers.world import World

Entry = Callable[[int, str], Any]  # (number, address) -> an entry of the list


@dataclass
class Case:
    """One provider: its class, its stand-in, and how a list entry is made; ``has_addresses`` is False for DNS names."""

    name: str
    provider: type[SignInProvider]
    stand_in: Callable[[], Any]
    urls: dict[str, str]
    credentials: dict[str, str]
    wrong: dict[str, str]
    hostname: str
    make_list: Callable[..., bytes]
    entry: Entry
    list_attribute: str = "servers"
    has_addresses: bool = True
    registers_keys: bool = True
    tells_expiry: bool = True
    expire: Callable[[Any], None] = field(default=lambda _: None)

    @property
    def secret(self) -> str:
        """The secret that must not appear anywhere."""
        return list(self.credentials.values())[-1]

    def good(self) -> dict[str, Secret]:
        return {name: Secret(value) for name, value in self.credentials.items()}

    def bad(self) -> dict[str, Secret]:
        return {name: Secret(value) for name, value in {**self.credentials, **self.wrong}.items()}

    async def start(self, world: World) -> Any:
        stand_in: StandIn = self.stand_in()
        await world.serve(stand_in, **{name.replace("-", "_"): url for name, url in self.urls.items()})
        return stand_in

    def make(self, world: World) -> SignInProvider:
        return self.provider(world.environment())

    async def signed_in(self, world: World) -> SignInProvider:
        provider = self.make(world)
        await provider.sign_in(self.good())
        await provider.refresh()
        return provider

    def set_list(self, stand_in: Any, body: bytes) -> None:
        setattr(stand_in, self.list_attribute, body)

    def entries(self, addresses: Iterable[str]) -> bytes:
        return self.make_list(*[self.entry(number, address) for number, address in enumerate(addresses, 1)])


def _past(stand_in: Any) -> None:
    stand_in.expires = time.time() - 3600


def _past_accounts(stand_in: Any) -> None:
    stand_in.accounts = dict.fromkeys(stand_in.accounts, time.time() - 3600)


def _past_tokens(stand_in: Any) -> None:
    stand_in.tokens = dict.fromkeys(stand_in.tokens, time.time() - 3600)


CASES = [
    Case(
        "mullvad",
        MullvadProvider,
        mullvad.Mullvad,
        {"mullvad": "https://api.mullvad.net"},
        {"account_number": mullvad.ACCOUNT},
        {"account_number": "9" * 16},
        "se-sto-wg-001",
        mullvad.relay_list,
        lambda n, a: mullvad.relay(f"se-sto-wg-{n:03d}", a, key(n)),
        list_attribute="relays",
        expire=_past_accounts,
    ),
    Case(
        "ivpn",
        IvpnProvider,
        ivpn.Ivpn,
        {"ivpn": "https://api.ivpn.net"},
        {"account_id": ivpn.ACCOUNT},
        {"account_id": "i-XXXX-XXXX-XXXX"},
        "se1.wg.ivpn.net",
        ivpn.server_list,
        lambda n, a: ivpn.host(f"se{n}.wg.ivpn.net", a, key(n)),
        expire=_past_accounts,
    ),
    Case(
        "nordvpn",
        NordVpnProvider,
        nordvpn.NordVpn,
        {"nordvpn": "https://api.nordvpn.com"},
        {"token": nordvpn.TOKEN},
        {"token": "f" * 64},
        "se1.nordvpn.com",
        nordvpn.server_list,
        lambda n, a: nordvpn.server(f"se{n}.nordvpn.com", a, key(n)),
        registers_keys=False,
        expire=_past_tokens,
    ),
    Case(
        "azirevpn",
        AzireVpnProvider,
        azirevpn.AzireVpn,
        {"azirevpn": "https://api.azirevpn.com"},
        {"username": azirevpn.USER, "password": azirevpn.PASSWORD},
        {"password": "wrong"},
        "se-sto",
        azirevpn.server_list,
        lambda n, _: azirevpn.location(f"se-s{n}", f"se-s{n}.azirevpn.net", key(n)),
        has_addresses=False,
        expire=_past,
    ),
    Case(
        "surfshark",
        SurfsharkProvider,
        surfshark.Surfshark,
        {"surfshark": "https://api.surfshark.com"},
        {"username": surfshark.USER, "password": surfshark.PASSWORD},
        {"password": "wrong"},
        "se-sto.prod.surfshark.com",
        surfshark.server_list,
        lambda n, _: surfshark.cluster(f"se-s{n}.prod.surfshark.com", key(n)),
        has_addresses=False,
        expire=_past,
    ),
    Case(
        "pia",
        PiaProvider,
        pia.Pia,
        {
            "pia": "https://www.privateinternetaccess.com",
            "pia-list": "https://serverlist.piaservers.net",
            "pia-server": "https://server.invalid:1337",
        },
        {"username": pia.USER, "password": pia.PASSWORD},
        {"password": "wrong"},
        "se_stockholm",
        pia.server_list,
        lambda n, a: pia.region(f"se_{n}", a, f"stockholm{n}"),
        expire=_past,
    ),
    Case(
        "airvpn",
        AirVpnProvider,
        airvpn.AirVpn,
        {"airvpn": "https://airvpn.org"},
        {"api_key": airvpn.API_KEY},
        {"api_key": "f" * 64},
        "Copernicus",
        airvpn.server_list,
        lambda n, a: airvpn.server(f"Server{n}", a),
        registers_keys=False,
        expire=_past,
    ),
    Case(
        "hideme",
        HideMeProvider,
        hideme.HideMe,
        {
            "hideme": "https://any.hideservers.net/v1",
            "hideme-list": "https://api.hide.me",
            "hideme-server": "https://server.invalid/v1",
        },
        {"username": hideme.USER, "password": hideme.PASSWORD},
        {"password": "wrong"},
        "se",
        hideme.server_list,
        lambda n, _: hideme.location(f"se-{n}-v4.hideservers.net"),
        has_addresses=False,
        tells_expiry=False,
        expire=_past,
    ),
]
