"""The hosts of one API: a content delivery network's refusal is no answer of the API, and another host is asked."""

from __future__ import annotations

import gzip
from ipaddress import ip_address

import pytest

from app.https.exchange import Response
from app.providers.cdn import refused_by_network
from app.providers.client import ProviderClient
from app.providers.config import ApiConfig
from app.providers.errors import BadAnswerError, BlockedError, ProviderDownError
from tests.support.providers.standin import Answer, Request, StandIn
from tests.support.providers.world import World

FIRST, SECOND = "api.example", "api.other.example"
PAGE = b"<!DOCTYPE html>"


@pytest.fixture
async def stand_in(world: World) -> StandIn:
    stand_in = StandIn(names=(FIRST, SECOND))
    stand_in.route("GET", "/fine", lambda r: Answer(200, {"host": r.headers["host"], "text": "x" * 2000}))
    stand_in.route("POST", "/once", lambda _: Answer(200, {}))
    await world.serve(stand_in)
    return stand_in


def client(world: World, *, known: tuple[str, ...] = ()) -> ProviderClient:
    config = ApiConfig(
        f"https://{FIRST}", ca=str(world.authority.path), alternatives=(f"https://{SECOND}",) if not known else ()
    )
    return ProviderClient(world.outgoing, config, "Example", lambda: tuple(map(ip_address, known)))


async def asked(by: ProviderClient) -> str:
    return (await by.read(dict[str, str], "GET", "/fine"))["host"]


async def test_blocked_host_gives_way_to_the_next_which_stays(world: World, stand_in: StandIn) -> None:
    by = client(world)
    assert await asked(by) == FIRST
    stand_in.blocked = (FIRST,)
    assert await asked(by) == SECOND
    stand_in.blocked = ()
    assert await asked(by) == SECOND  # a token is of the host that gave it


async def test_unreachable_host_gives_way_to_the_next(world: World, stand_in: StandIn) -> None:
    del world.outgoing.ports[FIRST]
    assert await asked(client(world)) == SECOND


async def test_block_at_every_host_is_an_error_of_its_own(world: World, stand_in: StandIn) -> None:
    stand_in.blocked = (FIRST, SECOND)
    with pytest.raises(BlockedError, match=r"protection of api\.example") as refused:
        await client(world).request("GET", "/fine")
    assert (refused.value.code, refused.value.status) == ("provider_blocks_us", 503)


async def test_request_that_may_have_been_seen_is_sent_once(world: World, stand_in: StandIn) -> None:
    stand_in.lose = 0
    with pytest.raises(ProviderDownError):
        await client(world).request("POST", "/once", json={})
    assert stand_in.count("POST", "/once") == 1


async def test_known_addresses_are_dialled_after_the_name_failed(world: World, stand_in: StandIn) -> None:
    port = world.outgoing.ports.pop(FIRST)
    with pytest.raises(ProviderDownError):
        await client(world, known=("192.0.2.7",)).request("GET", "/fine")
    assert [to.addresses for to in world.outgoing.opened] == [(), (ip_address("192.0.2.7"),)]
    assert {to.host for to in world.outgoing.opened} == {FIRST}
    world.outgoing.ports[FIRST] = port


async def test_compressed_answer_is_bounded_as_inflated(world: World, stand_in: StandIn) -> None:
    def bomb(request: Request) -> Answer:
        assert request.headers["accept-encoding"] == "gzip"
        return Answer(200, gzip.compress(bytes(5_000_000)), {"content-encoding": "gzip"})

    stand_in.route("GET", "/bomb", bomb)
    stand_in.route("GET", "/damaged", lambda _: Answer(200, b"{}", {"content-encoding": "gzip"}))
    with pytest.raises(BadAnswerError, match="more than 262144 bytes"):
        await client(world).request("GET", "/bomb")
    with pytest.raises(BadAnswerError, match="not HTTP"):
        await client(world).request("GET", "/damaged")


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (403, {"server": "cloudflare"}, PAGE, True),
        (403, {"server": "cloudflare"}, b"error code: 1020", True),
        (403, {"content-type": "text/html"}, b"", True),
        (403, {"server": "AkamaiGHost"}, b"\n<HTML>", True),
        (429, {"cf-mitigated": "challenge"}, PAGE, True),
        (503, {"server": "cloudflare"}, PAGE, True),
        (403, {"server": "cloudflare"}, b'{"code": 403}', False),
        (403, {"server": "nginx"}, b"", False),
        (401, {"server": "cloudflare"}, PAGE, False),
        (429, {"server": "cloudflare"}, PAGE, False),  # asks to wait
        (503, {"server": "nginx"}, PAGE, False),  # the API's own server is down
        (200, {"server": "cloudflare"}, PAGE, False),
    ],
)
def test_refusal_is_the_networks(status: int, headers: dict[str, str], body: bytes, expected: bool) -> None:
    assert refused_by_network(Response(status, headers, body)) is expected
