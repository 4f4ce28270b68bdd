"""The providers on a real store: servers added by field or file are listed, and connected or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from app import keys, serialization
from app.errors import ConflictError, InvalidFieldError, NotFoundError
from app.model import Endpoint, Secret, Server
from app.protocol.commands import AddCustomServer
from app.providers.base import find_server
from app.providers.custom import parse_custom
from app.providers.imported import parse_import
from app.providers.registry import Registry
from app.store import Store
from app.wgconf import ConfigError

# Fixed, since they are part of the tests' names; from a label, never used anywhere.
OURS = keys.KeyPair(
    Secret("SKXuaP6gVYYQaJDe1XM4ILt32RnNonvEuBObfNM7iEk="), "d8d78vbf3prrLPJJPvbtfBaKMRbWBj0UgskK84xl6Ug="
)
THEIRS = keys.generate()
LAN = (ip_network("192.168.77.0/24"), ip_network("fd12::/64"))


def custom(**given) -> AddCustomServer:
    needed = {"name": "my-vps", "endpoint": "1.2.3.4:51820", "public_key": THEIRS.public_key}
    return AddCustomServer(**{**needed, **given})


def conf(extra: str = "", *, endpoint: str = "198.51.100.7:51820") -> str:
    return (
        f"[Interface]\nPrivateKey = {OURS.private_key.reveal()}\nAddress = 10.9.0.2/32\nDNS = 10.9.0.1\n{extra}\n"
        f"[Peer]\nPublicKey = {THEIRS.public_key}\nAllowedIPs = 0.0.0.0/0\nEndpoint = {endpoint}\n"
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state") as store:
        yield store


# --- custom ----------------------------------------------------------------------------------------------------------


def test_custom_server_of_the_api_example_is_parsed() -> None:
    stored, secrets = parse_custom(
        custom(
            private_key=OURS.private_key.reveal(),
            address="10.0.0.2/32",
            dns="1.1.1.1,1.0.0.1",
            allowed_ips="0.0.0.0/0,::/0",
            location="Germany",
        ),
        added=1.0,
        lan=LAN,
    )
    (peer,) = stored.peers
    assert peer.endpoint == Endpoint("1.2.3.4", 51820)
    assert peer.allowed_ips == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert stored.addresses == (ip_interface("10.0.0.2/32"),)
    assert stored.dns == (ip_address("1.1.1.1"), ip_address("1.0.0.1"))
    assert (stored.location, stored.public_key) == ("Germany", OURS.public_key)
    assert secrets.private_key == OURS.private_key
    assert OURS.private_key.reveal() not in serialization.encode(stored).decode()


def test_custom_server_without_a_key_gets_a_new_one() -> None:
    stored, secrets = parse_custom(custom(private_key=""), added=0.0)
    assert stored.public_key == keys.public_key(secrets.private_key)
    again, _ = parse_custom(custom(), added=0.0)
    assert again.public_key != stored.public_key


def test_custom_server_with_empty_fields_gets_the_defaults() -> None:
    stored, _ = parse_custom(custom(dns=" ", allowed_ips="", mtu=None, location=""), added=0.0)
    assert stored.peers[0].allowed_ips == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert (stored.dns, stored.mtu, stored.location, stored.addresses) == ((), None, None, ())


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", "a/b", "letters, digits"),
        ("endpoint", "1.2.3.4", "host:port"),
        ("endpoint", "", "host:port"),
        ("endpoint", "1.2.3.4:70000", "not a port"),
        ("public_key", "xxx...", "44 characters"),
        ("public_key", "", "44 characters"),
        ("public_key", OURS.public_key, "private key given"),
        ("private_key", "yyy", "44 characters"),
        ("private_key", "A" * 43 + "=", "zeros"),
        ("address", "10.0.0.999", "not an IP address"),
        ("address", "192.168.77.5/24", "own LAN"),
        ("address", "fd12::5/128", "own LAN"),
        ("dns", "1.1.1.1;reboot", "neither"),
        ("allowed_ips", "everything", "not a network"),
        ("location", "a\0b", "printable"),
        ("preshared_key", "short", "44 characters"),
        ("mtu", 99, "not an MTU"),
        ("mtu", 0, "not an MTU"),
        ("mtu", -1, "not an MTU"),
        ("persistent_keepalive", 65536, "not a number of seconds"),
        ("persistent_keepalive", -1, "not a number of seconds"),
    ],
)
def test_custom_server_with_bad_field_names_the_field(field: str, value: object, reason: str) -> None:
    good = {"private_key": OURS.private_key.reveal(), "address": "10.0.0.2"}
    with pytest.raises(InvalidFieldError) as refused:
        parse_custom(custom(**{**good, field: value}), added=0.0, lan=LAN)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
    assert reason in refused.value.message
    assert OURS.private_key.reveal()[:16] not in refused.value.message


def test_custom_server_with_ipv6_and_small_mtu_is_refused() -> None:
    with pytest.raises(InvalidFieldError) as refused:
        parse_custom(custom(address="fd00::2", mtu=1000), added=0.0)
    assert refused.value.field == "mtu"


def test_custom_server_with_warnings_stores_them() -> None:
    stored, _ = parse_custom(custom(address="10.0.0.2", allowed_ips="10.0.0.0/8", dns="corp.example"), added=0.0)
    assert any("split tunnel" in w for w in stored.warnings)
    assert any("corp.example" in w for w in stored.warnings)


async def test_custom_server_is_listed_and_gives_a_tunnel(store: Store) -> None:
    given = custom(
        private_key=OURS.private_key.reveal(),
        preshared_key=THEIRS.private_key.reveal(),
        address="10.0.0.2/32",
        dns="10.0.0.1",
        location="Stockholm, Sweden",
        mtu=1400,
        persistent_keepalive=25,
    )
    store.add_server(*parse_custom(given, added=1.0))
    provider = Registry(store).get("custom")
    assert await provider.servers() == (
        Server(
            hostname="my-vps",
            provider="custom",
            country="Sweden",
            city="Stockholm",
            ipv4="1.2.3.4",
            endpoint="1.2.3.4:51820",
            location="Stockholm, Sweden",
            warnings=("There is no IPv6 address in Address; IPv6 stays blocked",),
        ),
    )
    tunnel = await provider.tunnel("my-vps")
    assert tunnel.private_key == OURS.private_key
    assert tunnel.peers[0].preshared_key == THEIRS.private_key
    assert tunnel.peers[0].persistent_keepalive == 25
    assert tunnel.mtu == 1400


async def test_custom_server_without_address_is_listed_as_incomplete(store: Store) -> None:
    store.add_server(*parse_custom(custom(), added=1.0))
    provider = Registry(store).get("custom")
    (server,) = await provider.servers()
    assert server.missing == ("address",)
    with pytest.raises(ConflictError, match="has no address") as refused:
        await provider.tunnel("my-vps")
    assert (refused.value.field, refused.value.code) == ("address", "incomplete")


async def test_custom_server_with_lost_keys_is_listed_as_incomplete(store: Store, tmp_path: Path) -> None:
    store.add_server(*parse_custom(custom(address="10.0.0.2"), added=1.0))
    store.close()
    (tmp_path / "state" / "secrets.json").write_text("{}")
    store.load()
    provider = Registry(store).get("custom")
    (server,) = await provider.servers()
    assert server.missing == ("private_key",)
    with pytest.raises(ConflictError, match="were lost"):
        await provider.tunnel("my-vps")


# --- imported --------------------------------------------------------------------------------------------------------


async def test_imported_file_is_listed_and_gives_a_tunnel(store: Store) -> None:
    stored, secrets = parse_import(
        "Home.conf", conf("# Device: Happy Cat", endpoint="sg476.nordvpn.com:51820"), added=2.0
    )
    store.add_server(stored, secrets)
    provider = Registry(store).get("imported")
    (server,) = await provider.servers()
    assert (server.hostname, server.country, server.location) == ("Home", "Singapore", "Singapore")
    assert (server.ipv4, server.ipv6, server.endpoint) == (None, None, "sg476.nordvpn.com:51820")
    assert (await provider.tunnel("Home")).private_key == OURS.private_key


def test_imported_file_with_a_mistake_names_the_line(store: Store) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_import("x", conf("MTU = 5"), added=0.0)
    assert (refused.value.line, refused.value.field) == (5, "config")
    with pytest.raises(InvalidFieldError) as refused_name:
        parse_import("../x", conf(), added=0.0)
    assert refused_name.value.field == "name"
    with pytest.raises(ConfigError, match="own LAN"):
        parse_import("x", conf(), added=0.0, lan=(ip_network("10.9.0.0/24"),))


def test_imported_file_with_hooks_is_stored_without_them() -> None:
    stored, secrets = parse_import("x", conf("PostUp = /bin/reboot"), added=0.0)
    assert any(w.startswith("line 5: PostUp is left out") for w in stored.warnings)
    assert b"PostUp =" not in serialization.encode((stored, secrets), secrets=True)


async def test_endpoint_shown_is_that_of_the_default_route(store: Store) -> None:
    other = keys.generate().public_key
    site = f"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.50.0.0/16\nEndpoint = [2001:db8::8]:5\n"
    text = conf().replace("[Peer]", f"{site}[Peer]")
    store.add_server(*parse_import("two", text, added=0.0))
    (server,) = await Registry(store).get("imported").servers()
    assert server.ipv4 == "198.51.100.7"


# --- The registry ----------------------------------------------------------------------------------------------------


async def test_registry_has_the_built_in_providers(store: Store) -> None:
    registry = Registry(store)
    with_account = ("ivpn", "nordvpn", "azirevpn", "surfshark", "pia", "windscribe", "airvpn", "hideme")
    assert registry.names == ("mullvad", "custom", "imported", *with_account)
    for name in registry.names:
        provider = registry.get(name)
        assert provider.name == name
        assert provider.title
        with pytest.raises(NotFoundError):
            await find_server(provider, "nowhere")
    with pytest.raises(NotFoundError) as refused:
        registry.get("nobody")
    assert refused.value.field == "provider"


async def test_tunnel_without_an_account_asks_to_sign_in(store: Store) -> None:
    for provider in Registry(store).all:
        if provider.capabilities.sign_in:
            assert await provider.servers() == ()
            with pytest.raises(ConflictError, match=f"Sign in to {provider.title} first") as refused:
                await provider.tunnel("se-sto-wg-001")
            assert refused.value.code == "not_signed_in"


async def test_server_of_another_provider_is_not_found(store: Store) -> None:
    store.add_server(*parse_custom(custom(address="10.0.0.2"), added=0.0))
    registry = Registry(store)
    assert (await find_server(registry.get("custom"), "my-vps")).hostname == "my-vps"
    with pytest.raises(NotFoundError):
        await registry.get("imported").tunnel("my-vps")
    with pytest.raises(NotFoundError):
        await registry.get("custom").tunnel("MY-VPS")
