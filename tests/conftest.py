"""What holds for every test, however the suite was started."""

from __future__ import annotations

from ci.labnet.signals import restore_interrupt

restore_interrupt()  # or what tests start would ignore SIGINT where the suite does, as in the background of a shell
