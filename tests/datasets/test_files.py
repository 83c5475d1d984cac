import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.data.interactions import Interactions
from tfrec.data.mapping import Mapping
from tfrec.data.prepare import prepare
from tfrec.datasets import from_file
from tfrec.features import Categorical, Numeric, Sequence, Text

RATINGS = """userId,movieId,rating,time,genres,title,age,hour
u1,10,4,1000,A|B,Toy Story,30,0.5
u1,20,3,1001,,"Heat, the",30,1.5
u2,10,5,1005,A|B,Toy Story,22,
u2,30,1,1006,C,Up,22,2
"""
ROLES = ("userId", "movieId", "rating", "time")


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS)
    return path


def test_columns_are_inferred_and_encoded(ratings):
    data = from_file(
        ratings,
        *ROLES,
        columns={
            "genres": "item:bag",
            "title": "item:text",
            "age": "user:infer",
            "hour": "infer",
        },
        item_names="title",
    )
    spec = data.spec
    assert spec["userId"] == Categorical("userId", "user", vocabulary=("u1", "u2"))
    assert spec["movieId"].vocabulary == (10, 20, 30)
    assert spec["movieId"].dtype == "int64"
    assert spec["genres"].max_len == 2
    assert spec["age"].vocabulary == (22, 30)
    assert isinstance(spec["title"], Text)
    assert spec.history.max_len == 50
    np.testing.assert_allclose(spec["hour"].mean, 4 / 3)
    np.testing.assert_array_equal(data.raw("movieId"), [10, 20, 10, 30])
    np.testing.assert_array_equal(data.label, [4, 3, 5, 1])
    np.testing.assert_array_equal(data.seconds, [1000, 1001, 1005, 1006])
    np.testing.assert_array_equal(data.columns["hour"], [0.5, 1.5, np.nan, 2])
    # Rows of the side tables: padding, unknown, then 10, 20, 30 and u1, u2.
    genres = spec.decode("genres", data.items["genres"]).tolist()
    assert genres == [["", ""], ["", ""], ["A", "B"], ["", ""], ["C", ""]]
    assert spec.decode("age", data.users["age"]).tolist() == [-1, -1, 30, 22]
    assert data.item_names.tolist() == ["", "", "Toy Story", "Heat, the", "Up"]
    np.testing.assert_array_equal(
        data.items["title"][2, :2], spec.encode("title", ["Toy Story"])[0, :2]
    )


def test_small_blocks_give_the_same_interactions(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"{u},{i},{r},{t},{'|'.join(map(str, range(i % 4)))}\n"
        for u, i, r, t in zip(
            rng.integers(0, 50, 3000),
            rng.integers(0, 90, 3000),
            rng.normal(3, 1, 3000),
            rng.integers(0, 10**9, 3000),
            strict=True,
        )
    ]
    path = tmp_path / "a.csv"
    path.write_text("u,i,r,t,g\n" + "".join(lines))

    def load(block_bytes):
        columns = {"g": "item:bag", "r": "context:zscore"}
        return from_file(
            path, "u", "i", None, "t", columns=columns, block_bytes=block_bytes
        )

    whole, parts = load(1 << 22), load(2048)
    assert parts.spec.select("g") == whole.spec.select("g")
    np.testing.assert_allclose(parts.spec["r"].std, whole.spec["r"].std)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(parts.columns[name], values)
    for name, values in whole.items.items():
        np.testing.assert_array_equal(parts.items[name], values)


