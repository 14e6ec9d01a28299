"""Write slices.txt: what numpy makes of slices. Run it from this folder.

Each line has four fields, separated by tabs: shape, slice, and either the
shape of numpy.arange(size).reshape(shape)[slice] and the CRC-32 of its
elements as little-endian int32, or "error" and a dash.
"""

import random
import zlib

import numpy

random.seed(20)
NUMBERS = [None, None, None, 0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 30, 10**30]
STEPS = [None, None, None, 1, 2, 3, 7, 40, 10**30]
SHAPES = [(), (0,), (1,), (5,), (10,), (10,), (7, 1), (4, 6), (0, 3), (3, 0), (2, 3, 4), (5, 1, 3), (3, 2, 2, 3)]
FIXED = [
    ((10,), text)
    for text in "3:-5:-1 3:-11:-1 9::-1 ::-1 ::-3 5:5 7:3 -3: :-3 -30:30 30:-30:-1 : :: -1 -10 10 -11 ::0 0:10:0 -1::-4".split()
] + [((), ""), ((), "0"), ((4, 6), ""), ((4, 6), "1"), ((4, 6), "::-1,::-1"), ((4, 6), "1,2,3")]


def number(choices):
    value = random.choice(choices)
    if value and random.random() < 0.5:
        value = -value
    return "" if value is None else str(value)


def part():
    if random.random() < 0.2:
        return str(random.randint(-6, 5))
    fields = [number(NUMBERS), number(NUMBERS)]
    if random.random() < 0.7:
        fields.append(number(STEPS))
    return ":".join(fields)


def parse(text):
    result = []
    for word in text.split(",") if text else []:
        fields = [int(field) if field else None for field in word.split(":")]
        result.append(slice(*fields) if len(fields) > 1 else fields[0])
    return tuple(result)


def line(shape, text):
    array = numpy.arange(int(numpy.prod(shape)), dtype="<i4").reshape(shape)
    try:
        result = numpy.asarray(array[parse(text)])
        outcome = "(" + ",".join(map(str, result.shape)) + ")", f"{zlib.crc32(result.tobytes()):08x}"
    except (IndexError, ValueError):
        outcome = "error", "-"
    return "\t".join(["(" + ",".join(map(str, shape)) + ")", text, *outcome])


cases = dict.fromkeys(FIXED)
while len(cases) < 3000:
    shape = random.choice(SHAPES)
    parts = random.randint(0, len(shape))
    cases[shape, ",".join(part() for _ in range(parts))] = None
with open("slices.txt", "w", encoding="ascii") as file:
    file.writelines(line(*case) + "\n" for case in cases)
