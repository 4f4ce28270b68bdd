"""The canary and the proof over HTTP, GraphQL and the command line's exit status; the page that may send probes."""

from __future__ import annotations

import re

import msgspec
import pytest

from app.api.operation import declared
from app.api.proof import start_proof
from app.api.security import CONTENT_SECURITY_POLICY
from app.errors import TooManyRequestsError
from app.protocol.commands import GetCanary, GetProof, LeakTest, OpenExits, StartProof
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error

pytestmark = pytest.mark.owned

EVIDENCE = ("kind", "family", "seen_on_lan", "seen_in_tunnel", "seen_on_wan", "seen_in_other_tunnel")


def test_the_canary_is_told_with_its_last_rounds(call: Call, gateway: FakeGateway) -> None:
    answer = call("GET", "/api/canary").json()
    assert (answer["enabled"], answer["rounds"], answer["probes"], answer["leaked"], answer["shut"]) == (
        *(True, 3, 54, 0),
        None,
    )
    (latest,) = answer["latest"]
    assert (latest["device"], latest["control"], len(latest["evidence"])) == ("default", True, 3)
    assert set(latest["evidence"][0]) == set(EVIDENCE)
    assert gateway.commands == [GetCanary()]


def test_the_exits_are_opened_after_a_leak(call: Call, gateway: FakeGateway) -> None:
    assert_error(call("POST", "/api/canary/open"), 409, "not_shut")
    gateway.canary = msgspec.structs.replace(gateway.canary, shut="a leak", leaked=4)
    assert call("POST", "/api/canary/open").json()["success"] is True
    assert call("GET", "/api/canary").json()["shut"] is None
    assert gateway.commands.count(OpenExits()) == 2


def test_a_proof_is_begun_and_read(call: Call, gateway: FakeGateway) -> None:
    begun = call("POST", "/api/proof").json()
    assert (begun["state"], begun["evidence"], [p["kind"] for p in begun["probes"]]) == (
        *("watching", []),
        ["name", "http", "stun"],
    )
    done = call("GET", f"/api/proof/{begun['id']}").json()
    assert (done["state"], done["control"], len(done["evidence"])) == ("done", True, 3)
    assert gateway.commands == [StartProof("127.0.0.1"), GetProof("an-id")]
    assert_error(call("GET", "/api/proof/another"), 404, "not_found", "id")
    assert_error(call("GET", f"/api/proof/{'x' * 65}"), 422, "invalid_field", "id")
    assert declared(start_proof).limit == "connection"


def test_a_third_browser_has_to_wait(call: Call, gateway: FakeGateway) -> None:
    gateway.failure = TooManyRequestsError("other devices are being watched", code="busy", retry_after=7.2)
    answer = call("POST", "/api/proof")
    assert_error(answer, 429, "busy")
    assert answer.headers["Retry-After"] == "8"


def test_the_leak_test_has_evidence_and_a_report(call: Call, gateway: FakeGateway) -> None:
    answer = call("POST", "/api/leak-test").json()
    assert answer["evidence"] == [dict(zip(EVIDENCE, ("tcp", 4, True, True, False, False), strict=True))]
    assert (answer["report"], answer["control"]) == ("A report.\n", True)


def test_graphql_does_the_same(call: Call, gateway: FakeGateway) -> None:
    def ask(query: str) -> dict[str, dict[str, object]]:
        answer = call("POST", "/graphql", json={"query": query}).json()
        assert "errors" not in answer, answer
        return answer["data"]

    assert ask("{canary{enabled rounds leaked shut latest{device evidence{kind seenOnWan}}}}")["canary"]["rounds"] == 3
    assert ask('{proof(id: "an-id"){state evidence{kind seenInTunnel}}}')["proof"]["state"] == "done"
    assert ask("mutation{startProof{id probes{kind family url}}}")["startProof"]["id"] == "an-id"
    found = ask("mutation{leakTest{ok report control checks{name} evidence{kind family seenOnLan}}}")["leakTest"]
    assert (found["ok"], found["report"], found["control"]) == (True, "A report.\n", True)
    gateway.canary = msgspec.structs.replace(gateway.canary, shut="a leak")
    assert ask("mutation{openExits{success}}")["openExits"]["success"] is True
    assert gateway.commands[-2:] == [LeakTest("default"), OpenExits()]


def test_only_the_page_of_the_proof_may_connect_elsewhere(call: Call) -> None:
    page = call("GET", "/proof")
    assert page.status_code == 200
    policy = page.headers.get_all("Content-Security-Policy") if hasattr(page.headers, "get_all") else None
    assert (policy or [page.headers["Content-Security-Policy"]]) == [
        CONTENT_SECURITY_POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
    ]
    assert re.search(r'<script type="module" src="/static/[0-9a-f]+/proof\.js"></script>', page.text)
    for path in ("/", "/api/status", "/static/proof.js", "/proof/"):
        assert call("GET", path).headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    fresh = call("GET", "/proof", headers={"If-None-Match": page.headers["ETag"]})
    assert fresh.status_code == 304
