"""Every Pi can boot the image and find its devices, according to the files on the card and in the root.

image/boards has what a model asks for. VPN_GATEWAY_IMAGE names the image; its root is unpacked beside the logs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from image.boards import card, closure, initramfs
from image.boards.console import console
from image.boards.devicetree import DeviceTree, Node, read
from image.boards.kernel import MADE_BY, Kernel, module_name
from image.boards.models import MODELS, POE_OVERLAYS, POE_TREES
from image.boards.slot import applied, overlay_differs
from image.qemu.machine import BOOT_OFFSET

OVERLAY = Path(__file__).parents[2] / "overlay"
SUPPORTED = [model.tree for model in MODELS]
# What the gateway needs of a board, by the names of nodes: a driver for each that a board has.
NEEDED = ("watchdog", "rng", "ethernet", "thermal")
# What no package of Debian 13 has: a Zero 2 W with this chip has no Wi-Fi; the others are of adapters above 2.5 Gbit/s.
KNOWN_MISSING = {
    *("brcm/brcmfmac43430b0-sdio.bin", "brcm/brcmfmac43430b0-sdio.clm_blob"),
    *("rtl_nic/rtl8157-1.fw", "rtl_nic/rtl8159-1.fw"),
}


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the boot partition."""
    target = tmp_path_factory.mktemp("boot")
    image = f"{os.environ['VPN_GATEWAY_IMAGE']}@@{BOOT_OFFSET}"
    subprocess.run(["mcopy", "-s", "-n", "-m", "-i", image, "::*", target], check=True)
    return target


@pytest.fixture(scope="module")
def slot(boot: Path) -> Path:
    return boot / "slot-a"


@pytest.fixture(scope="module")
def path() -> Path:
    return Path(os.environ.get("VPN_GATEWAY_ROOT") or f"{os.environ['VPN_GATEWAY_IMAGE_LOGS']}/root")


@pytest.fixture(scope="module")
def root(path: Path) -> Iterator[Host]:
    return testinfra.get_host(str(path), connection="chroot")


@pytest.fixture(scope="module")
def modules(path: Path) -> Path:
    """The directory of the kernel's modules."""
    (kernel,) = (path / "usr/lib/modules").iterdir()
    return kernel


@pytest.fixture(scope="module")
def kernel(modules: Path) -> Kernel:
    return Kernel.read(modules)


@pytest.fixture(scope="module")
def in_initrd(slot: Path) -> frozenset[str]:
    """The modules in the initrd."""

    def unpack(rest: bytes) -> bytes:
        return subprocess.run(["zstd", "-dc"], input=rest, capture_output=True, check=True).stdout

    files = initramfs.names((slot / "initrd.img").read_bytes(), unpack)
    return frozenset(module_name(name) for name in files if ".ko" in name)


def tree_of(slot: Path, name: str) -> DeviceTree:
    return read((slot / f"{name}.dtb").read_bytes())


def all_trees(slot: Path) -> dict[str, DeviceTree]:
    return {file.name: read(file.read_bytes()) for file in sorted(slot.glob("*.dtb"))}


# --- it starts -------------------------------------------------------------------------------------------------------


def test_each_firmware_finds_what_it_asks_for(boot: Path) -> None:
    assert card.faults(boot) == []


def test_every_disk_appears_in_the_initrd(slot: Path, kernel: Kernel, in_initrd: frozenset[str]) -> None:
    lost = {name: closure.missing(tree, kernel, in_initrd) for name, tree in all_trees(slot).items()}
    assert {name: [str(one) for one in found] for name, found in lost.items() if found} == {}
    assert len(lost) >= len(SUPPORTED)


@pytest.mark.parametrize("tree", SUPPORTED)
def test_there_is_a_disk_to_look_for(slot: Path, tree: str) -> None:
    devices = [device.name.partition("@")[0] for device in closure.boot_devices(tree_of(slot, tree))]
    assert {"mmc", "usb"} <= set(devices)


def test_every_module_of_the_list_is_in_the_initrd(kernel: Kernel, in_initrd: frozenset[str]) -> None:
    lines = (OVERLAY / "etc/initramfs-tools/modules").read_text().splitlines()
    wanted = {module_name(line) for line in lines if line and not line.startswith("#")}
    assert {name for name in wanted if not kernel.knows(name)} == set()
    assert wanted - kernel.builtin - in_initrd == set()


def test_the_overlay_makes_the_other_stepping_of_a_pi_5(slot: Path) -> None:
    assert overlay_differs(slot) == []
    assert [name for name, tree in all_trees(slot).items() if not tree.at("/__symbols__")] == []


@pytest.mark.parametrize("tree", POE_TREES)
@pytest.mark.parametrize("overlay", POE_OVERLAYS)
def test_the_fan_of_a_poe_hat_turns_with_the_heat(slot: Path, kernel: Kernel, tree: str, overlay: str) -> None:
    made = applied(slot, f"{tree}.dtb", overlay)
    fan, pwm = made.at("/poe-fan"), made.at("/firmware/rpi-firmware/pwm")
    maps = made.at("/thermal-zones/cpu-thermal/cooling-maps")
    assert fan is not None
    assert pwm is not None
    assert (kernel.drivers(fan), kernel.drivers(pwm)) == ({"pwm_fan"}, {"pwm_raspberrypi_poe"})
    assert made.by_phandle(fan.cells("pwms")[0]) is pwm
    cooled = [node for node in made if node.parent is maps]
    assert len(cooled) == len(fan.cells("cooling-levels")) - 1
    for node in cooled:
        assert made.by_phandle(node.cells("cooling-device")[0]) is fan
        trip = made.by_phandle(node.cells("trip")[0])
        assert trip is not None
        assert trip.cells("temperature")[0] < 80_000  # below it the board still runs at full speed


