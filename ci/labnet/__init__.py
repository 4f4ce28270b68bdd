"""A virtual LAN, ISP and Internet of network namespaces around the real gateway."""

from ci.labnet.capture import Capture, Packet
from ci.labnet.cleartext_allowlist import leaks
from ci.labnet.lab import Lab
from ci.labnet.lan import DnsAnswer
from ci.labnet.waiting import LabError

__all__ = ["Capture", "DnsAnswer", "Lab", "LabError", "Packet", "leaks"]
