"""Nothing lets a device out in the clear without the owner's password: the web process in front of all of netd."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from msgspec import Struct
from msgspec.structs import replace

from app import ipc
from app.api.openapi import document
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    Policy,
    ScheduleEntry,
    SelfService,
    Settings,
    VpnPolicy,
)
from app.netd.daemon import Daemon
from app.web.app import create_app
from ci.labnet.owner import AUTHORIZATION, PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import assert_error
from tests.unit.netd.test_daemon import deps, kernel, machine, started

__all__ = ["deps", "kernel", "machine", "started"]

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
DIRECT, BLOCKED, VPN = DirectPolicy(), BlockedPolicy(), VpnPolicy()
EVERY_DAY = frozenset(range(7))
PAUSE, OFF = SelfService("pause"), SelfService("off")


def always(policy: Policy) -> tuple[ScheduleEntry, ...]:
    return (ScheduleEntry(EVERY_DAY, 0, 0, policy),)


def evening(policy: str, end: int = 1260) -> dict[str, Any]:
    return {"days": list(EVERY_DAY), "start": 1200, "end": end, "policy": policy}


class Way(Struct, frozen=True):
    """A way to let a device out: the settings before it, the exceptions that are open, and the request."""

    method: str
    path: str
    body: dict[str, Any] = {}
    before: Settings = Settings()
    opened: tuple[dict[str, Any], ...] = ()  # as for POST /api/exceptions
    op: dict[str, Any] | None = None  # the same in a bulk request


def tv(**more: Any) -> tuple[Device, ...]:
    return (Device(TV, **({"own": False} | more)),)


KIDS = {"group": "kids"}
FOLLOWS_KIDS = Settings(devices=tv(**KIDS), groups=(Group("kids", VPN),), default_policy=DIRECT)
CLEAR_TV = tv(own=True, policy=DIRECT)
CLEAR_KID = tv(own=True, policy=DIRECT, **KIDS)
BEDTIME = Group("kids", schedule=always(BLOCKED))
OUT = (Group("kids", DIRECT),)
A_GROUPS_OUT = ({"group": "kids", "policy": "direct", "for": 600},)
A_GROUPS_BLOCK = ({"group": "kids", "policy": "blocked", "for": 600},)
BLOCKED_TV = ({"device": TV, "policy": "blocked", "for": 600},)
MEMBER = (Device(PHONE, own=False, group="kids"),)
SOMETIMES = Settings(devices=tv(schedule=(ScheduleEntry(EVERY_DAY, 0, 60, DIRECT),)))
_DEVICE, _EXCEPTION = f"/api/devices/{TV}", "/api/exceptions/1"

WAYS = {
    "group-of-those-out": Way(
        "PATCH", _DEVICE, {"group": "kids"}, Settings(devices=tv(), groups=OUT),
        op={"op": "change_device", "mac": TV, "group": "kids"},
    ),
    "group-out-at-times": Way(
        "PATCH", _DEVICE, {"group": "kids"},
        Settings(devices=tv(own=True), groups=(Group("kids", schedule=(ScheduleEntry(EVERY_DAY, 0, 1, DIRECT),)),)),
    ),
    "out-of-its-group": Way("PATCH", _DEVICE, {"group": None}, FOLLOWS_KIDS),
    "out-of-its-groups-bedtime": Way(
        "PATCH", _DEVICE, {"group": None}, Settings(devices=CLEAR_KID, groups=(BEDTIME,))
    ),
    "into-a-groups-exception": Way(
        "PATCH", _DEVICE, {"group": "kids"}, Settings(devices=(*tv(), *MEMBER)), A_GROUPS_OUT
    ),
    "out-of-a-groups-exception": Way("PATCH", _DEVICE, {"group": None}, Settings(devices=CLEAR_KID), A_GROUPS_BLOCK),
    "forget-one-with-the-vpn": Way(
        "DELETE", _DEVICE, {}, Settings(devices=tv(own=True), default_policy=DIRECT),
        op={"op": "forget_device", "mac": TV},
    ),
    "forget-one-that-waits": Way("DELETE", _DEVICE, {}, Settings(devices=tv(admitted=False), default_policy=DIRECT)),
    "forget-one-that-may-not-pause": Way(
        "DELETE", _DEVICE, {}, Settings(devices=tv(), self_service=PAUSE, device_self_service={TV: OFF})
    ),
    "remove-its-group": Way(
        "DELETE", "/api/groups/kids", {}, FOLLOWS_KIDS, op={"op": "remove_group", "name": "kids"}
    ),
    "remove-its-groups-bedtime": Way("DELETE", "/api/groups/kids", {}, Settings(devices=CLEAR_KID, groups=(BEDTIME,))),
    "remove-a-group-kept-in": Way("DELETE", "/api/groups/kids", {}, Settings(devices=CLEAR_KID), A_GROUPS_BLOCK),
    "remove-its-exit": Way(
        "DELETE", "/api/exits/se", {"then": "direct"},
        Settings(exits=("default", "se"), devices=tv(own=True, policy=VpnPolicy("se"))),
        op={"op": "remove_exit", "name": "se", "then": "direct"},
    ),
    "remove-an-exit-of-an-exception": Way(
        "DELETE", "/api/exits/se", {"then": "direct"}, Settings(exits=("default", "se")),
        ({"device": TV, "policy": "vpn:se", "for": 600},),
    ),
    "admit-by-default": Way(
        "POST", f"{_DEVICE}/admit", {}, Settings(default_policy=DIRECT, new_device_policy="wait"),
        op={"op": "admit_device", "mac": TV},
    ),
    "admit-to-its-group": Way(
        "POST", f"{_DEVICE}/admit", {}, Settings(devices=tv(admitted=False, **KIDS), groups=OUT)
    ),
    "direct": Way(
        "PUT", f"{_DEVICE}/policy", {"policy": "direct"}, op={"op": "set_device_policy", "mac": TV, "policy": "direct"}
    ),
    "inherit": Way(
        "PUT", f"{_DEVICE}/policy", {"policy": "inherit"}, Settings(devices=tv(own=True), default_policy=DIRECT),
        op={"op": "set_device_policy", "mac": TV, "policy": "inherit"},
    ),
    "vpn-admits": Way(
        "PUT", f"{_DEVICE}/policy", {"policy": "vpn"},
        Settings(devices=tv(admitted=False, **KIDS), groups=(Group("kids", schedule=always(DIRECT)),)),
    ),
    "schedule": Way(
        "PUT", f"{_DEVICE}/schedule", {"schedule": [evening("direct")]},
        op={"op": "set_device_schedule", "mac": TV, "schedule": [evening("direct")]},
    ),
    "no-schedule": Way(
        "PUT", f"{_DEVICE}/schedule", {"schedule": []},
        Settings(devices=tv(own=True, policy=DIRECT, schedule=always(BLOCKED))),
        op={"op": "set_device_schedule", "mac": TV, "schedule": []},
    ),
    "longer-schedule": Way(
        "PUT", f"{_DEVICE}/schedule", {"schedule": [evening("direct", 1261)]},
        Settings(devices=tv(schedule=(ScheduleEntry(EVERY_DAY, 1200, 1260, DIRECT),))),
    ),
    "group-out": Way(
        "PUT", "/api/groups/kids", {"policy": "direct"}, Settings(devices=tv(**KIDS)),
        op={"op": "set_group", "name": "kids", "policy": "direct"},
    ),
    "group-as-default": Way(
        "PUT", "/api/groups/kids", {"schedule": []}, FOLLOWS_KIDS, op={"op": "set_group", "name": "kids"}),
    "default-out": Way(
        "PATCH", "/api/settings", {"default_policy": "direct"},
        op={"op": "change_settings", "settings": {"default_policy": "direct"}},
    ),
    "new-ones-wait-no-longer": Way(
        "PATCH", "/api/settings", {"new_device_policy": "default"},
        Settings(default_policy=DIRECT, new_device_policy="wait"),
        op={"op": "change_settings", "settings": {"new_device_policy": "default"}},
    ),
    "another-time-zone": Way("PATCH", "/api/settings", {"time_zone": "Asia/Tokyo"}, SOMETIMES),
    "all-may-pause": Way(
        "PUT", "/api/self-service", {"allow": "pause"}, op={"op": "set_self_service", "allow": "pause"}
    ),
    "one-may-pause": Way("PUT", f"{_DEVICE}/self-service", {"allow": "all"}),
    "one-may-pause-as-all": Way(
        "PUT", f"{_DEVICE}/self-service", {"allow": "default"},
        Settings(self_service=PAUSE, device_self_service={TV: OFF}),
    ),
    "longer-pauses": Way(
        "PUT", "/api/self-service", {"allow": "pause", "longest_pause": 1801}, Settings(self_service=PAUSE)
    ),
    "exception": Way(
        "POST", "/api/exceptions", {"device": TV, "policy": "direct", "for": 60},
        op={"op": "start_exception", "device": TV, "policy": "direct", "for": 60},
    ),
    "exception-out-at-times": Way(
        "POST", "/api/exceptions", {"device": TV, "policy": "direct", "for": 60}, SOMETIMES
    ),
    "exception-of-an-empty-group": Way(
        "POST", "/api/exceptions", {"group": "kids", "policy": "direct", "for": 60}, Settings(groups=(Group("kids"),))
    ),
    "exception-in-place-of-a-block": Way(
        "POST", "/api/exceptions", {"device": TV, "policy": "blocked", "for": 1},
        Settings(devices=CLEAR_TV), BLOCKED_TV,
        op={"op": "start_exception", "device": TV, "policy": "vpn", "for": 1},
    ),
    "longer-exception": Way(
        "PATCH", _EXCEPTION, {"for": 601}, Settings(), ({"device": TV, "policy": "direct", "for": 600},),
        op={"op": "change_exception", "id": 1, "for": 601},
    ),
    "shorter-block": Way("PATCH", _EXCEPTION, {"for": 2}, Settings(devices=CLEAR_TV), BLOCKED_TV),
    "block-that-ends": Way(
        "DELETE", _EXCEPTION, {}, Settings(devices=CLEAR_TV), BLOCKED_TV, op={"op": "end_exception", "id": 1}
    ),
    "block-that-ends-in-a-groups-exception": Way(
        "DELETE", _EXCEPTION, {}, Settings(devices=(*tv(**KIDS),)), (*BLOCKED_TV, *A_GROUPS_OUT)
    ),
}  # fmt: skip

# What needs no such question, and why. An operation that is added has to be judged: it belongs into one of these lists.
JUDGED = {
    "asks always": "POST /api/backup, POST /api/restore, POST /api/auth/keys",
    "is the sign-in itself": "POST /api/auth/login, POST /api/auth/logout, POST /api/auth/password,"
    " POST /api/auth/refresh, POST /api/auth/totp, POST /api/auth/totp/confirm, DELETE /api/auth/keys/{id},"
    " DELETE /api/auth/sessions/{id}, DELETE /api/auth/totp",
    "does what the others do": "POST /api/bulk, POST /graphql",
    "has a leave for which the password was given": "PATCH /api/me",
    "is about tunnels: devices leave by one, or not at all": "POST /api/canary/open, POST /api/connect,"
    " POST /api/disconnect, POST /api/exits, PATCH /api/exits/{name}, POST /api/provider/{provider},"
    " POST /api/custom/add, DELETE /api/custom/remove/{name}, POST /api/import, POST /api/import/bulk,"
    " DELETE /api/favourites/{provider}/{server}, PUT /api/favourites/{provider}/{server},"
    " DELETE /api/providers/{name}/devices/{device}, POST /api/providers/{name}/login,"
    " POST /api/providers/{name}/logout, POST /api/providers/{name}/refresh, POST /api/providers/{name}/rotate-key,"
    " PUT /api/providers/{name}/settings, POST /api/providers/{name}/use-key",
    "is about ports, which no device's policy depends on": "PUT /api/wan",
    "asks and changes nothing": "POST /api/explain, POST /api/leak-test, POST /api/proof",
}


class Both:
    """The two processes: ``call`` asks the web process, ``daemon`` is netd."""

    def __init__(self, daemon: Daemon, url: str, store: Any) -> None:
        self.daemon, self.url, self.store = daemon, url, store

    async def call(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        return await asyncio.to_thread(
            requests.request, method, self.url + path, json=body, headers=AUTHORIZATION, timeout=20
        )

    async def prepare(self, way: Way) -> None:
        given = {name: getattr(way.before, name) for name in ("devices", "groups", "default_policy", "exits",
                 "new_device_policy", "self_service", "device_self_service")}  # fmt: skip
        self.store.update_settings(lambda s: replace(s, **given))
        await self.daemon.exits.follow_settings()
        for one in way.opened:
            answer = await self.call("POST", "/api/exceptions", one | {"password": PASSWORD})
            assert answer.status_code == 200, answer.text

    async def state(self) -> object:
        now = await self.daemon.gateway.snapshot()
        return self.store.settings, [(e.id, e.deadline, e.policy, e.mac, e.group) for e in now.exceptions]


@pytest.fixture
async def both(deps: Any, started: Any, tmp_path: Any) -> AsyncIterator[Both]:
    daemon = await started()
    server = await ipc.Server(daemon.gateway, tmp_path / "netd.sock", {os.getuid()}).start()
    with contextlib.closing(server):
        web = WebServer(netd=tmp_path / "netd.sock", state_dir=tmp_path / "web")
        await asyncio.to_thread(web.__enter__)
        try:
            yield Both(daemon, web.url, deps.store)
        finally:
            await asyncio.to_thread(web.__exit__)


@pytest.mark.parametrize("name", WAYS)
async def test_nothing_lets_out_without_the_password(both: Both, name: str) -> None:
    way = WAYS[name]
    await both.prepare(way)
    before = await both.state()
    assert_error(await both.call(way.method, way.path, way.body or None), 422, "missing_field", "password")
    wrong = way.body | {"password": "not the password"}
    assert_error(await both.call(way.method, way.path, wrong), 403, "wrong_password", "password")
    if way.op is not None:
        answer = await both.call("POST", "/api/bulk", {"operations": [way.op]})
        assert_error(answer, 422, "missing_field", "password")
    assert await both.state() == before
    done = await both.call(way.method, way.path, way.body | {"password": PASSWORD})
    assert done.status_code == 200, done.text
    assert await both.state() != before


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.op is not None])
async def test_bulk_takes_one_password_for_all(both: Both, name: str) -> None:
    way = WAYS[name]
    await both.prepare(way)
    before = await both.state()
    answer = await both.call("POST", "/api/bulk", {"operations": [way.op], "password": PASSWORD})
    assert answer.json()["success"], answer.text
    assert await both.state() != before


def test_every_operation_is_judged() -> None:
    paths = json.loads(document(create_app(FakeGateway())))["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if method != "get"}
    judged = {one for listed in JUDGED.values() for one in listed.split(", ")}
    filled = {
        "{mac}": TV,
        "{number}": "1",
        "/api/groups/{name}": "/api/groups/kids",
        "/api/exits/{name}": "/api/exits/se",
    }
    for one in there - judged:
        method, path = one.split()
        for name, value in filled.items():
            path = path.replace(name, value)
        assert any((way.method, way.path) == (method, path) for way in WAYS.values()), one
    assert judged <= there


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("group-of-those-out", f'changeDevice(mac: "{TV}", group: "kids"'),
        ("forget-one-with-the-vpn", f'forgetDevice(mac: "{TV}"'),
        ("admit-by-default", f'admitDevice(mac: "{TV}"'),
        ("remove-its-group", 'removeGroup(name: "kids"'),
        ("block-that-ends", "endException(id: 1"),
        ("new-ones-wait-no-longer", 'changeDeviceSettings(newDevicePolicy: "default"'),
    ],
)
async def test_graphql_asks_as_well(both: Both, name: str, text: str) -> None:
    await both.prepare(WAYS[name])
    before = await both.state()
    refused = (await both.call("POST", "/graphql", {"query": f"mutation {{ {text}) {{ __typename }} }}"})).json()
    assert refused["errors"][0]["extensions"]["code"] == "missing_field", refused
    assert await both.state() == before
    given = f'mutation {{ {text}, password: "{PASSWORD}") {{ __typename }} }}'
    assert "errors" not in (await both.call("POST", "/graphql", {"query": given})).json()
    assert await both.state() != before


async def test_open_exception_follows_its_exit(both: Both) -> None:
    """After a rename it named an exit that there was not, and blocked its device."""
    await both.prepare(
        Way("", "", {}, Settings(exits=("default", "se")), ({"device": TV, "policy": "vpn:se", "for": 600},))
    )

    async def policies() -> list[Policy]:
        return [e.policy for e in (await both.daemon.gateway.snapshot()).exceptions]

    assert (await both.call("PATCH", "/api/exits/se", {"name": "sweden"})).status_code == 200
    assert await policies() == [VpnPolicy("sweden")]
    assert (await both.call("DELETE", "/api/exits/sweden", {"then": "default"})).status_code == 200
    assert await policies() == [VPN]
