"""How good files are spoiled: bytes, cells of a table, parts of a JSON document."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

# What has gone wrong in readers before, of this project and of others.
WORDS = (
    *("", " ", "0", "-0", "-1", "+5", " 5 ", "1.0", ".5", "5.", "1e5", "0x10", "1_000"),
    *("1e39", "-1e39", "1e300", "1e309", "1e-400", "nan", "inf", "-Infinity", "NA"),
    *("9007199254740993", "9223372036854775808", "18446744073709551616", "9" * 40),
    *("true", "No", "\u0663", "\uff11", "\u00e9", "\ufeff", "a|b", "a,b", "a;b"),
    *("20231114", "2023-02-30", "2023-11-14T22:13:20.1234567Z", "24:00", "1700000000"),
    *(
        '"',
        '""',
        '"a',
        "\0",
        "#",
        ":",
        "1:1",
        "3:1e400",
        "-3:1",
        "1:2:3",
        "\t",
        "\u2028",
    ),
)
BREAKS = (b"\n", b"\r", b"\r\n", b"\n\n", b"\xff", b"\x80", b"\xef\xbb\xbf", b"\x1a")

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from((0, 1, -1, 2**31, 2**63, 10**400, 0.5, 1e300))
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(("string", "int64", "user", "numeric", "../up", "\0")),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab"), part),
    max_leaves=4,
)


@st.composite
def edited(draw: st.DrawFn, content: bytes, words: Sequence[bytes] = ()) -> bytes:
    """A content with one to three spans replaced, repeated or cut off."""
    words = (*words, *BREAKS, *(word.encode() for word in WORDS))
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.sampled_from((0, 1, 2, 5, 1000))))
        new = draw(st.sampled_from(words) | st.binary(max_size=4))
        if draw(st.booleans()):
            new = content[begin:end] * draw(st.integers(0, 3))
        content = content[:begin] + new + content[end:]
    return content


@st.composite
def edited_cells(draw: st.DrawFn, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """A table, with its header, of which one to three cells are other words."""
    table = [list(row) for row in rows]
    for _ in range(draw(st.integers(1, 3))):
        row = table[draw(st.integers(1, len(table) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(
            st.sampled_from(WORDS) | st.text(max_size=3)
        )
    return table


@st.composite
def edited_json(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """A document with one to two parts replaced, left out or added."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        inside = list(_containers(document))
        part = inside[draw(st.integers(0, len(inside) - 1))]
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not keys or draw(st.integers(0, 9)) == 0:
            if isinstance(part, dict):
                part[draw(st.text(max_size=3))] = draw(JSON)
            else:
                part.append(draw(JSON))
            continue
        key = draw(st.sampled_from(keys))
        if draw(st.integers(0, 3)) == 0:
            del part[key]
        else:
            part[key] = draw(JSON)
    return json.dumps(document).encode()


def _containers(part: Any) -> Any:
    if isinstance(part, dict | list):
        yield part
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _containers(inner)
