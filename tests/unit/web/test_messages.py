"""Every message of the page is there in English and German, is used, and names the same values in both."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from app.api import errors as api_errors
from app.model import DeviceKind, LinkProblem
from app.netd.backup import parts
from app.network.ruleset.refusals import REASONS
from app.policies import Source
from app.protocol.answers import OpeningName
from app.protocol.device_history import DeviceHappening, EndCause
from app.protocol.explanations import Origin, Verdict
from app.protocol.status import ExitState
from app.providers.ivpn import IvpnProvider
from app.providers.mullvad import MullvadProvider
from app.tunnel.states import Reason

APP = Path(__file__).parents[3] / "app"
STATIC = APP / "web" / "static"
CATALOGUES = ("en", "de")
# Chosen at run time: say(`place.${place}`), sayCode("error", code)
GROUPS = (
    *("cause.", "cause_next.", "error.", "feature.", "kind.", "opening.", "origin.", "place.", "verdict."),
    *("alarm.", "alarm_next.", "check.", "checked.", "probe.", "promise.", "promise_how.", "result.", "sight."),
    *("stopped.", "stopped_why."),
    *("blocking.", "opens.", "part.", "past.", "tunnel.", "wan_problem."),
    *("happened.", "happened_first.", "happened_none.", "happened_why.", "moved_by.", "over."),
)
_OTHERS = {"vendor", "messages"}  # no users of messages
VALUE = re.compile(r"\{(\w+)\}")


def catalogue(language: str) -> dict[str, str | dict[str, str]]:
    """The messages as the page reads them: Node runs the module."""
    module = (STATIC / "messages" / f"{language}.js").as_uri()
    program = f"import({json.dumps(module)}).then((m) => console.log(JSON.stringify(m.default)))"
    node = Path(sys.executable).with_name("node")
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    found: dict[str, str | dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def messages() -> dict[str, dict[str, str | dict[str, str]]]:
    return {language: catalogue(language) for language in CATALOGUES}


def sources() -> list[str]:
    parts = {path: path.relative_to(STATIC).parts for path in STATIC.rglob("*.js")}
    return [path.read_text() for path, names in parts.items() if len(names) > 1 and names[0] not in _OTHERS]


def texts(message: str | dict[str, str]) -> list[str]:
    return [message] if isinstance(message, str) else list(message.values())


def test_languages_have_the_same_messages(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    assert set(messages["de"]) == set(messages["en"])


def test_messages_name_the_same_values(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    for key, english in messages["en"].items():
        expected = {name for text in texts(english) for name in VALUE.findall(text)}
        german = messages["de"][key]
        assert type(german) is type(english), key
        assert {name for text in texts(german) for name in VALUE.findall(text)} == expected, key


def test_used_messages_are_there_and_others_are_not(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    english = set(messages["en"])
    groups = {key.partition(".")[0] for key in english}
    quoted = {key for source in sources() for key in re.findall(r'"([a-z_]+\.[a-z_]+)"', source)}
    said = {key for key in quoted if key.partition(".")[0] in groups}
    assert said - english == set()
    assert {key for key in english - said if not key.startswith(GROUPS)} == set()


def test_every_place_has_its_words(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    router = (STATIC / "lib" / "router.js").read_text()
    places = re.findall(r'"(\w+)"', router.split("place:")[1].split(";")[0])
    assert len(places) == 7
    for place in places:
        assert f"place.{place}" in messages["en"]


def constants(value: ast.expr | None) -> set[str]:
    """The texts that an expression may be: ``"a"``, or ``"a" if x else "b"``."""
    match value:
        case ast.Constant(value=str(text)) if text:
            return {text}
        case ast.IfExp(body=body, orelse=other):
            return constants(body) | constants(other)
        case _:
            return set()


def codes_in(source: str) -> set[str]:
    """The codes of errors that a module names: arguments ``code=``, and the attribute ``code`` of a class."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.keyword(arg="code", value=value):
                found |= constants(value)
            case ast.ClassDef(body=body):
                for each in body:
                    match each:
                        case ast.Assign(targets=[ast.Name(id="code")], value=value):
                            found |= constants(value)
                        case ast.AnnAssign(target=ast.Name(id="code"), value=value):
                            found |= constants(value)
                        case _:
                            pass
            case _:
                pass
    return found


