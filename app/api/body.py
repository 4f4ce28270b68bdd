"""Request bodies: bounded while they arrive, JSON only, validated into a typed Struct."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, TypeVar, cast

import msgspec
from quart import Request, Response, request
from quart.wrappers.request import Body

from app import serialization
from app.errors import InvalidFieldError, MalformedRequestError, UnavailableError, UnsupportedMediaTypeError

T = TypeVar("T")

BODY_LIMIT = 64 * 1024  # bytes
BODY_LIMITS = {
    "/api/import": 1024 * 1024,
    "/api/import/bulk": 4 * 1024 * 1024,
    "/api/bulk": 4 * 1024 * 1024,
    "/api/restore": 12 * 1024 * 1024,
}
BODY_TIMEOUT = 10  # seconds for all of it: a client that trickles holds nothing for longer
DRAIN_TIMEOUT = 3.0  # seconds

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_EXPECTED = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`$")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}


class Budget:
    """The bytes of bodies that are kept at this moment, of all clients together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = 0


BUDGET = Budget(32 * 1024 * 1024)  # the unit may use 256 MiB, and a restore's body is decoded three times over


class DrainableBody(Body):
    """A body that knows when all of it has arrived, also the part beyond the limit, which is not kept.

    What is kept counts against ``BUDGET``. Once the request is decided, nothing of the body is kept any more.
    """

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._appending = False
        self._discarded = False
        self._counted = 0
        self.arrived = asyncio.Event()

    def append(self, data: bytes) -> None:
        if self._discarded or self._must_raise is not None:
            return
        if BUDGET.kept + len(data) > BUDGET.most:
            self._must_raise = UnavailableError("too many large requests at this moment; try again", code="busy")
            self._release()
            super().set_complete()
            return
        self._appending = True  # beyond the limit, the base class completes itself from within
        try:
            super().append(data)
        finally:
            self._appending = False
        self._counted += len(data)
        BUDGET.kept += len(data)
        if self._must_raise is not None:
            self._release()

    def discard(self) -> None:
        """Keep nothing of what has arrived, nor of what still does."""
        self._discarded = True
        self._release()

    def _release(self) -> None:
        self._data.clear()
        BUDGET.kept -= self._counted
        self._counted = 0

    def __del__(self) -> None:
        BUDGET.kept -= self._counted  # the client went away before the answer

    def set_complete(self) -> None:
        super().set_complete()
        if not self._appending:
            self.arrived.set()


class BoundedRequest(Request):
    """A request that applies the limit of its path before a byte of the body is kept."""

    body_class = DrainableBody

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **options: Any) -> None:
        options["max_content_length"] = BODY_LIMITS.get(path, BODY_LIMIT)
        super().__init__(method, scheme, path, *args, **options)


async def drain(response: Response) -> Response:
    """Drop the body, and wait briefly, before any answer, for the unread rest of it.

    Otherwise the connection is closed with unread data, which resets it: a client that is still sending never sees the
    answer, and one that has sent all finds its kept connection dead at the next request.
    """
    body = request.body
    if isinstance(body, DrainableBody):
        body.discard()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await body.arrived.wait()
    return response


async def read_json(kind: type[T]) -> T:
    """The request's JSON as ``kind``.

    Raises MalformedRequestError (not JSON), UnsupportedMediaTypeError (not ``application/json``), InvalidFieldError
    (wrong type, missing or unknown field; names it).
    """
    data = await _read()
    if not data and not request.mimetype:
        raise MalformedRequestError("this needs a JSON body")
    _check_media_type()
    return decode(data, kind)


async def read_optional_json(kind: type[T]) -> T | None:
    """As :func:`read_json`; None where nothing was sent, whatever its media type."""
    data = await _read()
    if not data:
        return None
    _check_media_type()
    return decode(data, kind)


