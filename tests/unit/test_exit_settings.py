"""The exits of the settings: stable numbers, holes, names that follow, and what older versions kept elsewhere."""

from __future__ import annotations

import random

import msgspec
import pytest
from msgspec.structs import replace

from app.errors import InvalidFieldError
from app.exit_changes import renamed, restored, with_exit, without_exit
from app.exit_settings import all_exit_settings, exit_names, exit_settings, migrated, mirrored, numbered
from app.exit_users import Users, users_of
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    Fallback,
    Group,
    MtuSettings,
    Never,
    ScheduleEntry,
    SelfService,
    ServerChange,
    ServerPlace,
    Settings,
    VpnPolicy,
)
from app.store import settings as settings_file
from app.store.exit_rules import check_exit_settings, check_new_name
from app.store.validation import check_settings

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
SEVERAL = Settings(
    exits=("default", "se", "de", "us"),
    exit_settings=(ExitSettings("se", label="Sweden"), ExitSettings("de", target="Germany")),
    devices=(Device(TV, VpnPolicy("de")), Device(PHONE, VpnPolicy("us"))),
    desired={"de": "mullvad/de1", "us": "mullvad/us1"},
    asked={"de": "Germany"},
    places={"de": ServerPlace("mullvad/de1", "Germany", "Berlin")},
)


def numbers(settings: Settings) -> dict[str, int]:
    return {name: index for index, name in numbered(settings)}


def test_removed_exit_leaves_a_hole_that_is_reused():
    less = without_exit(SEVERAL, "se", BlockedPolicy())
    assert less.exits == ("default", "", "de", "us")
    assert numbers(less) == {"default": 0, "de": 2, "us": 3}
    assert exit_names(less) == ("default", "de", "us")
    again = with_exit(less, ExitSettings("no"))
    assert again.exits == ("default", "no", "de", "us")
    assert without_exit(less, "us", BlockedPolicy()).exits == ("default", "", "de")
    check_settings(less)
    check_settings(again)


def test_any_sequence_keeps_the_numbers_of_all_others():
    """Whatever is made, renamed and removed, no other exit's number ever changes."""
    rng = random.Random(14)
    settings, known = Settings(), {"default": 0}
    for step in range(600):
        others = [name for name in known if name != "default"]
        kind = rng.choice(("make", "make", "rename", "remove"))
        if kind == "make" and len(known) < 16:
            settings = with_exit(settings, ExitSettings(f"x{step}"))
            known[f"x{step}"] = numbers(settings)[f"x{step}"]
        elif kind == "rename" and others:
            old = rng.choice(others)
            settings = renamed(settings, old, f"r{step}")
            known[f"r{step}"] = known.pop(old)
        elif kind == "remove" and others:
            gone = rng.choice(others)
            settings = without_exit(settings, gone, BlockedPolicy())
            del known[gone]
        assert numbers(settings) == known
        assert len(settings.exits) <= 16
    check_settings(settings)


def test_whatever_named_an_exit_follows_its_new_name():
    new = renamed(SEVERAL, "de", "berlin")
    assert new.exits == ("default", "se", "berlin", "us")
    assert new.devices[0].policy == VpnPolicy("berlin")
    assert new.devices[1] is SEVERAL.devices[1]
    assert (new.desired["berlin"], new.asked, set(new.places)) == ("mullvad/de1", {"berlin": "Germany"}, {"berlin"})
    assert exit_settings(new, "berlin") == ExitSettings("berlin", target="Germany")
    assert renamed(new, "berlin", "de") == SEVERAL


@pytest.mark.parametrize("then", [BlockedPolicy(), VpnPolicy("us"), VpnPolicy(), DirectPolicy()])
def test_users_of_a_removed_exit_get_what_was_said(then):
    settings = replace(SEVERAL, default_policy=VpnPolicy("de"))
    assert users_of(settings, "de") == Users((TV,), (), default_policy=True)
    less = without_exit(settings, "de", then)
    assert (less.default_policy, less.devices[0].policy, less.devices[1].policy) == (then, then, VpnPolicy("us"))
    assert not users_of(less, "de")
    assert "de" not in less.desired | less.asked | less.places
    assert restored(less, settings, "de") == settings


