"""The IDX reader, on intact and damaged bytes that are packed by hand, and the writer."""

import gzip
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.data import idx
from gan.data.idx import read_idx, write_idx
from gan.errors import DataError

# code: (struct's letter, NumPy's name, values at the type's edges)
ELEMENTS = {
    0x08: ("B", "uint8", [0, 1, 127, 128, 254, 255]),
    0x09: ("b", "int8", [-128, -1, 0, 1, 126, 127]),
    0x0B: ("h", "int16", [-32768, -2, 0, 1, 258, 32767]),
    0x0C: ("i", "int32", [-(2**31), -1, 0, 1, 2**24 + 3, 2**31 - 1]),
    0x0D: ("f", "float32", [-1.5, 0.0, 2.0**-126, 1.0, 3.25, math.inf]),
    0x0E: ("d", "float64", [-1e300, 0.0, 5e-324, 0.1, 3.25, -math.inf]),
}
SHAPES = [(6,), (2, 3), (1, 2, 3), (3, 1, 1, 2), (1,) * 20 + (6,)]


def pack(code, shape, values):
    head = bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", size) for size in shape)
    return head + b"".join(struct.pack(">" + ELEMENTS[code][0], value) for value in values)


SMALL = pack(0x0B, (2, 3), [1, -2, 300, 4, 5, 6])


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{len(shape)}d")
@pytest.mark.parametrize("code", ELEMENTS)
def test_every_type_and_number_of_dimensions(code, shape, wrap):
    _, dtype, values = ELEMENTS[code]
    array = read_idx(wrap(pack(code, shape, values)))
    assert array.dtype == dtype and array.dtype.isnative and array.flags.writeable
    assert array.shape == shape
    assert array.ravel().tolist() == values


def test_a_scalar_and_an_empty_array():
    assert read_idx(pack(0x0D, (), [2.5])).tolist() == 2.5
    assert read_idx(pack(0x08, (0, 28, 28), [])).shape == (0, 28, 28)


@pytest.mark.parametrize("name", ["a.gz", "a"])  # the content decides, not the name
def test_from_a_path(tmp_path, name):
    for content in (SMALL, gzip.compress(SMALL)):
        (tmp_path / name).write_bytes(content)
        for path in (tmp_path / name, str(tmp_path / name)):
            assert read_idx(path).tolist() == [[1, -2, 300], [4, 5, 6]]


def assert_refused(tmp_path, content, *words):
    """Reading this content fails with a message that names the file and holds all words."""
    path = tmp_path / "digits.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    for word in (str(path), "expected", "got", "fetch", *words):
        assert word in str(caught.value)


def test_truncated_at_every_byte(tmp_path):
    for end in range(len(SMALL)):
        assert_refused(tmp_path, SMALL[:end], "truncated")
    packed = gzip.compress(SMALL)
    for end in range(2, len(packed)):
        assert_refused(tmp_path, packed[:end], "truncated")


def test_truncated_idx_in_an_intact_gzip_stream(tmp_path):
    for end in range(len(SMALL)):
        assert_refused(tmp_path, gzip.compress(SMALL[:end]), "truncated")


def test_trailing_bytes(tmp_path):
    assert_refused(tmp_path, SMALL + b"\0", "12 bytes", "more")
    assert_refused(tmp_path, gzip.compress(SMALL + b"\0"), "12 bytes", "more")
    assert_refused(tmp_path, gzip.compress(SMALL) + b"junk", "damaged")


def test_a_damaged_gzip_stream(tmp_path):
    packed = gzip.compress(SMALL)
    assert_refused(tmp_path, packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "damaged", "CRC")
    assert_refused(tmp_path, packed[:12] + b"\xff" * 8 + packed[20:], "damaged")
    assert_refused(tmp_path, b"\x1f\x8b" + b"not gzip" * 9, "damaged")


