"""The commands login, logout, reset-password, keypair."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from app.cli.client import ApiError, Client, CommandError, SignInError
from app.cli.context import Context, context
from app.cli.output import put_json, put_pairs
from app.cli.tokens import path as tokens_path
from app.errors import GatewayError

STATE = Path("/var/lib/vpn-gateway-web")  # of the web process, on the image
NETD_STATE = Path("/var/lib/vpn-gateway")
RESET_TIMEOUT = 60.0  # seconds; the card may be slow


@click.command()
@click.option("--scope", type=click.Choice(["read", "connect", "admin"]), default="admin", show_default=True)
@context
def login(ctx: Context, scope: str) -> None:
    """Sign in with the admin password; tokens are kept for this user and renewed automatically."""
    client = Client(ctx.url)
    body: dict[str, object] = {"password": click.prompt("Password", hide_input=True, err=True), "scope": scope}
    if client.get("/api/auth/session").get("second_factor"):
        body["code"] = click.prompt("Code", err=True)
    answer = client.post("/api/auth/login", body)
    ctx.keep(answer)
    click.echo(f"Signed in. Tokens are in {tokens_path()}.", err=True)


@click.command()
@context
def logout(ctx: Context) -> None:
    """End the session that login began, and delete its tokens."""
    try:
        ctx.client.post("/api/auth/logout")
    except SignInError:
        pass  # ended already
    except ApiError as error:
        if error.code != "not_a_session":  # an API key's: that one is revoked, and not signed out
            raise
    finally:  # the tokens go all the same
        ctx.forget()
    click.echo("Signed out.", err=True)


@click.command("reset-password")
@click.option("--state-dir", type=click.Path(path_type=Path), default=STATE, show_default=True)
@click.option("--netd-state-dir", type=click.Path(path_type=Path), default=NETD_STATE, show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset_password(state_dir: Path, netd_state_dir: Path, yes: bool) -> None:
    """Remove admin password, second factor, sessions and API keys; works on the gateway itself, as root.

    Without a shell on the gateway, put an empty file named reset-password on the card's first partition.
    """
    if not state_dir.is_dir():
        raise CommandError(f"{state_dir} does not exist: this works only on the gateway itself")
    if not yes:
        click.confirm(
            "Then everyone on the LAN can connect and disconnect until a new one is set. Continue?", abort=True
        )
    command = [sys.executable, "-m", "app", "auth", "reset", "--state-dir", str(state_dir)]
    owner = state_dir.stat().st_uid
    if os.geteuid() not in {0, owner}:
        raise CommandError("this needs root")
    if netd_state_dir.is_dir():  # else this is not the image's gateway
        command += ["--netd-state-dir", str(netd_state_dir)]
    root = Path(__file__).parents[2]
    import asyncio  # noqa: PLC0415 - no other command needs it, and it takes a while to load on a Pi

    from app import process  # noqa: PLC0415

    # On the image Python finds the app's packages by these.
    search = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    reset = process.run(*command, timeout=RESET_TIMEOUT, check=False, cwd=root, environment=search)
    try:
        done = asyncio.run(reset)
    except GatewayError as error:
        raise CommandError(error.message) from None
    click.echo(done.stdout, nl=False)
    click.echo(done.stderr, nl=False, err=True)
    raise SystemExit(done.status)


@click.command()
@context
def keypair(ctx: Context) -> None:
    """Generate a WireGuard key pair; the gateway does not keep it."""
    answer = ctx.client.get("/api/keypair")
    if ctx.json:
        put_json(answer)
    else:
        put_pairs((("Private key", answer["private_key"]), ("Public key", answer["public_key"])))
