"""This module is SPDY/3.1's framing: from bytes to frames and back, without any I/O.

Just the part that Kubernetes speaks. Its clients and servers know no flow control, so WINDOW_UPDATE is read and means
nothing. What cannot be read ends a connection, as the compression of headers cannot be taken up again: the decoder
returns a `Fault` in the frame's place and takes nothing more. Specification: SPDY protocol draft 3.1, section 2.2 and
2.6; counterpart: github.com/moby/spdystream/spdy.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from kubeletsim.base.spdy.headers import HeaderCompressor, HeaderDecompressor, HeaderFault, Headers

VERSION = 3
MAX_FRAME_BYTES = 2**24 - 1
"""The longest frame the format can express."""
MAX_STREAM_ID = 2**31 - 1

_FLAG_FIN = 0x01
_FLAG_UNIDIRECTIONAL = 0x02
_HEAD = struct.Struct(">II")
_CONTROL_BIT = 0x80000000
_ID_MASK = 0x7FFFFFFF
_LENGTH_MASK = 0x00FFFFFF
_MAX_CONTROL_BYTES = 256 * 1024
"""Frames other than data are held until they are whole; none of Kubernetes' comes near this."""


class Type(IntEnum):
    """The types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetStatus(IntEnum):
    """Why a stream is ended at once."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


@dataclass(frozen=True, slots=True)
class SynStream:
    """A side opens a stream; a client's have odd ids."""

    stream_id: int
    headers: Headers = ()
    fin: bool = False
    unidirectional: bool = False
    priority: int = 0
    associated_id: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """The other side accepts it."""

    stream_id: int
    headers: Headers = ()
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """A stream ends at once, both ways."""

    stream_id: int
    status: int = ResetStatus.CANCEL


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by id, each with flags; nothing that Kubernetes heeds."""

    values: tuple[tuple[int, int, int], ...] = ()
    """Flags, id, value."""
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back as it is."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No further streams are accepted."""

    last_stream_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """Further headers of a stream."""

    stream_id: int
    headers: Headers = ()
    fin: bool = False


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """Flow control, which nobody here does."""

    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `fin` says that they are its last."""

    stream_id: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What was received is not SPDY/3.1; the connection cannot be used any further."""

    why: str


Frame = SynStream | SynReply | RstStream | Settings | Ping | GoAway | MoreHeaders | WindowUpdate | Data


class Encoder:
    """The sending side of a connection."""

    def __init__(self) -> None:
        self._compressor = HeaderCompressor()

    def encode(self, frame: Frame) -> bytes:
        """Return a frame's bytes; frames must be sent in the order in which they were encoded.

        Raises:
            ValueError: it is longer than a frame can be.
        """
        match frame:
            case Data(stream_id, data, fin):
                return _HEAD.pack(stream_id, (_FLAG_FIN if fin else 0) << 24 | _checked_length(data)) + data
            case SynStream():
                flags = (_FLAG_FIN if frame.fin else 0) | (_FLAG_UNIDIRECTIONAL if frame.unidirectional else 0)
                head = struct.pack(">IIBB", frame.stream_id, frame.associated_id, frame.priority << 5, 0)
                return _control(Type.SYN_STREAM, head + self._compressor.compress(frame.headers), flags)
            case SynReply(stream_id, headers, fin):
                return _control(Type.SYN_REPLY, self._with_headers(stream_id, headers), _FLAG_FIN if fin else 0)
            case MoreHeaders(stream_id, headers, fin):
                return _control(Type.HEADERS, self._with_headers(stream_id, headers), _FLAG_FIN if fin else 0)
            case RstStream(stream_id, status):
                return _control(Type.RST_STREAM, _HEAD.pack(stream_id, status))
            case GoAway(last_stream_id, status):
                return _control(Type.GOAWAY, _HEAD.pack(last_stream_id, status))
            case WindowUpdate(stream_id, delta):
                return _control(Type.WINDOW_UPDATE, _HEAD.pack(stream_id, delta))
            case Ping(ping_id):
                return _control(Type.PING, struct.pack(">I", ping_id))
            case Settings(values, fin):
                entries = b"".join(_HEAD.pack(flags << 24 | id_, value) for flags, id_, value in values)
                return _control(Type.SETTINGS, struct.pack(">I", len(values)) + entries, _FLAG_FIN if fin else 0)

    def _with_headers(self, stream_id: int, headers: Headers) -> bytes:
        return struct.pack(">I", stream_id) + self._compressor.compress(headers)


