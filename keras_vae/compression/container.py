"""The file of compressed images: what it needs, then blocks, each checked before it is used."""

import json
import struct
import zlib

from keras_vae.checks import file_format, message

SUFFIX = ".kvz"
_MAGIC = b"\x89KVZ\r\n\x1a\n"
FORMAT, FORMAT_VERSION = "keras_vae compressed images", 1
# Of a part: its kind, its length, the CRC-32 of its bytes.
_HEAD = struct.Struct("<cII")
_ABOUT, _BLOCK, _END = b"A", b"B", b"E"
_TOTAL = struct.Struct("<Q")


class Writer:
    """Write a file of blocks.

    Args:
        file: binary file, open for writing.
        about: dict of JSON values.
    """

    def __init__(self, file, about):
        self._file, self._count = file, 0
        file.write(_MAGIC)
        about = {"format": FORMAT, "format_version": FORMAT_VERSION, **about}
        self._write(_ABOUT, json.dumps(about, separators=(",", ":")).encode())

    def block(self, payload, count):
        """Write a block of so many images."""
        self._count += count
        self._write(_BLOCK, payload)

    def close(self):
        """Write how many images there are, without which the file is not whole."""
        self._write(_END, _TOTAL.pack(self._count))

    def _write(self, kind, payload):
        self._file.write(_HEAD.pack(kind, len(payload), zlib.crc32(kind + payload)))
        self._file.write(payload)


class Reader:
    """Read a file of blocks.

    Args:
        file: binary file, open for reading.
        name: str, what errors call it.

    Attributes:
        about: dict of JSON values.

    Raises:
        ValueError: if it is another file, or a damaged one.
    """

    def __init__(self, file, name):
        self._file, self._name = file, name
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(
                message(
                    f"{name} must be a file that keras-vae compress wrote ({SUFFIX})", "another one"
                )
            )
        kind, payload = self._read()
        if kind != _ABOUT:
            raise self.damaged("a part is missing")
        self.about = json.loads(payload)
        file_format(name, self.about, FORMAT, FORMAT_VERSION, "Compress the images again.")

    def blocks(self):
        """Yield the payload of each block, and return how many images the file says it has."""
        while True:
            kind, payload = self._read()
            if kind == _END:
                if self._file.read(1):
                    raise self.damaged("more bytes than were written")
                return _TOTAL.unpack(payload)[0]
            yield payload

    def damaged(self, how):
        """Return the error for a file that is not as it was written."""
        return ValueError(
            message(
                f"{self._name} must be whole and unchanged",
                how,
                "Copy it again from where it came, or compress the images again.",
            )
        )

    def _read(self):
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise self.damaged("a file that is cut short")
        kind, length, expected = _HEAD.unpack(head)
        payload = self._file.read(length)
        if len(payload) < length:
            raise self.damaged("a file that is cut short")
        if zlib.crc32(kind + payload) != expected:
            raise self.damaged("bytes that were altered")
        return kind, payload
