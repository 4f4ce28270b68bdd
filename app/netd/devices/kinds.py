"""The kind of a device, guessed from what it offers, what it calls itself and who made it (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.model import DeviceKind

# What a device offers says most (RFC 6763 names them); of several, the first of this list counts.
_SERVICES: tuple[tuple[str, DeviceKind], ...] = (
    ("_ipp._tcp", "printer"),
    ("_ipps._tcp", "printer"),
    ("_pdl-datastream._tcp", "printer"),
    ("_printer._tcp", "printer"),
    ("_uscan._tcp", "printer"),
    ("_androidtvremote2._tcp", "tv"),
    ("_androidtvremote._tcp", "tv"),
    ("_amzn-wplay._tcp", "tv"),
    ("_mediaremotetv._tcp", "tv"),
    ("_googlecast._tcp", "tv"),
    ("_sonos._tcp", "speaker"),
    ("_spotify-connect._tcp", "speaker"),
    ("_raop._tcp", "speaker"),
    ("_axis-video._tcp", "camera"),
    ("_adisk._tcp", "storage"),
    ("_nfs._tcp", "storage"),
    ("_apple-mobdev2._tcp", "phone"),
    ("_hap._tcp", "home"),
    ("_matter._tcp", "home"),
    ("_hue._tcp", "home"),
    ("_esphomelib._tcp", "home"),
    ("_smb._tcp", "computer"),
    ("_workstation._tcp", "computer"),
    ("_rfb._tcp", "computer"),
)

# Words of the name that it calls itself.
_NAMES: tuple[tuple[str, DeviceKind], ...] = (
    (r"iphone|android|pixel|galaxy-[sazm]\d|oneplus|redmi|phone|handy", "phone"),
    (r"ipad|tablet|galaxy-tab|kindle|lenovo-tab", "tablet"),
    (r"printer|drucker|laserjet|officejet|deskjet|brw[0-9a-f]{12}|brn[0-9a-f]{12}|epson|canon", "printer"),
    (r"playstation|ps[345]\b|xbox|nintendo|switch-?oled|steamdeck", "console"),
    (r"chromecast|roku|firetv|fire-tv|appletv|apple-tv|bravia|webos|shield|smart-?tv|\btv\b", "tv"),
    (r"sonos|homepod|echo-|soundbar|speaker|google-home", "speaker"),
    (r"cam\b|camera|doorbell|reolink|ipcam", "camera"),
    (r"nas\b|diskstation|synology|qnap|truenas", "storage"),
    (r"router|switch\b|access-?point|\bap\b|repeater|openwrt|unifi", "network"),
    (r"shelly|tasmota|esp[-_]|sonoff|hue|tado|thermostat|plug|bulb|roomba|vacuum", "home"),
    (r"macbook|imac|laptop|notebook|thinkpad|desktop|\bpc\b|workstation|win-|raspberrypi", "computer"),
)

# Vendors that make little else. Those of everything, such as Apple and Samsung, are left out.
_VENDORS: tuple[tuple[str, DeviceKind], ...] = (
    (r"sonos|bose|harman|denon", "speaker"),
    (r"nintendo|sony interactive", "console"),
    (r"roku|vizio", "tv"),
    (r"hikvision|dahua|axis communications|reolink|arlo", "camera"),
    (r"synology|qnap", "storage"),
    (r"brother|seiko epson|canon|lexmark|kyocera", "printer"),
    (r"espressif|tuya|signify|shelly|allterco|nest labs|irobot|ecobee|tado", "home"),
    (r"ubiquiti|tp-link|netgear|mikrotik|routerboard|avm|zyxel|cisco|aruba", "network"),
    (r"hon hai|wistron|quanta|compal|liteon|intel corporate|dell|micro-star|asrock|giga-byte|raspberry", "computer"),
    (r"fairphone|oneplus|hmd global|nothing technology", "phone"),
)


def kind_of(vendor: str | None, name: str | None, services: Iterable[str]) -> DeviceKind:
    """The likely kind, or "unknown"."""
    offered = set(services)
    for service, kind in _SERVICES:
        if service in offered:
            return kind
    return _match(_NAMES, (name or "").lower()) or _match(_VENDORS, (vendor or "").lower()) or "unknown"


def _match(words: tuple[tuple[str, DeviceKind], ...], text: str) -> DeviceKind | None:
    return next((kind for pattern, kind in words if re.search(pattern, text)), None) if text else None