def test_the_four_formats_agree(tmp_path):
    rng = np.random.default_rng(1)
    users, items = rng.integers(1, 9, 50), rng.integers(10, 30, 50)
    ratings, times = rng.integers(1, 6, 50) / 2, rng.integers(0, 999, 50)
    table = pa.table({"u": users, "i": items, "r": ratings, "t": times})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = list(zip(users, items, ratings, times, strict=True))
    for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
        lines = (separator.join(map(str, row)) for row in rows)
        (tmp_path / name).write_text("\n".join([separator.join("uirt"), *lines]))
    csv, *others = (
        from_file(tmp_path / name, "u", "i", "r", "t")
        for name in ("a.csv", "a.tsv", "a.parquet")
    )
    for other in others:
        assert other.spec == csv.spec
        for name, values in csv.columns.items():
            np.testing.assert_array_equal(other.columns[name], values)
    lines = (f"{r} {u}:1 {i}:1\n" for u, i, r, _ in rows)
    (tmp_path / "a.libsvm").write_text("".join(lines))
    libsvm = from_file(tmp_path / "a.libsvm", "field_0", "field_1", "label")
    np.testing.assert_array_equal(libsvm.raw("field_0"), users)
    np.testing.assert_array_equal(libsvm.item, csv.item)
    np.testing.assert_array_equal(libsvm.label, csv.label)


def test_declared_columns_override_what_is_inferred(ratings):
    data = from_file(
        ratings,
        *ROLES,
        columns={
            "userId": Categorical("user_id", hash_bins=7),
            "movieId": "item:string",
            "age": Numeric("age", "user", normalisation="zscore"),
            "genres": Categorical("genres", "item", max_len=1),
        },
        history=None,
    )
    assert data.spec.user == "user_id"
    assert data.spec.user_column.side == "user"
    assert data.user.min() >= 1
    assert data.user.max() <= 7
    assert data.spec.item_column.vocabulary == ("10", "20", "30")
    # Of ages by row: 30, 30, 22, 22.
    assert data.spec["age"].mean == 26
    assert data.items["genres"].shape == (5, 1)
    assert data.spec.history is None


def test_min_count_and_max_size(ratings):
    rare = from_file(ratings, *ROLES, min_count=2)
    assert rare.spec.item_column.vocabulary == (10,)
    np.testing.assert_array_equal(rare.item, [2, 1, 2, 1])
    assert from_file(ratings, *ROLES, max_size=2).spec.item_column.vocabulary == (
        10,
        20,
    )


def test_time_units_and_dates(tmp_path):
    def times(text, **options):
        path = tmp_path / "a.csv"
        path.write_text(f"u,i,t\n1,1,{text}\n")
        return int(from_file(path, "u", "i", timestamp="t", **options).timestamp[0])

    second = 1_000_000
    assert times("1000000000") == 1_000_000_000 * second
    assert times("1000000000.9") == 1_000_000_000 * second + 900_000
    assert times("1000000000999", time_unit="ms") == 1_000_000_000 * second + 999_000
    assert times("1000000000123456789", time_unit="ns") == 1_000_000_000_123_456
    # date -u -d '2001-09-09 01:46:40' +%s
    assert times("2001-09-09 01:46:40.5") == 1_000_000_000 * second + 500_000
    assert times("2001-09-09") == (1_000_000_000 - 6400) * second
    with pytest.raises(ValueError, match=r"line 2.*after the year 3000.*unit='ms'"):
        times("1000000000999")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "u1,10,four,1000",
            r"ratings.csv line 6, column 'rating': 'four' is text, not",
        ),
        ("u1,10,,1000", "line 6, column 'rating': the label is missing"),
        ("u1,10,nan,1000", "line 6, column 'rating': the label is missing"),
        ("u1,10,inf,1000", "line 6, column 'rating': 'inf' is not finite"),
        ("u1,10,4,", "line 6, column 'time': the event time is missing"),
        ("u1,10,4,noon", "line 6, column 'time': 'noon' is no time that can be read"),
        ("u1,10,1e39,1000", r"column 'rating': '1e\+39' is too large for single"),
        (",10,4,1000", "line 6, column 'userId': an id is missing, as in 1 of 5 rows"),
        ("NULL,10,4,1000", "line 6, column 'userId': an id is missing"),
        ("u1,NA,4,1000", "line 6, column 'movieId': an id is missing"),
    ],
)
def test_values_that_do_not_fit_are_named_with_their_line(ratings, row, message):
    ratings.write_text(RATINGS + row + ",A,Toy,1,1\n")
    with pytest.raises(ValueError, match=message) as error:
        from_file(ratings, *ROLES)
    assert "\n" not in str(error.value)


