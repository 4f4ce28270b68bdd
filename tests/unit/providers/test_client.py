"""The client of a provider's API: refusals raise the declared errors and show nothing else of the answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.errors import ConflictError, GatewayError
from app.https.exchange import Response
from app.providers.client import Errors, Problem, ProviderClient, raises
from app.providers.config import ApiConfig
from app.providers.decode import decode_answer, parse_timestamp
from app.providers.errors import BadAnswerError, KeyInUseError, KeyRevokedError, RefusedError
from tests.support.providers.standin import Answer, StandIn
from tests.support.providers.world import World


def _problem(answer: Response) -> Problem:
    return None if answer.ok else decode_answer(answer.body, dict[str, str], "Example")["code"]


ERRORS = Errors({"TAKEN": raises(KeyInUseError, "taken"), 404: raises(KeyRevokedError, "gone")}, _problem)


@pytest.fixture
async def client(world: World) -> ProviderClient:
    stand_in = StandIn(names=("api.example",))
    for name, status in (("TAKEN", 400), ("OTHER", 404), ("NEW", 400), ("not shown: 1234", 400)):
        path = f"/{name.partition(' ')[0]}"
        stand_in.route("GET", path, lambda _, status=status, name=name: Answer(status, {"code": name}))
    stand_in.route("GET", "/fine", lambda _: Answer(200, {"code": "TAKEN"}))
    await world.serve(stand_in)
    return ProviderClient(world.outgoing, ApiConfig("https://api.example", ca=str(world.authority.path)), "Example")


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/TAKEN", KeyInUseError, "taken"),  # by the code in the answer
        ("/OTHER", KeyRevokedError, "gone"),  # by the HTTP status, where the code says nothing
        ("/NEW", RefusedError, "Example refused the request (HTTP 400, NEW)"),
        ("/not", RefusedError, "Example refused the request (HTTP 400)"),  # not an identifier, so it is not shown
    ],
)
async def test_refusal_raises_the_error_declared_for_it(
    client: ProviderClient, path: str, kind: type[GatewayError], message: str
) -> None:
    with pytest.raises(kind) as refused:
        await client.request("GET", path, errors=ERRORS)
    assert type(refused.value) is kind
    assert refused.value.message == message


async def test_answer_without_a_problem_is_decoded(client: ProviderClient) -> None:
    assert await client.read(dict[str, str], "GET", "/fine", errors=ERRORS) == {"code": "TAKEN"}
    with pytest.raises(BadAnswerError, match="unexpected"):
        await client.read(list[str], "GET", "/fine", errors=ERRORS)


def test_declared_error_is_new_for_each_answer() -> None:
    make = raises(ConflictError, "busy", code="busy")
    answer = Response(409, {})
    assert make(answer) is not make(answer)


@pytest.mark.parametrize("text", ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05", "2030-01-02T05:04:05+02:00"])
def test_timestamp_of_a_date_is_unix_time(text: str) -> None:
    assert parse_timestamp(text, "Example") == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2030-13-01T00:00:00Z", "1893553445"])
def test_timestamp_of_an_invalid_date_is_a_bad_answer(text: str | None) -> None:
    with pytest.raises(BadAnswerError, match="Example sent an invalid date"):
        parse_timestamp(text, "Example")
