"""A parser of flattened device trees (Devicetree Specification, chapter 5), as the firmware passes them to the kernel.

Values stay the bytes that they are. dtc's text does not tell cells from strings where bytes can be read as either, and
libfdt for Python has to be built on each machine.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAGIC = 0xD00DFEED
BEGIN, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9  # tokens of the structure block


class DeviceTreeError(Exception):
    """The bytes are not a flattened device tree."""


@dataclass(eq=False)
class Node:
    name: str
    parent: Node | None = None
    properties: dict[str, bytes] = field(default_factory=dict[str, bytes])
    children: dict[str, Node] = field(default_factory=dict[str, "Node"])

    @property
    def path(self) -> str:
        above = self.parent.path if self.parent else ""
        return f"{above.rstrip('/')}/{self.name}"

    @property
    def enabled(self) -> bool:
        """Whether the kernel creates a device for the node: neither the node nor one of its parents is disabled."""
        on = self.strings("status") in {(), ("okay",), ("ok",)}
        return on and (self.parent is None or self.parent.enabled)

    @property
    def compatible(self) -> tuple[str, ...]:
        return self.strings("compatible")

    def strings(self, name: str) -> tuple[str, ...]:
        """The strings of a property; none where the node has no such property."""
        value = self.properties.get(name, b"")
        return tuple(part.decode() for part in value.removesuffix(b"\0").split(b"\0")) if value else ()

    def cells(self, name: str) -> tuple[int, ...]:
        """The 32-bit numbers of a property; none where the node has no such property."""
        value = self.properties.get(name, b"")
        return struct.unpack(f">{len(value) // 4}I", value[: len(value) // 4 * 4])

    def walk(self) -> Iterator[Node]:
        """The node and all that is below it."""
        yield self
        for child in self.children.values():
            yield from child.walk()


class DeviceTree:
    """The nodes, found by path, alias or phandle."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._by_phandle = {node.cells("phandle")[0]: node for node in root.walk() if node.cells("phandle")}

    def __iter__(self) -> Iterator[Node]:
        return self.root.walk()

    def by_phandle(self, phandle: int) -> Node | None:
        return self._by_phandle.get(phandle)

    def at(self, path: str) -> Node | None:
        """The node of a full path, or of a path that begins with an alias."""
        if not path.startswith("/"):
            alias, _, rest = path.partition("/")
            aliases = self.root.children.get("aliases", Node("aliases"))
            path = "/".join([*aliases.strings(alias), *filter(None, [rest])])
            if not path:
                return None
        node: Node | None = self.root
        for name in filter(None, path.split("/")):
            node = node.children.get(name) if node else None
        return node


def read(blob: bytes) -> DeviceTree:
    """The device tree in a .dtb. Raises DeviceTreeError."""
    try:
        return DeviceTree(_nodes(blob))
    except (struct.error, IndexError, ValueError) as error:
        raise DeviceTreeError(f"the device tree is damaged: {error}") from None


def _nodes(blob: bytes) -> Node:
    magic, _, structure, strings = struct.unpack_from(">4I", blob)
    if magic != MAGIC:
        raise DeviceTreeError("this is no flattened device tree")
    offset = structure
    above: list[Node] = []
    while True:
        (token,) = struct.unpack_from(">I", blob, offset)
        offset += 4
        if token == BEGIN:
            name = _text(blob, offset)
            offset = _aligned(offset + len(name) + 1)
            node = Node(name, above[-1] if above else None)
            if above:
                above[-1].children[name] = node
            above.append(node)
        elif token == END_NODE:
            node = above.pop()
            if not above:
                return node
        elif token == PROPERTY:
            size, name_at = struct.unpack_from(">2I", blob, offset)
            offset += 8
            above[-1].properties[_text(blob, strings + name_at)] = blob[offset : offset + size]
            offset = _aligned(offset + size)
        elif token != NOP:
            raise DeviceTreeError(f"the device tree is damaged: token {token}")


def _text(blob: bytes, offset: int) -> str:
    return blob[offset : blob.index(b"\0", offset)].decode()


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def differences(one: DeviceTree, other: DeviceTree, ignored: frozenset[str] = frozenset()) -> list[str]:
    """The differences of two trees, except ``ignored`` properties: the path of a missing node, or ``path property``."""
    nodes = [{node.path: node for node in tree} for tree in (one, other)]
    found = sorted(nodes[0].keys() ^ nodes[1].keys())
    for path in sorted(nodes[0].keys() & nodes[1].keys()):
        left, right = nodes[0][path].properties, nodes[1][path].properties
        names = (left.keys() | right.keys()) - ignored
        found += [f"{path} {name}" for name in sorted(names) if left.get(name) != right.get(name)]
    return found
