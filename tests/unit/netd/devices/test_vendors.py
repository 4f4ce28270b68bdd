"""Vendors, from the file of Debian's package ieee-data."""

from __future__ import annotations

import asyncio

from app.netd.devices.vendors import Vendors

TEXT = """OUI/MA-L                                                    Organization
company_id                                                  Organization
                                                            Address

00-22-72   (hex)\t\tAmerican Micro-Fuel Device Corp.\r
002272     (base 16)\t\tAmerican Micro-Fuel Device Corp.\r
\t\t\t\t2181 Buchanan Loop\r
DC-A6-32   (hex)\t\tRaspberry Pi  Trading Ltd\r
DCA632     (base 16)\t\tRaspberry Pi  Trading Ltd\r
70-B3-D5   (hex)\t\tIEEE Registration Authority\r
"""
KNOWN, OTHER, SMALL, MADE_UP = "00:22:72:00:00:01", "dc:a6:32:00:00:01", "70:b3:d5:00:00:01", "02:22:72:00:00:01"


def learned(path, *macs: str) -> Vendors:
    vendors = Vendors(path)
    asyncio.run(vendors.learn(macs))
    return vendors


def test_vendors_are_found_by_the_first_three_bytes(tmp_path):
    path = tmp_path / "oui.txt"
    path.write_text(TEXT)
    vendors = learned(path, KNOWN, OTHER, SMALL)
    assert vendors.of(KNOWN) == "American Micro-Fuel Device Corp."
    assert vendors.of(OTHER) == "Raspberry Pi Trading Ltd"
    assert vendors.of(SMALL) is None  # one of many small vendors, which this file does not tell apart


def test_without_the_file_every_vendor_is_unknown(tmp_path):
    vendors = learned(tmp_path / "none.txt", KNOWN)
    assert vendors.of(KNOWN) is None
    assert not vendors.lacks(KNOWN)  # and it is not asked for again and again


def test_made_up_addresses_have_no_vendor(tmp_path):
    path = tmp_path / "oui.txt"
    path.write_text(TEXT)
    vendors = learned(path, MADE_UP)
    assert vendors.of(MADE_UP) is None
    assert not vendors.lacks(MADE_UP)


def test_vendors_of_devices_that_are_gone_are_forgotten(tmp_path):
    path = tmp_path / "oui.txt"
    path.write_text(TEXT)
    vendors = Vendors(path)
    asyncio.run(vendors.learn([KNOWN]))
    asyncio.run(vendors.learn([OTHER]))
    assert vendors.of(KNOWN) is None
    assert vendors.lacks(KNOWN)
