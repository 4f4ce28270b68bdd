"""The state in the support file: nothing of it that people have named."""

from __future__ import annotations

from app import serialization
from app.model import DirectPolicy, PolicyException
from app.netd.support_text import without_names
from app.protocol.status import Snapshot
from tests.support.fake_gateway import FakeGateway


def test_exceptions_tell_no_reason_and_no_key() -> None:
    """A key has the name of whoever uses it."""

    def asked(by: str) -> PolicyException:
        return PolicyException(1, 1, DirectPolicy(), 0.0, 9.0, 9.0, by, group="Annas room", reason="Annas birthday")

    state: Snapshot = FakeGateway().state
    given = serialization.to_builtins(state) | {
        "exceptions": serialization.to_builtins((asked("API key Annas phone"), asked("admin")))
    }
    found = without_names(given)["exceptions"]
    assert [one["by"] for one in found] == ["API key", "admin"]
    assert "Annas" not in str(found)
