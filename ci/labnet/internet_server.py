"""The servers of the lab's Internet, run inside its host: UDP echo, NTP, and a web server that answers with the
caller's address or any number of bytes.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from typing import cast

NTP_EPOCH = 2208988800  # seconds from 1900 to 1970 (RFC 5905)


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(10):
            request = (await reader.readline()).decode("latin-1").split()
            while (await reader.readline()).strip():
                pass
        address = writer.get_extra_info("peername")[0].removeprefix("::ffff:")
        wants_json = len(request) > 1 and request[1].startswith("/json")
        body = json.dumps({"ip": address}) if wants_json else f"{address}\n"
        kind = "application/json" if wants_json else "text/plain"
        if len(request) > 1 and request[1].startswith("/bytes/"):
            body = "\0" * int(request[1].removeprefix("/bytes/"))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}{body}".encode())
        await writer.drain()
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cast("asyncio.DatagramTransport", self.transport).sendto(self.answer(data), addr)

    def answer(self, data: bytes) -> bytes:
        return data


class Ntp(Echo):
    def answer(self, data: bytes) -> bytes:
        now = time.time() + NTP_EPOCH
        stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
        return struct.pack(">BBbb", 0x24, 1, 4, -20) + b"\0" * 8 + b"LAB\0" + stamp + data[40:48] + stamp + stamp


async def main() -> None:
    loop = asyncio.get_running_loop()
    servers = [await asyncio.start_server(web, host, 80) for host in ("0.0.0.0", "::")]
    for port, protocol in ((9, Echo), (123, Ntp)):  # a socket bound to :: takes IPv4 as well
        await loop.create_datagram_endpoint(protocol, local_addr=("::", port))
    print("ready", flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
