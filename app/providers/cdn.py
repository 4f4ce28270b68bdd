"""Content delivery networks before providers' APIs, whose refusals say nothing about an account (pure)."""

from __future__ import annotations

from app.https.exchange import Response

_REFUSALS = frozenset({403, 429, 503})


def refused_by_network(answer: Response) -> bool:
    """Whether a network in front of the API refused the request, so that the API itself has not seen it.

    Such a network says so (Cloudflare's ``cf-mitigated``), or answers with a page for people where the API has JSON.
    """
    if answer.status not in _REFUSALS:
        return False
    if "cf-mitigated" in answer.headers:
        return True
    start = answer.body.lstrip()[:1]
    if answer.status == 403:
        page = start == b"<" or "html" in answer.headers.get("content-type", "")
        return page or (_is_cloudflare(answer) and start not in {b"{", b"["})
    return answer.status == 503 and _is_cloudflare(answer) and start not in {b"{", b"["}


def _is_cloudflare(answer: Response) -> bool:
    return answer.headers.get("server", "").lower().startswith("cloudflare")
