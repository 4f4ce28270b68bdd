"""The built image as a machine: QEMU's ``virt`` board, the image's own kernel, initrd and command line.

A machine has two network cards or more. Each is a tap device that lives in a network namespace of the caller's choice,
so that the namespace *is* what is plugged into the port. Nothing of the host's own network is touched. Writes go to a
copy-on-write file; the image stays as it was built.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image.qemu.monitor import Monitor

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
CLONE_NEWNET = 0x40000000
MIB = 1024 * 1024
SECTOR = 512  # bytes
# An emulated processor leaks nothing to other programs; and without its defences it starts in two thirds of the time.
# A second on a Pi is ten seconds here, on shared cores: systemd's time limits are extended accordingly.
PATIENT = base64.b64encode(b"[Service]\nTimeoutStartSec=600\n").decode()  # for units with a limit of their own
OWN_LIMIT = ("vpn-gateway-firstboot", "vpn-gateway-netd", "vpn-gateway-wan", "vpn-gateway-web")
EMULATED = (
    *("mitigations=off", "kpti=off", "nokaslr"),
    *("systemd.default_timeout_start_sec=600", "systemd.default_device_timeout_sec=600"),
    # systemd-debug-generator(8) makes drop-ins of these.
    *(f"systemd.set_credential_binary=systemd.unit-dropin.{unit}.service:{PATIENT}" for unit in OWN_LIMIT),
)
MORE_SLOTS = 0x10  # where further network cards are
BOOT_OFFSET, BOOT_SIZE = 4 * MIB, 256 * MIB  # bytes: where image/assemble puts the FAT partition


class MachineError(Exception):
    """The machine did not reach the expected state; the message ends with the console's last lines."""


def tap_in(namespace: str, name: str) -> int:
    """A tap device ``name`` in the network namespace ``namespace``; returns its file descriptor."""
    result: list[int] = []
    failure: list[BaseException] = []

    def inside() -> None:
        # Only this thread enters the namespace (setns(2) is per thread); the device belongs where it is made.
        try:
            handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(handle)
                tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
                fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
                result.append(tun)
            finally:
                os.close(handle)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _setns(handle: int) -> None:
    if hasattr(os, "setns"):  # Python 3.12
        os.setns(handle, CLONE_NEWNET)  # type: ignore[attr-defined]
        return
    import ctypes  # noqa: PLC0415 - only older Pythons need it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def cut_out(disk: Path, offset: int, size: int, target: Path) -> None:
    """Copy ``size`` bytes of a qcow2 disk, from ``offset`` on, to a file of their own."""
    window = f"driver=raw,offset={offset},size={size}"
    layers = f"{window},file.driver=qcow2,file.file.driver=file,file.file.filename={disk}"
    _run("qemu-img", "convert", "-O", "raw", "--image-opts", layers, str(target))


def fat_file(partition: Path, name: str) -> str | None:
    """A file of a FAT partition; None where there is none."""
    done = subprocess.run(["mtype", "-i", str(partition), f"::{name}"], capture_output=True, check=False)
    return done.stdout.decode() if done.returncode == 0 else None


@dataclass
class Port:
    """A network card of the machine: ``name`` is the tap's name in ``namespace``."""

    namespace: str
    name: str
    mac: str


