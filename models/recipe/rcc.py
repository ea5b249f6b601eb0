"""Reader of Qt's binary resource files (.rcc): a tree of names, with plain or zlib-packed payloads."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

IS_ZLIB = 0x01
IS_FOLDER = 0x02
IS_ZSTD = 0x04
NAME_HEADER = 6  # length as u16, hash as u32


class RccError(ValueError):
    """A resource file that cannot be read."""


@dataclass(frozen=True)
class Resources:
    """A resource file, and where its three tables begin. All numbers in it are big-endian."""

    data: bytes
    tree: int
    payloads: int
    names: int
    node_size: int

    def files(self, node: int = 0, folder: str = "") -> Iterator[tuple[str, int]]:
        """Path and node of every file below a folder's node; the root is node 0 and has no name."""
        count, first = struct.unpack_from(">II", self.data, self._at(node) + 6)
        for child in range(first, first + count):
            path = folder + self._name(child)
            if self._flags(child) & IS_FOLDER:
                yield from self.files(child, path + "/")
            else:
                yield path, child

    def content(self, node: int) -> bytes:
        """The bytes of a file's node."""
        flags = self._flags(node)
        start = self.payloads + struct.unpack_from(">I", self.data, self._at(node) + 10)[0]
        (size,) = struct.unpack_from(">I", self.data, start)
        packed = self.data[start + 4 : start + 4 + size]
        if flags & IS_ZSTD:
            raise RccError("a payload is packed with zstd, which this reader does not know")
        # Qt writes the unpacked size in four bytes before the zlib stream.
        return zlib.decompress(packed[4:]) if flags & IS_ZLIB else packed

    def _at(self, node: int) -> int:
        return self.tree + node * self.node_size

    def _flags(self, node: int) -> int:
        return struct.unpack_from(">H", self.data, self._at(node) + 4)[0]

    def _name(self, node: int) -> str:
        start = self.names + struct.unpack_from(">I", self.data, self._at(node))[0]
        (length,) = struct.unpack_from(">H", self.data, start)
        return self.data[start + NAME_HEADER : start + NAME_HEADER + 2 * length].decode("utf-16-be")


def read_resources(data: bytes) -> Resources:
    """Opens a resource file by its header. From version 2 on every node ends with a time of eight bytes."""
    try:
        magic, version, tree, payloads, names = struct.unpack_from(">4sIIII", data)
    except struct.error as error:
        raise RccError("shorter than a header") from error
    if magic != b"qres":
        raise RccError("no Qt resource file: it does not begin with `qres`")
    return Resources(data, tree, payloads, names, 14 if version < 2 else 22)


def read_files(data: bytes, wanted: set[str]) -> dict[str, bytes]:
    """The wanted files of a resource file, by path."""
    try:
        resources = read_resources(data)
        return {path: resources.content(node) for path, node in resources.files() if path in wanted}
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise RccError(f"damaged: {error}") from error
