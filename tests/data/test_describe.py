import json

import numpy as np
import pytest

from tfrec.data.describe import describe
from tfrec.data.mapping import Mapping


def test_description_by_hand(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("u,i,r,t\na,1,4,30\na,2,5,10\nb,1,4,20\n")
    shown = []
    found = describe(
        path, Mapping("u", "i", "r", "t"), progress=lambda *done: shown.append(done)
    )
    assert (found.rows, found.users, found.items) == (3, 2, 2)
    assert found.density == 0.75
    assert (found.duplicates, found.missing) == (0, {})
    assert (found.first_time, found.last_time) == (10, 30)
    assert found.labels == {4.0: 2, 5.0: 1}
    assert shown[-1] == ("describing", 1.0)
    assert json.loads(json.dumps(found.to_dict()))["rows"] == 3


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_duplicates_and_missing_values_are_counted(tmp_path, block):
    # b likes 1 three times; four rows lack something, one of them two things.
    path = tmp_path / "a.csv"
    path.write_text(
        "u,i,r,t\nb,1,4,30\nb,1,4,30\nNA,2,5,10\nb,1,5,40\na,,4,\na,2,nan,50\na,2,4,60\n"
        "a,1,4,NULL\n"
    )
    with pytest.warns(UserWarning, match="4 of 8 rows were left out; missing are"):
        found = describe(path, Mapping("u", "i", "r", "t"), block_bytes=block)
    assert (found.rows, found.users, found.items, found.duplicates) == (4, 2, 2, 2)
    assert found.density == 0.5  # (b, 1) and (a, 2)
    assert found.missing == {"u": 1, "i": 1, "t": 2, "r": 1}
    assert (found.first_time, found.last_time) == (30, 60)


def test_description_of_many_labels_gives_deciles(tmp_path):
    path = tmp_path / "a.csv"
    lines = (f"{n % 5},{n % 7},{n}\n" for n in range(1001))
    path.write_text("u,i,r\n" + "".join(lines))
    found = describe(path, Mapping("u", "i", "r"))
    assert found.labels is None
    np.testing.assert_allclose(found.label_deciles, np.arange(0, 1001, 100))