def test_every_code_of_the_api_has_a_sentence(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    codes = {code for path in APP.rglob("*.py") for code in codes_in(path.read_text())}
    codes |= set(api_errors.CODES.values()) | {reason.value for reason in Reason}
    assert {"kernel", "locked_out", "no_password", "wrong_passphrase"} <= codes
    assert {code for code in codes if f"error.{code}" not in messages["en"]} == set()


# What puts an exit into another state, with a cause for the history.
MOVES = {"switch", "resume", "renew", "connect", "connect_nowait", "set_goal_nowait", "redirect", "ExitTransition"}


def causes_in(source: str) -> set[str]:
    """The causes of transitions that a module names: beside a move, as ``cause=``, or as what ``_cause`` answers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=arguments) if name in MOVES:
                found |= {text for each in arguments for text in constants(each)}
            case ast.keyword(arg="cause", value=value):
                found |= constants(value)
            case ast.FunctionDef(name="_cause", body=body):
                returned = [each for part in body for each in ast.walk(part) if isinstance(each, ast.Return)]
                found |= {text for each in returned for text in constants(each.value)}
            case _:
                pass
    return found


def test_every_cause_in_the_history_has_words(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    modules = [path for part in ("netd", "tunnel") for path in (APP / part).rglob("*.py")]
    causes = {cause for path in modules for cause in causes_in(path.read_text())} | {each.value for each in Reason}
    assert {"failover", "scheduled", "resumed", "adopted", "retry", "never_used", "unknown"} <= causes
    told = {key.removeprefix("past.") for key in messages["en"] if key.startswith("past.")}
    assert told == causes


def test_every_change_in_the_history_of_a_device_has_its_sentence(
    messages: dict[str, dict[str, str | dict[str, str]]],
) -> None:
    for group, codes in (("happened.", DeviceHappening), ("moved_by.", Source), ("over.", EndCause)):
        told = {key.removeprefix(group) for key in messages["en"] if key.startswith(group)}
        assert told == set(get_args(codes)), group
    others = {key.partition(".")[2] for key in messages["en"] if re.match(r"happened_\w+\.", key)}
    assert others <= set(get_args(DeviceHappening))


def checks_in(source: str) -> set[tuple[str, str]]:
    """The checks of the leak test that a module makes, by name and result."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="Check"), args=[name, result, _]):
                found |= {(each, verdict) for each in constants(name) for verdict in constants(result)}
            case _:
                pass
    return found


def test_every_check_of_the_proof_has_its_sentence(messages: dict[str, dict[str, str | dict[str, str]]]) -> None:
    checks = {check for path in APP.rglob("*.py") for check in checks_in(path.read_text())}
    assert {("packets", "failed"), ("kill_switch", "ok"), ("tunnel", "unknown")} <= checks
    assert {f"check.{name}" for name, _ in checks} <= set(messages["en"])
    assert {f"checked.{name}_{result}" for name, result in checks} - set(messages["en"]) == set()


def test_states_and_what_keeps_from_the_internet_have_words(
    messages: dict[str, dict[str, str | dict[str, str]]],
) -> None:
    english = set(messages["en"])
    assert {f"tunnel.{state.value}" for state in ExitState} <= english
    reasons = get_args(get_type_hints(LinkProblem)["reason"])
    assert {f"wan_problem.{reason}" for reason in reasons} == {key for key in english if key.startswith("wan_problem.")}
    assert {f"part.{part.file.partition('.')[0]}" for part in parts(Path())} <= english
    assert {f"opens.{what}" for what in get_args(OpeningName)} <= english


LISTED = {"features", "_FEATURES", "_TAGS", "known"}


def listed_in(source: str) -> set[str]:
    """The texts in what a provider's module calls its servers' features."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.keyword(arg=name, value=value):
                named = {name} if name else set()
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                named = {name}
            case _:
                continue
        if named & LISTED:
            found |= {text for each in ast.walk(value) if isinstance(each, ast.expr) for text in constants(each)}
    return found


def test_every_feature_of_a_server_and_every_list_that_is_blocked_has_a_name(
    messages: dict[str, dict[str, str | dict[str, str]]],
) -> None:
    paths = (APP / "providers").glob("*_relays.py")
    features = {name for path in paths for name in listed_in(path.read_text())}
    assert {"daita", "quic", "p2p", "10g", "port_forward", "multihop", "virtual"} <= features
    assert {f"feature.{name}" for name in features} - set(messages["en"]) == set()
    blocked = {kind for each in (IvpnProvider, MullvadProvider) for kind in each.capabilities.content_blocking}
    assert {"trackers", "malware"} <= blocked
    assert {f"blocking.{kind}" for kind in blocked} - set(messages["en"]) == set()


def test_every_cause_has_its_sentence_and_its_next_step(
    messages: dict[str, dict[str, str | dict[str, str]]],
) -> None:
    english = set(messages["en"])
    causes = {key.removeprefix("cause.") for key in english if key.startswith("cause.")}
    assert {key.removeprefix("cause_next.") for key in english if key.startswith("cause_next.")} == causes
    assert {reason.value for reason in Reason} <= causes
    assert {"waiting", "blocked", "ipv6", "no_route", "dns"} <= causes & {*REASONS}
    for group, values in (
        ("cause.by_", Origin),
        ("origin.", Origin),
        ("verdict.", Verdict),
        ("kind.", DeviceKind),
        ("opening.", OpeningName),
    ):
        assert {f"{group}{value}" for value in get_args(values)} <= english
