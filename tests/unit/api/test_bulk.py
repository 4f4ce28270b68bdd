"""Many operations in one request, and archives of .conf files, over HTTP in front of a fake gateway."""

from __future__ import annotations

import io
import stat
import zipfile
from ipaddress import IPv4Address

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from app import confzip
from app.errors import InvalidFieldError, TooLargeError
from app.protocol.commands import (
    AdmitDevice,
    Bulk,
    ChangeDevice,
    ChangePreferences,
    Connect,
    ForgetDevice,
    ImportConfig,
)
from ci.labnet.owner import AUTHORIZATION, PASSWORD

pytestmark = pytest.mark.owned

CONF = "[Interface]\nPrivateKey = x\n"


def archive(files, **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items() if isinstance(files, dict) else files:
            made.writestr(name, content, **options)
    return buffer.getvalue()


def send(server, data, **query) -> requests.Response:
    headers = AUTHORIZATION | {"Content-Type": "application/zip"}
    return requests.post(f"{server.url}/api/import/bulk", data=data, params=query, headers=headers, timeout=20)


def bulk(server, *operations, **more) -> requests.Response:
    return requests.post(
        f"{server.url}/api/bulk", json={"operations": operations, **more}, headers=AUTHORIZATION, timeout=20
    )


def test_each_operation_has_its_result(server):
    answer = bulk(
        server,
        {"op": "connect", "server": "se-sto-wg-001"},
        {"op": "connect", "server": "nowhere"},
        {"op": "set_device_policy", "mac": "02-00-00-00-00-09", "policy": "direct", "name": "TV"},
        mode="each",
        password=PASSWORD,
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is False
    assert [r["status"] for r in body["results"]] == [200, 404, 200]
    assert body["results"][1]["field"] == "server"
    assert server.gateway.state.devices[-1].mac == "02:00:00:00:00:09"


def test_atomic_is_the_default_and_one_command_for_netd(server):
    assert bulk(server, {"op": "connect", "server": "se-sto-wg-001"}).json()["success"] is True
    first = next(c for c in server.gateway.commands if isinstance(c, Bulk))
    assert first == Bulk((Connect("se-sto-wg-001"),), atomic=True)
    failed = bulk(server, {"op": "disconnect"}, {"op": "remove_custom_server", "name": "nobody"})
    assert failed.status_code == 422
    assert failed.json()["field"].startswith("operations[1]")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"operations": []}, "operations"),
        ({"operations": [{"op": "reboot"}]}, "operations[0].op"),
        ({"operations": [{"op": "connect"}]}, "operations[0].server"),
        ({"operations": [{"op": "connect", "server": "a", "sever": "b"}]}, "operations[0].sever"),
        ({"operations": [{"op": "disconnect"}] * 101}, "operations"),
        ({"operations": [{"op": "disconnect"}], "mode": "maybe"}, "mode"),
        ({"operations": [{"op": "set_device_policy", "mac": "02", "policy": "vpn"}]}, "mac"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_done(server, body, field):
    answer = requests.post(f"{server.url}/api/bulk", json=body, headers=AUTHORIZATION, timeout=20)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert server.gateway.commands == []


def test_an_archive_is_imported_under_its_files_names(server):
    data = archive({"se/Sweden-1.conf": CONF, "de.CONF": CONF, "readme.txt": "hello", "bad.conf": "nothing"})
    answer = send(server, data).json()
    assert answer["success"] is False
    assert {r["file"]: (r["success"], r["name"]) for r in answer["results"]} == {
        "se/Sweden-1.conf": (True, "Sweden-1"),
        "de.CONF": (True, "de"),
        "readme.txt": (False, None),
        "bad.conf": (False, "bad"),
    }
    assert ImportConfig("Sweden-1.conf", CONF, from_file=True) in server.gateway.commands


def test_bulk_and_archive_have_the_offer_of_each_file(server):
    conf = f"{CONF}Endpoint = se-sto.mullvad.net:51820\n"
    archived = send(server, archive({"se.conf": conf, "work.conf": CONF})).json()["results"]
    assert [r["opens"] and (r["opens"]["provider"], r["opens"]["server"]) for r in archived] == [
        ("mullvad", "se"),
        None,
    ]
    (result,) = bulk(server, {"op": "import_config", "name": "no", "config": conf}).json()["results"]
    assert result["opens"]["server"] == "no"


def test_all_or_none_of_an_archive(server):
    answer = send(server, archive({"a.conf": CONF, "b.txt": "x"}), mode="atomic")
    assert (answer.status_code, answer.json()["field"]) == (422, "file")
    assert server.gateway.commands == []
    assert send(server, archive({"a.conf": CONF, "b.conf": CONF}), mode="atomic").json()["success"] is True


def symlink(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../a.conf", "/etc/a.conf", "x/../../a.conf", "..\\a.conf", "C:\\a.conf", "c:a.conf", symlink("a.conf")]
)
def test_tricks_refuse_the_whole_archive(server, name):
    answer = send(server, archive([("good.conf", CONF), (name, CONF)]))
    assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_archive")
    assert server.gateway.commands == []


def test_an_entry_without_a_name_refuses_the_archive(server):
    data = bytearray(archive({"x": "hi"}))
    at = data.index(b"PK\x01\x02") + 28
    data[at : at + 4] = b"\0\0\1\0"  # the name's one byte is now one of the "extra" field
    answer = send(server, bytes(data))
    assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_archive")


def test_bombs_are_not_inflated(server):
    one = archive({"big.conf": b"\0" * (confzip.MAX_ENTRY + 1)})
    assert len(one) < 2000
    assert send(server, one).status_code == 413
    many = archive({f"{n}.conf": b" " * confzip.MAX_ENTRY for n in range(60)})
    assert send(server, many).status_code == 413
    assert send(server, archive({f"{n}.conf": CONF for n in range(confzip.MAX_ENTRIES + 1)})).status_code == 413
    assert server.gateway.commands == []


def test_a_size_that_lies_is_found_out():
    data = bytearray(archive({"a.conf": b"x" * 5000}))
    for at in (22, data.index(b"PK\x01\x02") + 24):  # "uncompressed size", in both headers
        data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(InvalidFieldError):
        confzip.read(bytes(data))


@pytest.mark.parametrize(
    "data", [b"PK", b"PK\x03\x04" + b"\0" * 60, b"no zip at all", archive({"a.txt": "x" * 3})[:-4]]
)
def test_what_is_no_zip_is_reported(server, data):
    answer = send(server, data)
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


def test_what_file_managers_add_is_passed_over():
    clutter = ("__MACOSX/._x.conf", ".y.conf", "a/._x.conf", "a/Thumbs.db", "a/.DS_Store")
    entries = confzip.read(archive([("a/x.conf", CONF), *((name, "?") for name in clutter)]))
    assert [e.file for e in entries] == ["a/x.conf"]


def test_files_of_one_name_get_distinct_names(server):
    other = CONF + "# another"
    answer = send(server, archive([("a/x.conf", CONF), ("b/x.conf", other), ("c/x.conf", CONF)])).json()
    assert answer["success"] is True
    assert [(r["file"], r["name"]) for r in answer["results"]] == [
        ("a/x.conf", "x"),
        ("b/x.conf", "x-2"),
        ("c/x.conf", "x"),
    ]
    assert "already" in answer["results"][2]["warnings"][0]


def test_names_and_encodings_as_people_have_them(server):
    data = archive(
        {
            "us+nyc=1.conf.txt": CONF.encode("utf-16"),
            "John's iPhone (1).conf": (CONF + "# für unterwegs").encode("cp1252"),
            "se sto.conf": b"\xef\xbb\xbf" + CONF.encode(),
        }
    )
    answer = send(server, data, mode="atomic").json()
    assert [r["name"] for r in answer["results"]] == ["us-nyc-1", "Johns iPhone 1", "se sto"]
    configs = [c.config for c in server.gateway.commands if isinstance(c, ImportConfig)]
    assert configs == [CONF, CONF + "# für unterwegs", CONF]


@pytest.mark.parametrize("encoding", ["cp437", "utf-8"])  # of Windows' Explorer, of macOS
def test_a_name_without_the_flag_for_utf8(encoding):
    name = "Zürich.conf".encode(encoding)
    stand_in = b"x" * len(name)  # written without the flag, as it is ASCII
    (entry,) = confzip.read(archive({stand_in.decode(): CONF}).replace(stand_in, name))
    assert (entry.file, entry.config) == ("Zürich.conf", CONF)


def test_an_archive_that_fails_as_a_whole_names_the_file(server):
    answer = send(server, archive({"a.conf": CONF, "se/bad.conf": "nothing"}), mode="atomic")
    assert (answer.status_code, answer.json()["field"]) == (422, "file")
    assert answer.json()["error"].startswith("se/bad.conf: ")


def test_an_archive_without_a_configuration_says_so(server):
    answer = send(server, archive({"readme.txt": "hello", "client.ovpn": "remote x"}))
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


def test_how_many_entries_are_too_many(server):
    answer = send(server, archive({f"{n}.conf": CONF for n in range(confzip.MAX_ENTRIES + 1)}))
    assert answer.status_code == 413
    assert f"{confzip.MAX_ENTRIES + 1} entries" in answer.json()["error"]
    assert server.gateway.commands == []


def test_keys_do_not_show():
    (entry,) = confzip.read(archive({"a.conf": "PrivateKey = s3cret"}))
    assert "s3cret" not in repr(entry)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_broken_archive_is_refused_or_read_and_nothing_else(data):
    whole = bytearray(archive({"a/b.conf": CONF, "c.conf": CONF * 50, "d.txt": "x"}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        entries = confzip.read(bytes(whole[: cut or None]))
    except (InvalidFieldError, TooLargeError):
        return
    assert all("/" not in e.name and e.name not in {".", ".."} for e in entries)


def test_devices_are_changed_admitted_and_forgotten_in_bulk(server):
    mac = "02:00:00:00:00:07"
    operations = [
        {"op": "change_device", "mac": mac, "name": "Camera", "group": None, "address": "192.168.77.9"},
        {"op": "admit_device", "mac": mac},
        {"op": "forget_device", "mac": mac},
        {"op": "change_settings", "settings": {"new_device_policy": "wait"}},
    ]
    assert bulk(server, *operations).json()["success"]
    (asked,) = [command for command in server.gateway.commands if isinstance(command, Bulk)]
    assert asked.commands[:3] == (
        ChangeDevice(mac, "Camera", None, IPv4Address("192.168.77.9")),
        AdmitDevice(mac),
        ForgetDevice(mac),
    )


def test_direct_as_default_needs_the_password_in_bulk(server):
    operation = {"op": "change_settings", "settings": {"default_policy": "direct"}}
    refused = bulk(server, operation)
    assert (refused.status_code, refused.json()["field"]) == (422, "password")
    assert bulk(server, operation, password=PASSWORD).json()["success"]
    (asked,) = [command for command in server.gateway.commands if isinstance(command, Bulk)]
    (command,) = asked.commands
    assert isinstance(command, ChangePreferences)
    assert command.password == PASSWORD
    assert PASSWORD not in repr(command)