@dataclass
class Machine:
    """Start with :meth:`start`, or ``with machine.running():``; :meth:`kill` is a power cut, :meth:`close` the end."""

    image: Path  # the raw image
    work: Path  # a directory for the copy-on-write disk, kernel, initrd and console log
    wan: Port
    lan: Port
    memory: int = 512  # MiB: a Zero 2 W has no more
    card: str = "4G"  # size of the card that the image is written to
    rtc: str = "utc"  # QEMU's -rtc base=
    extra_args: tuple[str, ...] = ()  # for the kernel
    more: tuple[Port, ...] = ()  # further network cards
    checksums: bool = False  # its ports' cards leave none to their other end, which may be no kernel but a program
    first_slot: int = 1  # of the cards on the PCI bus; the one in slot 1 is "the port on the board"
    other_root: Path | None = None  # a root file system to start with the image's kernel, instead of the image's
    process: subprocess.Popen[bytes] | None = None
    monitor: Monitor | None = None  # while it is on
    console: bytearray = field(default_factory=bytearray)
    _taps: list[int] = field(default_factory=list)
    _layer: int = 0

    @property
    def disk(self) -> Path:
        """The machine's disk: a copy-on-write layer over the image or over another card."""
        return self.work / f"card-{self._layer}.qcow2"

    @property
    def ports(self) -> tuple[Port, ...]:
        return (self.wan, self.lan, *self.more)

    def insert_card(self, card: Path | None = None) -> None:
        """A fresh card with the image on it, larger than the image; or one that begins as ``card``, which is kept."""
        self.work.mkdir(parents=True, exist_ok=True)
        self._layer += 1
        self.disk.unlink(missing_ok=True)
        below = card or (self.other_root or self.image).resolve()
        size = () if card else (self.card,)
        form = "qcow2" if card else "raw"
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", str(below), str(self.disk), *size)

    def freeze_card(self) -> Path:
        """Take the card as a power cut at this moment would leave it; the machine runs on, in a layer over it."""
        assert self.monitor is not None, "the machine is off"
        frozen = self.disk
        self._layer += 1
        self.monitor.ask("blockdev-snapshot-sync", device="card", **{"snapshot-file": str(self.disk)})
        return frozen

    def _boot_file(self, name: str) -> Path:
        target = self.work / name.replace("/", "-")
        target.unlink(missing_ok=True)
        _run("mcopy", "-n", "-i", f"{self.image}@@{BOOT_OFFSET}", f"::{name}", str(target))
        return target

    def write_boot_file(self, name: str, text: str) -> None:
        """Put a file on the card's FAT partition, as a person would before the first start; the machine is off."""
        self._edit_boot_partition(lambda raw: _run("mcopy", "-o", "-i", str(raw), self._scratch(text), f"::{name}"))

    def read_boot_file(self, name: str) -> str | None:
        """A file from the card's FAT partition; None where there is none. The machine is off."""
        return fat_file(self.boot_partition(), name)

    def _scratch(self, text: str) -> str:
        path = self.work / "scratch"
        path.write_text(text)
        return str(path)

    def boot_partition(self) -> Path:
        """A copy of the card's FAT partition as a file of its own."""
        raw = self.work / "boot.vfat"
        cut_out(self.disk, BOOT_OFFSET, BOOT_SIZE, raw)
        return raw

    def _edit_boot_partition(self, edit: Callable[[Path], None]) -> None:
        raw = self.boot_partition()
        edit(raw)
        commands = ["-c", f"write -s {raw} {BOOT_OFFSET} {BOOT_SIZE}"]
        _run("qemu-io", "-f", "qcow2", *commands, str(self.disk))

    def start(self) -> None:
        """Power on. The console is collected in the background."""
        if not self.disk.exists():
            self.insert_card()
        if not self._taps:
            self._taps = [tap_in(port.namespace, port.name) for port in self.ports]
        for port in self.ports:
            _run("ip", "-n", port.namespace, "link", "set", port.name, "up")
        board = self._board(self._taps)
        ours, theirs = socket.socketpair()
        shell_path = self.work / "shell.sock"
        shell_path.unlink(missing_ok=True)
        monitor, control = socket.socketpair()
        self.process = subprocess.Popen(
            [
                # The machine dies with the tests, however they end.
                *("setpriv", "--pdeathsig", "KILL", "qemu-system-aarch64", "-display", "none"),
                *("-accel", "tcg,thread=multi"),
                *("-chardev", f"socket,id=console,fd={theirs.fileno()}"),
                *("-chardev", f"socket,id=shell,path={shell_path},server=on,wait=off"),
                *("-chardev", f"socket,id=monitor,fd={control.fileno()}", "-mon", "chardev=monitor,mode=control"),
                *board,
            ],
            pass_fds=(*self._taps, theirs.fileno(), control.fileno()),
            stdin=subprocess.DEVNULL,
            stderr=(self.work / "qemu.log").open("wb"),
        )
        theirs.close()
        control.close()
        self.monitor = Monitor(monitor)
        self.console.clear()
        threading.Thread(target=self._collect, args=(ours,), daemon=True).start()

    def _board(self, taps: Sequence[int]) -> list[str]:
        """QEMU's arguments for everything but the chardevs ``console`` and ``shell``."""
        cmdline = self._boot_file("slot-a/cmdline.txt").read_text().strip()
        # The Pi's consoles do not exist here; everything else of the command line is the image's own.
        if self.other_root is not None:
            cmdline = "root=/dev/vda rootfstype=ext4 rw rootwait quiet systemd.show_status=true systemd.firstboot=off"
        cmdline = " ".join(a for a in cmdline.split() if not a.startswith("console="))
        network: list[str] = []
        checksums = ",csum=off" if self.checksums else ""  # what the card does not offer, the kernel does itself
        slots = [self.first_slot, self.first_slot + 1, *range(MORE_SLOTS, MORE_SLOTS + len(self.more))]
        for slot, port, tap in zip(slots, self.ports, taps, strict=True):
            network += ["-netdev", f"tap,id=n{slot},fd={tap}"]
            network += ["-device", f"virtio-net-pci,netdev=n{slot},mac={port.mac},addr={slot:#x},romfile={checksums}"]
        return [
            *("-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", str(self.memory)),
            *("-nodefaults", "-no-user-config"),
            *("-kernel", str(self._boot_file("slot-a/vmlinuz")), "-initrd", str(self._boot_file("slot-a/initrd.img"))),
            *("-append", " ".join(["console=ttyAMA0", cmdline, *EMULATED, *self.extra_args])),
            *("-drive", f"file={self.disk},if=none,id=card,cache=writethrough,discard=unmap"),
            *("-device", "virtio-blk-pci,drive=card,addr=0x3"),
            *("-device", "virtio-rng-pci,addr=0x4"),
            *network,
            *("-serial", "chardev:console"),
            *("-device", "virtio-serial-pci,addr=0x5"),
            # The second console, since systemd starts a login on the first.
            *("-chardev", "null,id=unused", "-device", "virtconsole,chardev=unused"),
            *("-device", "virtconsole,chardev=shell"),
            *("-rtc", f"base={self.rtc}"),
        ]

    def _collect(self, console: socket.socket) -> None:
        with console, (self.work / "console.log").open("ab") as log:
            while data := console.recv(65536):
                self.console += data
                log.write(data)
                log.flush()

    def kill(self) -> None:
        """Pull the plug. The network ports stay, so that a capture on them runs on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.monitor is not None:
            self.monitor.close()
            self.monitor = None

    def close(self) -> None:
        """Pull the plug and take the machine away, with its network ports."""
        self.kill()
        for tap in self._taps:
            os.close(tap)
        self._taps = []

    def wait_console(self, pattern: str, timeout: float) -> re.Match[bytes]:
        """Wait until the console has said ``pattern``. Raises MachineError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        wanted = re.compile(pattern.encode())
        while True:
            if match := wanted.search(self.console):
                return match
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise MachineError(f"no {pattern!r} on the console; it said last:\n{self.tail()}")
            time.sleep(0.1)

    def wait_off(self, timeout: float) -> None:
        """Wait until the machine has switched itself off."""
        assert self.process is not None
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MachineError(f"still on after {timeout} s:\n{self.tail()}") from None
        self.kill()

    def tail(self, count: int = 3000) -> str:
        return bytes(self.console[-count:]).decode(errors="replace")

    def said_last(self) -> str:
        """The console's last line that says something."""
        lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.tail()).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def shell(self, command: str, timeout: float = 60) -> str:
        """Run ``command`` in the debug shell (``DEBUG_SHELL`` among the kernel's arguments); returns its output."""
        mark = f"{time.monotonic_ns():x}"
        with socket.socket(socket.AF_UNIX) as shell:
            shell.connect(str(self.work / "shell.sock"))
            # Quotes keep the echo of the command line from looking like its output.
            command = f"export SYSTEMD_PAGER=cat; {command}"
            line = f"stty -echo 2>/dev/null; echo 'b''{mark}'; {{ {command}; }} 2>&1; echo 'e''{mark}' $?"
            shell.sendall(f"\n{line}\n".encode())
            said = b""
            deadline = time.monotonic() + timeout
            end = re.compile(rf"b{mark}\r*\n(.*?)e{mark} (\d+)".encode(), re.DOTALL)
            while not (match := end.search(said)):
                if time.monotonic() > deadline:
                    raise MachineError(f"no answer to {command!r}: {said!r}\n{self.tail()}")
                if select.select([shell], [], [], 0.5)[0]:
                    said += shell.recv(65536)
            return match[1].decode(errors="replace").replace("\r", "")

    def what_hangs(self) -> str:
        """What a machine that did not get far enough is busy with; without a debug shell, only that there is none."""
        said = []
        for command in WHAT_HANGS:
            try:
                answer = self.shell(command)
            except (MachineError, OSError) as error:
                answer = f"no answer: {str(error).splitlines()[0]}"
            said.append(f"# {command}\n{answer}\n")
        return "\n".join(said)

    @contextlib.contextmanager
    def running(self) -> Generator[Machine]:
        self.start()
        try:
            yield self
        finally:
            self.close()


DEBUG_SHELL = ("systemd.debug_shell=hvc1",)
WHAT_HANGS = (
    "uptime; systemctl list-jobs --no-pager; systemctl --failed --no-pager",
    "ps -eo pid,stat,wchan:30,time,args",
    "echo w >/proc/sysrq-trigger; dmesg | tail -n 100",  # the stacks of tasks that wait for the kernel
    "cat /proc/interrupts",
    "journalctl -b --no-pager -o short-monotonic -n 200",
)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"{' '.join(command)}: {done.stderr.strip()}")