def test_a_number_that_single_precision_cannot_hold(ratings):
    ratings.write_text(RATINGS + "u1,10,4,1000,A,Toy,1,-4e38\n")
    with pytest.raises(ValueError, match=r"column 'hour': '-4e\+38' is too large"):
        from_file(ratings, *ROLES, columns={"hour": "zscore"})


def test_text_among_numbers_and_integers(ratings):
    ratings.write_text(RATINGS + "u1,10,4,1000,A,Toy,old,late\n")
    with pytest.raises(ValueError, match="line 6, column 'hour': 'late' is text"):
        from_file(ratings, *ROLES, columns={"hour": "zscore"})
    with pytest.raises(
        ValueError, match="line 6, column 'age': 'old' is no whole number"
    ):
        from_file(ratings, *ROLES, columns={"age": "user:int64"})


def test_infinity_is_a_number_where_the_column_clips(ratings):
    ratings.write_text(RATINGS + "u1,10,4,1000,A,Toy,1,inf\n")
    with pytest.raises(ValueError, match="line 6, column 'hour': 'inf' is not finite"):
        from_file(ratings, *ROLES, columns={"hour": "zscore"})
    hour = Numeric("hour", normalisation="zscore", clip=(1.0, 4.0))
    data = from_file(ratings, *ROLES, columns={"hour": hour})
    assert data.spec["hour"].mean == pytest.approx(np.mean([1, 1.5, 2, 4]))
    # Raw values are kept: the model clips.
    np.testing.assert_array_equal(data.columns["hour"], [0.5, 1.5, np.nan, 2, np.inf])


def test_wrong_declarations(ratings):
    with pytest.raises(ValueError, match=r"'user' missing.*did you mean 'userId'"):
        from_file(ratings, "user", "movieId")
    with pytest.raises(ValueError, match="'zscor' is unknown; did you mean 'zscore'"):
        from_file(ratings, *ROLES, columns={"hour": "zscor"})
    with pytest.raises(ValueError, match="'itm' is unknown; did you mean 'item'"):
        from_file(ratings, *ROLES, columns={"genres": "itm:bag"})
    with pytest.raises(ValueError, match="one column plays two roles"):
        from_file(ratings, "userId", "userId")
    with pytest.raises(ValueError, match="declared numeric: ids are Categorical"):
        from_file(ratings, *ROLES, columns={"userId": Numeric("userId")})
    with pytest.raises(ValueError, match="time unit 'sec' is unknown"):
        from_file(ratings, *ROLES, time_unit="sec")


HISTORIES = """u,i,h,g
1,10,,A|B
2,20,10,"C"
3,30,10|20,A|C
"""
BAGS = {"h": Sequence("h", of="i", max_len=3), "g": "item:bag"}


@pytest.mark.parametrize(
    ("row", "columns", "problem"),
    [
        ('1,20,"10|20,30",A', {}, r"column 'h': '20,30' is separated by ',' where"),
        ("1,20,10;20,A", {}, r"column 'h': '10;20' is separated by ';' where the"),
        ('1,20,10,"A|B,C"', {}, r"column 'g': 'B,C' is separated by ',' where"),
        ('1,20,10,"A|B, C"', {}, r"column 'g': 'B, C' is separated by ','"),
        ('1,20,"10,20",A', {"i": "string"}, r"column 'h': '10,20' is separated"),
    ],
)
def test_mixed_separators_are_refused(ratings, row, columns, problem):
    ratings.write_text(HISTORIES + row + "\n")
    problem = f"ratings.csv line 5, {problem}"
    for block_bytes in (1 << 20, 40):
        with pytest.raises(ValueError, match=problem):
            from_file(
                ratings, "u", "i", columns=BAGS | columns, block_bytes=block_bytes
            )
    mapping = Mapping("u", "i", columns=BAGS | columns)
    with pytest.raises(ValueError, match=problem):
        prepare(
            ratings, ratings.parent / "out", mapping, "random", valid=0.25, test=0.25
        )


