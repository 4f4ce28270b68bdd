"""The collector gathers a list entry by entry and skips bad entries with their reason (pure).

A list is untrusted and may be broken or hostile. An accepted entry can be dialled: it has a WireGuard key, an address
on the Internet and plain names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from app import serialization
from app.providers.base import SkippedEntry
from app.providers.errors import BadAnswerError
from app.providers.server_list.address_policy import BadEntryError
from app.providers.server_list.entry_fields import HOSTNAME
from app.providers.server_list.relay import Relay, RelayList

T = TypeVar("T")

MAX_RELAYS = 20_000
MAX_SKIPPED = 20_000


class NotOfferedError(Exception):
    """A valid entry is not offered, for the reason in the message."""


class Collector:
    """Gathers a list entry by entry."""

    def __init__(self) -> None:
        self.relays: dict[str, Relay] = {}  # by hostname
        self.skipped: list[SkippedEntry] = []
        self._bad = 0

    def each(
        self, entries: Iterable[msgspec.Raw], where: str, kind: type[T], make: Callable[[T], Relay | None]
    ) -> None:
        """Decode each entry as ``kind`` and ``make`` a relay of it; None = not a WireGuard server, skipped silently."""
        for place, raw in enumerate(entries):
            data = bytes(raw)
            try:
                relay = make(serialization.decode(data, kind))
                if relay is not None:
                    self._add(relay)
            except NotOfferedError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason), bad=False)
            except BadEntryError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except msgspec.ValidationError as reason:
                self.skip(_name_of(data, f"{where}[{place}]"), str(reason))
            except (ValueError, RecursionError):
                self.skip(f"{where}[{place}]", "it cannot be read")

    def skip(self, entry: str, reason: str, *, bad: bool = True) -> None:
        self._bad += bad
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(SkippedEntry(entry, reason, bad))

    def _add(self, relay: Relay) -> None:
        if relay.hostname in self.relays:
            raise BadEntryError("an earlier entry has the same host name")
        if len(self.relays) >= MAX_RELAYS:
            raise BadEntryError(f"there are more than {MAX_RELAYS} servers")
        self.relays[relay.hostname] = relay

    def finish(self, title: str, **other: Any) -> RelayList:
        """The list. Raises BadAnswerError where so little is usable that the last valid list is better."""
        if not self.relays:
            first = next((s for s in self.skipped if s.bad), None)
            why = f"; the first entry: {first.reason}" if first else ""
            raise BadAnswerError(f"{title}: there is no usable server in the list{why}", code="bad_server_list")
        if self._bad > len(self.relays):
            first = next(s for s in self.skipped if s.bad)
            raise BadAnswerError(
                f"{title}: most of the list cannot be used ({self._bad} entries; {first.entry}: {first.reason})",
                code="bad_server_list",
            )
        return RelayList(relays=tuple(self.relays.values()), skipped=tuple(self.skipped), **other)


def _name_of(data: bytes, otherwise: str) -> str:
    for key in ("hostname", "name", "public_name", "connectionName", "id"):
        try:
            name = msgspec.json.decode(data).get(key)
        except (ValueError, AttributeError, RecursionError):
            return otherwise
        if isinstance(name, str) and HOSTNAME.fullmatch(name):
            return name
    return otherwise
