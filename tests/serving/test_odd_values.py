"""A click model, exported, asked with what no training row held."""

import csv

import numpy as np
import pytest

from tfrec import serving
from tfrec.datasets import from_file
from tfrec.features import Numeric
from tfrec.models import DeepFM

ODD = {
    "price": [np.nan, np.inf, -np.inf, 1e30, -5.0, 12.0],
    "age": [np.nan, np.inf, -np.inf, 1e30, -1e30, 30.0],
    "device": ["", "a toaster", "phone", "screen", "phone", "phone"],
}
COLUMNS = ("user", "item", "click", "device", "price", "age")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """DeepFM of a CSV with holes: every fifth price, every seventh device."""
    folder = tmp_path_factory.mktemp("odd")
    rng = np.random.default_rng(0)
    with (folder / "clicks.csv").open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(COLUMNS)
        for row in range(400):
            device = "" if row % 7 == 0 else ("phone", "screen")[row % 2]
            price = "" if row % 5 == 0 else f"{rng.uniform(1, 50):.2f}"
            user, item = f"u{rng.integers(20)}", f"i{rng.integers(30)}"
            lines.writerow([user, item, row % 2, device, price, rng.integers(18, 80)])
    data = from_file(
        folder / "clicks.csv",
        "user",
        "item",
        "click",
        columns={
            "device": "context:string",
            "price": Numeric("price", normalisation="zscore", clip=(0.0, 100.0)),
            "age": "context:quantile",
        },
    )
    model = DeepFM(data.spec, dim=4, layers=(16,), negatives=0)
    model.compile()
    model.fit(data.batches(model, 64), epochs=3, verbose=0)
    version = model.export(folder / "model")
    return serving.load(version), model


def asked(**changes):
    n = len(ODD["price"])
    return {"user": ["u1"] * n, **ODD, **changes}


def test_missing_unseen_and_out_of_range_values_score(served):
    answer = served[0].recommend(asked(user=["u1", "who", "", "u2", "u3", "u4"]), k=5)
    assert np.isfinite(answer.score).all()


def test_what_is_out_of_range_counts_as_the_end_of_the_range(served):
    def scores(price: float) -> np.ndarray:
        one = {"user": ["u1"], "device": ["phone"], "price": [price], "age": [30.0]}
        return served[0].recommend(one, k=5).score

    np.testing.assert_array_equal(scores(np.inf), scores(100.0))
    np.testing.assert_array_equal(scores(1e30), scores(100.0))
    np.testing.assert_array_equal(scores(-np.inf), scores(0.0))
    assert np.any(scores(0.0) != scores(100.0))


def test_the_export_answers_as_the_model(served):
    expected = served[1].recommend(asked(), k=5, drop_seen=False)
    np.testing.assert_allclose(
        served[0].recommend(asked(), k=5).score, expected.score, rtol=1e-4, atol=1e-5
    )


def test_a_file_with_holes_and_new_ids_is_scored(served, tmp_path):
    """The same columns from another file, through the spec of the model."""
    path = tmp_path / "later.csv"
    rows = ["u1,i1,1,,,", "new,i999,0,toaster,1e9,44", "u2,i2,0,phone,3,nan"]
    path.write_text(",".join(COLUMNS) + "\n" + "\n".join(rows) + "\n")
    later = from_file(
        path,
        "user",
        "item",
        "click",
        columns={"device": "string", "price": "number", "age": "number"},
    )
    features = {
        c.name: later.raw(c.name) if c.kind == "categorical" else later.columns[c.name]
        for c in later.spec.columns
    }
    assert np.isfinite(served[1](features)).all()