def test_not_idx(tmp_path):
    assert_refused(tmp_path, b"<html>403</html>", "magic", "3c 68 74 6d")
    assert_refused(tmp_path, gzip.compress(b"PNG or so"), "magic")
    assert_refused(tmp_path, b"\0\1" + SMALL[2:], "magic", "00 01 0b 02")
    assert_refused(tmp_path, b"\0\0\x0a" + SMALL[3:], "0x0a", "0x08, 0x09, 0x0b")


def test_more_dimensions_than_numpy_has(tmp_path):
    assert_refused(tmp_path, pack(0x08, (1,) * 255, [7]), "255 dimensions")
    assert_refused(tmp_path, pack(0x08, (0,) + (2**32 - 1,) * 3, []), "shape")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="absent.gz: expected an IDX file, got no file"):
        read_idx(tmp_path / "absent.gz")
    with pytest.raises(DataError, match="expected a readable IDX file"):
        read_idx(tmp_path)


def peak_while_refusing(content):
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_by_the_content_and_not_the_header():
    terabytes = pack(0x0E, (2**20, 2**20), [1.0] * 100)
    assert peak_while_refusing(terabytes) < 2**20
    assert peak_while_refusing(gzip.compress(terabytes)) < 2**21
    assert peak_while_refusing(pack(0x0E, (2**32 - 1,) * 60, [1.0])) < 2**20


def test_a_gzip_bomb_is_not_unpacked():
    bomb = gzip.compress(pack(0x08, (10,), []) + bytes(2**26))
    assert len(bomb) < 2**17
    assert peak_while_refusing(bomb) < 2**22


def test_a_gzip_bomb_that_keeps_its_promise_is_not_unpacked(tmp_path, monkeypatch):
    """Its header tells its true size; the limit is twice what MNIST's largest file needs."""
    assert idx.MAX_EXPANSION > 2 * (60_000 * 784 - 9_912_422)
    bomb = gzip.compress(pack(0x08, (2**26,), []) + bytes(2**26))
    monkeypatch.setattr(idx, "MAX_EXPANSION", 2**26 + 16 - len(bomb))
    assert read_idx(bomb).shape == (2**26,)
    monkeypatch.setattr(idx, "MAX_EXPANSION", 2**26 - 1 - len(bomb))
    assert peak_while_refusing(bomb) < 2**20
    assert_refused(tmp_path, bomb, "at most 67,108,863 bytes", "67,108,864", "gunzip")


@pytest.mark.parametrize("code", [0x0C, 0x0D])
def test_converting_the_byte_order_takes_no_extra_memory(code):
    content = pack(code, (2**22,), []) + bytes(2**24)
    tracemalloc.start()
    read_idx(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * 2**24


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=24), st.booleans())
def test_any_header_is_read_or_refused(head, zipped):
    content = head + SMALL[len(head) :]
    try:
        array = read_idx(gzip.compress(content) if zipped else content)
    except DataError:
        return
    assert content[:2] == b"\0\0" and array.ndim == content[3]
    assert 4 + 4 * array.ndim + array.nbytes == len(content)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_to_a_gzip_stream_is_detected_or_harmless(data):
    packed = bytearray(gzip.compress(SMALL, mtime=0))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert read_idx(packed).tolist() == [
            [1, -2, 300],
            [4, 5, 6],
        ]  # such as a changed time stamp
    except DataError:
        pass


@pytest.mark.parametrize("code", ELEMENTS)
def test_the_writer_gives_the_bytes_packed_by_hand(tmp_path, code):
    _, dtype, values = ELEMENTS[code]
    expected = pack(code, (2, 3), values)
    array = np.array(values, dtype).reshape(2, 3)
    for each in (array, array.astype(array.dtype.newbyteorder()), np.asfortranarray(array)):
        write_idx(tmp_path / "a", each)
        assert (tmp_path / "a").read_bytes() == expected
        write_idx(tmp_path / "a.gz", each)
        assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == expected
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)  # no time stamp
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.gz"]


def test_the_writer_refuses_what_idx_cannot_hold(tmp_path):
    with pytest.raises(DataError, match="int64"):
        write_idx(tmp_path / "a", np.arange(3))
    assert not list(tmp_path.iterdir())
