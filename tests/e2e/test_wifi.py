"""Wi-Fi on the booted image, with the kernel's simulated radios (mac80211_hwsim): as access point and as the WAN.

Frames go from radio to radio inside of the guest; the phone and the hotel are namespaces of it. What cannot be seen so
is the Pi's own firmware. The simulated radio has another driver than the Pi's, so it gets its name from a file of the
test's own, and no udev rule starts anything.
"""

from __future__ import annotations

import base64
import json
import re
import shlex

from image.qemu.boot import BOOT_TIMEOUT, boot
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.machine import Machine, MachineError

PATIENCE = 400  # seconds for what a radio does, on an emulated processor
BOARD, OTHER = "02:00:00:00:00:00", "02:00:00:00:01:00"  # mac80211_hwsim's first two radios
PASSPHRASE = "correct horse"
LINK = f"[Match]\nMACAddress={BOARD}\nType=wlan\n\n[Link]\nName=radio0\n"
AP = """\
[wifi]
country = "US"
[wifi.access_point]
ssid = "Hemma"
passphrase = "correct horse"
channel = 13
"""
WAN = """\
[wifi]
country = "SE"
[[wifi.wan]]
ssid = "Out of reach"
passphrase = "another passphrase"
[[wifi.wan]]
ssid = "Hotel"
passphrase = "correct horse"
hidden = true
"""
PHONE = f"""\
ctrl_interface=/tmp/phone
network={{
  ssid="Hemma"
  psk="{PASSPHRASE}"
}}
"""
HOTEL = f"""\
interface=other
driver=nl80211
hw_mode=g
channel=1
ssid=Hotel
ignore_broadcast_ssid=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase={PASSPHRASE}
"""
# Asks for 5 GHz instead, as another gateway.toml at the next start would.
REWRITE = """\
import msgspec
from pathlib import Path
from app.firstboot import radio
from app.firstboot.configuration import stored_config
from app.firstboot.paths import Paths, write
paths = Paths()
config = stored_config(paths)
point = msgspec.structs.replace(config.wifi.access_point, band="5GHz", channel=36)
wifi = msgspec.structs.replace(config.wifi, access_point=point)
for name, text in radio.files(msgspec.structs.replace(config, wifi=wifi)).items():
    write(paths.run / name, text.encode(), 0o600)
"""
PYTHON = "PYTHONPATH=/usr/lib/vpn-gateway:/usr/lib/vpn-gateway/site python3 -sP"


