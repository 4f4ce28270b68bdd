"""What comes by USB: a phone that shares its connection, an adapter with a router behind it, one that stays a disk.

dummy_hcd is a USB host and a USB device in one machine, so that what is plugged in is the image's own kernel: RNDIS, as
Android has it, ECM, which genuine adapters speak too, and mass storage. The other end of the cable is a namespace of
the guest. What cannot be seen so is a phone's own ways, and iPhones, whose driver wants a pairing besides.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from image.qemu.boot import BOOT_TIMEOUT, LAPTOP, boot
from image.qemu.capture import Capture
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import VPN, WEB, Lab, until
from image.qemu.machine import Machine, MachineError, Port

PATIENCE = 400  # seconds, emulated
PASSWORD = "correct horse battery staple"
OWNED = f'[system]\nadmin_password = "{PASSWORD}"\n'
PHONE_WAN = '[network]\nwan = "usb-modem"\n'
CONNECT = '[vpn]\nprovider = "imported"\nconnect = "home"\n'
MOBILE, CARRIER = "100.64.9.2", "100.64.9.1"  # the phone's address in the mobile network, and what is behind it
MOBILE_MAC = "52:54:00:12:34:09"


@dataclass(frozen=True)
class Gadget:
    """Something to plug in: a function of the kernel's gadgets (configfs), in a namespace of its own name."""

    name: str
    function: str  # rndis or ecm
    number: int  # of the USB: each has a bus to itself
    address: str  # its own, in the network that it gives addresses of
    mac: str  # of the far end of the cable
    host_mac: str  # of the port that the gateway gets

    @property
    def authorized(self) -> str:
        """Whether the host looks at it at all: the cable, as far as the host can tell."""
        return f"/sys/devices/platform/dummy_hcd.{self.number}/usb*/*-1/authorized"

    def make(self, machine: Machine) -> None:
        """Its far end in its namespace, with a DHCP server; not plugged in yet."""
        run_script(machine, GADGET.format(**vars(self), net=self.address.rpartition(".")[0]))

    def plug(self, machine: Machine, *, into: bool = True) -> None:
        machine.shell(f"echo {int(into)} | tee {self.authorized}")

    def received(self, machine: Machine) -> int:
        """Packets that the gateway has sent to it."""
        (link,) = json.loads(machine.shell(f"ip -n {self.name} -s -j link show far"))
        return link["stats64"]["rx"]["packets"]


# The far end must be in its namespace before the host may see the device, since only the test moves it.
# Its DHCP server answers at once: with a ping first, it would often be too late, and a foreign server that is silent.
GADGET = """\
set -e
[ -d /sys/module/dummy_hcd ] || modprobe dummy_hcd num=3
modprobe -a libcomposite usb_f_{function}
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
echo 0 | tee /sys/devices/platform/dummy_hcd.{number}/usb*/authorized_default
mkdir /sys/kernel/config/usb_gadget/{name}
cd /sys/kernel/config/usb_gadget/{name}
echo 0x18d1 > idVendor
echo 0x4ee{number} > idProduct
mkdir functions/{function}.0 configs/c.1
echo {mac} > functions/{function}.0/dev_addr
echo {host_mac} > functions/{function}.0/host_addr
ln -s functions/{function}.0 configs/c.1/
echo dummy_udc.{number} > UDC
udevadm settle --timeout=120
far=$(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5)
ip netns add {name}
ip link set $far down
ip link set $far netns {name} name far
ip -n {name} link set lo up
ip -n {name} address add {address}/24 dev far
ip -n {name} link set far up
ip netns exec {name} dnsmasq --conf-file=/dev/null --port=0 --interface=far --bind-dynamic --user=root \\
  --dhcp-range={net}.50,{net}.99,1h --dhcp-authoritative --dhcp-leasefile=/tmp/{name}.leases --pid-file= --no-ping
"""
# Realtek's adapters before they are switched. This one obeys the eject, and does not turn into an adapter.
DISK = """\
set -e
modprobe usb_f_mass_storage
truncate -s 1M /tmp/driver.iso
mkdir /sys/kernel/config/usb_gadget/disk
cd /sys/kernel/config/usb_gadget/disk
echo 0x0bda > idVendor
echo 0x8151 > idProduct
mkdir functions/mass_storage.0 configs/c.1
echo 1 > functions/mass_storage.0/lun.0/removable
echo 1 > functions/mass_storage.0/lun.0/cdrom
echo /tmp/driver.iso > functions/mass_storage.0/lun.0/file
ln -s functions/mass_storage.0 configs/c.1/
echo dummy_udc.2 > UDC
"""
# The phone's own way into the Internet, by the machine's third network card.
UPLINK = """\
set -e
port=$(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5)
ip link set $port down
ip link set $port netns phone name mobile
ip -n phone address add {mobile}/24 dev mobile
ip -n phone link set mobile up
ip -n phone route add default via {carrier}
ip netns exec phone sysctl -q net.ipv4.ip_forward=1
ip netns exec phone nft 'table ip nat {{ chain post {{
type nat hook postrouting priority 100; oifname mobile masquerade; }}; }}'
"""
PHONE = Gadget("phone", "rndis", 0, "192.168.42.129", "02:00:00:00:42:01", "02:00:00:00:42:02")
STRAY = Gadget("stray", "ecm", 1, "192.168.8.1", "02:00:00:00:08:01", "02:00:00:00:08:02")


