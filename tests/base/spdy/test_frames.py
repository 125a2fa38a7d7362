"""The framing gives back what it was given, and survives everything else."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base import spdy
from kubeletsim.base.spdy.headers import DICTIONARY, MAX_BLOCK_BYTES, HeaderCompressor

IDS = st.integers(1, spdy.MAX_STREAM_ID)
WORDS = st.integers(0, 2**32 - 1)
NAMES = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=12)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
HEADERS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=5).map(
    lambda found: tuple((name, value) for name, values in found.items() for value in values)
)
FRAMES = st.one_of(
    st.builds(spdy.SynStream, IDS, HEADERS, st.booleans(), st.booleans(), st.integers(0, 7), IDS),
    st.builds(spdy.SynReply, IDS, HEADERS, st.booleans()),
    st.builds(spdy.MoreHeaders, IDS, HEADERS, st.booleans()),
    st.builds(spdy.RstStream, IDS, WORDS),
    st.builds(spdy.GoAway, IDS, WORDS),
    st.builds(spdy.WindowUpdate, IDS, st.integers(0, 2**31 - 1)),
    st.builds(spdy.Ping, WORDS),
    st.builds(
        spdy.Settings,
        st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**24 - 1), WORDS), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(spdy.Data, IDS, st.binary(max_size=200), st.booleans()),
)


def encoded(*frames: spdy.Frame) -> bytes:
    encoder = spdy.Encoder()
    return b"".join(encoder.encode(frame) for frame in frames)


def test_the_dictionary_is_the_one_of_spdy_3() -> None:
    # A client's first header block names its dictionary by checksum: 78 bb e3 c6 a7 c2 …
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(frames=st.lists(FRAMES, max_size=8), cut=st.integers(1, 50))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(frames: list[spdy.Frame], cut: int) -> None:
    wire, decoder = encoded(*frames), spdy.Decoder()

    received = [frame for at in range(0, len(wire), cut) for frame in decoder.feed(wire[at : at + cut])]

    assert received == frames


@given(junk=st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_crash_the_decoder_and_a_fault_is_its_last_word(junk: list[bytes]) -> None:
    decoder = spdy.Decoder()

    received = [frame for chunk in junk for frame in decoder.feed(chunk)]

    assert not any(isinstance(frame, spdy.Fault) for frame in received[:-1])


@given(frames=st.lists(FRAMES, min_size=1, max_size=4), data=st.data())
def test_a_damaged_byte_never_crashes_the_decoder(frames: list[spdy.Frame], data: st.DataObject) -> None:
    wire = bytearray(encoded(*frames))
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))

    received = spdy.Decoder().feed(bytes(wire))

    assert len(received) <= len(wire) // 8


def test_a_small_block_that_unpacks_to_a_huge_one_is_a_fault() -> None:
    bomb = HeaderCompressor().compress([("a", "x" * (MAX_BLOCK_BYTES + 1))])
    frame = b"\x80\x03\x00\x02" + (4 + len(bomb)).to_bytes(4) + b"\0\0\0\1" + bomb

    assert len(bomb) < 500
    assert spdy.Decoder().feed(frame) == [spdy.Fault(f"header block of more than {MAX_BLOCK_BYTES} bytes")]


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"\0\0\0\0GET ", "data for stream 0"),
        (b"\x80\x02\x00\x01\0\0\0\0", "frame of SPDY version 2, not 3"),
        (b"\x80\x03\x00\x01\0\xff\xff\xff", "control frame of 16777215 bytes"),
        (b"\x80\x03\x00\x06\0\0\0\x01a", "frame of type 6 with 1 bytes"),
        (b"\x80\x03\x00\x04\0\0\0\x04\0\0\0\x01", "settings of 4 bytes say that they are 1"),
        (b"\x80\x03\x00\x02\0\0\0\x06\0\0\0\x01ab", "header block cannot be unpacked: "),
        (b"\x80\x03\x00\x02\0\0\0\x04\0\0\0\x01", "header block ends early"),
    ],
)
def test_what_is_not_spdy_is_named(wire: bytes, why: str) -> None:
    (fault,) = spdy.Decoder().feed(wire)

    assert isinstance(fault, spdy.Fault)
    assert fault.why.startswith(why)


def test_a_frame_of_an_unknown_type_is_skipped() -> None:
    unknown = b"\x80\x03\x00\x0b\0\0\0\x02ab"

    assert spdy.Decoder().feed(unknown + encoded(spdy.Ping(7))) == [spdy.Ping(7)]


def test_a_frame_longer_than_the_format_allows_is_not_made() -> None:
    with pytest.raises(ValueError, match="at most 16777215"):
        spdy.Encoder().encode(spdy.Data(1, bytes(spdy.MAX_FRAME_BYTES + 1)))
