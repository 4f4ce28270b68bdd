"""The log buffer, the redaction of secrets, and the verdicts of the leak test."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from app import keys
from app.errors import NotFoundError, TooManyRequestsError
from app.model import Links
from app.netd.leak_test import SHARED, LeakExits, LeakTester, address_check, dns_check, handshake_check, rules_check
from app.netd.log_buffer import MAX_LINES, LogBuffer
from app.network.resolvers import Answer, ResolverChoice
from app.protocol.commands import LeakTest
from app.protocol.status import Attestation
from app.store import Store
from app.support.secrets import redact
from app.tunnel.states import Blocked, Disconnected, Disconnecting, Reason, State, Target


def filled_buffer(count: int) -> LogBuffer:
    buffer = LogBuffer()
    for n in range(1, count + 1):
        buffer.handle(logging.LogRecord("app.test", logging.INFO, "", 0, "line %d", (n,), None))
    return buffer


def test_log_buffer_reads_last_lines_or_after_a_number() -> None:
    buffer = filled_buffer(10)
    assert [line.message for line in buffer.read(2).lines] == ["line 9", "line 10"]
    page = buffer.read(3, after=4)
    assert ([line.number for line in page.lines], page.last) == ([5, 6, 7], 7)
    assert (buffer.read(3, after=10).lines, buffer.read(3, after=10).last) == ((), 10)
    assert [line.number for line in buffer.read(2, after=99).lines] == [9, 10]  # netd has restarted since


def test_log_buffer_keeps_at_most_max_lines() -> None:
    lines = filled_buffer(MAX_LINES + 5).read(MAX_LINES * 2).lines
    assert (len(lines), lines[0].number) == (MAX_LINES, 6)


def test_redact_removes_every_key() -> None:
    for _ in range(200):
        key = keys.generate().private_key.reveal()
        assert key not in redact(f"peer {key}, endpoint 192.0.2.1:51820")
        assert key not in redact(f"PrivateKey={key}")
        assert key not in redact(f"PresharedKey = {key}")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("account 1234123412341234 is gone", "1234123412341234"),
        ("account 1234 1234 1234 1234 is gone", "1234 1234 1234 1234"),
        ('{"password": "hunter2"}', "hunter2"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("token=s3cret", "s3cret"),
        ("got eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ],
)
def test_redact_removes_other_secrets(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_redact_keeps_ordinary_text() -> None:
    text = "asking a provider at 192.0.2.1, TCP port 443 (tunnel)"
    assert redact(text) == text


@pytest.mark.parametrize(
    ("first", "last", "repaired", "result", "words"),
    [
        ((), (), (), "ok", "as planned"),
        ((), ("a rule is missing",), (), "failed", "does not hold what was planned: a rule is missing."),
        (None, ("a rule is missing",), (), "failed", "does not hold what was planned: a rule is missing."),
        (
            ("a rule is missing",),
            (),
            (),
            "failed",
            "During the test the kernel did not hold what was planned: a rule is missing. It does now.",
        ),
        (
            (),
            (),
            ("a rule is missing",),
            "failed",
            "During the test the kernel did not hold what was planned: a rule is missing. It does now.",
        ),
        (("a rule is missing",), (), ("a rule is missing",), "failed", "planned: a rule is missing. It does now."),
        (None, None, ("a rule is missing",), "failed", "not hold what was planned: a rule is missing."),
        (None, (), (), "unknown", "could not be read"),
        ((), None, (), "unknown", "could not be read"),
    ],
)
def test_leak_test_judges_the_rules_of_its_whole_time(
    first: tuple[str, ...] | None, last: tuple[str, ...] | None, repaired: tuple[str, ...], result: str, words: str
) -> None:
    found = rules_check(first, last, repaired)
    assert (found.name, found.result) == ("rules", result)
    assert words in found.message


def test_leak_test_verdicts() -> None:
    assert handshake_check(None, 1000).result == "failed"
    assert handshake_check(990, 1000).result == "ok"
    assert handshake_check(700, 1000).result == "unknown"
    assert address_check("203.0.113.7", ("203.0.113.7",)).result == "failed"
    assert address_check("203.0.113.7", ("203.0.113.7",), "203.0.113.7", True).result == "failed"
    assert address_check("198.51.100.1", ("203.0.113.7",), "198.51.100.1").result == "ok"
    assert address_check("198.51.100.2", ("203.0.113.7",), "198.51.100.1", True).result == "ok"
    assert address_check("198.51.100.2", ("203.0.113.7",), "198.51.100.1", False).result == "failed"
    assert address_check("198.51.100.2", ("10.0.0.7",), "198.51.100.1").result == "unknown", "a router's, perhaps"
    first, second, spare = (ip_address(a) for a in ("10.64.0.1", "10.64.0.2", "9.9.9.9"))

    def said(choice: ResolverChoice, *answers: Answer) -> tuple[str, str]:
        found = dns_check(choice, dict(zip(choice.order, answers, strict=True)))
        return found.result, found.message

    both = ResolverChoice((first, second), (), (first, second))
    assert said(both, Answer.GOOD, Answer.GOOD) == (
        "ok",
        "Names are looked up by 10.64.0.1, 10.64.0.2, through the tunnel only.",
    )
    result, message = said(both, Answer.SILENT, Answer.GOOD)
    assert result == "ok"
    assert message.startswith("Names are looked up by 10.64.0.2, through")
    assert "10.64.0.1 does not answer" in message
    result, message = said(both, Answer.SILENT, Answer.SILENT)
    assert result == "unknown"
    assert "no name can be looked up" in message
    result, message = said(both, Answer.FAILING, Answer.SILENT)
    assert result == "ok"
    assert "10.64.0.1 answered with an error" in message
    in_lan = ResolverChoice((), (spare,), (spare,), ((first, "lan"),))
    result, message = said(in_lan, Answer.GOOD)
    assert result == "ok"
    assert message.startswith("Names are looked up by 9.9.9.9, ")
    assert "10.64.0.1 lies in this gateway's own LAN" in message
    assert said(ResolverChoice())[0] == "unknown"


class SlowNetwork:
    """A network whose repairs take the lock that a verification takes; ``verified`` counts them."""

    links = Links(None, ())

    def __init__(self) -> None:
        self.attestation = Attestation(ok=True)
        self.verified = 0
        self.free = asyncio.Event()

    async def verify(self) -> tuple[str, ...]:
        self.verified += 1
        await self.free.wait()
        return ()

    async def drops(self) -> dict[str, int]:
        return {}

    def repair(self, *found: str) -> None:
        self.attestation = Attestation(ok=True, repairs=self.attestation.repairs + 1, drift=found)

    def resolvers(self, exit_name: str) -> ResolverChoice:
        return ResolverChoice()


class TwoExits:
    state: State = Disconnected()

    def get(self, name: str) -> object:
        if name not in {"default", "second"}:
            raise NotFoundError("no such exit", field="exit")
        return SimpleNamespace(state=self.state)


async def test_many_leak_tests_are_one(tmp_path: Path) -> None:
    """A flood of them stood in line for the lock that repairs take: a repair took 21 s instead of 0.3."""
    now = 1000.0
    network = SlowNetwork()
    with Store(tmp_path) as store:
        tester = LeakTester(network, cast("LeakExits", TwoExits()), store, clock=lambda: now)
        ((_, run),) = tester.handlers()
        many = [asyncio.create_task(run(LeakTest("default"))) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequestsError):
            await run(LeakTest("second"))
        with pytest.raises(NotFoundError):
            await run(LeakTest("third"))
        many[0].cancel()  # the client that began it has gone
        network.free.set()
        reports = await asyncio.gather(*many[1:])
        assert network.verified == 2, "at the beginning and at the end of the one test"
        assert all(report is reports[0] for report in reports)
        assert await run(LeakTest("default")) is reports[0]
        now += SHARED
        assert await run(LeakTest("default")) is not reports[0]
        assert network.verified == 4


async def test_leak_test_is_good_for_the_state_it_saw(tmp_path: Path) -> None:
    """Whoever asks right after a change is not told what was true before it, and waits for a test that began before."""
    network, exits = SlowNetwork(), TwoExits()
    network.free.set()
    with Store(tmp_path) as store:
        tester = LeakTester(network, cast("LeakExits", exits), store, clock=lambda: 1000.0)
        ((_, run),) = tester.handlers()
        before = await run(LeakTest("default"))
        exits.state = Disconnecting(None)
        assert await run(LeakTest("default")) is not before
        network.free.clear()
        exits.state = Disconnected()
        old = asyncio.create_task(run(LeakTest("default")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exits.state = Blocked(Reason.WAN_DOWN, "", Target("custom", "home"))
        new = asyncio.create_task(run(LeakTest("default")))
        await asyncio.sleep(0)
        network.free.set()
        assert await new is not await old
        assert network.verified == 8


async def test_leak_test_tells_what_was_repaired_while_it_ran(tmp_path: Path) -> None:
    """Both looks find nothing where a hole is closed before each: the test said "as planned" all the while."""
    network = SlowNetwork()
    network.repair("a repair before the test")
    with Store(tmp_path) as store:
        tester = LeakTester(network, cast("LeakExits", TwoExits()), store)
        ((_, run),) = tester.handlers()
        running = asyncio.create_task(run(LeakTest("default")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        network.repair("the ruleset was changed")
        network.free.set()
        report = await running
    rules = next(check for check in report.checks if check.name == "rules")
    assert not report.ok
    assert rules.result == "failed"
    assert rules.message.endswith("planned: the ruleset was changed. It does now.")
