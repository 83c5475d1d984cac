"""Trains gensim's Word2Vec; runs where gensim can be imported.

``python -m tfrec.benchmarks.cases.word2vec_worker FILE`` reads ``items`` and ``start``
(each user's events), ``rows`` of the item table, ``skip_gram``, ``sizes`` (dim, window,
negatives, threads, epochs, seed) and ``learned``, the file it writes input and output
vectors by item to. For every line on standard input it trains an epoch, at the learning
rates which a run of all the epochs would have there, and answers with a line of JSON.
"""

from __future__ import annotations

import json
import sys

import numpy as np

RATES = (0.025, 1e-4)  # gensim's defaults


def main() -> None:
    """Answers until its input ends."""
    from gensim.models import Word2Vec

    with np.load(sys.argv[1]) as file:
        data = dict(file)
    dim, window, negatives, threads, epochs, seed = map(int, data["sizes"])
    words = data["items"].astype(str)
    bounds = zip(data["start"][:-1], data["start"][1:], strict=True)
    users = [words[begin:end].tolist() for begin, end in bounds if end > begin]
    model = Word2Vec(
        vector_size=dim,
        window=window,
        negative=negatives,
        min_count=1,
        sample=0,
        sg=int(data["skip_gram"]),
        workers=threads,
        seed=seed,
    )
    model.build_vocab(users)
    rates = np.linspace(*RATES, epochs + 1)
    for done, _ in enumerate(sys.stdin):
        model.train(
            users,
            total_examples=len(users),
            epochs=1,
            start_alpha=rates[done],
            end_alpha=rates[done + 1],
        )
        if done == epochs - 1:
            _write(model, int(data["rows"]), str(data["learned"]))
        print(json.dumps(done), flush=True)


def _write(model: object, rows: int, path: str) -> None:
    """Vectors by item index; 0 where an item has none."""
    found = {"inputs": model.wv.vectors, "outputs": model.syn1neg}  # type: ignore[attr-defined]
    place = np.array(model.wv.index_to_key, np.int64)  # type: ignore[attr-defined]
    tables = {n: np.zeros((rows, v.shape[1]), np.float32) for n, v in found.items()}
    for name, vectors in found.items():
        tables[name][place] = vectors
    np.savez(path, **tables)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
