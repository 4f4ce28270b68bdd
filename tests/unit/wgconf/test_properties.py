"""Properties: rendering and reading agree, whatever comes in is decided, and no error ever tells a key."""

from __future__ import annotations

import base64
import ipaddress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from app import keys, wgconf
from app.model import Endpoint, Peer, Secret, TunnelConfig
from app.wgconf import ConfigError, fields
from app.wgconf.types import ContradictionError

CORPUS = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "data" / "conf").glob("*/*.conf"))]

# --- Configurations --------------------------------------------------------------------------------------------------

raw_keys = st.binary(min_size=32, max_size=32).filter(any)
secrets = raw_keys.map(lambda raw: Secret(base64.b64encode(raw).decode()))
public_keys = secrets.map(keys.public_key)


def _usable(address) -> bool:
    try:
        fields.address(str(address))
    except fields.BadValueError:
        return False
    return True


addresses = (st.ip_addresses(v=4) | st.ip_addresses(v=6)).filter(_usable)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,20}[a-z])?){0,3}", fullmatch=True)
hosts = addresses.map(str) | names.filter(lambda n: not n.endswith("localhost")) | st.just("fe80::1%eth0")
endpoints = st.builds(Endpoint, host=hosts, port=st.integers(1, 65535))
networks = st.builds(
    lambda a, n: ipaddress.ip_network((a, min(n, a.max_prefixlen)), strict=False),
    st.ip_addresses(v=4) | st.ip_addresses(v=6),
    st.integers(0, 128),
)


@st.composite
def interfaces(draw):
    address = draw(addresses)
    interface = ipaddress.ip_interface((address, draw(st.integers(8, address.max_prefixlen))))
    try:
        return fields.interface(str(interface))
    except fields.BadValueError:  # the broadcast address of its network
        return ipaddress.ip_interface(address)


peers = st.builds(
    Peer,
    public_key=public_keys,
    endpoint=st.none() | endpoints,
    allowed_ips=st.lists(networks, max_size=5, unique=True).map(tuple),
    persistent_keepalive=st.integers(0, 65535),
    preshared_key=st.none() | secrets,
)


@st.composite
def configurations(draw) -> TunnelConfig:
    config = TunnelConfig(
        private_key=draw(secrets),
        addresses=tuple(draw(st.lists(interfaces(), min_size=1, max_size=4, unique=True))),
        peers=tuple(draw(st.lists(peers, min_size=1, max_size=4, unique_by=lambda p: p.public_key))),
        dns=tuple(draw(st.lists(addresses, max_size=3, unique=True))),
        mtu=draw(st.none() | st.integers(1280, 9200)),
        listen_port=draw(st.none() | st.integers(1, 65535)),
    )
    first = config.peers[0]
    dialled = Peer(
        public_key=first.public_key,
        endpoint=draw(endpoints),
        allowed_ips=first.allowed_ips or (draw(networks),),
        persistent_keepalive=first.persistent_keepalive,
        preshared_key=first.preshared_key,
    )
    made = TunnelConfig(
        private_key=config.private_key,
        addresses=config.addresses,
        peers=(dialled, *config.peers[1:]),
        dns=config.dns,
        mtu=config.mtu,
        listen_port=config.listen_port,
    )
    try:
        return wgconf.check(made)[0]
    except ContradictionError:  # such as an endpoint that is the tunnel's own address
        reject()


@given(configurations())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_what_is_rendered_reads_back_equal(config: TunnelConfig) -> None:
    assert wgconf.parse(wgconf.format_config(config)).config == config


@pytest.mark.parametrize("data", CORPUS, ids=range(len(CORPUS)))
def test_what_was_read_once_reads_back_equal(data: bytes) -> None:
    try:
        config = wgconf.parse(data).config
    except ConfigError:
        return
    assert wgconf.parse(wgconf.format_config(config)).config == config


# --- Anything at all -------------------------------------------------------------------------------------------------

KNOWN = ["PrivateKey", "Address", "DNS", "MTU", "ListenPort", "FwMark", "Table", "SaveConfig", "PreUp", "PostDown"]
KNOWN += ["PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive", "Name", "S1", "H1", "Jc"]
MARKED = "UBaWkwU5zlBHI/OZ7ZTkOzgcDw7mZqs8d9zmQXUE10M="
OTHERS = "[Interface] [Peer] # , 0.0.0.0/0 ::/0 10.0.0.2/32 / [::1]:5 192.0.2.1:51820 fe80::1%eth0 -1 65536 off % 0x"
SEPARATORS = ["=", " = ", "\n", "\r", "\0", "\ufeff", "\u0663", "\u2028"]
tokens = st.sampled_from([*KNOWN, MARKED, *OTHERS.split(), *SEPARATORS])
lines = st.builds(lambda key, value: f"{key} = {value}", st.sampled_from(KNOWN), tokens | st.text(max_size=30))
documents = st.lists(lines | tokens | st.sampled_from(["[Interface]", "[Peer]"]), max_size=40).map("\n".join)


def decided(data: bytes | str) -> None:
    """``data`` is taken or refused by ConfigError, and nothing shown holds a part of the marked key."""
    try:
        parsed = wgconf.parse(data, lan=(ipaddress.ip_network("192.168.77.0/24"),), name="x")
    except ConfigError as error:
        shown = f"{error} {error!r} {error.reason} {error.key}"
    else:
        shown = f"{parsed.config!r} {parsed.warnings!r} {[str(w) for w in parsed.warnings]}"
        assert wgconf.parse(wgconf.format_config(parsed.config)).config == parsed.config
    assert not [at for at in range(28) if MARKED[at : at + 16] in shown]


@given(st.binary(max_size=2000))
@example(b"\xff\xfe")
@example(b"\xff\xfe[\0")
def test_any_bytes_are_decided(data: bytes) -> None:
    decided(data)


@given(st.text(max_size=1000) | st.lists(tokens, max_size=60).map("".join) | documents)
@settings(max_examples=400, deadline=None)
def test_any_text_is_decided(text: str) -> None:
    decided(text)


@given(
    st.sampled_from(CORPUS), st.integers(0, 500), st.integers(0, 60), st.binary(max_size=10) | tokens.map(str.encode)
)
@settings(max_examples=400, deadline=None)
def test_any_damage_to_a_real_file_is_decided(data: bytes, start: int, length: int, inserted: bytes) -> None:
    decided(data[:start] + inserted + data[start + length :])
