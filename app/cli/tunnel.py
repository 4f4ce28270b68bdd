"""The commands status, connect, disconnect, servers, providers."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import click

from app.cli.client import CommandError, segment
from app.cli.context import Context, context
from app.cli.output import ago, clean, put_json, put_pairs, put_table, size, warn


def complete_server(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of servers, countries and cities that begin like ``incomplete``; nothing where the gateway is away."""
    root = ctx.find_root()
    url = root.params.get("url") or _default_url(root)
    with contextlib.suppress(CommandError, ValueError, KeyError):
        made = Context(url, os.environ.get("VPN_GATEWAY_TOKEN") or None, json=True)
        return sorted({n for n in _names(made.client.get("/api/servers")) if n.lower().startswith(incomplete.lower())})
    return []


def _default_url(root: click.Context) -> str:
    return next(str(p.get_default(root)) for p in root.command.params if p.name == "url")


def _names(answer: dict[str, Any]) -> list[str]:
    names = ["fastest", "random"]
    for country, cities in answer["servers"].items():
        names.append(country)
        for city, servers in cities.items():
            names += [city, *(s["hostname"] for s in servers)]
    return names


@click.command()
@context
def status(ctx: Context) -> None:
    """Show what the gateway is doing now.

    Exit status: 0 the default exit is connected, 5 it is not.
    """
    now = ctx.client.get("/api/status")
    if ctx.json:
        put_json(now)
    else:
        exit_state = "connected" if now["connected"] else now["state"]
        put_pairs(
            (
                ("State", exit_state),
                ("Server", now["server"] or now["target"]),
                ("Provider", now["provider"]),
                ("Location", now["location"]),
                ("Address seen", now["ip"]),
                ("Connected for", now["uptime"]),
                ("Switching to", now["switching_to"]),
                ("Blocked because", now["message"] or now["reason"]),
                ("WAN", (now.get("wan_problem") or {}).get("message")),
                ("Problems", "; ".join(now.get("problems", ())) or None),
                ("Next attempt in", None if now["retry_in"] is None else f"{now['retry_in']:.0f} s"),
                ("Last handshake", ago(now["latest_handshake"])),
                ("MTU", _mtu(now)),
                ("Post-quantum", _post_quantum(now)),
                *_resolvers(now["exits"]),
                *((f"Exit {e['name']}", _other(e)) for e in now["exits"] if e["name"] != "default"),
                ("Received", size(now["rx_bytes"]) if now["connected"] else None),
                ("Sent", size(now["tx_bytes"]) if now["connected"] else None),
                ("Kill switch", "active, checked against the kernel" if now["killswitch_active"] else "NOT CONFIRMED"),
                ("Version", now["version"]),
            )
        )
    if not now["connected"]:
        raise SystemExit(5)


def _resolvers(exits: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """Who looks up names for each exit that is connected, and what is wrong with that."""
    rows: list[tuple[str, str | None]] = []
    for one in exits:
        if one["state"] == "connected":
            suffix = "" if one["name"] == "default" else f" ({one['name']})"
            rows.append((f"Resolvers{suffix}", ", ".join(one["resolvers"]) or "none"))
            rows.append((f"Resolvers' fault{suffix}", one["dns_problem"]))
    return rows


def _other(one: dict[str, Any]) -> str:
    """Another exit than the default one, in one line."""
    parts = [one["state"], one["server"] or "", one["message"] or one["reason"] or ""]
    return ", ".join(part for part in parts if part)


_MTU_ORIGINS = {
    "exit": "set for the exit",
    "provider": "set for the provider",
    "server": "from the server's file",
    "found": "the largest that passed",
    "route": "from the WAN's",
}


def _mtu(now: dict[str, Any]) -> str | None:
    mtu = now.get("mtu")
    return None if mtu is None else f"{mtu} ({_MTU_ORIGINS.get(now.get('mtu_origin') or '', 'unknown')})"


def _post_quantum(now: dict[str, Any]) -> str | None:
    if now.get("post_quantum"):
        return "yes"
    problem = now.get("post_quantum_problem")
    return f"no: {problem}" if problem else None


@click.command()
@click.argument("server", required=False, shell_complete=complete_server)
@click.option("--exit", "exit_name", default=None, help="Another exit than the default one.")
@click.option("--provider", default=None, help="Another provider than the current one.")
@context
def connect(ctx: Context, server: str | None, exit_name: str | None, provider: str | None) -> None:
    """Connect to SERVER: a host name, a city, a country, fastest or random; without it to the exit's target."""
    body = {"server": server, "exit": exit_name, "provider": provider}
    answer = ctx.client.post("/api/connect", {k: v for k, v in body.items() if v is not None})
    if ctx.json:
        put_json(answer)
        return
    now = ctx.client.get("/api/status")
    state = next(e for e in now["exits"] if e["name"] == (exit_name or "default"))
    click.echo(f"Connected to {clean(state['server'])}.")
    warn(answer)


@click.command()
@click.option("--exit", "exit_name", default=None, help="Another exit than the default one.")
@context
def disconnect(ctx: Context, exit_name: str | None) -> None:
    """Disconnect; the devices are blocked from then on."""
    answer = ctx.client.post("/api/disconnect", {"exit": exit_name} if exit_name else {})
    if ctx.json:
        put_json(answer)
    else:
        click.echo(clean(answer["message"]))


@click.command()
@click.argument("text", required=False)
@click.option("--provider", default=None, help="Another provider than the current one.")
@context
def servers(ctx: Context, text: str | None, provider: str | None) -> None:
    """List the servers, or those with TEXT in their name, city or country."""
    answer = ctx.client.get("/api/servers", provider=provider)
    found = {
        country: kept
        for country, cities in answer["servers"].items()
        if (kept := _matching(country, cities, (text or "").casefold()))
    }
    if ctx.json:
        put_json({**answer, "servers": found})
        return
    put_table(
        ("SERVER", "CITY", "COUNTRY", "ADDRESS", ""),
        (
            (s["hostname"], city, country, s["ipv4"] or s["ipv6"], _missing(s))
            for country, cities in found.items()
            for city, group in cities.items()
            for s in group
        ),
    )


def _matching(country: str, cities: dict[str, list[Any]], text: str) -> dict[str, list[Any]]:
    return {
        city: kept
        for city, group in cities.items()
        if (kept := [s for s in group if text in f"{s['hostname']} {city} {country}".casefold()])
    }


def _missing(server: dict[str, Any]) -> str:
    return f"lacks {', '.join(server['missing'])}" if server["missing"] else ""


@click.command()
@context
def providers(ctx: Context) -> None:
    """List the providers; * marks the current one."""
    answer = ctx.client.get("/api/providers")
    if ctx.json:
        put_json(answer)
        return
    for name in answer["providers"]:
        click.echo(f"{'*' if name == answer['current'] else ' '} {clean(name)}")


@click.command()
@click.argument("name")
@context
def provider(ctx: Context, name: str) -> None:
    """Make NAME the current provider; a running tunnel is left alone."""
    answer = ctx.client.call("POST", f"/api/provider/{segment(name)}")
    if ctx.json:
        put_json(answer)
    else:
        click.echo(f"The provider is {clean(answer['provider'])} now.")