class Decoder:
    """The receiving side of a connection."""

    def __init__(self) -> None:
        self._decompressor = HeaderDecompressor()
        self._rest = bytearray()
        self._fault: Fault | None = None

    def feed(self, received: bytes) -> list[Frame | Fault]:
        """Return the frames that are whole with these bytes; a fault is the last that is ever returned."""
        if self._fault:
            return []
        self._rest += received
        frames: list[Frame | Fault] = []
        while self._fault is None and (frame := self._next()) is not None:
            if isinstance(frame, Fault):
                self._fault = frame
                self._rest.clear()
            if not isinstance(frame, _Ignored):
                frames.append(frame)
        return frames

    def _next(self) -> "Frame | Fault | _Ignored | None":
        """Take one frame off what has been received; None if none is whole."""
        if len(self._rest) < _HEAD.size:
            return None
        first, second = _HEAD.unpack_from(self._rest)
        flags, length = second >> 24, second & _LENGTH_MASK
        if first & _CONTROL_BIT:
            if (version := first >> 16 & 0x7FFF) != VERSION:
                return Fault(f"frame of SPDY version {version}, not {VERSION}")
            if length > _MAX_CONTROL_BYTES:
                return Fault(f"control frame of {length} bytes")
        elif not first:
            return Fault("data for stream 0")
        if len(self._rest) < _HEAD.size + length:
            return None
        body = bytes(self._rest[_HEAD.size : _HEAD.size + length])
        del self._rest[: _HEAD.size + length]
        if not first & _CONTROL_BIT:
            return Data(first & _ID_MASK, body, bool(flags & _FLAG_FIN))
        return self._control(first & 0xFFFF, flags, body)

    def _control(self, type_: int, flags: int, body: bytes) -> "Frame | Fault | _Ignored":
        try:
            return self._parsed(type_, flags, body)
        except HeaderFault as fault:
            return Fault(str(fault))
        except struct.error:
            return Fault(f"frame of type {type_} with {len(body)} bytes")

    def _parsed(self, type_: int, flags: int, body: bytes) -> "Frame | Fault | _Ignored":
        fin = bool(flags & _FLAG_FIN)
        match type_:
            case Type.SYN_STREAM:
                stream_id, associated_id, priority = struct.unpack_from(">IIBx", body)
                headers = self._decompressor.decompress(body[10:])
                unidirectional = bool(flags & _FLAG_UNIDIRECTIONAL)
                ids = stream_id & _ID_MASK, associated_id & _ID_MASK
                return SynStream(ids[0], headers, fin, unidirectional, priority >> 5, ids[1])
            case Type.SYN_REPLY:
                return SynReply(_stream_id(body), self._decompressor.decompress(body[4:]), fin)
            case Type.HEADERS:
                return MoreHeaders(_stream_id(body), self._decompressor.decompress(body[4:]), fin)
            case Type.RST_STREAM:
                stream_id, status = _HEAD.unpack(body)
                return RstStream(stream_id & _ID_MASK, status)
            case Type.GOAWAY:
                last_stream_id, status = _HEAD.unpack(body)
                return GoAway(last_stream_id & _ID_MASK, status)
            case Type.WINDOW_UPDATE:
                stream_id, delta = _HEAD.unpack(body)
                return WindowUpdate(stream_id & _ID_MASK, delta & _ID_MASK)
            case Type.PING:
                return Ping(struct.unpack(">I", body)[0])
            case Type.SETTINGS:
                return _settings(body, fin=fin)
        return _Ignored()


@dataclass(frozen=True, slots=True)
class _Ignored:
    """A frame of an unknown type, which the specification wants skipped."""


def _settings(body: bytes, *, fin: bool) -> Settings | Fault:
    (count,) = struct.unpack_from(">I", body)
    if len(body) != 4 + count * _HEAD.size:
        return Fault(f"settings of {len(body)} bytes say that they are {count}")
    entries = _HEAD.iter_unpack(body[4:])
    return Settings(tuple((first >> 24, first & _LENGTH_MASK, value) for first, value in entries), fin)


def _stream_id(body: bytes) -> int:
    return int(struct.unpack_from(">I", body)[0]) & _ID_MASK


def _control(type_: Type, body: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(_CONTROL_BIT | VERSION << 16 | type_, flags << 24 | _checked_length(body)) + body


def _checked_length(body: bytes) -> int:
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes: at most {MAX_FRAME_BYTES} are possible")
    return len(body)
