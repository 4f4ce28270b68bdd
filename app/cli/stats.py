"""The commands traffic, history, logs, leak-test, canary."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import click

from app.cli.context import Context, context
from app.cli.output import clean, lasting, moment, put_json, put_table, rate, size

SOME_FAILED = "A check failed: see above. The other protections still block traffic outside the tunnel."
FOLLOW = 2.0  # seconds between looks at the log


@click.command()
@click.option("--by", type=click.Choice(["device", "exit", "time"]), default="device", show_default=True)
@click.option("--range", "range_", default="24h", show_default=True, help="As 90m, 24h, 7d or 4w.")
@click.option("--step", type=click.Choice(["minute", "hour", "day"]), default=None, help="For --by time.")
@click.option("--device", default=None, help="Of one device only (a MAC address); for --by time.")
@click.option("--exit", "exit_name", default=None, help="Of one exit only; for --by time.")
@context
def traffic(ctx: Context, by: str, range_: str, step: str | None, device: str | None, exit_name: str | None) -> None:
    """Show the bytes from and to the Internet."""
    if by == "time":
        answer = ctx.client.get("/api/traffic", range=range_, step=step, device=device, exit=exit_name)
    elif device or exit_name or step:
        raise click.UsageError("--device, --exit and --step are for --by time")
    else:
        answer = ctx.client.get(f"/api/traffic/{by}s", range=range_)
    if ctx.json:
        put_json(answer)
    elif by == "time":
        put_table(
            ("FROM", "UP", "DOWN"), ((moment(p["time"]), size(p["up"]), size(p["down"])) for p in answer["points"])
        )
        click.echo(f"in all: up {size(answer['sum']['up'])}, down {size(answer['sum']['down'])}")
    else:
        put_table(
            (by.upper(), "UP", "DOWN", "UP NOW", "DOWN NOW"),
            (
                (_who(row), size(row["up"]), size(row["down"]), rate(row["rate"]["up"]), rate(row["rate"]["down"]))
                for row in answer[f"{by}s"]
            ),
        )


def _who(row: dict[str, Any]) -> str:
    if "exit" in row:
        return row["exit"]
    name = row["name"] or row["hostname"]
    return f"{row['mac']} ({name})" if name else row["mac"]


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--exit", "exit_name", default=None, help="Of one exit only.")
@click.option("--csv", is_flag=True, help="The whole history, as comma-separated values.")
@context
def history(ctx: Context, limit: int, exit_name: str | None, csv: bool) -> None:
    """List the transitions of the exits, the newest first."""
    if csv:
        path = "/api/history.csv" + (f"?{urlencode({'exit': exit_name})}" if exit_name else "")
        click.echo(ctx.client.bytes("GET", path, expected="text/csv").decode("utf-8", "replace"), nl=False)
        return
    answer = ctx.client.get("/api/history", limit=limit, exit=exit_name)
    if ctx.json:
        put_json(answer)
        return
    put_table(
        ("TIME", "EXIT", "STATE", "SERVER", "CAUSE", "AFTER"),
        (
            (moment(t["time"]), t["exit"], t["after"], t["server"], t["cause"], lasting(t["duration"]))
            for t in answer["history"]
        ),
    )


@click.command()
@click.option("--lines", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they come, until interrupted.")
@context
def logs(ctx: Context, lines: int, follow: bool) -> None:
    """Show the log of the gateway's network service."""
    answer = ctx.client.get("/api/logs", lines=lines)
    while True:
        for line in answer["lines"]:
            if ctx.json:
                put_json(line)
            else:
                click.echo(f"{moment(line['time'])} {line['level']:<8} {clean(line['message'])}")
        if not follow:
            return
        last = answer["last"]
        time.sleep(FOLLOW)
        answer = ctx.client.get("/api/logs", lines=1000, after=last)


@click.command("leak-test")
@click.option("--exit", "exit_name", default=None, help="Another exit than the default one.")
@click.option("--report", is_flag=True, help="Print the report of the probes, to keep.")
@context
def leak_test(ctx: Context, exit_name: str | None, report: bool) -> None:
    """Test whether anything could leave in the clear. Exit status 6 = a check failed.

    Probes are sent as a device of the LAN, while LAN, tunnel and WAN are watched.
    """
    answer = ctx.client.post("/api/leak-test", {"exit": exit_name} if exit_name else {})
    if ctx.json:
        put_json(answer)
    else:
        marks = {"ok": "ok", "failed": "FAILED", "unknown": "unknown"}
        for check in answer["checks"]:
            click.echo(f"{marks.get(check['result'], check['result']):<8} {clean(check['message'])}")
        click.echo("No leak was found." if answer["ok"] else SOME_FAILED)
        if report:
            click.echo("\n" + "\n".join(clean(line) for line in (answer.get("report") or "no probes").splitlines()))
    if not answer["ok"]:
        raise SystemExit(6)


@click.command()
@click.option("--open", "open_exits", is_flag=True, help="Open the exits that a leak has shut.")
@context
def canary(ctx: Context, open_exits: bool) -> None:
    """Show what the gateway's own probes have shown. Exit status 6 = packets have leaked."""
    if open_exits:
        answer = ctx.client.post("/api/canary/open", {})
        put_json(answer) if ctx.json else click.echo(clean(answer["message"]))
        return
    answer = ctx.client.get("/api/canary")
    if ctx.json:
        put_json(answer)
    else:
        _put_canary(answer)
    if answer["leaked"]:
        raise SystemExit(6)


def _put_canary(answer: dict[str, Any]) -> None:
    if answer["enabled"]:
        _put_rounds(answer)
    else:
        click.echo("The canary is off.")
    for note in (answer["shut"], answer["problem"]):
        if note:
            click.echo(clean(note))


def _put_rounds(answer: dict[str, Any]) -> None:
    put_table(
        ("DEVICE", "TIME", "PROBES", "IN THE TUNNEL", "LEAKED", "NOTE"),
        (
            (
                one["device"],
                moment(one["time"]),
                len(one["evidence"]),
                sum(bool(e["seen_in_tunnel"]) for e in one["evidence"]),
                one["leaked"],
                one["problem"],
            )
            for one in answer["latest"]
        ),
    )
    click.echo(f"{answer['rounds']} rounds, {answer['probes']} probes, {answer['leaked']} packets leaked")