def test_the_port_of_the_zero_2_w_is_always_the_host(slot: Path) -> None:
    usb = tree_of(slot, "bcm2837-rpi-zero-2-w").at("/soc/usb@7e980000")
    assert usb is not None
    assert usb.strings("dr_mode") == ("host",)


@pytest.mark.parametrize("tree", SUPPORTED)
def test_the_console_of_the_board_is_one(slot: Path, tree: str) -> None:
    port = console(tree_of(slot, tree))
    assert port is not None
    assert f"console={port},115200" in (slot / "cmdline.txt").read_text().split()


# --- it finds its devices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", SUPPORTED)
def test_what_the_gateway_needs_of_the_board_has_a_driver(slot: Path, kernel: Kernel, tree: str) -> None:
    def driven(node: Node) -> bool:
        drivers = kernel.drivers(node)
        made = [kernel.drivers_of(MADE_BY[driver]) for driver in drivers & MADE_BY.keys()]
        return bool(drivers) and all(made)

    nodes = [node for node in tree_of(slot, tree) if node.name.partition("@")[0] in NEEDED and node.enabled]
    kinds = {node.name.partition("@")[0] for node in nodes}
    assert {"watchdog", "rng"} <= kinds
    assert ("ethernet" in kinds) == (tree != "bcm2837-rpi-zero-2-w")
    assert [node.path for node in nodes if not driven(node)] == []


def test_the_card_of_the_radio_has_a_driver(kernel: Kernel) -> None:
    """By the numbers that the chips tell on their bus: the 43430; the 43455 and the 43456, which tell either of two."""
    for device in ("A9A6", "4345", "A9BF"):
        assert kernel.drivers_of(f"sdio:c00v02D0d{device}") == {"brcmfmac"}, device


def test_nothing_drives_the_video_processor(root: Host, modules: Path) -> None:
    command = f"modprobe --set-version {modules.name} --use-blacklist --show-depends"
    assert root.run(f"{command} of:NmailboxT(null)Cbrcm,bcm2835-vchiq").stdout == ""
    assert "bcm2835_wdt" in root.run(f"{command} platform:bcm2835-wdt").stdout


def test_a_usb_gadget_of_linux_has_the_driver_that_it_is_made_for(root: Host, modules: Path) -> None:
    """Where the other one came first, it took the second interface, and cdc_ether found it "unclaimable"."""
    command = f"modprobe --set-version {modules.name} --use-blacklist --show-depends"
    gadget = "usb:v0525pA4A2d0000dc02dsc00dp00"
    assert "/cdc_ether.ko" in root.run(f"{command} {gadget}ic02isc06ip00in00").stdout
    assert "cdc_subset" not in root.run(f"{command} {gadget}ic0Aisc00ip00in01").stdout


def lost(root: Host, files: set[str]) -> set[str]:
    """The files that do not exist, with links followed within the root."""
    return {name for name in files if not root.file(f"/usr/lib/firmware/{name}").is_file}


def test_the_radio_of_each_model_has_its_firmware(root: Host) -> None:
    radios = {model.radio for model in MODELS} | {"43430b0"}  # the other chip of a Zero 2 W
    files = {f"brcm/brcmfmac{radio}-sdio.{end}" for radio in radios for end in ("bin", "clm_blob")}
    assert lost(root, files | {"regulatory.db", "regulatory.db.p7s"}) <= KNOWN_MISSING


@pytest.mark.parametrize("model", [model.tree for model in MODELS])
def test_the_radio_has_the_settings_of_the_board(slot: Path, root: Host, model: str) -> None:
    """brcmfmac asks for the ones of the board, by the first name in the device tree, and then for any."""
    (radio,) = [one.radio for one in MODELS if one.tree == model]
    board = tree_of(slot, model).root.compatible[0]
    names = [f"brcm/brcmfmac{radio}-sdio.{board}.txt", f"brcm/brcmfmac{radio}-sdio.txt"]
    assert len(lost(root, set(names))) < len(names)


@pytest.mark.parametrize("driver", ["r8152"])
def test_usb_adapter_drivers_have_all_their_firmware(root: Host, modules: Path, driver: str) -> None:
    firmware = root.run(f"modinfo --set-version {modules.name} --field firmware {driver}").stdout.split()
    assert "rtl_nic/rtl8153b-2.fw" in firmware
    assert lost(root, set(firmware)) <= KNOWN_MISSING


def test_no_firmware_came_but_that_of_wired_ports(path: Path) -> None:
    there = {entry.name for entry in (path / "usr/lib/firmware").glob("rt*") if any(entry.iterdir())}
    assert there == {"rtl_nic"}


def test_an_adapter_that_begins_as_a_disk_is_switched(root: Host) -> None:
    settings = root.run("usb_modeswitch -W -v 0x0bda -p 0x8151 -c /etc/usb_modeswitch.d/0bda:8151").stdout
    assert "StandardEject=1" in settings
    assert 'TargetProductList="8152,8153,8155,8156"' in settings
    rules = root.run("udevadm verify --no-summary /usr/lib/udev/rules.d/41-vpn-gateway-modeswitch.rules")
    assert rules.rc == 0, rules.stderr


def test_the_kernel_is_there_once(modules: Path) -> None:
    assert not (modules / "vmlinuz").exists()
    assert not (modules / "dtb").exists()
