"""Files that users put on the card: names and encodings, ignored files, and explained ones."""

from __future__ import annotations

import io
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from app import confzip
from app.errors import ConflictError, InvalidFieldError, UnavailableError
from app.firstboot import unread_files
from app.firstboot.after_netd import carry_out
from app.firstboot.configuration import load_config
from app.firstboot.fat import CONFIG, CONFIG_TXT, REPORT, Fat, is_archive, is_vpn_config
from app.firstboot.gateway_toml import parse
from app.firstboot.paths import Paths
from app.firstboot.report import write_report
from app.firstboot.schema import Config
from app.protocol.commands import Bulk, Connect, ImportConfig, SelectProvider, UseFileKey
from tests.support.fake_gateway import FakeGateway

ROOT = Path(__file__).parents[3]
CONF = "[Interface]\nPrivateKey = x\n"
SECRET = """[system]
hostname = "attic"
[wifi]
country = "SE"
[wifi.access_point]
ssid = "Hemma"
passphrase = "hush hush"
"""


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


def no_auth(action: str, text: str) -> None:
    raise AssertionError(action)


def archive(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return buffer.getvalue()


def on_card(paths: Paths) -> list[str]:
    return sorted(p.name for p in paths.fat.iterdir())


# --- gateway.toml ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gateway.toml.txt", "Gateway.toml.TXT", "gateway.toml", "GATEWAY.TOML"])
def test_settings_are_read_and_secrets_removed_in_place(paths: Paths, name: str) -> None:
    (paths.fat / name).write_text(SECRET)
    config, faults = load_config(paths, no_auth)
    assert (config.system.hostname, faults) == ("attic", [])
    assert on_card(paths) == [name]
    text = (paths.fat / name).read_text()
    assert "hush" not in text
    assert 'hostname = "attic"' in text
    assert unread_files.explain(Fat(paths.fat)) == []
    assert load_config(paths, no_auth) == (config, [])


def test_fault_names_the_file_that_has_it(paths: Paths) -> None:
    (paths.fat / "gateway.toml.txt").write_text("[system]\nhostname = 'NOT A NAME'")
    assert load_config(paths, no_auth)[1][0].startswith("gateway.toml.txt: system.hostname: ")


def test_second_settings_file_is_ignored_and_reported(paths: Paths) -> None:
    (paths.fat / CONFIG).write_text('[system]\nhostname = "right"\n')
    (paths.fat / CONFIG_TXT).write_text(SECRET)
    assert load_config(paths, no_auth)[0].system.hostname == "right"
    (line,) = unread_files.explain(Fat(paths.fat))
    assert line.startswith("gateway.toml.txt: not read, because gateway.toml is there")
    assert (paths.fat / CONFIG_TXT).read_text() == SECRET


@pytest.mark.parametrize("name", [CONFIG, CONFIG_TXT])
def test_power_cut_during_secret_removal_loses_no_file(paths: Paths, name: str) -> None:
    for left in (None, bytes(100)):  # of the file that is replaced: nothing, or nothing but zeros
        (paths.fat / name).unlink(missing_ok=True)
        if left is not None:
            (paths.fat / name).write_bytes(left)
        (paths.fat / f"{name}.new").write_text('[system]\nhostname = "attic"\n')
        config, faults = load_config(paths, no_auth)
        assert (config.system.hostname, faults, on_card(paths)) == ("attic", [], [name])


def test_unreadable_file_is_reported(paths: Paths) -> None:
    (paths.fat / CONFIG).symlink_to("/proc/self/mem")  # a file whose beginning is an I/O error
    assert load_config(paths, no_auth) == (Config(), ["gateway.toml: it cannot be read: Input/output error"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_settings_are_read_in_editors_encodings(paths: Paths, encoding: str) -> None:
    text = SECRET.replace("Hemma", "Müllers Netz").replace("\n", "\r\n")
    (paths.fat / CONFIG).write_bytes(text.encode(encoding))
    config, faults = load_config(paths, no_auth)
    assert config.wifi.access_point is not None
    assert config.wifi.access_point.ssid == "Müllers Netz"
    assert [fault.split(",")[0] for fault in faults] == (
        ["gateway.toml: not UTF-8: letters such as å or ü in it may be others than were meant; if so"]
        if encoding == "cp1252"
        else []
    )
    assert "hush" not in (paths.fat / CONFIG).read_text()


def test_guessed_encoding_of_comments_is_not_reported(paths: Paths) -> None:
    (paths.fat / CONFIG).write_bytes('# für zu Hause\n[system]\nhostname = "attic"\n'.encode("cp1252"))
    config, faults = load_config(paths, no_auth)
    assert (config.system.hostname, faults) == ("attic", [])


# --- .conf -----------------------------------------------------------------------------------------------------------


async def test_conf_files_with_usual_names_and_encodings_are_imported(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "berlin (1).conf").write_text(CONF)
    (paths.fat / "John's iPhone.conf.txt").write_bytes((CONF + "# für unterwegs").encode("cp1252"))
    (paths.fat / "us+nyc=1.CONF").write_bytes(CONF.encode("utf-16"))
    (paths.fat / "oslo.conf.txt").write_text(CONF)
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.retry) == ([], False)
    assert on_card(paths) == []
    assert gateway.commands == [
        ImportConfig("John's iPhone.conf.txt", CONF + "# für unterwegs", from_file=True),
        ImportConfig("berlin (1).conf", CONF, from_file=True),
        ImportConfig("oslo.conf.txt", CONF, from_file=True),
        ImportConfig("us+nyc=1.CONF", CONF, from_file=True),
    ]
    assert outcome.notes == [
        """John's iPhone.conf.txt: it is the server "Johns iPhone\"""",
        'berlin (1).conf: it is the server "berlin 1"',
        'us+nyc=1.CONF: it is the server "us-nyc-1"',
    ]


async def test_card_report_tells_what_the_key_of_a_file_opens(paths: Paths, gateway: FakeGateway) -> None:
    conf = f"{CONF}Endpoint = se-sto.mullvad.net:51820\n"
    (paths.fat / "berlin.conf").write_text(conf)
    (paths.fat / "more.zip").write_bytes(archive({"oslo.conf": conf, "bergen.conf": conf, "work.conf": CONF}))
    outcome = await carry_out(paths, Config(), gateway)
    note = (
        "it looks like a file of Mullvad, whose key opens all of Mullvad's servers: choose Mullvad as the provider "
        "on the gateway's page, and use the file's key there"
    )
    assert outcome.notes == [f"berlin.conf: {note}", f"more.zip: {note}"]
    assert not any(isinstance(command, UseFileKey) for command in gateway.commands)  # a person accepts it


async def test_note_about_a_renamed_file_stays_until_power_off(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "berlin (1).conf").write_text(CONF)
    gateway.failure = UnavailableError("away for a moment")
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.retry, outcome.notes) == (True, [])
    assert outcome.faults[0] == "berlin (1).conf: away for a moment. It stays here, with the keys that it holds"
    gateway.failure = None
    for name in ("oslo.conf", "rome.conf"):  # another try, for the sake of something else
        outcome = await carry_out(paths, Config(), gateway)
        assert outcome.notes == ['berlin (1).conf: it is the server "berlin 1"']
        (paths.fat / name).write_text(CONF)
        outcome = await carry_out(paths, Config(), gateway)
        assert outcome.notes == ['berlin (1).conf: it is the server "berlin 1"']


async def test_file_with_a_name_in_use_gets_a_number(paths: Paths, gateway: FakeGateway) -> None:
    (paths.fat / "vpn-se.conf").write_text(CONF)
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.notes) == ([], ['vpn-se.conf: it is the server "vpn-se-2"'])
    assert on_card(paths) == []