def write(machine: Machine, path: str, text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    machine.shell(f"mkdir -p {shlex.quote(path.rsplit('/', 1)[0])}; echo {encoded} | base64 -d > {shlex.quote(path)}")


def insert_radios(machine: Machine, namespace: str) -> None:
    """The board's own radio; and one in ``namespace``, where it is called ``other``."""
    write(machine, "/run/systemd/network/10-test-board.link", LINK)
    other = LINK.replace(BOARD, OTHER).replace("radio0", "other")
    write(machine, "/run/systemd/network/10-test-other.link", other)
    machine.shell("udevadm control --reload; modprobe mac80211_hwsim radios=2; udevadm settle --timeout=120", 300)
    names = machine.shell("ls /sys/class/net").split()
    assert {"radio0", "other"} <= set(names), names
    phy = machine.shell("cat /sys/class/net/other/phy80211/name").strip()
    machine.shell(f"ip netns add {namespace} && iw phy {phy} set netns name {namespace}")
    moved = machine.shell(f"ip -n {namespace} -br link show other")
    assert OTHER in moved, moved


def sending(machine: Machine) -> str:
    """How radio0 sends, once hostapd is up; empty before."""
    if machine.shell("systemctl is-active vpn-gateway-ap.service").strip() != "active":
        return ""
    said = machine.shell("iw dev radio0 info")
    found = re.search(r"channel (\d+) .*width: (\d+) MHz", said)
    return f"channel {found[1]}, {found[2]} MHz" if found else ""


def hostapd(machine: Machine) -> int:
    return int(machine.shell("systemctl show -P MainPID vpn-gateway-ap.service"))


def bridge(machine: Machine) -> tuple[int, set[str]]:
    """The bridge's ports, and its interface index, which changes when the bridge is recreated."""
    (link,) = json.loads(machine.shell("ip -j link show br-lan"))
    ports = json.loads(machine.shell("ip -j link show master br-lan"))
    return link["ifindex"], {port["ifname"] for port in ports}


def lease(machine: Machine) -> str:
    """What the phone gets from the gateway once it has joined."""
    joined = "ip netns exec phone wpa_cli -p /tmp/phone -i other status"
    until(lambda: "wpa_state=COMPLETED" in machine.shell(joined), PATIENCE, "the phone joins")
    # It may still believe in an access point that has just gone: then it is asked again.
    asked = "ip netns exec phone busybox udhcpc -i other -n -q -f -t 10 -T 2 -s /bin/true"
    pattern = re.compile(r"lease of (192\.168\.77\.\d+) obtained")
    found = until(lambda: pattern.search(machine.shell(asked, timeout=120)), PATIENCE, "a lease for the phone")
    assert isinstance(found, re.Match)
    return found[1]


def test_the_access_point(new_machine: MakeMachine, bench: Lab) -> None:
    machine = new_machine("wifi-ap")
    machine.write_boot_file("gateway.toml", AP)
    machine.start()
    boot(machine, bench)
    assert "no radio" in until_reported(machine, "radio")
    before, ports = bridge(machine)
    assert "radio0" not in ports

    # Channel 13 is forbidden in the US: the next best is used, and reported.
    insert_radios(machine, "phone")
    machine.shell("systemctl start --no-block vpn-gateway-ap.service")
    until(lambda: sending(machine) == "channel 11, 20 MHz", PATIENCE, "the access point on channel 11")
    report = until_reported(machine, "channel 11")
    assert "does not send at 2.4 GHz, channel 13" in report
    assert "no radio" not in report
    assert PASSPHRASE not in report
    until(lambda: "radio0" in bridge(machine)[1], PATIENCE, "the access point in the LAN's bridge")
    number, ports = bridge(machine)
    assert number == before

    # A phone joins, has a lease, and opens the page.
    write(machine, "/tmp/phone.conf", PHONE)
    machine.shell("ip netns exec phone wpa_supplicant -B -i other -c /tmp/phone.conf")
    address = lease(machine)
    machine.shell(f"ip -n phone address add {address}/24 dev other")
    asked = "ip netns exec phone busybox wget -q -T 20 -O - http://192.168.77.1:5000/api/status"
    assert '"connected"' in machine.shell(asked, timeout=120)

    # hostapd crashes: the bridge and its wired ports stay, it comes back, and so does the phone.
    killed = hostapd(machine)
    assert machine.shell(f"cat /proc/{killed}/comm").strip() == "hostapd"
    machine.shell(f"kill -KILL {killed}")
    until(lambda: hostapd(machine) not in {0, killed} and sending(machine), PATIENCE, "another hostapd")
    until(lambda: bridge(machine)[1] == ports, PATIENCE, "the bridge's ports as they were")
    assert bridge(machine)[0] == before
    assert bench.api("GET", "/api/status")[0] == 200
    assert lease(machine) == address

    # 5 GHz: as wide as the radio can; the report has nothing left to tell.
    write(machine, "/tmp/rewrite.py", REWRITE)
    machine.shell(f"{PYTHON} /tmp/rewrite.py && systemctl restart --no-block vpn-gateway-ap.service")
    until(lambda: sending(machine) == "channel 36, 80 MHz", PATIENCE, "the access point at 5 GHz, 80 MHz wide")
    until(lambda: report_of(machine) == "", PATIENCE, "the report's end")
    lease(machine)

    # A radio without 5 GHz: as if it refused each of the three.
    machine.shell(
        "sed -i s/channel=36/channel=35/ /run/vpn-gateway-setup/access-point/[123].conf;"
        " systemctl restart --no-block vpn-gateway-ap.service"
    )
    until(lambda: sending(machine) == "channel 6, 20 MHz", PATIENCE, "the access point at 2.4 GHz")
    report = until_reported(machine, "2.4 GHz, channel 6")
    assert re.search(r"80 MHz wide; nor .* 40 MHz wide; nor .* 20 MHz wide\. It sends at 2\.4 GHz", report), report
    lease(machine)


def report_of(machine: Machine) -> str:
    return machine.shell("cat /boot/firmware/gateway-report.txt 2>/dev/null; true")


def until_reported(machine: Machine, text: str) -> str:
    until(lambda: text in report_of(machine), PATIENCE, f"{text!r} in the report")
    return report_of(machine)


def answers(machine: Machine) -> bool:
    """Whether netd is up, asked in the debug shell: the ports have other roles than the lab thinks."""
    try:
        return machine.shell("systemctl is-active vpn-gateway-netd.service", timeout=30).strip() == "active"
    except (MachineError, OSError):
        return False


def test_wifi_as_the_wan(new_machine: MakeMachine) -> None:
    machine = new_machine("wifi-wan")
    machine.write_boot_file("gateway.toml", WAN)
    machine.start()
    until(lambda: answers(machine), BOOT_TIMEOUT, "netd")
    kept = machine.shell("cat /boot/firmware/gateway.toml")
    assert "Out of reach" in kept
    assert PASSPHRASE not in kept

    insert_radios(machine, "hotel")
    write(machine, "/tmp/hotel.conf", HOTEL)
    machine.shell("ip -n hotel address add 10.9.0.1/24 dev other; ip netns exec hotel hostapd -B /tmp/hotel.conf")
    machine.shell(
        "ip netns exec hotel dnsmasq --conf-file=/dev/null --port=0 --interface=other --bind-dynamic --user=root"
        " --dhcp-range=10.9.0.50,10.9.0.99,1h --dhcp-leasefile=/tmp/hotel.leases --pid-file="
    )
    machine.shell("systemctl start --no-block vpn-gateway-wifi-wan.service")
    until(lambda: default_route(machine), PATIENCE, "a route from the hotel")
    assert default_route(machine) == ("radio0", "10.9.0.1")
    assert "SSID: Hotel" in machine.shell("iw dev radio0 link")
    assert machine.shell("iw dev radio0 get power_save").strip() == "Power save: off"
    # The wired ports are the LAN's, and the WAN is no part of it.
    ports = bridge(machine)[1]
    assert "wan" in ports
    assert "radio0" not in ports


def default_route(machine: Machine) -> tuple[str, str] | None:
    routes = json.loads(machine.shell("ip -j route show default"))
    return (routes[0]["dev"], routes[0]["gateway"]) if routes else None
