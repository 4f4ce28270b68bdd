"""The packet tracer: follows a packet through a plan's rules, routes and ruleset without a kernel (pure)."""

from app.packet_trace.host import Surroundings
from app.packet_trace.journey import PacketOutcome
from app.packet_trace.packet import Packet, unspecified
from app.packet_trace.tracer import PacketTracer

__all__ = ["Packet", "PacketOutcome", "PacketTracer", "Surroundings", "unspecified"]
