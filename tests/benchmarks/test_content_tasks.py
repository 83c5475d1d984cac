"""Products told by words: what the words are, and what training never holds."""

import os
from pathlib import Path

import numpy as np
import pytest

from tfrec import datasets
from tfrec.benchmarks.tasks import task

DEFAULT = Path(__file__).parents[2].parent / "shared" / "data"
FOLDER = Path(os.environ.get("TFREC_DATA_DIR", DEFAULT))

pytestmark = pytest.mark.skipif(
    not (FOLDER / "amazon").is_dir(),
    reason=f"no folder amazon in {FOLDER}: set TFREC_DATA_DIR",
)


def names(data, column, row):
    found = data.spec.table(column)
    places = np.atleast_1d(row)
    return [found.vocabulary[p - found.first] for p in places if p >= found.first]


def test_the_words_of_a_product_are_its_brand_and_its_categories():
    bench = task("amazon_sports_new_words", FOLDER)
    whole = datasets.load("amazon/sports", FOLDER, history=10)
    for raw in ("1", "50", "18357"):
        (old,), (new,) = (
            data.spec.encode("item_id", [raw]) for data in (whole, bench.train)
        )
        brand = [f"brand{b}" for b in names(whole, "brand", whole.items["brand"][old])]
        kinds = names(whole, "categories", whole.items["categories"][old])
        words = names(bench.train, "attributes", bench.train.items["attributes"][new])
        assert words == [*brand, *map(str, kinds)] and kinds


def test_training_holds_no_event_of_a_new_product():
    new = task("amazon_sports_new_words", FOLDER)
    held_out = set(new.protocol.among)
    assert set(new.test.item) <= held_out
    assert not held_out & (set(new.train.item) | set(new.valid.item))
    known = task("amazon_sports_known_words", FOLDER)
    assert len(known.train) + len(known.valid) + len(known.test) == len(new.train)
