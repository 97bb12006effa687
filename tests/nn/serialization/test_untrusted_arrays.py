"""Arrays of other dtypes, shapes and values in otherwise sound archives."""

import io
import warnings

import numpy as np
import pytest

from nn import ByhandError
from tests.nn.serialization.untrusted import (
    READERS,
    classified,
    is_refused,
    members,
    npy,
    sampled,
    save_generator,
    save_small_classifier,
    write,
)

DTYPES = [
    ">f4",
    ">f8",
    ">u1",
    ">i8",
    "f2",
    "f8",
    "longdouble",
    "c8",
    "bool",
    "i1",
    "u8",
    "U3",
    "S3",
    "V4",
    "M8[s]",
    "O",
    [("a", "f4")],
    [("a", "O")],
]


def loaded(data):
    """The array in the bytes of an .npy file."""
    return np.load(io.BytesIO(data))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["weights", "classify", "resume", "samples"])
def test_array_of_another_dtype_is_read_correctly_or_refused(tmp_path, name, dtype):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    want, content = reader.read(path), members(path)
    kind = np.dtype(dtype).kind
    for member in [member for member in content if "adam" not in member and "D." not in member]:
        array = loaded(content[member])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = np.zeros(array.shape, dtype) if kind in "MV" else array.astype(dtype)
        write(path, content | {member: npy(converted)})
        is_refused(want, reader, path)
        if np.dtype(dtype).hasobject or kind in "cUSVM":
            assert is_refused("nothing", reader, path), member


def test_fortran_order_is_read_correctly(reader, sound_file):
    path, content = sound_file
    want = reader.read(path)
    write(path, {name: npy(np.asfortranarray(loaded(data))) for name, data in content.items()})
    assert any(b"'fortran_order': True" in data for data in members(path).values())
    assert not is_refused(want, reader, path)


@pytest.mark.parametrize(
    "shape",
    ["(1000000000,)", "(1000000, 1000000)", "(0,)", "(-1,)", "()", "(0, 10000000000000)", "[3]"],
)
@pytest.mark.parametrize("name", ["weights", "resume", "samples"])
def test_array_of_another_shape_is_refused(tmp_path, name, shape):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    content = members(path)
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    for member, data in content.items():
        if "adam" not in member and loaded(data).size:
            write(path, content | {member: array})
            assert is_refused("nothing", reader, path), member


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weights", "classify", "resume", "samples"])
def test_array_that_is_not_finite_is_refused(tmp_path, name, value):
    reader, path = READERS[name], tmp_path / "file.npz"
    reader.save(path)
    content = members(path)
    for member, data in content.items():
        array = loaded(data)
        if array.dtype.kind == "f" and array.size:
            array.flat[array.size // 2] = value
            write(path, content | {member: npy(array)})
            assert is_refused("nothing", reader, path), member


def test_weights_that_overflow_are_an_error(tmp_path):
    """Finite weights that give infinite or NaN results; no warning is printed."""
    path = tmp_path / "file.npz"
    for save, read, name, value in (
        (save_generator, sampled, "G/1.running_var.npy", -1),
        (save_small_classifier, classified, "classifier/2.W.npy", 3e38),
    ):
        save(path)
        content = members(path)
        write(path, content | {name: npy(np.full_like(loaded(content[name]), value))})
        with pytest.raises(ByhandError, match="expected finite"):
            read(path)
