"""A virtual LAN, ISP and Internet of network namespaces around the real gateway."""

from ci.labnet.capture import Capture, Packet, leaks
from ci.labnet.lab import Lab, LabError

__all__ = ["Capture", "Lab", "LabError", "Packet", "leaks"]
