"""The command ``vpn-gateway`` and its options; each module beside this one holds some of its commands."""

from __future__ import annotations

import os
import sys

import click

from app import __version__
from app.cli import (
    access,
    accounts,
    device_history,
    exits,
    explain,
    files,
    lan,
    mtu,
    names,
    policies,
    ports,
    post_quantum,
    stats,
    tunnel,
)
from app.cli.client import CommandError
from app.cli.context import Context
from app.cli.output import clean

PROGRAM = "vpn-gateway"
DEFAULT_URL = "http://127.0.0.1:5000"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None})
@click.option("--url", envvar="VPN_GATEWAY_URL", default=DEFAULT_URL, show_default=True, help="The gateway's address.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer, for programs.")
@click.version_option(__version__, prog_name=PROGRAM)
@click.pass_context
def cli(ctx: click.Context, url: str, as_json: bool) -> None:
    """Manage a VPN gateway, local or over the network.

    Exit status: 0 success, 1 the gateway refused, 2 wrong usage, 3 the gateway does not answer, 4 sign in first. An API
    key or token can be given in VPN_GATEWAY_TOKEN.
    """
    ctx.obj = Context(url, os.environ.get("VPN_GATEWAY_TOKEN") or None, as_json)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL: eval "$(vpn-gateway completion bash)"."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - for this command alone

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, PROGRAM, "_VPN_GATEWAY_COMPLETE").source())


for command in (
    tunnel.status,
    tunnel.connect,
    tunnel.disconnect,
    exits.exits,
    exits.exit_,
    tunnel.servers,
    tunnel.providers,
    tunnel.provider,
    accounts.sign_in,
    accounts.sign_out,
    mtu.mtu,
    post_quantum.post_quantum,
    lan.devices,
    lan.device,
    device_history.device_history,
    lan.admit,
    lan.forget,
    lan.new_devices,
    lan.default_policy,
    explain.why,
    explain.explain,
    explain.me,
    explain.self_service,
    policies.groups,
    policies.schedule,
    policies.except_,
    policies.exceptions,
    policies.time_zone,
    names.rebind_exceptions,
    names.host_names,
    ports.ports,
    ports.wan,
    files.import_,
    files.use_key,
    files.backup,
    files.restore,
    files.support,
    stats.traffic,
    stats.history,
    stats.logs,
    stats.leak_test,
    stats.canary,
    access.login,
    access.logout,
    access.reset_password,
    access.keypair,
):
    cli.add_command(command)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status (see ``--help``)."""
    try:
        cli.main(argv, prog_name=PROGRAM, complete_var="_VPN_GATEWAY_COMPLETE", standalone_mode=False)
    except CommandError as error:
        click.echo(f"{PROGRAM}: {clean(error.message)}", err=True)
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Aborted.", err=True)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output is gone; a message would fail as well
        return 1
    except OSError as error:  # of the file with the tokens, for instance
        click.echo(f"{PROGRAM}: {clean(error.filename or error)}: {error.strerror}", err=True)
        return 1
    except (LookupError, TypeError, AttributeError):
        click.echo(
            f"{PROGRAM}: unexpected response; is the gateway running the same version ({__version__})?", err=True
        )
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