@pytest.mark.parametrize("connect", ["berlin (1)", "berlin 1", "berlin (1).conf"])
async def test_connect_accepts_the_files_name(paths: Paths, gateway: FakeGateway, connect: str) -> None:
    (paths.fat / "berlin (1).conf").write_text(CONF)
    vpn = parse(f'[vpn]\nprovider = "imported"\nconnect = "{connect}"\n')
    assert (await carry_out(paths, vpn, gateway)).faults == []
    assert gateway.commands[1] == SelectProvider("imported")
    assert gateway.commands[-1] == Connect("berlin 1")


async def test_files_of_operating_systems_are_ignored(paths: Paths, gateway: FakeGateway) -> None:
    names = ["._berlin.conf", ".DS_Store", "Thumbs.db", "desktop.ini", "._gateway.toml", "._a.zip"]
    for name in names:
        (paths.fat / name).write_bytes(b"\0\5\x16\7")
    (paths.fat / "System Volume Information").mkdir()
    (paths.fat / "System Volume Information" / "a.conf").write_text(CONF)
    (paths.fat / "__MACOSX").mkdir()
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.notes, gateway.commands) == ([], [], [])
    assert unread_files.explain(Fat(paths.fat)) == []


# --- zips ------------------------------------------------------------------------------------------------------------


