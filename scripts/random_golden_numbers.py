#!/usr/bin/env python3
"""Prints the golden numbers of src/random.rs from an independent ChaCha8 in Python.
The stream: the key is the seed (8 bytes, little-endian), the domain tag (8 bytes) and zeros. The
block counter starts at 0, and the index is the nonce, 64 bits each. Two 32-bit words make a number;
its upper 53 bits times 2^-53 are the uniform number. Normal numbers are made by the Box–Muller
method. Python's log, sin and cos may differ from libm's in the last digit.
"""
import math
import struct


def quarter(s, a, b, c, d):
    for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        v = s[z] ^ s[x]
        s[z] = ((v << r) | (v >> (32 - r))) & 0xFFFFFFFF


def words(key, index):
    counter = 0
    while True:
        start = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key))
        start += [counter & 0xFFFFFFFF, counter >> 32, index & 0xFFFFFFFF, index >> 32]
        s = start[:]
        for _ in range(4):
            for i in range(4):
                quarter(s, i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        yield from ((a + b) & 0xFFFFFFFF for a, b in zip(s, start))
        counter += 1


def units(seed, tag, index):
    stream = words(struct.pack("<QQ16x", seed, tag), index)
    while True:
        low, high = next(stream), next(stream)
        yield ((high << 32 | low) >> 11) * 2.0**-53


def uniform(seed, tag, index, length):
    stream = units(seed, tag, index)
    return [next(stream) for _ in range(length)]


def normal(seed, tag, index, length):
    stream, numbers = units(seed, tag, index), []
    while len(numbers) < length:
        radius = math.sqrt(-2.0 * math.log(1.0 - next(stream)))
        angle = math.tau * next(stream)
        numbers += [radius * math.cos(angle), radius * math.sin(angle)]
    return numbers[:length]


if __name__ == "__main__":
    for numbers in (normal(1, 2, 0, 4), normal(7, 3, 2**64 - 1, 3), uniform(1, 1, 2, 3)):
        print(*(f"{struct.unpack('<Q', struct.pack('<d', x))[0]:#018x}" for x in numbers))
