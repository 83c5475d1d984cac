"""citeulike-t: the articles in people's libraries, with the words of each article."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfrec.columns import Categorical, Text
from tfrec.datasets.registry import register
from tfrec.datasets.sources.folder import found
from tfrec.datasets.sources.sequences import contents
from tfrec.errors import ConfigError, DataError
from tfrec.features import FeatureSpec

if TYPE_CHECKING:
    import numpy as np

    from tfrec.data.interactions import Interactions

FOLDER = "citeulike-t"
SOURCE = "take the files of the citeulike-t repository by Wang et al."
NUMBER, COUNTED = "^[0-9]{1,9}$", "^[0-9]{1,9}:[0-9]{1,9}$"


@dataclass(frozen=True, eq=False)
class CiteULikeSplit:
    """The published parts.

    Attributes:
        train: ``p`` articles of each user.
        test: The rest of their libraries; its past is ``train``.
    """

    train: Interactions
    test: Interactions


@register("citeulike-t")
def citeulike_t(
    data_dir: Path | None = None, p: Literal[1, 10] = 10, words: int = 200
) -> CiteULikeSplit:
    """citeulike-t: 7,947 users, 25,975 articles in their libraries, 134,860 events.

    The files of Wang, Chen and Li 2013 ("Collaborative Topic Regression with Social
    Regularization") lie, plain or ``.xz``, in the folder ``citeulike-t`` of the data
    directory: ``mult.dat`` (a line is an article: how many words, and ``word:count``
    of each), ``vocabulary.dat`` (a line is a word), ``P1/train_P1_1.dat`` and its like
    (a line is a user: how many articles, and which). Ids are line numbers from 0, as
    strings. What a library holds is a set, neither order nor times are known; the split
    is the published one: ``p`` articles of each user are drawn for training. With
    ``p=10`` the 5,106 users of fewer have no event, neither in train nor in test.

    Every article, also one that nobody has in train, has its title and abstract as the
    item column ``text``, a bag of words: a word stands there as often as it occurs.
    Some words hold a hyphen or a fragment of markup; raw text that is asked about
    later is cut at those, and such words are not found in it.

    Args:
        data_dir: The data directory.
        p: Articles of each user in train, 1 or 10.
        words: Longest bag; of longer ones repetitions go first (26 articles have more
            than 160 words, one has 1,558).

    Returns:
        A :class:`CiteULikeSplit`, without label: every event is positive.

    Raises:
        ValueError: Another ``p``, or a file is missing, damaged, or not of this form.
    """
    import numpy as np

    from tfrec.data.interactions import Interactions

    if p not in (1, 10):
        raise ConfigError(f"citeulike-t has splits of p=1 and p=10, not {p}: pass one.")
    vocabulary = contents(_found(data_dir, "vocabulary.dat")).decode("utf8").split("\n")
    path = _found(data_dir, "mult.dat")
    length, word, count = _counted(path, COUNTED)
    if len(word) and word.max() >= len(vocabulary):
        raise DataError(
            f"{path} has word {word.max()} and the vocabulary holds "
            f"{len(vocabulary)}: fetch both files again."
        )
    parts, lines = [], 0
    for name in (f"P{p}/train_P{p}_1.dat", f"P{p}/test_P{p}_1.dat"):
        path = _found(data_dir, name)
        each, item, _ = _counted(path, NUMBER)
        if len(item) and item.max() >= len(length):
            raise DataError(
                f"{path} has article {item.max()} and mult.dat holds {len(length)}: "
                "fetch both files again."
            )
        parts.append((np.repeat(np.arange(len(each)), each), item))
        lines = max(lines, len(each))
    users, items = (np.concatenate(both) for both in zip(*parts, strict=True))
    spec = FeatureSpec(
        (
            Categorical("user_id", "user", vocabulary=_numbers(lines)),
            Categorical("item_id", "item", vocabulary=_numbers(len(length))),
            Text("text", "item", vocabulary=tuple(vocabulary), max_len=words),
        )
    )
    bags = _bags(length, word + spec.table("text").first, count, words)
    nobody = np.zeros((spec.item_column.first, words), np.int32)
    events = Interactions(
        spec,
        {
            "user_id": (users + spec.user_column.first).astype(np.int32),
            "item_id": (items + spec.item_column.first).astype(np.int32),
        },
        items={"text": np.concatenate([nobody, bags])},
        name="citeulike-t",
        ordered=False,
    )
    in_train = np.arange(len(events)) < len(parts[0][0])
    train = events.take(in_train, name=f"citeulike-t, P={p} train")
    test = events.take(~in_train, name=f"citeulike-t, P={p} test")
    return CiteULikeSplit(train, dataclasses.replace(test, past=train, train=train))


def _found(data_dir: Path | None, name: str) -> Path:
    return found("citeulike-t", data_dir, (f"{FOLDER}/{name}",), SOURCE)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _counted(path: Path, pattern: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines of ``how many, entry entry ...``; an empty line holds none.

    Args:
        path: The file, plain or ``.xz``.
        pattern: What an entry looks like.

    Returns:
        ``(lines,)`` int64 lengths; ``(entries,)`` int64 numbers, and counts (1 where an
        entry has none).

    Raises:
        DataError: A line of another form.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    text = contents(path).decode("utf8", "replace").removesuffix("\n")
    lines = pa.array(text.replace("\r", "").split("\n"))
    stripped = pc.utf8_trim_whitespace(lines)
    filled = pc.if_else(pc.equal(stripped, ""), "0", stripped)
    words = pc.split_pattern(filled, " ")
    lengths = pc.list_value_length(words).to_numpy()
    flat = pc.list_flatten(words)
    begin = np.cumsum(lengths) - lengths
    is_entry = np.ones(len(flat), bool)
    is_entry[begin] = False
    right = pc.match_substring_regex(flat, pattern).to_numpy(zero_copy_only=False)
    heads = flat.take(pa.array(begin))
    right[begin] = pc.match_substring_regex(heads, NUMBER).to_numpy(False)
    wrong = np.add.reduceat(right, begin, dtype=np.int64) < lengths
    wrong[~wrong] = heads.filter(pa.array(~wrong)).cast(pa.int64()) != (
        lengths[~wrong] - 1
    )
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path} line {line + 1} is not a number of entries and so many entries: "
            f"'{lines[line].as_py()[:60]}'; fetch the file again."
        )
    entries = flat.filter(pa.array(is_entry))
    if pattern == NUMBER:
        number = entries.cast(pa.int64()).to_numpy()
        return lengths - 1, number, np.ones_like(number)
    both = pc.list_flatten(pc.split_pattern(entries, ":")).cast(pa.int64())
    number, count = both.to_numpy().reshape(-1, 2).T
    return lengths - 1, number, count


def _bags(
    length: np.ndarray, word: np.ndarray, count: np.ndarray, longest: int
) -> np.ndarray:
    """``(articles, longest)`` int32 words, each as often as it occurs.

    Every word comes once before any comes again, so that a cut takes repetitions.
    """
    import numpy as np

    article = np.repeat(np.repeat(np.arange(len(length)), length), count)
    again = np.arange(len(article)) - np.repeat(np.cumsum(count) - count, count)
    words = np.repeat(word, count)
    order = np.lexsort((again, article))
    article, words = article[order], words[order]
    place = np.arange(len(article)) - np.searchsorted(article, article)
    kept = place < longest
    bags = np.zeros((len(length), longest), np.int32)
    bags[article[kept], place[kept]] = words[kept]
    return bags
