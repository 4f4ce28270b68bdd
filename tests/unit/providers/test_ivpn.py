"""IVPN: sessions, two-factor codes, captchas, multihop by port, AntiTracker, and rotation beside the old key."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app import keys
from app.errors import ConflictError, InvalidFieldError
from app.model import Endpoint, ProviderSettings, Secret
from app.providers.base import Verdict
from app.providers.errors import KeyRevokedError, ProviderDownError, TooManyDevicesError
from app.providers.ivpn import IvpnProvider
from tests.support.providers.ivpn import ACCOUNT, Ivpn, host, server_list
from tests.support.providers.keys import key
from tests.support.providers.world import World

GOOD = {"account_id": Secret(ACCOUNT)}


@pytest.fixture
async def ivpn(world: World) -> Ivpn:
    stand_in = Ivpn()
    await world.serve(stand_in, ivpn="https://api.ivpn.net")
    return stand_in


async def signed_in(world: World) -> IvpnProvider:
    provider = IvpnProvider(world.environment())
    await provider.sign_in(GOOD)
    await provider.refresh()
    return provider


async def test_tunnel_has_both_addresses_and_the_servers_resolver(world: World, ivpn: Ivpn) -> None:
    config = await (await signed_in(world)).tunnel("se1.wg.ivpn.net")
    assert config.addresses == (
        ip_interface("172.23.248.1/32"),
        ip_interface("fd00:4956:504e:ffff::172.23.248.1/128"),
    )
    assert config.dns == (ip_address("172.16.0.1"),)
    assert config.peers[0].endpoint == Endpoint("80.67.10.138", 53)


async def test_tunnel_has_ipv6_only_where_the_dialled_host_has_it(world: World, ivpn: Ivpn) -> None:
    without = host("se1.wg.ivpn.net", "80.67.10.138", key(11))
    del without["ipv6"]
    ivpn.servers = server_list(without, host("se2.wg.ivpn.net", "80.67.10.139", key(12)))
    provider = await signed_in(world)
    config = await provider.tunnel("se1.wg.ivpn.net")
    assert config.addresses == (ip_interface("172.23.248.1/32"),)
    assert config.peers[0].allowed_ips == (ip_network("0.0.0.0/0"),)
    assert len((await provider.tunnel("se2.wg.ivpn.net")).addresses) == 2
    world.settings = ProviderSettings(multihop_entry="se2.wg.ivpn.net")
    assert len((await provider.tunnel("se1.wg.ivpn.net")).addresses) == 2  # the entry's word counts
    world.settings = ProviderSettings(multihop_entry="se1.wg.ivpn.net")
    assert len((await provider.tunnel("se2.wg.ivpn.net")).addresses) == 1


async def test_multihop_needs_a_plan_that_has_it(world: World, ivpn: Ivpn) -> None:
    ivpn.capabilities = ["port-forwarding"]
    provider = await signed_in(world)
    through = ProviderSettings(multihop_entry="se2.wg.ivpn.net")
    with pytest.raises(InvalidFieldError, match="plan has no multihop") as refused:
        provider.check_settings(through)
    assert refused.value.field == "multihop_entry"
    world.settings = through  # the plan may have changed after the setting
    with pytest.raises(ConflictError, match="plan has no multihop"):
        await provider.tunnel("se1.wg.ivpn.net")
    ivpn.capabilities = None  # IVPN does not say
    again = IvpnProvider(world.environment())
    await again.sign_out()
    await again.sign_in(GOOD)
    assert (await again.tunnel("se1.wg.ivpn.net")).peers


async def test_api_is_reached_by_the_lists_addresses_where_dns_fails(world: World, ivpn: Ivpn) -> None:
    await signed_in(world)
    port = world.outgoing.ports.pop("api.ivpn.net")
    world.outgoing.by_address["198.50.177.220"] = port
    again = IvpnProvider(world.environment())
    assert (await again.account(refresh=True)).problem is None
    assert ip_address("149.56.162.156") in world.outgoing.opened[-1].addresses
    assert world.outgoing.opened[-1].host == "api.ivpn.net"  # its certificate must still be for the name


async def test_session_limit_names_ivpns_page_and_no_other(world: World, ivpn: Ivpn) -> None:
    ivpn.limit = 0
    for page, shown in (("https://www.ivpn.net/account/devices", True), ("https://evil.example/account", False)):
        ivpn.management_url = page
        with pytest.raises(TooManyDevicesError) as refused:
            await IvpnProvider(world.environment()).sign_in(GOOD)
        assert (page in refused.value.message) is shown


async def test_sign_in_at_session_limit_can_sign_out_others(world: World, ivpn: Ivpn) -> None:
    ivpn.limit = 1
    ivpn.sessions["theirs"] = {"account": ACCOUNT, "keys": [key(1)], "ip": "172.23.248.99"}
    provider = IvpnProvider(world.environment())
    with pytest.raises(TooManyDevicesError, match="all its 1 devices") as refused:
        await provider.sign_in(GOOD)
    assert refused.value.field == "sign_out_others"
    assert not (await provider.account()).signed_in
    await provider.sign_in({**GOOD, "sign_out_others": Secret("yes")})
    assert "theirs" not in ivpn.sessions


async def test_sign_in_with_two_factors_needs_the_code(world: World, ivpn: Ivpn) -> None:
    ivpn.two_factor = "123456"
    provider = IvpnProvider(world.environment())
    for code, message in ((None, "required"), ("654321", "wrong or expired")):
        given = GOOD if code is None else {**GOOD, "two_factor": Secret(code)}
        with pytest.raises(InvalidFieldError, match=message) as refused:
            await provider.sign_in(given)
        assert (refused.value.field, refused.value.code) == ("two_factor", "two_factor_needed")
    assert (await provider.sign_in({**GOOD, "two_factor": Secret("123 456")})).signed_in
    assert "123456" not in world.everything_on_disk()


async def test_sign_in_asking_for_a_captcha_is_refused(world: World, ivpn: Ivpn) -> None:
    ivpn.captcha = True
    with pytest.raises(ConflictError, match="captcha") as refused:
        await IvpnProvider(world.environment()).sign_in(GOOD)
    assert refused.value.code == "captcha_needed"


async def test_rotation_keeps_the_old_key_valid(world: World, ivpn: Ivpn) -> None:
    provider = await signed_in(world)
    old = await provider.tunnel("se1.wg.ivpn.net")
    new = await provider.rotate_key("se1.wg.ivpn.net")
    assert new is not None
    (session,) = ivpn.sessions.values()
    assert session["keys"] == [keys.public_key(c.private_key) for c in (old, new)]


async def test_rotation_that_fails_keeps_the_old_key(world: World, ivpn: Ivpn) -> None:
    provider = await signed_in(world)
    before = await provider.tunnel("se1.wg.ivpn.net")
    ivpn.status = 502
    with pytest.raises(ProviderDownError):
        await provider.rotate_key()
    ivpn.status = None
    assert await IvpnProvider(world.environment()).tunnel("se1.wg.ivpn.net") == before


async def test_session_ended_elsewhere_is_key_revoked(world: World, ivpn: Ivpn) -> None:
    provider = await signed_in(world)
    ivpn.sessions.clear()
    assert await provider.diagnose() is Verdict.KEY_REVOKED
    with pytest.raises(KeyRevokedError, match="sign in again"):
        await provider.rotate_key()
    assert await provider.sign_out() == ()  # it is already gone
    assert (await provider.sign_in(GOOD)).problem is None


async def test_port_in_the_lists_ranges_is_used(world: World, ivpn: Ivpn) -> None:
    provider = await signed_in(world)
    for port in (53, 2049, 5500, 19999):
        provider.check_settings(ProviderSettings(port=port))
    with pytest.raises(InvalidFieldError, match="53, 2049, 5500 to 19999"):
        provider.check_settings(ProviderSettings(port=80))
    world.settings = ProviderSettings(port=6000)
    (peer,) = (await provider.tunnel("se1.wg.ivpn.net")).peers
    assert peer.endpoint == Endpoint("80.67.10.138", 6000)


async def test_multihop_and_blocking_change_endpoint_and_resolver(world: World, ivpn: Ivpn) -> None:
    provider = await signed_in(world)
    world.settings = ProviderSettings(multihop_entry="se2.wg.ivpn.net", content_blocking=("trackers",))
    provider.check_settings(world.settings)
    config = await provider.tunnel("se1.wg.ivpn.net")
    assert config.peers[0].endpoint == Endpoint("80.67.10.139", 25601)
    assert config.peers[0].public_key == key(11)
    assert config.dns == (ip_address("10.0.254.2"),)
    world.settings = ProviderSettings(content_blocking=("trackers", "hardcore"))
    assert (await provider.tunnel("se1.wg.ivpn.net")).dns == (ip_address("10.0.254.3"),)