async def test_zip_is_imported_overwritten_and_removed(paths: Paths, gateway: FakeGateway) -> None:
    data = archive({"all/se (1).conf": CONF, "all/de.conf.txt": CONF.encode("utf-16"), "all/README.pdf": "%PDF"})
    (paths.fat / "Servers.ZIP").write_bytes(data)
    watch = (paths.fat / "Servers.ZIP").open("rb")  # what is left of the file where its name is gone
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.retry) == ([], False)
    assert on_card(paths) == []
    with watch:
        assert watch.read() == bytes(len(data))
    commands = (ImportConfig("se (1).conf", CONF, from_file=True), ImportConfig("de.conf.txt", CONF, from_file=True))
    assert gateway.commands[0] == Bulk(commands, atomic=True)
    assert outcome.notes == [
        'Servers.ZIP: se (1).conf is the server "se 1"',
        "Servers.ZIP: left out, as they are no .conf files: all/README.pdf",
    ]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (archive({"a.conf": CONF, "se/bad.conf": "nothing"}), "se/bad.conf: config: line 1: expected [Interface]"),
        (archive({"a.conf": CONF, "b.conf": CONF.encode("utf-32")}), "b.conf: it is UTF-32 text"),
        (archive({"a.txt": "hello"}), "the archive holds no .conf file"),
        (b"no zip at all", "the archive cannot be read"),
        (b"PK" * confzip.MAX_BYTES, f"larger than {confzip.MAX_BYTES} bytes"),
    ],
)
async def test_zip_that_cannot_be_imported_whole_stays_and_is_reported(
    paths: Paths, gateway: FakeGateway, data: bytes, fault: str
) -> None:
    (paths.fat / "servers.zip").write_bytes(data)
    outcome = await carry_out(paths, Config(), gateway)
    (line,) = outcome.faults
    assert line.startswith(f"servers.zip: {fault}")
    assert line.endswith("It stays here, with the keys that it holds")
    assert (outcome.retry, outcome.notes) == (False, [])
    assert (paths.fat / "servers.zip").read_bytes() == data


@pytest.mark.parametrize(
    ("failure", "retry"),
    [
        (ConflictError("these are 700 files, and there is room for 24 more servers", code="too_many"), False),
        (ConflictError("a bulk request is being carried out", code="busy"), True),
        (UnavailableError("the settings cannot be stored"), True),
        (InvalidFieldError("operations[1]: line 3: Endpoint: none; nothing was changed", field="x"), False),
    ],
)
async def test_failed_zip_import_is_reported_with_its_reason(
    paths: Paths, gateway: FakeGateway, failure: ConflictError, retry: bool
) -> None:
    (paths.fat / "all.zip").write_bytes(archive({"a.conf": CONF, "se/b.conf": CONF}))
    gateway.failure = failure
    outcome = await carry_out(paths, Config(), gateway)
    assert outcome.retry is retry
    assert outcome.faults[0].startswith(f"all.zip: {failure.message.replace('operations[1]', 'se/b.conf')}. It stays")


async def test_zip_imported_before_a_power_cut_is_only_removed(paths: Paths, gateway: FakeGateway) -> None:
    data = archive({"a/x.conf": CONF, "b/x.conf": CONF + "# another"})
    for _ in range(2):
        (paths.fat / "all.zip").write_bytes(data)
        assert (await carry_out(paths, Config(), gateway)).faults == []
        assert on_card(paths) == []
    assert [s.hostname for s in gateway.servers if s.provider == "imported"] == ["x", "x-2"]


@pytest.mark.parametrize("name", ["berlin.conf", "all.zip"])
async def test_file_overwritten_before_a_power_cut_is_only_removed(
    paths: Paths, gateway: FakeGateway, name: str
) -> None:
    (paths.fat / name).write_bytes(bytes(300))
    outcome = await carry_out(paths, Config(), gateway)
    assert (outcome.faults, outcome.notes, gateway.commands, on_card(paths)) == ([], [], [], [])


# --- what is not read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gateway.tml", "rename it to gateway.toml"),
        ("gateway (1).toml", "rename it to gateway.toml"),
        ("Gateway.toml.rtf", "save it as plain text called gateway.toml"),
        ("gateway", "rename it to gateway.toml"),
        ("settings.toml", "rename it to gateway.toml"),
        ("berlin.ovpn", "ask the provider for a WireGuard .conf"),
        ("berlin.conf.rtf", "a name that ends in .conf"),
        ("servers.7z", "in a .zip"),
        ("servers.tar.gz", "in a .zip"),
        ("reset-password.rtf", "call the file reset-password"),
        ("Reset password.txt", "call the file reset-password"),
        ("wpa_supplicant.conf", "Raspberry Pi OS reads this"),
        ("firstrun.sh", "Raspberry Pi OS reads this"),
        ("ssh", "system.ssh_key"),
        ("naïve 🙂.ovpn", "WireGuard"),
    ],
)
def test_file_meant_for_the_gateway_is_explained(paths: Paths, name: str, advice: str) -> None:
    (paths.fat / name).write_text("whatever")
    (line,) = unread_files.explain(Fat(paths.fat))
    assert line.startswith(f"{name}: ")
    assert advice in line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_configuration_under_another_name_is_explained(paths: Paths, encoding: str) -> None:
    (paths.fat / "berlin.txt").write_bytes(CONF.encode(encoding))
    (line,) = unread_files.explain(Fat(paths.fat))
    assert line.startswith("berlin.txt: it looks like a WireGuard configuration")


