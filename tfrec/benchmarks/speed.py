"""``tfrec bench speed``: where the library is compared with what it replaces.

Every row is a ratio of two ways to do the same work, timed in turns in one process, so
that a slow machine slows both. Absolute numbers are of this machine and this moment.

``deepctr``, ``word2vec``, ``gru4rec`` and ``lightgcn`` compare with another library,
which they install into the user's cache and run in a process of its own. They are
measured when they are asked for by name, and by default once the library is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from tfrec.benchmarks.timing import LeftOut
from tfrec.errors import ConfigError, did_you_mean

Row = dict[str, Any]


def _neumf(batch_size: int, steps: int, at_least: float | None = None) -> Any:
    def case(quick: bool, seed: int) -> list[Row]:
        from tfrec.benchmarks.cases import neumf

        return neumf.measure(
            batch_size,
            steps // 2 if quick else steps,
            2 if quick else 5,
            seed,
            positives=100_000 if quick else 1_000_000,
            at_least=at_least,
        )

    return case


def _deepfm(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import deepfm

    steps, rounds = (6, 2) if quick else (12, 5)
    return deepfm.measure(4096, steps, rounds, seed, at_least=2.5)


def _full_ranking(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import full_ranking

    return full_ranking.measure(2 if quick else 5, seed, at_most=1.3)


def _epoch_end(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import epoch_end

    return epoch_end.measure(256, 20_000 if quick else 100_000, 2, seed)


def _deepctr(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import deepctr

    rounds = 2 if quick else 5
    rows = deepctr.measure(10_000, rounds, seed, at_least=1.3)
    return rows + deepctr.measure(1_700_000, 1 if quick else 3, seed, at_least=2.5)


def _criteo_stream(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import criteo_stream

    return criteo_stream.measure(200_000 if quick else 5_000_000, seed)


def _session_stream(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import session_stream

    return session_stream.measure(1_000_000 if quick else 20_000_000, seed)


def _tree(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import tree

    if quick:
        return tree.measure((1_000, 10_000), 20, seed)
    return tree.measure((10_000, 100_000, 1_000_000), 50, seed, growth=3.0)


def _serving(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import serving

    return serving.latency(2 if quick else 5, 20 if quick else 50, seed)


def _index_memory(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import serving

    return serving.memory(100_000 if quick else 1_000_000, seed)


def _scann(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import scann

    if quick:
        return scann.measure(100_000, 300, 15, 2, seed, at_least=1.0)
    return scann.measure(1_000_000, 1000, 30, 5, seed, at_least=5.0)


def _images(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import images

    if quick:
        return images.measure(256, 500, 2, seed)
    return images.measure(1024, 3_000, 5, seed)


def _word2vec(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import word2vec

    return word2vec.measure(2 if quick else 12, seed)


def _gru4rec(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import gru4rec

    rounds, rows = 2 if quick else 5, []
    for loss in ("bpr_max", "cross_entropy"):
        rows += gru4rec.measure(loss, rounds, seed, at_least=1.5)
    return rows


def _lightgcn(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import lightgcn

    steps, rounds = (10, 2) if quick else (40, 3)
    return lightgcn.measure(steps, rounds, seed, at_least=3.0)


def _autorec(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import autorec

    return autorec.measure(200_000 if quick else 2_000_000, seed)


def _memory(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import memory

    share = 5 if quick else 1
    return memory.measure(5_000 // share, 1_000_000 // share, seed)


def _texts(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import texts

    return texts.measure(4 if quick else 40, seed)


def _word2vec_memory(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import word2vec_memory

    return word2vec_memory.measure(1_000_000 if quick else 20_000_000, seed)


def _propagation(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import graph

    return graph.products(2 if quick else 5, seed, at_least=5.0)


def _large_graph(quick: bool, seed: int) -> list[Row]:
    from tfrec.benchmarks.cases import graph

    share = 20 if quick else 1
    return graph.large(1_000_000 // share, 100_000 // share, 20_000_000 // share, seed)


CASES: dict[str, Callable[[bool, int], list[Row]]] = {
    "neumf_256": _neumf(256, 1024, at_least=3.5),
    "neumf_4096": _neumf(4096, 128),
    "deepfm_1.7m": _deepfm,
    "full_ranking": _full_ranking,
    "epoch_end": _epoch_end,
    "criteo_stream": _criteo_stream,
    "session_stream": _session_stream,
    "serving": _serving,
    "index_memory": _index_memory,
    "scann": _scann,
    "tree": _tree,
    "propagation": _propagation,
    "large_graph": _large_graph,
    "autorec": _autorec,
    "memory": _memory,
    "texts": _texts,
    "images": _images,
    "deepctr": _deepctr,
    "word2vec": _word2vec,
    "word2vec_memory": _word2vec_memory,
    "gru4rec": _gru4rec,
    "lightgcn": _lightgcn,
}


def defaults() -> tuple[str, ...]:
    """Names of what is measured when nothing is asked for by name."""
    from tfrec.benchmarks.cases import deepctr, gru4rec, lightgcn, word2vec

    compared = {
        "deepctr": deepctr,
        "word2vec": word2vec,
        "gru4rec": gru4rec,
        "lightgcn": lightgcn,
    }
    peers = {name: case.PEER for name, case in compared.items()}
    return tuple(n for n in CASES if n not in peers or peers[n].installed)


def run(
    only: Iterable[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = warnings.warn,
) -> list[Row]:
    """Measures.

    Args:
        only: Names of ``CASES``; :func:`defaults` when None or empty.
        quick: Fewer and shorter rounds, for a first look; ratios are less certain.
        seed: Seed of all data and weights.
        say: Called with a sentence when a measurement is left out.

    Returns:
        JSON-able rows with at least ``name``, ``ours``, ``baseline``, ``unit``,
        ``ratio`` (ours / baseline), ``target`` (text, empty without one), ``met`` (bool
        or None) and ``note``. A case may give several rows.

    Raises:
        ConfigError: Unknown name.
    """
    names = list(only or defaults())
    for name in names:
        if name not in CASES:
            raise ConfigError(
                f"no speed measurement is called '{name}'; {did_you_mean(name, CASES)}"
            )
    rows: list[Row] = []
    for name in names:
        try:
            rows += CASES[name](quick, seed)
        except LeftOut as why:
            say(str(why))
    return rows
