"""What dtc made of a device tree is read as it was written."""

from __future__ import annotations

import pytest

from image.boards.console import console
from image.boards.devicetree import DeviceTreeError, differences, read
from tests.support.devicetrees import compiled, tree

SMALL = """
    compatible = "maker,board", "maker,chip";
    aliases { serial1 = "/soc/serial@1"; };
    chosen { stdout-path = "serial1:115200n8"; };
    soc {
        uart: serial@1 { compatible = "brcm,bcm2835-aux-uart"; reg = <1 0xffffffff>; status = "okay"; empty; };
        user { needs = <&uart 7>; };
        off { status = "disabled"; below { }; };
    };
"""


def test_nodes_and_values_are_read() -> None:
    small = tree(SMALL)
    assert small.root.compatible == ("maker,board", "maker,chip")
    uart = small.at("/soc/serial@1")
    assert uart is not None
    assert (uart.path, uart.cells("reg"), uart.properties["empty"]) == ("/soc/serial@1", (1, 0xFFFFFFFF), b"")
    assert small.at("serial1") is uart
    user = small.at("/soc/user")
    assert user is not None
    assert small.by_phandle(user.cells("needs")[0]) is uart
    assert user.strings("nothing") == ()
    assert small.at("/soc/nothing") is None
    assert small.at("serial2") is None


def test_what_is_below_something_switched_off_is_off() -> None:
    small = tree(SMALL)
    enabled = {node.path for node in small if node.enabled}
    assert "/soc/serial@1" in enabled
    assert not {"/soc/off", "/soc/off/below"} & enabled


def test_what_is_no_device_tree_is_told() -> None:
    with pytest.raises(DeviceTreeError, match="no flattened device tree"):
        read(b"\x1f\x8b" + bytes(62))
    with pytest.raises(DeviceTreeError, match="damaged"):
        read(compiled(SMALL)[:200])


def test_differences_are_named() -> None:
    other = tree(SMALL.replace("reg = <1 0xffffffff>", "reg = <1 2>").replace("below { };", "beside { };"))
    assert differences(tree(SMALL), other) == ["/soc/off/below", "/soc/off/beside", "/soc/serial@1 reg"]
    assert differences(tree(SMALL), other, frozenset({"reg"})) == ["/soc/off/below", "/soc/off/beside"]
    assert differences(tree(SMALL), tree(SMALL)) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (("", ""), "ttyS1"),
        (("brcm,bcm2835-aux-uart", "arm,pl011"), "ttyAMA1"),
        (("brcm,bcm2835-aux-uart", "maker,uart"), None),
        (("serial1:115200n8", "serial7"), None),
        (("stdout-path", "other"), None),
    ],
)
def test_the_console_is_that_of_the_tree(written: tuple[str, str], expected: str | None) -> None:
    assert console(tree(SMALL.replace(*written))) == expected