def test_folders_are_explained(paths: Paths) -> None:
    (paths.fat / "gateway.toml").mkdir()
    (paths.fat / "a.conf").mkdir()
    for name in ("mullvad/se/b.conf", "mullvad/a.conf", "photos/x.jpg", "slot-a/x.conf", "mac/._x.conf"):
        (paths.fat / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.fat / name).write_text(CONF)
    assert [line.split(":")[0] for line in unread_files.explain(Fat(paths.fat))] == [
        "a.conf",
        "gateway.toml",
        "mullvad",
    ]
    assert "put a.conf and 1 more beside" in unread_files.explain(Fat(paths.fat))[2]
    assert load_config(paths, no_auth) == (Config(), [])


def test_name_that_cannot_be_opened_is_explained(paths: Paths) -> None:
    (paths.fat / "Z?rich.conf").symlink_to("nowhere")  # listed, and not found, as such a name on FAT is
    (line,) = unread_files.explain(Fat(paths.fat))
    assert line.startswith("Z?rich.conf: it cannot be found")
    script = (ROOT / "overlay/etc/initramfs-tools/scripts/local-bottom/vpn-gateway").read_text()
    (mount,) = (line for line in script.splitlines() if line.startswith("mount -t vfat"))
    assert "utf8=1" in mount.split()[4].split(",")


def test_settings_in_the_example_are_explained(paths: Paths) -> None:
    example = (ROOT / "image/boot/gateway.example.toml").read_text()
    (paths.fat / "gateway.example.toml").write_text(example)
    assert unread_files.explain(Fat(paths.fat)) == []
    (paths.fat / "gateway.example.toml").write_text(example.replace("#hostname", "hostname"))
    (line,) = unread_files.explain(Fat(paths.fat))
    assert line.endswith("copy it to gateway.toml")


def test_cards_own_and_unrelated_files_are_not_explained(paths: Paths) -> None:
    assemble = (ROOT / "image/assemble").read_text().split("for file in ")[1].split(";")[0].split()
    assert "bootcode.bin" in assemble
    names = [
        *assemble,
        "support",
        "support.txt",
        "reset-password",
        "reset-password.txt",
        REPORT,
        "photo.jpg",
        "notes.txt",
    ]
    for name in names:
        (paths.fat / name).write_bytes(b"\0" * 100)
    for name in ("config.txt", "cmdline.txt", "gateway.example.toml"):
        (paths.fat / name).write_bytes((ROOT / "image/boot" / name).read_bytes())
    (paths.fat / "slot-a").mkdir()
    (paths.fat / "a.conf").write_text(CONF)  # imported or reported by another step
    (paths.fat / "a.zip").write_text(CONF)
    assert unread_files.explain(Fat(paths.fat)) == []


def test_missing_partition_gives_no_explanation(paths: Paths) -> None:
    paths.fat.rmdir()
    assert unread_files.explain(Fat(paths.fat)) == []


def test_file_name_cannot_forge_a_line_of_the_report(paths: Paths) -> None:
    (paths.fat / "a\nb\udc80.ovpn").write_text("x")
    lines = unread_files.explain(Fat(paths.fat))
    write_report(paths, lines)
    assert "a\ufffdb\ufffd.ovpn: " in (paths.fat / REPORT).read_text()


@pytest.mark.parametrize("name", ["a.conf", "A b.CONF", "a.conf.txt", "a.Conf.TxT", "all.zip", "ALL.ZIP"])
def test_import_unit_starts_for_importable_files(name: str) -> None:
    assert is_vpn_config(name) or is_archive(name)
    unit = (ROOT / "overlay/usr/lib/systemd/system/vpn-gateway-import.service").read_text()
    globs = [line.rpartition("/")[2] for line in unit.splitlines() if line.startswith("ConditionPathExistsGlob=|")]
    assert any(fnmatchcase(name, glob) for glob in globs)