def test_restored_exit_leaves_later_changes_alone():
    less = without_exit(SEVERAL, "de", BlockedPolicy())
    later = replace(less, favourites=("mullvad/x",))
    assert restored(later, SEVERAL, "de") == replace(SEVERAL, favourites=("mullvad/x",))
    taken = with_exit(less, ExitSettings("no"))
    assert restored(taken, SEVERAL, "de") == taken


OLD = Settings(
    exits=("default", "tv"),
    server_changes=(ServerChange(60),),
    mtu=MtuSettings(exits={"tv": 1380}, providers={"mullvad": 1400}),
)


def test_what_devices_choose_follows_the_name():
    chosen = {TV: "de", PHONE: "us"}
    own = {TV: SelfService("exit", exits=("de",)), PHONE: SelfService("all")}
    everybody = SelfService("exit", exits=("default", "de"))
    before = replace(SEVERAL, chosen_exits=chosen, self_service=everybody, device_self_service=own)
    after = renamed(before, "de", "berlin")
    assert after.chosen_exits == {TV: "berlin", PHONE: "us"}
    assert after.self_service.exits == ("default", "berlin")
    assert after.device_self_service == {TV: SelfService("exit", exits=("berlin",)), PHONE: SelfService("all")}
    gone = without_exit(before, "de", BlockedPolicy())
    assert gone.chosen_exits == {PHONE: "us"}
    assert gone.self_service.exits == ("default",)
    assert gone.device_self_service[TV].exits == ()  # none, and not any
    # A removal that the kernel refused is undone, and what was decided meanwhile stays.
    assert restored(gone, before, "de") == before
    later = replace(gone, chosen_exits={TV: "se", PHONE: "us"}, self_service=SelfService("off"))
    back = restored(later, before, "de")
    assert (back.chosen_exits, back.self_service) == (later.chosen_exits, later.self_service)
    assert back.device_self_service == own


def test_older_settings_become_those_of_their_exits():
    new = migrated(OLD)
    assert new.exit_settings == (
        ExitSettings("default", server_changes=(ServerChange(60),)),
        ExitSettings("tv", mtu=1380),
    )
    assert (new.server_changes, new.mtu) == ((), MtuSettings(providers={"mullvad": 1400}))
    assert migrated(new) is new
    assert mirrored(new).mtu == OLD.mtu
    assert mirrored(new).server_changes == OLD.server_changes
    assert all_exit_settings(OLD) == all_exit_settings(new)


def test_file_of_an_older_version_is_read_and_written_for_it():
    old_file = settings_file.serialization.encode(settings_file.Document(version=1, settings=OLD))
    read = settings_file.decode(old_file).value
    assert read == migrated(OLD)
    written = settings_file.serialization.decode(settings_file.encode(read), settings_file.Document).settings
    assert (written.mtu, written.server_changes) == (OLD.mtu, OLD.server_changes)  # an older version finds them
    assert settings_file.decode(settings_file.encode(read)).value == read
    cleared = replace(read, exit_settings=(ExitSettings("tv", label="Telly"),))
    assert settings_file.decode(settings_file.encode(cleared)).value == cleared


def test_bad_entries_of_a_file_are_left_out_alone():
    bad = replace(
        SEVERAL, exit_settings=(*SEVERAL.exit_settings, ExitSettings("nowhere"), ExitSettings("us", label="\x07"))
    )
    decoded = settings_file.decode(settings_file.serialization.encode(settings_file.Document(1, bad)))
    assert decoded.value == SEVERAL
    assert decoded.damaged


ZERO = ServerChange(0, frozenset())
BAD = [
    ("label", ExitSettings("se", label="\x07")),
    ("provider", ExitSettings("se", provider="no/provider")),
    ("target", ExitSettings("se", target=" ")),
    ("fallbacks[1].target", ExitSettings("se", fallbacks=(Fallback("Norway"), Fallback("\n")))),
    ("fallbacks[0].provider", ExitSettings("se", fallbacks=(Fallback("x", "A B"),))),
    ("fallbacks", ExitSettings("se", fallbacks=(Fallback("x"), Fallback("x")))),
    ("dns", ExitSettings("se", dns=(settings_file.Settings().lan.address.ip,))),  # in the LAN
    ("mtu", ExitSettings("se", mtu=1000)),
    ("server_changes[0].days", ExitSettings("se", server_changes=(ZERO,))),
    ("never.countries", ExitSettings("se", never=Never(countries=("",)))),
]


