"""The booted machine, seen from inside: what runs, as whom, what is open, what is read-only, and what is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from image.qemu.fixtures import Measure, memory_used, owner

PASSWORD = "correct-horse-battery"
UNITS = (
    "vpn-gateway-boot-firewall.service",
    "vpn-gateway-capture.service",
    "vpn-gateway-clock.service",
    "vpn-gateway-clock-save.timer",
    "vpn-gateway-firstboot.service",
    "vpn-gateway-grow.service",
    "vpn-gateway-import.service",
    "vpn-gateway-netd.service",
    "vpn-gateway-report.path",
    "vpn-gateway-ntp.path",
    "vpn-gateway-wan.path",
    "vpn-gateway-web.service",
    "vpn-gateway-web.socket",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
)


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_active_and_starts_at_boot(inside: Host, unit: str) -> None:
    assert inside.check_output(f"systemctl is-active {unit} || true") == "active"
    assert inside.check_output(f"systemctl is-enabled {unit} || true") == "enabled"


def test_no_unit_has_failed(inside: Host) -> None:
    inside.run("systemctl is-system-running --wait")
    failed = json.loads(inside.check_output("systemctl list-units --failed --output=json"))
    assert [unit["unit"] for unit in failed] == []


def test_no_ordering_cycle(inside: Host) -> None:
    assert "ordering cycle" not in inside.check_output("journalctl -b --no-pager --quiet")


def test_the_ruleset_is_there_before_the_network(inside: Host) -> None:
    def entered(unit: str) -> int:
        return int(inside.check_output(f"systemctl show -P ExecMainExitTimestampMonotonic {unit}"))

    loaded = entered("vpn-gateway-boot-firewall.service")
    networkd = int(inside.check_output("systemctl show -P ExecMainStartTimestampMonotonic systemd-networkd.service"))
    assert 0 < loaded < networkd


def test_the_ruleset_drops_what_it_does_not_know(inside: Host) -> None:
    rules = json.loads(inside.check_output("nft -j list chains"))["nftables"]
    policies = {
        c["chain"]["hook"]: c["chain"]["policy"]
        for c in rules
        if "hook" in c.get("chain", {})
        and "policy" in c["chain"]
        and c["chain"]["type"] == "filter"
        and c["chain"]["table"] == "vpn_gateway"
    }
    assert policies["forward"] == "drop"
    assert policies["output"] == "drop"
    assert policies["input"] == "drop"


def test_the_root_is_read_only(inside: Host) -> None:
    root = json.loads(inside.check_output("findmnt -J -o FSTYPE,OPTIONS /"))["filesystems"][0]
    assert root["fstype"] == "squashfs"
    assert "ro" in root["options"].split(",")
    assert inside.run("touch /etc/x /usr/x").rc != 0


def test_state_lies_on_the_data_partition_which_fills_the_card(inside: Host) -> None:
    for path in ("/data", "/var/lib/vpn-gateway", "/var/lib/systemd"):
        mount = json.loads(inside.check_output(f"findmnt -J -o SOURCE,FSTYPE,OPTIONS --target {path}"))["filesystems"][
            0
        ]
        assert mount["fstype"] == "ext4", path
        assert {"nosuid", "nodev", "noexec"} <= set(mount["options"].split(",")), path
    size = int(inside.check_output("findmnt -bno SIZE /data"))
    partition = inside.check_output("readlink -f $(findmnt -no SOURCE /data)")
    disk = int(inside.check_output(f"lsblk -bdno SIZE /dev/$(lsblk -no PKNAME {partition})"))
    assert size > disk - 1.6e9  # the rest of the card is the other three partitions and ext4's own needs


def test_who_runs_what(inside: Host) -> None:
    (netd,) = inside.process.filter(user="netd", comm="python3")
    (web,) = inside.process.filter(user="web", comm="python3")
    (capture,) = inside.process.filter(user="vpn-capture", comm="python3")
    assert "netd" in netd.args
    assert "web" in web.args
    assert "capture" in capture.args

    def capabilities(pid: int) -> dict[str, int]:
        status = inside.file(f"/proc/{pid}/status").content_string
        return {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+):\s+(\w+)$", status, re.MULTILINE)}

    # linux/capability.h; the first to end a connection from its port
    net_bind_service, net_admin, net_raw = 1 << 10, 1 << 12, 1 << 13
    assert capabilities(netd.pid)["CapEff"] == net_bind_service | net_admin
    assert capabilities(netd.pid)["CapBnd"] == net_bind_service | net_admin
    assert set(capabilities(web.pid).values()) == {0}
    assert capabilities(capture.pid)["CapEff"] == capabilities(capture.pid)["CapBnd"] == net_raw


@pytest.mark.parametrize(
    ("unit", "limit"), [("vpn-gateway-netd", 2.0), ("vpn-gateway-web", 1.5), ("vpn-gateway-capture", 1.5)]
)
def test_the_sandbox_is_tight(inside: Host, measure: Measure, unit: str, limit: float) -> None:
    said = inside.check_output(f"systemd-analyze security --no-pager {unit}.service | tail -n 1")
    exposure = float(re.search(r"(\d+\.\d+)", said)[1])
    measure(f"systemd-analyze security {unit}", exposure, "", limit)
    assert exposure <= limit


def test_only_known_ports_are_open(inside: Host) -> None:
    listening = {line.split()[3] for line in inside.check_output("ss -Hltn").splitlines()}
    ports = {int(address.rsplit(":", 1)[1]) for address in listening if not address.startswith(("127.", "[::1]"))}
    assert {80, 5000, 22} <= ports
    assert ports <= {22, 53, 80, 5000, 5355, *range(5300, 5340)}


def test_no_password_opens_any_account(inside: Host) -> None:
    shadow = inside.file("/etc/shadow").content_string
    assert [line for line in shadow.splitlines() if line.split(":")[1][:1] not in {"!", "*"}] == []
    assert inside.file("/etc/shadow").mode & 0o007 == 0
    effective = inside.check_output("sshd -T -C user=root,host=x,addr=192.168.77.20")
    assert "passwordauthentication no" in effective
    assert "kbdinteractiveauthentication no" in effective


def test_keys_are_for_their_owner_only(inside: Host) -> None:
    state = inside.file("/var/lib/vpn-gateway")
    assert (state.user, state.mode) == ("netd", 0o700)
    assert inside.check_output("find /data/setup /data/ssh -type f ! -name '*.pub' -perm /077") == ""
    assert (
        inside.run("setpriv --reuid=web --regid=vpn-gateway --clear-groups cat /var/lib/vpn-gateway/secrets.json").rc
        != 0
    )


def test_the_kernel_has_wireguard_and_netd_uses_it(inside: Host) -> None:
    assert inside.file("/sys/module/wireguard").is_directory
    assert "WireGuard is kernel" in inside.check_output("journalctl -b -u vpn-gateway-netd --no-pager --quiet")


@pytest.fixture
def signed_in(inside: Host) -> Iterator[str]:
    """The start of commands by the owner, who has a password meanwhile."""
    home = "HOME=/run/owner"
    with owner(inside, PASSWORD):
        try:
            inside.check_output(f"mkdir -p -m 700 /run/owner && echo {PASSWORD} | {home} vpn-gateway login")
            yield home
        finally:
            inside.check_output("rm -rf /run/owner")


def test_the_support_file_reads_the_machine_from_netds_sandbox(inside: Host, signed_in: str) -> None:
    text = inside.check_output(f"{signed_in} vpn-gateway support --output -")
    parts = dict(re.findall(r"(?ms)^(\S[^\n]*)\n=+\n\n(.*?)(?=^\S[^\n]*\n=+\n|\Z)", text))
    assert "Startup finished in" in parts["Boot times"]
    assert "UserspaceTimestampMonotonic=" in parts["systemd"]
    assert "kernel: " in parts["Messages of the kernel about the network"]
    assert "vpn-gateway-netd" in parts["Messages of the network's services"] or "ready: WireGuard is" in text
    assert "table inet vpn_gateway" in parts["Firewall in the kernel"]
    assert "driver: virtio_net" in parts["Network ports"]
    assert "nftables " in parts["Versions"]
    refused = [title for title, part in parts.items() if "(could not be read" in part]
    assert set(refused) <= {"Wi-Fi", "Voltage, heat, clock"}, refused  # QEMU's board has neither


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.conf.all.arp_ignore", 1),
        ("net.ipv4.conf.all.accept_redirects", 0),
        ("net.ipv6.conf.all.accept_redirects", 0),
        ("net.ipv4.conf.all.send_redirects", 0),
        ("kernel.unprivileged_bpf_disabled", 1),
        ("kernel.kptr_restrict", 2),
        ("kernel.panic", 10),
    ],
)
def test_sysctl(inside: Host, name: str, value: int) -> None:
    assert inside.sysctl(name) == value


def test_the_log_is_volatile(inside: Host) -> None:
    assert not inside.file("/var/log/journal").exists
    assert inside.file("/run/log/journal").is_directory


def test_swap_is_compressed_memory_only(inside: Host) -> None:
    assert [line.split()[0] for line in inside.check_output("swapon --noheadings --raw").splitlines()] == ["/dev/zram0"]


def test_a_hung_machine_restarts(inside: Host) -> None:
    assert inside.check_output("systemctl show -P RuntimeWatchdogUSec") == "14s"


def test_ports_have_their_roles(inside: Host) -> None:
    links = {link["ifname"]: link for link in json.loads(inside.check_output("ip -j link"))}
    assert "wan" in links
    assert [name for name, link in links.items() if link.get("master") == "br-lan"] != []
    assert links["wan"].get("master") is None
    assert links["wan"]["address"] == "52:54:00:12:34:01"


def test_nothing_of_the_build_is_left(inside: Host) -> None:
    assert inside.check_output("ls -A /etc/apt/sources.list.d") == ""
    assert inside.check_output("cat /etc/machine-id") == inside.check_output("cat /data/etc/machine-id")


def test_memory(inside: Host, measure: Measure) -> None:
    used = memory_used(inside)
    measure("memory used after boot", used, "MB", 160)
    assert used <= 160