@pytest.fixture
def owned(bench: Lab) -> Iterator[None]:
    with bench.signed_in(PASSWORD):
        yield


@pytest.mark.usefixtures("owned")
def test_unrequested_usb_networks_are_kept_apart(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("phone")
    machine.write_boot_file("gateway.toml", OWNED)
    machine.start()
    boot(machine, bench)
    PHONE.make(machine)
    STRAY.make(machine)
    machine.shell("ip -o monitor link > /tmp/links & echo started")
    PHONE.plug(machine)
    until(lambda: role(bench, PHONE) == "modem", PATIENCE, "the phone among the ports")
    phone = port(bench, PHONE)
    assert (phone["driver"], phone["usb"]) == ("rndis_host", "usb-1@dummy_hcd.0")
    until(lambda: "35-modem.network" in networkd(machine, phone["name"]), PATIENCE, "networkd's judgement")

    # What may be a genuine adapter is the LAN's; but the router behind it gives no device an address.
    with Capture(bench, bench.lan, "eth0", machine.work / "stray.pcap", STRAY.mac).running() as capture:
        STRAY.plug(machine)
        until(lambda: role(bench, STRAY) == "lan", PATIENCE, "the adapter in the LAN")
        stray = port(bench, STRAY)
        assert (stray["driver"], stray["usb"]) == ("cdc_ether", "usb-1@dummy_hcd.1")
        until(lambda: alerts(machine, bench, stray["name"]), PATIENCE, "the alert")
        assert STRAY.received(machine) > 0
        assert capture.packets("udp and src port 67") == []
    assert stray["name"] in in_bridge(machine)

    # All that time the phone was in no bridge, not even up, and nothing went to it.
    seen = [line for line in machine.shell("cat /tmp/links").splitlines() if PHONE.host_mac in line]
    assert any(phone["name"] in line for line in seen)
    assert [line for line in seen if "master" in line or "UP" in line.split(">")[0].split("<")[1].split(",")] == []
    assert PHONE.received(machine) == 0
    assert role(bench, PHONE) == "modem"

    # Both are at port 1 of a controller, so a place has to name its controller; networkd and netd mean the same port.
    refused, answer = bench.api("PUT", "/api/wan", {"port": "usb-1"})
    assert (refused, "usb-1 is more than one port" in str(answer)) == (422, True), answer
    assert bench.api("PUT", "/api/wan", {"port": "usb-1@dummy_hcd.1"})[0] == 200
    until(lambda: wan(bench)["gateway4"] == STRAY.address, PATIENCE, "a route by the port at that place")
    assert "Property=DEVPATH=*/dummy_hcd.1/*-1:*/net/*\n" in machine.shell("cat /run/systemd/network/15-wan.network")
    judged = networkd(machine, stray["name"]).splitlines()
    assert {"NETWORK_FILE=/run/systemd/network/15-wan.network", "ACTIVATION_POLICY=manual"} <= set(judged)
    assert bench.api("PUT", "/api/wan", {"port": None})[0] == 200
    until(lambda: wan(bench)["name"] == "wan", PATIENCE, "the port on the board as WAN")

    # An adapter that begins as a disk: the disk is ejected, and an adapter that does not become a port is reported.
    assert report(machine) == ""
    run_script(machine, DISK)
    disk = "/sys/kernel/config/usb_gadget/disk"
    until(lambda: machine.shell(f"cat {disk}/functions/*/lun.0/file").strip() == "", PATIENCE, "usb-modeswitch")
    until(lambda: "0bda:8151 at usb-1@dummy_hcd.2 " in report(machine), PATIENCE, "the report of the disk")
    assert machine.shell(f"echo > {disk}/UDC") == ""
    until(lambda: report(machine) == "", PATIENCE, "the report to go")


def test_a_phone_is_the_wan_where_gateway_toml_says_so(new_machine: MakeMachine, bench: Lab) -> None:
    mobile = Port(bench.isp, "mobile0", MOBILE_MAC)
    machine = new_machine("phone-wan", more=(mobile,))
    machine.write_boot_file("gateway.toml", PHONE_WAN + CONNECT)
    machine.write_boot_file("home.conf", bench.client_conf())
    machine.start()
    bench.inside(bench.isp, "ip", "address", "replace", f"{CARRIER}/24", "dev", "mobile0")
    bench.inside(bench.lan, "ip", "address", "replace", LAPTOP, "dev", "eth0")
    until(lambda: answers(machine), BOOT_TIMEOUT, "netd")
    until(lambda: "usb-modem is not there" in report(machine), PATIENCE, "the report")
    PHONE.make(machine)
    run_script(machine, UPLINK.format(mac=MOBILE_MAC, mobile=MOBILE, carrier=CARRIER))
    assert in_bridge(machine) == []  # it is not known yet which port is the WAN

    with Capture(bench, bench.isp, "mobile0", machine.work / "mobile.pcap", MOBILE_MAC).running() as capture:
        PHONE.plug(machine)
        until(lambda: role(bench, PHONE) == "wan", PATIENCE, "the phone as WAN")
        until(lambda: wan(bench)["gateway4"] == PHONE.address, PATIENCE, "an address and a route from the phone")
        assert wan(bench)["name"] == port(bench, PHONE)["name"]
        assert wan(bench)["addresses"][0].startswith("192.168.42.")
        # The port on the board is the LAN's now, beside the other one; the phone is not.
        assert {p["name"]: p["role"] for p in ports(bench)}["wan"] == "lan"
        assert "wan" in in_bridge(machine)
        assert port(bench, PHONE)["name"] not in in_bridge(machine)
        until(lambda: bench.lease(10).startswith("192.168.77."), PATIENCE, "the laptop's lease")
        until(lambda: leaves_by_vpn(bench), PATIENCE, "the tunnel over the phone")
        until(lambda: report(machine) == "", PATIENCE, "the report to go")

        # Pulled out: no other port takes its place. In again: the same.
        PHONE.plug(machine, into=False)
        until(lambda: status(bench)["wan_problem"], PATIENCE, "the phone to be missed")
        assert bench.laptop_get(f"http://{WEB}/", timeout=3) is None
        assert "wan" in in_bridge(machine)
        PHONE.plug(machine)
        until(lambda: leaves_by_vpn(bench), PATIENCE, "the tunnel over the phone, again")
        assert bench.api("POST", "/api/disconnect")[0] == 200
        assert bench.laptop_get(f"http://{WEB}/", timeout=3) is None
        assert capture.leaks() == []
        assert len(capture.packets(f"udp and dst host {VPN} and dst port 51820")) > 5

        # The control: all locks broken on purpose.
        machine.shell(
            "systemctl stop vpn-gateway-netd; nft flush ruleset; ip rule flush; ip rule add pref 1 table main;"
            " for link in $(ls /sys/class/net); do tc qdisc del dev $link clsact; done"
        )
        machine.shell(f"ping -c 3 -W 1 {WEB} || true")
        until(lambda: capture.leaks() != [], 10, "the leak made on purpose")


def run_script(machine: Machine, text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    script = f"echo {encoded} | base64 -d > /tmp/script && sh /tmp/script && echo 'all done'"
    said = machine.shell(script, timeout=300)
    assert said.endswith("all done\n"), said


def status(bench: Lab) -> dict[str, Any]:
    """The API's answer; empty while the LAN has no port to ask by."""
    code, answer = bench.api("GET", "/api/status", timeout=20)
    return answer if code == 200 and isinstance(answer, dict) else {"ports": [], "wan": None, "wan_problem": None}


def ports(bench: Lab) -> list[dict[str, Any]]:
    return status(bench)["ports"]


def port(bench: Lab, gadget: Gadget) -> dict[str, Any]:
    return next((p for p in ports(bench) if p["mac"] == gadget.host_mac), {})


def role(bench: Lab, gadget: Gadget) -> str | None:
    """Its part in the network; None also while it has not got its lasting name from udev."""
    found = port(bench, gadget)
    return found["role"] if found and found["name"] == "enx" + gadget.host_mac.replace(":", "") else None


def wan(bench: Lab) -> dict[str, Any]:
    return status(bench)["wan"] or {"name": None, "addresses": [], "gateway4": None}


def leaves_by_vpn(bench: Lab) -> bool:
    return bench.laptop_get(f"http://{WEB}/", timeout=4) == f"{VPN}\n"


def in_bridge(machine: Machine) -> list[str]:
    return [link["ifname"] for link in json.loads(machine.shell("ip -j link show master br-lan") or "[]")]


def networkd(machine: Machine, name: str) -> str:
    return machine.shell(f"cat /run/systemd/netif/links/$(cat /sys/class/net/{shlex.quote(name)}/ifindex)")


def alerts(machine: Machine, bench: Lab, name: str) -> bool:
    """Whether netd has reported the server behind the port; sends a DHCP request, whose answer is dropped."""
    assert bench.lease(30).startswith("192.168.77.")
    log = machine.shell("journalctl -q -o cat -u vpn-gateway-netd")
    return f"another DHCP server on the LAN port {name}" in log


def report(machine: Machine) -> str:
    return machine.shell("cat /boot/firmware/gateway-report.txt 2>/dev/null; true")


def answers(machine: Machine) -> bool:
    """Whether netd is up, asked in the debug shell: no port is the LAN's before the WAN is known."""
    try:
        return machine.shell("systemctl is-active vpn-gateway-netd.service", timeout=30).strip() == "active"
    except (MachineError, OSError):
        return False
