"""``python -m app netd|web|capture|firstboot|auth|cli ...`` starts one process, which imports its own part alone."""

from __future__ import annotations

import sys

from app.loading import gc_disabled


def main(argv: list[str]) -> int:
    match argv[:1]:
        case ["netd"]:
            with gc_disabled():
                from app import lean  # noqa: PLC0415

                lean.install(lean.NETD)
                from app.netd.main import main as netd  # noqa: PLC0415 - web must not load netd's modules, nor netd web's

            return netd(argv[1:])
        case ["web"]:
            with gc_disabled():
                from app import lean  # noqa: PLC0415

                lean.install(lean.WEB)
                from app.web.main import main as web  # noqa: PLC0415

            return web(argv[1:])
        case ["capture"]:
            from app.capture.main import main as capture  # noqa: PLC0415 - it is to be small

            return capture(argv[1:])
        case ["firstboot"]:
            from app.firstboot.main import main as firstboot  # noqa: PLC0415 - the whole start waits for its imports

            return firstboot(argv[1:])
        case ["auth"]:
            from app.auth.command import main as auth  # noqa: PLC0415

            return auth(argv[1:])
        case ["cli"]:
            from app.cli.main import main as cli  # noqa: PLC0415

            return cli(argv[1:])
        case _:
            usage = "usage: python -m app netd|web|capture|firstboot|auth|cli [options]; --help after each"
            print(usage, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