async def read_bytes(media_type: str) -> bytes:
    """The request's raw content, which may be empty. Raises UnsupportedMediaTypeError."""
    data = await _read()
    if request.mimetype != media_type:
        raise UnsupportedMediaTypeError(f"send the content as it is, with Content-Type: {media_type}")
    return data


def read_query(kind: type[T]) -> T:
    """The query string as the Struct ``kind``. Raises InvalidFieldError (wrong, unknown or repeated; names it)."""
    values: dict[str, str] = {}
    for name, given in request.args.lists():
        if len(given) > 1:
            raise InvalidFieldError(f"{_short(name)} is given more than once", field=_short(name))
        values[name] = given[0]
    try:
        query = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    for name in values:
        if getattr(query, name) is None:  # msgspec reads "null" as None; an unset parameter must be left out
            raise InvalidFieldError(f"{name}: give a value, or leave it out", field=name)
    return query


def convert(values: dict[str, Any], kind: type[T]) -> T:
    """``values``, decoded already, as ``kind``. Raises InvalidFieldError."""
    try:
        return serialization.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def check_parameter(name: str, value: Any, kind: Any) -> None:
    """Check that a parameter of the path is of ``kind``. Raises InvalidFieldError."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            f"{name}: {_invalid(str(error)).message.removeprefix('the body: ')}", field=name
        ) from None


async def _read() -> bytes:
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


def _check_media_type() -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaTypeError("the body must be JSON: send Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("compressed bodies are not accepted")


def decode(data: bytes, kind: type[T]) -> T:
    try:
        value = serialization.decode(data, kind)
        _check_known(msgspec.json.decode(data), value)
        return value
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "it is not valid UTF-8"
        raise MalformedRequestError(f"the body is not JSON: {_lower(reason)}") from None
    except RecursionError:
        raise MalformedRequestError("the body is nested too deeply") from None


def _check_known(raw: object, value: object, path: str = "") -> None:
    """Refuse unknown fields also within stored Structs, which accept them for files that a later version wrote.

    Otherwise a misspelt field would silently get its default. Raises InvalidFieldError.
    """
    if isinstance(value, msgspec.Struct) and isinstance(raw, dict):
        known = {f.encode_name: f.name for f in msgspec.structs.fields(value)}
        known_tag = value.__struct_config__.tag_field
        sent = cast("dict[str, object]", raw)
        for name, inner in sent.items():
            where = _join(path or None, name)
            if name in known:
                _check_known(inner, getattr(value, known[name]), where)
            elif name != known_tag:
                raise InvalidFieldError(f"unknown field {_short(where)!r}", field=_short(where), code="unknown_field")
    elif isinstance(value, list | tuple) and isinstance(raw, list):
        pairs = zip(cast("list[object]", raw), cast("tuple[object, ...]", value), strict=False)
        for number, (inner, each) in enumerate(pairs):
            _check_known(inner, each, f"{path}[{number}]")


def _invalid(text: str) -> InvalidFieldError:
    """The error for people that msgspec's message makes, with the field apart. It never quotes the value."""
    at = _AT.search(text)
    field = at["path"] if at else None
    reason = text[: at.start()] if at else text
    if match := _UNKNOWN.match(reason):
        name = _join(field, match["name"])
        return InvalidFieldError(f"unknown field {_short(name)!r}", field=_short(name), code="unknown_field")
    if match := _MISSING.match(reason):
        name = _join(field, match["name"])
        return InvalidFieldError(f"{name} is missing", field=name, code="missing_field")
    if match := _EXPECTED.match(reason):
        reason = f"expected {_words(match['wanted'])}, got {_words(match['got'])}"
    reason = _lower(reason).replace("`", "")
    return InvalidFieldError(f"{field}: {reason}" if field else f"the body: {reason}", field=field or None)


def _join(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name


def _short(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"


def _words(types: str) -> str:
    return " or ".join(_WORDS.get(t, t) for t in types.split(" | "))


def _lower(text: str) -> str:
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]
