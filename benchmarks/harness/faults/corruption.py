"""Random changes of a file's bytes. Each takes a random generator and a bytearray, in place."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

IMPOSSIBLE_SIZES = [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 8, b"\x00" * 4, b"\x00\x00\x00\x80"]
EDGE = 400  # bytes at either end, where headers are


def position(rng: Random, n: int) -> int:
    """A position in n bytes; half the time near an end."""
    if n <= EDGE or rng.random() < 0.5:
        return rng.randrange(n)
    return rng.choice((0, n - EDGE)) + rng.randrange(EDGE)


def flip(rng: Random, data: bytearray) -> None:
    for _ in range(rng.randint(1, 8)):
        data[position(rng, len(data))] ^= rng.randint(1, 255)


def write_impossible_size(rng: Random, data: bytearray) -> None:
    at, size = position(rng, len(data)), rng.choice(IMPOSSIBLE_SIZES)
    data[at : at + len(size)] = size


def truncate(rng: Random, data: bytearray) -> None:
    del data[position(rng, len(data)) :]


def cut_out(rng: Random, data: bytearray) -> None:
    at = position(rng, len(data))
    del data[at : at + rng.randint(1, 64)]


def repeat(rng: Random, data: bytearray) -> None:
    at = position(rng, len(data))
    data[at:at] = data[at : at + rng.randint(1, 64)] * rng.randint(1, 3)


def erase(rng: Random, data: bytearray) -> None:
    at = position(rng, len(data))
    data[at : at + 64] = bytes(len(data[at : at + 64]))


def append(rng: Random, data: bytearray) -> None:
    data += rng.randbytes(rng.randint(1, 64))


def exchange(rng: Random, data: bytearray) -> None:
    a, b = sorted((position(rng, len(data)), position(rng, len(data))))
    data[a : a + 16], data[b : b + 16] = data[b : b + 16], data[a : a + 16]


CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    flip,
    write_impossible_size,
    truncate,
    cut_out,
    repeat,
    erase,
    append,
    exchange,
)


def corrupted(rng: Random, data: bytes) -> bytes:
    """Different bytes, made by one to three of CHANGES."""
    new = bytearray(data)
    while new == data:
        for change in rng.choices(CHANGES, k=rng.randint(1, 3)):
            if new:
                change(rng, new)
    return bytes(new)
