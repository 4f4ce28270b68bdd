"""An account that is only the key of an imported file, used with every server of the provider's public list.

No provider is asked about it: the key is made by the provider's website and belongs to its owner, so it is neither
checked nor rotated nor removed from here.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from app.errors import ConflictError
from app.model import Peer, TunnelConfig
from app.providers.account_session import AccountSession
from app.providers.server_list.servers import ServerList
from app.store.accounts import Account

log = logging.getLogger(__name__)


class FileMatch(Struct, frozen=True):
    """A file as seen by one provider: ``listed``, its server is in the list that is kept here, with ``servers``."""

    listed: bool
    servers: int | None  # None = no list is kept


class FileAccount:
    """Opens the list with a file's key. ``preshared``: a preshared key in the file belongs to the whole account."""

    def __init__(self, session: AccountSession, servers: ServerList, *, preshared: bool) -> None:
        self._session = session
        self._servers = servers
        self._preshared = preshared

    async def match(self, config: TunnelConfig) -> FileMatch | None:
        """None where the file's key opens no list, where it is in use already, and where somebody is signed in."""
        account = self._session.account
        if account is not None and (account.from_file is None or account.private_key == config.private_key):
            return None
        peer = _only_server(config)
        if peer is None or self._problem(config, peer) is not None:
            return None
        await self._servers.load()
        current = self._servers.current
        return FileMatch(self._servers.holds(peer), len(current.relays) if current is not None else None)

    async def use(self, name: str, config: TunnelConfig) -> None:
        """Store the key of the imported server ``name``; the caller holds the session's lock.

        The list is fetched where the one kept here does not have the file's server. Raises ConflictError (``server``,
        ``provider``) and the errors of :meth:`ServerList.refresh`; then nothing has changed.
        """
        title = self._session.title
        account = self._session.account
        if account is not None and account.from_file is None:
            raise ConflictError(
                f"An account is signed in at {title} and opens the same servers; sign out first to use a file's key",
                field="provider",
                code="signed_in",
            )
        peer = _only_server(config)
        problem = self._problem(config, peer)
        if peer is None or problem is not None:
            raise ConflictError(f'The key of "{name}" cannot be used with other servers: {problem}', field="server")
        await self._servers.load()
        if not self._servers.holds(peer):
            await self._servers.refresh()
        if not self._servers.holds(peer):
            raise ConflictError(
                f'The server of "{name}" is not in {title}\'s list, so this is none of its files, or one of a server '
                f"that {title} has removed: import a current one",
                field="server",
                code="not_its_file",
            )
        self._session.save(
            Account(
                credentials={},
                private_key=config.private_key,
                addresses=config.addresses,
                dns=config.dns,
                preshared_key=peer.preshared_key,
                from_file=name,
                unproven=True,
            )
        )
        log.info("the key of an imported file opens the servers of %s", title)

    def _problem(self, config: TunnelConfig, peer: Peer | None) -> str | None:
        if peer is None:
            return "the file has several peers"
        if not config.addresses:
            return "the file has no address"
        if peer.preshared_key is not None and not self._preshared:
            return f"its preshared key belongs to one server; {self._session.title} has none for all servers"
        return None


def _only_server(config: TunnelConfig) -> Peer | None:
    """The peer that is dialled; None where there are several peers, since their keys need not be one account's."""
    return config.peers[0] if len(config.peers) == 1 and config.peers[0].endpoint is not None else None
