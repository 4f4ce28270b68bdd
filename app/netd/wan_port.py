"""The choice of the WAN port: named in ``gateway.toml``, which takes precedence, or chosen by a command.

A chosen port is stored in the settings, and so in backups. Another program, run as root, manages the DHCP client: it
reads the choice from a file written here, and checks it as it checks ``gateway.toml``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from app import portname
from app.atomic import write_atomic
from app.errors import ConflictError, InvalidFieldError, KernelError
from app.model import Links, LinkSettings, NetworkPort, Settings, WanChoice
from app.network.roles import describe, points_at
from app.protocol.answers import Done
from app.protocol.commands import ChooseWan, HandlerEntry
from app.protocol.events import EventSink, SettingsChanged
from app.store import Store
from app.wan_card import WanCard

log = logging.getLogger(__name__)


class WanPort:
    """The present choice. firstboot writes ``card`` if gateway.toml names the WAN; netd writes ``choice_file``."""

    def __init__(self, card: Path, choice_file: Path) -> None:
        self._choice_file = choice_file
        self._card = _read_card(card)

    @property
    def fixed_by(self) -> str | None:
        return self._card.by if self._card else None

    def with_card_ports(self, settings: Settings) -> Settings:
        """``settings`` with the ports of gateway.toml: a restored backup may name others."""
        card = self._card
        return settings if card is None else replace(settings, links=LinkSettings(card.wan, card.lan, card.carrier))

    def choice(self, links: LinkSettings) -> WanChoice:
        return WanChoice(links.carrier or links.wan, self.fixed_by)

    def write_choice(self, links: LinkSettings) -> None:
        """Write the chosen port for the DHCP client; an empty line means none."""
        chosen = links.wan if self._card is None and links.carrier is None else None
        text = f"{chosen or ''}\n"
        try:
            if text == (self._choice_file.read_text() if self._choice_file.exists() else "\n"):
                return
            self._choice_file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            write_atomic(self._choice_file, text.encode())
        except OSError as error:
            log.warning("the WAN port could not be written for the DHCP client: %s", error)


def _read_card(path: Path) -> WanCard | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=WanCard)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.error("the record of the WAN in gateway.toml cannot be read: %s", error)
        return None


def resolve_wan_port(text: str, ports: Sequence[NetworkPort], lan: Sequence[str] | None) -> str:
    """``text`` in its usual form, if it names exactly one port that can be the WAN (pure).

    ``lan`` are the ports that the settings give to the LAN. Raises InvalidFieldError, ConflictError.
    """
    available = "; ".join(describe(p) for p in ports) or "none"
    try:
        name = portname.parse(text)
    except ValueError as error:
        raise InvalidFieldError(f"port: {error}", field="port") from None
    found = [p for p in ports if points_at(text, p)]
    if not found:
        raise InvalidFieldError(f"port: {name.text} is not there. The ports: {available}", field="port")
    if len(found) > 1:
        raise InvalidFieldError(
            f"port: {name.text} is more than one port: name its whole place or its MAC address. The ports: {available}",
            field="port",
        )
    (port,) = found
    if port.radio:
        raise InvalidFieldError(
            f"port: {port.name} is a radio: Wi-Fi becomes the WAN by [wifi.wan] in gateway.toml", field="port"
        )
    if any(points_at(each, port) for each in lan or ()):
        raise ConflictError(f"{port.name} is the LAN by the settings", field="port", code="lan_port")
    if not any(_can_be_lan(p) for p in ports if p is not port):
        raise ConflictError(
            f"{port.name} is the only port: without another one, or an access point, no device would have a LAN",
            field="port",
            code="only_port",
        )
    # The whole place: it is still the same port once there is another controller with such a port.
    return port.usb if name.kind == "usb" and port.usb is not None else name.text


def _can_be_lan(port: NetworkPort) -> bool:
    return port.role == "lan" if port.radio else port.driver not in portname.MODEM_DRIVERS


class WanNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def links(self) -> Links: ...

    async def relink(self) -> None: ...


class WanChooser:
    """The handler of ChooseWan."""

    def __init__(self, *, wan_port: WanPort, network: WanNetwork, store: Store, publish: EventSink) -> None:
        self._wan_port = wan_port
        self._network = network
        self._store = store
        self._publish = publish
        self._choosing = asyncio.Lock()  # one at a time: each may have to be reverted

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (ChooseWan.handled_by(self._choose_wan),)

    async def _choose_wan(self, command: ChooseWan) -> Done:
        await self.choose(command.port)
        return Done()

    async def choose(self, text: str | None) -> None:
        """Make the port named ``text`` the WAN; None = automatic.

        Raises InvalidFieldError, ConflictError, KernelError, UnavailableError; then nothing has changed.
        """
        async with self._choosing:
            await self._choose(text)

    async def _choose(self, text: str | None) -> None:
        by = self._wan_port.fixed_by
        if by is not None:
            raise ConflictError(
                f"gateway.toml names the WAN, with {by}: change it there", field="port", code="wan_fixed"
            )
        before = self._store.settings.links
        wan = None if text is None else resolve_wan_port(text, self._network.links.ports, before.lan)
        links = replace(before, wan=wan, carrier=None)
        if links == before:
            return
        self._store_links(links)
        try:
            await self._network.relink()
        except KernelError:
            self._store_links(before)
            with suppress(KernelError):
                await self._network.relink()
            raise
        self._wan_port.write_choice(links)
        self._publish(SettingsChanged(("wan",)))

    def _store_links(self, links: LinkSettings) -> None:
        self._store.update_settings(lambda s: replace(s, links=links))
