"""Explanations and a device's own decisions for the fake gateway: a phone that asks from this machine, and a TV."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from app.errors import ForbiddenError, NotFoundError
from app.model import BlockedPolicy, SelfService, VpnPolicy
from app.protocol.answers import Done
from app.protocol.commands import (
    ChangeOwnDevice,
    Command,
    Explain,
    GetOwnDevice,
    GetSelfService,
    GetWhy,
    SetSelfService,
)
from app.protocol.explanations import Explanation, NameAnswer, OwnDevice, Path, Pause, SelfServices, Successor, Why
from app.self_service import may_choose, may_pause

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
OUT = Path(4, None, "tunnel", "default", "wg0a", "10.64.1.2", None, None, "phone reaches the Internet.")
STOPPED = Path(
    4, None, "blocked", None, None, None, "device_blocked", "drop_device_blocked", "Telly does not reach the Internet."
)
WHY = {
    PHONE: Why(
        PHONE,
        "phone",
        "vpn",
        VpnPolicy(),
        "default",
        "default",
        None,
        None,
        None,
        None,
        1.7e9,
        None,
        "phone uses the Internet through the exit default, encrypted.",
        None,
        (OUT,),
    ),
    TV: Why(
        TV,
        "Telly",
        "blocked",
        BlockedPolicy(),
        "own",
        None,
        "device_blocked",
        "device_blocked",
        "drop_device_blocked",
        7,
        None,
        None,
        "Telly has no Internet: its policy is: blocked.",
        f"Give it the VPN again: vpn-gateway devices set {TV} vpn.",
        (STOPPED,),
        ("The gateway has not seen this device in the LAN lately: look at its cable or its Wi-Fi.",),
    ),
}
COMMANDS = (GetWhy, Explain, GetOwnDevice, ChangeOwnDevice, GetSelfService, SetSelfService)


class FakeExplanations:
    def __init__(self) -> None:
        self.here = {"127.0.0.1": PHONE}  # the devices by their addresses
        self.everybody = SelfService()
        self.own: dict[str, SelfService] = {}
        self.chosen: str | None = None
        self.pause: Pause | None = None
        self.why = dict(WHY)
        self.stranger: Why | None = None  # what is said of every device that is not known; None = it is refused

    def answer(self, command: Command[object]) -> object:
        match command:
            case GetWhy(mac=mac):
                return self._why(mac)
            case Explain():
                return self._explain(command)
            case GetOwnDevice(address=address):
                return self._own_device(address)
            case ChangeOwnDevice():
                return self._change(command)
            case GetSelfService():
                return SelfServices(self.everybody, self.own)
            case SetSelfService(mac=mac, service=service):
                if mac is None:
                    self.everybody = service or SelfService()
                elif service is None:
                    self.own.pop(mac, None)
                else:
                    self.own[mac] = service
                return Done()
            case _:
                raise AssertionError(command)

    def _why(self, mac: str) -> Why:
        if mac in self.why:
            return self.why[mac]
        if self.stranger is None:
            raise NotFoundError(f"there is no device {mac}", field="mac")
        return msgspec.structs.replace(self.stranger, mac=mac)

    def _explain(self, command: Explain) -> Explanation:
        found = next((w for w in self.why.values() if command.device in {w.mac, w.name}), self.stranger)
        if found is None:
            raise NotFoundError(f"no device is known as {command.device!r}", field="device")
        policy = command.suppose.policy or found.policy
        down = command.suppose.exit_down is not None or command.suppose.wan_down
        blocked = down or isinstance(policy, BlockedPolicy)
        path = STOPPED if blocked else OUT
        named = not command.destination[0].isdigit()
        lookup = NameAnswer(command.destination, ("192.0.2.80",), "default", "It is 192.0.2.80.") if named else None
        return Explanation(
            found.mac,
            policy,
            found.origin,
            path.verdict,
            path.sentence,
            "Do something." if blocked else None,
            lookup,
            (path,),
            ("The exits are taken as they are now.",) if command.when is not None else (),
            Successor("mullvad", "se-got-wg-001", "It would be dialled.") if command.suppose.exit_down else None,
        )

    def _own_device(self, address: str) -> OwnDevice:
        if address not in self.here:
            raise NotFoundError("this request does not come from a device of the LAN", code="not_a_device")
        service = self.own.get(self.here[address], self.everybody)
        exits = ("default", "second") if may_choose(service) else ()
        why = self.why[self.here[address]]
        if self.chosen is not None:
            why = msgspec.structs.replace(why, policy=VpnPolicy(self.chosen), exit=self.chosen, origin="choice")
        return OwnDevice(why, address, service, exits, self.chosen, may_pause(service), self.pause)

    def _change(self, command: ChangeOwnDevice) -> OwnDevice:
        own = self._own_device(command.address)
        if command.exit is not UNSET:
            if command.exit is not None and command.exit not in own.exits:
                raise ForbiddenError("the admin does not let this device choose its exit", code="not_allowed")
            self.chosen = command.exit
        if command.pause is not UNSET:
            if command.pause and not own.can_pause:
                raise ForbiddenError("the admin does not let this device pause the VPN", code="not_allowed")
            self.pause = Pause(1.7e9 + command.pause) if command.pause else None
        return self._own_device(command.address)
