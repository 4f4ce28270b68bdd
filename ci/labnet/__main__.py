"""``ci/lab``: the virtual LAN by hand."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path

from ci.labnet.addresses import INTERNET4
from ci.labnet.faults import FAULTS, inject, listing
from ci.labnet.gateway import PROCESSES
from ci.labnet.lab import Lab
from ci.labnet.signals import end_in_order, restore_interrupt
from ci.labnet.waiting import LabError

TRY = """
The gateway runs: http://127.0.0.1:{port}

Three things to try, in another terminal:

  1. Connect, and see the laptop come out in Sweden:
       curl -X POST http://127.0.0.1:{port}/api/connect -H 'Content-Type: application/json' -d '{{"server":"vpn-se"}}'
       sudo ci/lab exec laptop -- curl -s http://{internet}/

  2. Switch to Germany while something runs, by the command line; --help shows what else it can do:
       .venv/bin/vpn-gateway --url http://127.0.0.1:{port} connect vpn-de
       .venv/bin/vpn-gateway --url http://127.0.0.1:{port} status

  3. Break it, and look at what leaves on the WAN (nothing but WireGuard):
       sudo ci/lab exec gateway -- nft flush ruleset
       sudo ci/lab capture gateway wan0 wan.pcap

Ctrl-C stops everything and leaves nothing behind.
"""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="ci/lab", description="The gateway in a virtual LAN of network namespaces (root)."
    )
    top.add_argument("--id", default=os.environ.get("LAB_ID", "lab"), help="several labs can run at once")
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "start it, stay in the foreground, take it down at the end"),
        ("up", "start it and return"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--port", type=int, default=5000, help="of the UI on 127.0.0.1")
        command.add_argument("--no-app", action="store_true", help="everything but the gateway's software")
    commands.add_parser("down", help="take it away")
    commands.add_parser("status", help="what is running")
    commands.add_parser("logs", help="the gateway's logs")
    kill = commands.add_parser("kill-app", help="SIGKILL netd (or web); it is restarted as systemd would")
    kill.add_argument("process", nargs="?", choices=PROCESSES, default="netd")
    kill.add_argument("--hold", action="store_true", help="leave it dead, until restart-app")
    commands.add_parser("restart-app", help="stop netd and web in order, and start them again")
    fault = commands.add_parser("fault", help="break something: fault vpn-stop vpn-se; `fault list` shows all")
    fault.add_argument("name", choices=["list", *FAULTS], metavar="NAME")
    fault.add_argument("arguments", nargs="*", metavar="ARGUMENT")
    run = commands.add_parser("exec", help="run a command on a host: exec laptop -- curl http://...")
    run.add_argument("host")
    run.add_argument("argv", nargs=argparse.REMAINDER)
    capture = commands.add_parser("capture", help="record a host's interface until Ctrl-C")
    capture.add_argument("host")
    capture.add_argument("interface")
    capture.add_argument("file", type=Path)
    return top


def main() -> int:
    options = parser().parse_args()
    restore_interrupt()
    try:
        return run(options)
    except (LabError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    match options.command:
        case "up" | "run":
            return start(options)
        case "down":
            Lab.check()
            Lab(options.id).down()
        case "status":
            lab = Lab.attach(options.id)
            print(f"UI: http://127.0.0.1:{lab.api.port}\nhosts: {' '.join(lab.hosts)}")
        case "logs":
            print(Lab.attach(options.id).gateway.logs())
        case "kill-app":
            Lab.attach(options.id).gateway.kill_app(options.process, restart=not options.hold)
        case "restart-app":
            Lab.attach(options.id).gateway.restart_app()
        case "fault":
            if options.name == "list":
                print(listing())
            else:
                inject(options.id, options.name, options.arguments)
        case "exec":
            argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
            lab = Lab.attach(options.id)
            if options.host not in lab.hosts or not argv:
                raise LabError(f"exec HOST -- COMMAND...; hosts: {' '.join(lab.hosts)}")
            return subprocess.run(lab.hosts[options.host].command(argv), check=False).returncode
        case _:
            lab = Lab.attach(options.id)
            if options.host not in lab.hosts:
                raise LabError(f"capture HOST INTERFACE FILE; hosts: {' '.join(lab.hosts)}")
            recording = lab.hosts.capture(options.host, options.interface, options.file.absolute())
            end_in_order()
            recording.start()
            say("recording; Ctrl-C ends it")
            try:
                _until_stopped()
            finally:
                say(f"{len(recording.stop(exact=False))} packets in {options.file}")
    return 0


def start(options: argparse.Namespace) -> int:
    lab = Lab(options.id)
    stay = options.command == "run"
    end_in_order()
    try:
        lab.up(port=options.port, app=not options.no_app, say=say)
        if not stay:
            say(
                f"up; the UI is on http://127.0.0.1:{lab.api.port}"
                if lab.api.port
                else "up, without the gateway's software"
            )
            return 0
        print(TRY.format(port=lab.api.port, internet=INTERNET4), flush=True)
        _until_stopped()
    except KeyboardInterrupt:
        return 130
    finally:
        if stay and lab.hosts:
            say("stopping")
            lab.down()
    return 0


def _until_stopped() -> None:
    stopped = threading.Event()
    try:
        stopped.wait()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(main())
