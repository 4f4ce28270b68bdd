"""The look-up of a VPN server's name: every name server is asked until one gives an address that can be dialled.

Inside a tunnel the query carries the exit's mark. In the clear it is on the cleartext allowlist: packets with
``MARK_LOOKUP``, to the WAN's name servers in the plan, only while a look-up runs. dnspython exchanges and checks the
messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from app.addresses import Address
from app.network.plan import MARK_LOOKUP
from app.tunnel.dialable import OwnAddresses, reason_against
from app.tunnel.dns_backend import MarkedBackend

TRY_TIMEOUT = 1.5  # seconds for one query to one server
ROUNDS = 2

Judge = Callable[[Address], str | None]  # why an address cannot be dialled; None where it can


class LookupFailedError(Exception):
    """A look-up failed; each of ``reasons`` names a name server, its answer and the name."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class NoAddressError(Exception):
    """A name server gave no usable address; the text is the predicate of a sentence about it.

    ``final``: the same question to the same server would get the same answer.
    """

    def __init__(self, text: str, *, final: bool) -> None:
        super().__init__(text)
        self.final = final


def literal(host: str) -> Address | None:
    """``host`` as an address, or None where it is a name. A zone (RFC 4007) stays with the address."""
    try:
        return ip_address(host)
    except ValueError:
        return None


async def ask(host: str, server: Address, kind: str, *, mark: int, timeout: float = TRY_TIMEOUT) -> list[Address]:
    """Query ``server`` for the ``kind`` (A, AAAA) of ``host``, over TCP where the answer does not fit a datagram.

    UDP and TCP each have ``timeout`` seconds. Raises NoAddressError where the answer is an error, OSError, DNSException
    or TimeoutError where there is none.
    """
    query = dns.message.make_query(host, kind)
    where, backend = str(server), MarkedBackend(mark)
    try:
        async with asyncio.timeout(timeout):
            reply = await dns.asyncquery.udp(
                query, where, ignore_trailing=True, raise_on_truncation=True, ignore_errors=True, backend=backend
            )
    except dns.message.Truncated as cut:
        try:
            async with asyncio.timeout(timeout):
                reply = await dns.asyncquery.tcp(query, where, ignore_trailing=True, backend=backend)
        except (OSError, EOFError, dns.exception.DNSException):
            reply = cut.message()  # a part of the addresses is better than none
            if not _addresses(reply, kind):
                raise NoAddressError(f"gives a truncated answer for {host}, and TCP failed", final=False) from None
    code = reply.rcode()
    if code == dns.rcode.NXDOMAIN:
        raise NoAddressError(f"says that {host} does not exist (NXDOMAIN)", final=True)
    if code != dns.rcode.NOERROR:
        answer = dns.rcode.to_text(code)
        raise NoAddressError(f"answers {answer} for {host}", final=code != dns.rcode.SERVFAIL)
    return _addresses(reply, kind)


def _addresses(reply: dns.message.Message, kind: str) -> list[Address]:
    wanted = dns.rdatatype.from_text(kind)
    return [ip_address(item.to_text()) for rrset in reply.answer if rrset.rdtype == wanted for item in rrset]


def dialable_anywhere(address: Address) -> str | None:
    """The judge for a look-up that knows nothing of the gateway's own addresses."""
    return reason_against(address, OwnAddresses())


async def lookup(
    host: str,
    servers: Sequence[Address],
    *,
    want4: bool,
    want6: bool,
    mark: int = MARK_LOOKUP,
    judge: Judge = dialable_anywhere,
    rounds: int = ROUNDS,
    place: str = "",
) -> list[Address]:
    """The addresses of ``host`` in the families wanted that ``judge`` accepts, IPv4 first; never an empty list.

    The first of ``servers`` that gives one ends the look-up; REFUSED, SERVFAIL, an empty answer or unusable addresses
    are failures of that server, as silence is. NXDOMAIN is too: many filters answer it for a name that they block, and
    a router knows names that others do not. ``place`` follows "the name server ADDRESS" in errors. Raises
    :class:`LookupFailedError`.
    """
    kinds = [kind for kind, wanted in (("A", want4), ("AAAA", want6)) if wanted]
    if not kinds:
        raise LookupFailedError(f"{host} was not looked up: the WAN reaches neither IPv4 nor IPv6")
    if not servers:
        raise LookupFailedError(f"there is no name server{place} to ask for {host}")
    failures: dict[Address, NoAddressError] = {}
    for _ in range(rounds):
        for server in servers:
            if server in failures and failures[server].final:
                continue
            try:
                return await _ask_one(host, server, kinds, mark, judge)
            except NoAddressError as error:
                failures[server] = error
    raise LookupFailedError(*(f"the name server {server}{place} {error}" for server, error in failures.items()))


async def _ask_one(host: str, server: Address, kinds: Sequence[str], mark: int, judge: Judge) -> list[Address]:
    """The usable addresses of ``host`` that ``server`` gives. Raises NoAddressError."""
    answers = await asyncio.gather(*(ask(host, server, kind, mark=mark) for kind in kinds), return_exceptions=True)
    usable: list[Address] = []
    refused: list[str] = []
    failures: list[NoAddressError] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            failures.append(_failure(host, answer))
            continue
        for address in answer:
            reason = judge(address)
            if reason is None:
                usable.append(address)
            else:
                refused.append(f"gives {address} for {host}: {reason}")
    if usable:
        return list(dict.fromkeys(usable))
    final = all(f.final for f in failures)
    if refused:
        raise NoAddressError(refused[0], final=final)
    texts = dict.fromkeys(str(f) for f in failures)
    raise NoAddressError(" and ".join(texts) or f"knows no address of {host}", final=final)


def _failure(host: str, error: BaseException) -> NoAddressError:
    """``error`` of :func:`ask` as that of a name server; raises it again where it is a bug or a cancellation."""
    match error:
        case NoAddressError():
            return error
        case TimeoutError() | dns.exception.Timeout():
            return NoAddressError(f"does not answer the question for {host}", final=False)
        case OSError() | EOFError():
            return NoAddressError(f"cannot be asked for {host} ({type(error).__name__})", final=False)
        case dns.exception.DNSException():
            return NoAddressError(f"cannot be asked for {host} ({type(error).__name__})", final=True)
        case _:
            raise error
