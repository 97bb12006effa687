"""Messages to and from the page."""

import json

import numpy as np
import pytest

from gan.errors import RunError
from gan.lab.messages import Message, encode
from tests.support.lab import decode


def message(**fields):
    return Message(json.dumps({"kind": "k", "id": 1, **fields}))


def test_a_message_to_the_page_holds_its_arrays():
    arrays = {
        "a": np.arange(3, dtype=np.uint8),
        "b": np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32),
        "c": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    }
    content = encode("k", {"to": 3, "nan": [np.nan, np.float32(2)]}, arrays)
    header, got = decode(content)
    assert (header["kind"], header["to"], header["nan"]) == ("k", 3, [None, 2.0])
    for name, array in arrays.items():
        assert np.array_equal(got[name], array) and got[name].dtype == array.dtype
    starts = [int.from_bytes(content[:4], "little") + 4 + a["offset"] for a in header["arrays"]]
    assert all(start % 8 == 0 for start in starts)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"id": 1}', '{"kind": "k"}'])
def test_other_text_is_no_message(text):
    with pytest.raises(RunError, match="expected"):
        Message(text)


@pytest.mark.parametrize("value", ["1", True, 1.5, None, -1, 11, 10**30, [1]])
def test_whole_numbers_have_bounds(value):
    assert message(n=10).whole("n", 0, 10) == 10
    with pytest.raises(RunError, match="k, n: expected a whole number from 0 to 10, got .*reload"):
        message(n=value).whole("n", 0, 10)


@pytest.mark.parametrize("value", ["1", False, None, -0.1, float("nan"), float("inf"), 10**400])
def test_numbers_have_bounds(value):
    assert message(n=2).number("n", 0, 2) == 2.0
    with pytest.raises(RunError, match="expected a number from 0 to 2"):
        message(n=value).number("n", 0, 2)


@pytest.mark.parametrize(
    "value", [None, 1, [1, 2], [[1, 2], [3]], [[1, "a"]], [[1, 101]], [[1, float("nan")]], [[[1]]]]
)
def test_arrays_have_shapes_and_bounds(value):
    got = message(z=[[1, 2], [3, -100]]).numbers("z", (-1, 2), 100)
    assert got.dtype == np.float32 and got.tolist() == [[1, 2], [3, -100]]
    with pytest.raises(RunError, match="expected numbers from -100 to 100"):
        message(z=value).numbers("z", (-1, 2), 100)


@pytest.mark.parametrize("value", [None, [1], [1, 2, 3], [1, 4], [1, True], [1, 1.0]])
def test_lists_of_whole_numbers_have_lengths_and_bounds(value):
    assert message(k=[0, 3]).wholes("k", 2, 0, 3).tolist() == [0, 3]
    with pytest.raises(RunError, match="expected 2 whole numbers from 0 to 3"):
        message(k=value).wholes("k", 2, 0, 3)


def test_texts_are_short_and_known():
    assert message(s="a").text("s") == "a" == message(s="a").one_of("s", ["a", "b"])
    for wrong in ("a" * 201, 1, None):
        with pytest.raises(RunError, match="at most 200 characters"):
            message(s=wrong).text("s")
    for wrong in ("c", 1, None, ["a"]):
        with pytest.raises(RunError, match="expected one of a, b"):
            message(s=wrong).one_of("s", ["a", "b"])
