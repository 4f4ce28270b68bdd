"""The check of a provider's settings against its capabilities and server list."""

from __future__ import annotations

from app.errors import InvalidFieldError
from app.model import ProviderSettings
from app.providers.base import Capabilities
from app.providers.server_list.servers import ServerList


def check_options(settings: ProviderSettings, can: Capabilities, servers: ServerList, title: str) -> None:
    """Raises InvalidFieldError where ``settings`` ask for something that the provider does not support."""
    if settings.port is not None and not can.choose_port:
        raise InvalidFieldError(f"port: {title} has only one port", field="port")
    ranges = servers.port_ranges()
    if settings.port is not None and not any(low <= settings.port <= high for low, high in ranges):
        known = ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in ranges)
        raise InvalidFieldError(f"port: {title}'s servers listen on {known}", field="port")
    if settings.ipv6_endpoint and not can.ipv6_endpoint:
        raise InvalidFieldError(f"ipv6_endpoint: {title} publishes no IPv6 addresses", field="ipv6_endpoint")
    if settings.post_quantum == "require" and not can.post_quantum:
        raise InvalidFieldError(
            f"post_quantum: {title}'s servers give no post-quantum key to this gateway: prefer or off",
            field="post_quantum",
        )
    unknown = set(settings.content_blocking) - set(can.content_blocking)
    if unknown:
        known = ", ".join(can.content_blocking) or "nothing"
        raise InvalidFieldError(f"content_blocking: {title}'s resolvers can block {known}", field="content_blocking")
    entry = settings.multihop_entry
    if entry is not None and not can.multihop:
        raise InvalidFieldError(f"multihop_entry: {title} has no multihop", field="multihop_entry")
    if entry is not None and servers.get(entry) is None:
        raise InvalidFieldError("multihop_entry: there is no such server", field="multihop_entry")
