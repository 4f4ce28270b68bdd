"""The commands exits and exit: the ways out, each with servers and settings of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from app.cli import times
from app.cli.client import segment
from app.cli.context import Context, context
from app.cli.output import clean, put_json, put_pairs, put_table, warn
from app.cli.owner_password import confirmation, password_file

F = TypeVar("F", bound=Callable[..., Any])
NOTHING = "none"  # the word that takes a setting away


@click.command("exits")
@context
def exits(ctx: Context) -> None:
    """List the exits: state, server, target, and how many devices are given to each."""
    answer = ctx.client.get("/api/exits")
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("EXIT", "LABEL", "STATE", "SERVER", "PROVIDER", "TARGET", "DEVICES"),
        (
            (
                one["name"],
                one["label"] or "",
                one["status"]["state"],
                one["status"]["server"],
                one["status"]["provider"] or one["provider"] or "",
                one["target"] or "",
                f"{len(one['devices'])}{' and the default' if one['default_policy'] else ''}",
            )
            for one in answer["exits"]
        ),
    )


@click.group("exit")
def exit_() -> None:
    """Make, show, change, rename or remove an exit."""


_OPTIONS = (
    click.option("--label", default=None, help="For people."),
    click.option("--provider", default=None, help="Its provider; none = the gateway's."),
    click.option("--target", default=None, help="A host name, a city, a country, fastest[:PLACE], random[:PLACE]."),
    click.option(
        "--fallback",
        "fallbacks",
        multiple=True,
        metavar="[PROVIDER/]TARGET",
        help="Where the target does not answer; repeat it, best first. none = the gateway's own choice.",
    ),
    click.option("--dns", multiple=True, help="A resolver inside the tunnel; may be repeated. none = the server's."),
    click.option("--mtu", default=None, help="Bytes (1280 to 9200), or auto."),
    click.option("--auto-connect/--no-auto-connect", default=None, help="Connect by itself after a start."),
    click.option(
        "--change",
        "changes",
        multiple=True,
        metavar="'DAYS TIME TARGET'",
        help="A change of server by the clock, such as 'daily 04:00 random:Sweden'; may be repeated. none = never.",
    ),
    click.option("--never-server", "never_servers", multiple=True, help="Never this server. none = any."),
    click.option("--never-hoster", "never_hosters", multiple=True, help="Never a server of this hoster."),
    click.option("--never-country", "never_countries", multiple=True, help="Never a server in this country."),
)


def _settings(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@exit_.command("add")
@click.argument("name")
@_settings
@context
def add(ctx: Context, name: str, **given: Any) -> None:
    """Make the exit NAME (a-z, 0-9, -)."""
    answer = ctx.client.post("/api/exits", {"name": name} | _body(given, {}))
    _put(ctx, answer, f"The exit {name} is there now.")


@exit_.command("show")
@click.argument("name")
@context
def show(ctx: Context, name: str) -> None:
    """Show how the exit NAME is set."""
    one = ctx.client.get(f"/api/exits/{segment(name)}")
    if ctx.json:
        put_json(one)
        return
    never = one["never"]
    put_pairs(
        (
            ("label", one["label"]),
            ("provider", one["provider"] or "the gateway's"),
            ("target", one["target"]),
            *(("fallback", _fallback_shown(each)) for each in one["fallbacks"]),
            *(("dns", address) for address in one["dns"]),
            ("mtu", one["mtu"] or "auto"),
            ("auto-connect", "yes" if one["auto_connect"] else "no"),
            *(("change", times.server_change_shown(each)) for each in one["server_changes"]),
            *(("never-" + kind[:-1], each) for kind in ("servers", "hosters") for each in never[kind]),
            *(("never-country", each) for each in never["countries"]),
            *(("device", each) for each in one["devices"]),
            *(("group", each) for each in one["groups"]),
        ),
    )


@exit_.command("set")
@click.argument("name")
@_settings
@context
def set_exit(ctx: Context, name: str, **given: Any) -> None:
    """Change the exit NAME: what is not named stays."""
    path = f"/api/exits/{segment(name)}"
    needs_present = any(given[f"never_{kind}"] for kind in ("servers", "hosters", "countries"))
    body = _body(given, ctx.client.get(path)["never"] if needs_present else {})
    if not body:
        raise click.UsageError("name what to change")
    _put(ctx, ctx.client.call("PATCH", path, body), f"The exit {name} is changed.")


@exit_.command("rename")
@click.argument("name")
@click.argument("new")
@context
def rename(ctx: Context, name: str, new: str) -> None:
    """Call the exit NAME from now on NEW; nothing else changes."""
    answer = ctx.client.call("PATCH", f"/api/exits/{segment(name)}", {"name": new})
    _put(ctx, answer, f"The exit {name} is called {new} now.")


@exit_.command("remove")
@click.argument("name")
@click.option("--then", default=None, help="What its devices do next: blocked, default, exit:NAME, direct.")
@password_file
@context
def remove(ctx: Context, name: str, then: str | None, password_file: Path | None) -> None:
    """Remove the exit NAME."""
    body = {} if then is None else {"then": then}
    if then == "direct":
        body |= confirmation(ctx, password_file)
    _put(ctx, ctx.client.call("DELETE", f"/api/exits/{segment(name)}", body), f"The exit {name} is removed.")


def _body(given: dict[str, Any], never: dict[str, list[str]]) -> dict[str, Any]:
    """The body of the request; ``never`` is the present list, of which what is not named stays."""
    body: dict[str, Any] = {}
    for field in ("label", "provider", "target"):
        if given[field] is not None:
            body[field] = None if given[field] == NOTHING else given[field]
    if given["mtu"] is not None:
        body["mtu"] = None if given["mtu"] == "auto" else _number(given["mtu"])
    if given["auto_connect"] is not None:
        body["auto_connect"] = given["auto_connect"]
    if given["fallbacks"]:
        body["fallbacks"] = [_fallback(text) for text in _listed(given["fallbacks"])]
    if given["dns"]:
        body["dns"] = _listed(given["dns"])
    if given["changes"]:
        body["server_changes"] = [times.server_change(text) for text in _listed(given["changes"])]
    named = {kind: _listed(given[f"never_{kind}"]) for kind in ("servers", "hosters", "countries")}
    changed = {kind: names for kind, names in named.items() if given[f"never_{kind}"]}
    if changed:
        body["never"] = never | changed
    return body


def _listed(values: tuple[str, ...]) -> list[str]:
    return [] if values == (NOTHING,) else list(values)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise click.UsageError("the MTU is a number of bytes, or auto")
    return int(text)


def _fallback(text: str) -> dict[str, str]:
    provider, slash, target = text.partition("/")
    return {"provider": provider, "target": target} if slash else {"target": text}


def _fallback_shown(one: dict[str, Any]) -> str:
    """The fallback in the form that :func:`_fallback` reads."""
    return one["target"] if one["provider"] is None else f"{one['provider']}/{one['target']}"


def _put(ctx: Context, answer: dict[str, Any], done: str) -> None:
    if ctx.json:
        put_json(answer)
    else:
        click.echo(clean(done))
        warn(answer)
