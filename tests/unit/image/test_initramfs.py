"""An initrd's names are read, however many archives it is made of."""

from __future__ import annotations

import gzip

from image.boards.initramfs import names


def archive(*files: tuple[str, bytes]) -> bytes:
    """A cpio archive of the kind that the kernel takes."""
    made = b""
    for name, content in (*files, ("TRAILER!!!", b"")):
        numbers = [0] * 13
        numbers[6], numbers[11] = len(content), len(name) + 1
        made += b"070701" + b"".join(b"%08x" % number for number in numbers) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + content
        made += bytes(-len(made) % 4)
    return made


def test_what_is_not_compressed_and_what_is_are_read() -> None:
    early = archive(("usr", b""), ("usr/lib/a.ko.xz", b"odd"), ("b.ko", b"070701"))
    late = archive(("bin/sh", b"#!"))
    initrd = early + bytes(512 - len(early) % 512) + gzip.compress(late)
    assert list(names(initrd, gzip.decompress)) == ["usr", "usr/lib/a.ko.xz", "b.ko", "bin/sh"]