def test_integers_of_a_bag_are_cut_at_one_separator(ratings):
    ratings.write_text('u,i,g\n1,10,1|2\n1,11,"1|2,3"\n')
    with pytest.raises(ValueError, match=r"line 3, column 'g': '2,3' is separated by"):
        from_file(
            ratings,
            "u",
            "i",
            columns={"g": Categorical("g", "item", "int64", max_len=4)},
        )


@pytest.mark.parametrize(
    "rows",
    [
        '1,20,10,"Heat, the|A"\n',  # its parts are no ids
        '1,20,10,"A, B"\n',  # it stands alone: a name, for all one knows
        '1,20,10,"A|B, C"\n2,20,10,"C|B, C"\n',  # it is no slip
    ],
)
def test_commas_in_names_are_no_separators(ratings, rows):
    ratings.write_text(HISTORIES + rows)
    assert len(from_file(ratings, "u", "i", columns=BAGS)) == 3 + rows.count("\n")


def test_padding_in_a_list_of_a_file_is_no_entry(ratings):
    ratings.write_text("u,i,h,g\n1,10,|10||10|20|10,|A\n2,20,-1|-1|-1|20,A||B\n")
    data = from_file(ratings, "u", "i", columns=BAGS)
    histories = data.columns["h"] if "h" in data.columns else data.users["h"]
    raw = data.spec.decode("h", histories)
    np.testing.assert_array_equal(raw[-2:], [[10, 20, 10], [20, -1, -1]])
    bags = data.spec.decode("g", data.items["g"])
    assert bags[-2:, :2].tolist() == [["A", ""], ["A", "B"]]


def test_an_empty_history_is_padding(ratings):
    ratings.write_text(HISTORIES)
    data = from_file(ratings, "u", "i", columns=BAGS)
    histories = data.columns["h"] if "h" in data.columns else data.users["h"]
    assert histories[0].tolist() == [0, 0, 0]
    raw = data.spec.decode("h", histories)
    assert raw.tolist() == [[-1, -1, -1], [10, -1, -1], [10, 20, -1]]


@pytest.mark.parametrize("column", ["u", "g"])
def test_an_endless_category_is_refused(ratings, column):
    long = "x" * (1 << 20) + "y"
    row = f"{long},10,,A\n" if column == "u" else f"1,10,,A|{long}\n"
    ratings.write_text(HISTORIES + row + "1,10,,A\n")
    problem = rf"ratings.csv line 5, column '{column}': an id is 1,048,577 bytes long"
    with pytest.raises(ValueError, match=problem) as error:
        from_file(ratings, "u", "i", columns=BAGS)
    assert len(str(error.value)) < 300
    with pytest.raises(ValueError, match=r"line 5 has a value of 1,048,57\d letters"):
        from_file(ratings, "u", "i", columns=BAGS, block_bytes=1 << 16)


def test_a_column_without_values(ratings):
    ratings.write_text("userId,movieId,x\n1,2,\n1,3,\n")
    with pytest.raises(ValueError, match="column 'x': every value is missing: drop"):
        from_file(ratings, "userId", "movieId", columns={"x": "string"})
    with pytest.raises(ValueError, match=r"ratings.csv, column 'x': every value"):
        from_file(ratings, "userId", "movieId", columns={"x": "zscore"})


def test_a_file_trains_through_the_splits(ratings):
    lines = (f"u{n % 5},{n % 7},{n % 2},{n}\n" for n in range(100))
    ratings.write_text("userId,movieId,rating,time\n" + "".join(lines))
    data = from_file(ratings, *ROLES)
    assert isinstance(data, Interactions)
    train, valid, test = data.split("temporal")
    assert [len(part) for part in (train, valid, test)] == [80, 10, 10]
    queries = test.queries(test.user[:1], ("userId", "history"))
    before = train.take((train.user == test.user[0]) & (train.label > 0))
    latest = queries["history/index"][0]
    np.testing.assert_array_equal(latest[latest > 0], before.item)
