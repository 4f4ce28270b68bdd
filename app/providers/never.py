"""What an exit never uses: servers, hosters, countries (pure)."""

from __future__ import annotations

from app.model import Never, Server
from app.providers.selection import normalized


class Exclusion:
    """The judge of servers by ``never``, made once for a whole list."""

    def __init__(self, never: Never) -> None:
        self._servers = frozenset(map(normalized, never.servers))
        self._hosters = frozenset(map(normalized, never.hosters))
        self._countries = frozenset(map(normalized, never.countries))

    def __bool__(self) -> bool:
        return bool(self._servers or self._hosters or self._countries)

    def reason(self, server: Server) -> str | None:
        """Why ``server`` is never used, for people; None where it may be."""
        name = normalized(server.hostname)
        if self._servers and (name in self._servers or f"{normalized(server.provider)}/{name}" in self._servers):
            return f"it is set never to use the server {server.hostname}"
        if self._countries and not self._countries.isdisjoint((normalized(server.country), server.country_code)):
            return f"it is set never to use servers in {server.country}"
        if self._hosters and server.hosted_by is not None and normalized(server.hosted_by) in self._hosters:
            return f"it is set never to use servers of {server.hosted_by}"
        return None