@pytest.mark.parametrize(("field", "bad"), BAD, ids=[field for field, _ in BAD])
def test_bad_setting_of_an_exit_is_named(field, bad):
    with pytest.raises(InvalidFieldError) as caught:
        check_exit_settings(bad, SEVERAL)
    assert caught.value.field == field
    with pytest.raises(InvalidFieldError) as caught:
        check_settings(replace(SEVERAL, exit_settings=(bad,)))
    assert caught.value.field == f"exit_settings.se.{field}"


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a b", "x" * 33, "direct", "vpn", "blocked", "a\n", "ä"])
def test_bad_name_of_an_exit_is_refused(name):
    with pytest.raises(InvalidFieldError) as caught:
        check_new_name(name)
    assert caught.value.field == "name"


@pytest.mark.parametrize("name", ["a", "0", "se-sto", "x" * 32])
def test_good_name_of_an_exit_is_taken(name):
    check_new_name(name)


EVERYWHERE = Settings(
    exits=("default", "se", "de"),
    exit_settings=(ExitSettings("se", label="Sweden", mtu=1400, server_changes=(ServerChange(270),)),),
    default_policy=VpnPolicy("se"),
    groups=(Group("kids", VpnPolicy("se"), (ScheduleEntry(frozenset((1,)), 0, 60, VpnPolicy("se")),)),),
    devices=(Device(TV, VpnPolicy("se"), schedule=(ScheduleEntry(frozenset((1,)), 0, 60, VpnPolicy("se")),)),),
    self_service=SelfService("exit", ("de", "se")),
    device_self_service={TV: SelfService("all", ("se",))},
    chosen_exits={TV: "se", PHONE: "de"},
    desired={"se": "mullvad/x"},
    first_choice={"se": "mullvad/y"},
    asked={"se": "Norway"},
    places={"se": ServerPlace("mullvad/x", "Norway", "Oslo")},
    mtu=MtuSettings({"se": 1400}),
)


def everything_in(value: object) -> list[object]:
    """All plain values anywhere in ``value``, whatever the fields are called."""
    if isinstance(value, dict):
        return [one for pair in value.items() for item in pair for one in everything_in(item)]
    if isinstance(value, list | tuple | set | frozenset):
        return [one for item in value for one in everything_in(item)]
    return [value]


def names_in(settings: Settings, name: str) -> int:
    return everything_in(msgspec.to_builtins(settings, enc_hook=str)).count(name)


def test_nothing_is_left_of_a_name() -> None:
    """The settings are walked as they are stored: a field that is added later is seen as well."""
    assert names_in(EVERYWHERE, "se") > 12
    followed = renamed(EVERYWHERE, "se", "sweden")
    assert names_in(followed, "se") == 0
    assert names_in(followed, "sweden") == names_in(migrated(EVERYWHERE), "se")
    gone = without_exit(EVERYWHERE, "se", BlockedPolicy())
    assert names_in(gone, "se") == 0
    assert (gone.chosen_exits, gone.self_service.exits) == ({PHONE: "de"}, ("de",))
    assert gone.device_self_service == {TV: SelfService("all", ())}  # none, and not any
    back = restored(gone, migrated(EVERYWHERE), "se")
    assert names_in(back, "se") == names_in(migrated(EVERYWHERE), "se")


@pytest.mark.parametrize("field", ["policy", "schedule"])
def test_group_is_given_no_exit_that_is_gone(field):
    """The place of a removed exit has an empty name, which no policy means."""
    nobody = VpnPolicy("")
    given = {"policy": nobody} if field == "policy" else {"schedule": (ScheduleEntry(frozenset({0}), 0, 60, nobody),)}
    settings = Settings(exits=("default", "", "tv"), groups=(Group("children", **given),))
    with pytest.raises(InvalidFieldError) as caught:
        check_settings(settings)
    assert caught.value.field == "groups"
