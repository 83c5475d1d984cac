import gzip
import lzma
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.data.readers import open_table


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(path, names=None, block_bytes=1 << 20, **options):
    file = open_table(path, **options)
    batches = list(file.batches(names or file.names(), block_bytes))
    return pa.Table.from_batches(batches).to_pydict()


def refusal(path, names=None, **options):
    with pytest.raises(ValueError) as error:
        rows(path, names, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_csv_is_text_and_counts_quoted_lines(write):
    path = write("a.csv", '\ufeffu,i\n1,"two\nlines"\n3,"a ""b"""\n')
    assert rows(path) == {"u": ["1", "3"], "i": ["two\nlines", 'a "b"']}
    assert open_table(path).place(0) == "line 2"
    assert open_table(path).place(1) == "line 4"


def test_tsv_without_header_and_compressed_csv(write):
    assert rows(write("a.tsv", "1\t2\n3\t4\n"), names=None)["1"] == ["3"]
    file = open_table(write("b.tsv", "1\t2\n3\t4\n"), names=("u", "i"))
    (batch,) = file.batches(["i"], 1 << 20)
    assert batch.to_pydict() == {"i": ["2", "4"]}
    packed = write("c.csv.gz", gzip.compress(b"u,i\n1,2\n"))
    assert rows(packed) == {"u": ["1"], "i": ["2"]}


def test_xz_is_read_in_blocks_and_its_lines_are_counted(write):
    lines = "".join(f"{n},{n % 7}\n" for n in range(5000))
    path = write("a.csv.xz", lzma.compress(f"u,i\n{lines}".encode()))
    file = open_table(path)
    batches = list(file.batches(["u"], 4096))
    assert len(batches) > 3
    whole = pa.Table.from_batches(batches).to_pydict()
    assert whole["u"] == [str(n) for n in range(5000)]
    assert file.done() == 1.0
    assert file.place(4000) == "line 4002"
    fields = write("b.libfm.xz", lzma.compress(b"1 3:1 7:1\n-1 4:1 8:1\n"))
    assert rows(fields)["field_1"] == [7, 8]


def test_blocks_cut_the_file_and_progress_ends_at_one(write):
    path = write("a.csv", "u,i\n" + "".join(f"{n},{n % 7}\n" for n in range(5000)))
    file = open_table(path)
    batches = list(file.batches(["u", "i"], 4096))
    assert len(batches) > 3
    whole = pa.Table.from_batches(batches).to_pydict()
    assert whole["u"] == [str(n) for n in range(5000)]
    assert file.done() == 1.0


def test_parquet_keeps_types(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"u": [1, 2], "g": [["a"], ["b", "c"]]}), path)
    assert rows(path, ["g", "u"]) == {"g": [["a"], ["b", "c"]], "u": [1, 2]}
    assert open_table(path).place(1) == "row 2"


def test_a_name_of_a_parquet_column_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"user": [1]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"user", b"us\xdbr"))
    assert "a.parquet is not a readable Parquet file" in refusal(path)


def test_libsvm_fields_and_bags(write):
    fields = write("a.libsvm", "1 3:1 7:1 9:0.5\n-1 4:1 8:1 9:2 # note\n\n")
    assert rows(fields) == {
        "label": [1.0, -1.0],
        "field_0": [3, 4],
        "field_1": [7, 8],
        "field_2": [0.5, 2.0],
    }
    bag = write("b.svm", "1 3:1 7:1\r\n0 4:1\n0\n")
    assert rows(bag) == {"label": [1.0, 0.0, 0.0], "features": [[3, 7], [4], []]}
    lines = "".join(f"{n % 2} {n}:1 {n + 1}:1\n" for n in range(1000))
    long = write("c.libfm", lines)
    assert rows(long, block_bytes=100)["field_1"] == list(range(1, 1001))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "u,i\n", "has no rows"),
        ("a.csv", "user,i\n1,2\n", "column 'u' missing from .*found user, i;"),
        ("a.csv", "u,i\n1,2\n3\n", "line 3 has 1 fields and the header names 2"),
        ("a.csv", "u,i\n1,2\n3,4,5\n", "line 3 has 3 fields and the header names 2"),
        ("a.csv", "u,u\n1,2\n", "two columns named 'u'"),
        ("a.csv", "u,i\n1,é\n".encode("latin-1"), "line 2 is not utf8 text"),
        ("a.foo", "u,i\n1,2\n", "format of .* is unknown from its suffix '.foo'"),
        ("a.parquet", "PAR1 and no more", "not a readable Parquet file"),
        ("a.csv.gz", "u,i\n1,2\n", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"u,i\n1,2\n" * 99, mtime=0)[:-9], "cannot be read"),
        ("a.csv.xz", "u,i\n1,2\n", "cannot be read"),
        ("a.csv.xz", lzma.compress(b"u,i\n1,2\n" * 99)[:-9], "cannot be read"),
        ("a.svm.xz", lzma.compress(b"1 1:1\n" * 99)[:-9], "cannot be read"),
        ("a.svm", "1 1:1\nx 1:1\n", "line 2 is not 'label index:value"),
        ("a.svm", "1 1:1\n1:1 2\n", "line 2 is not 'label index:value"),
        ("a.svm", "1 3:1\n1 3\r:1\n", "line 2 is not 'label index:value"),
        ("a.svm", "1 3:1 1", "line 1 is not 'label index:value"),
        ("a.svm", '1 3:1\n"1" 3:1\n', "line 2 is not 'label index:value"),
        ("a.svm", "1 3:1\n1 -1:1\n", "line 2 is not 'label index:value"),
        ("a.svm", "1 9007199254740993:1\n", "line 1 has an index beyond 9,007,199,"),
        ("a.svm", "1 1:1 2:3\n0 1:1\n", "line 1 gives an id a value other than 1"),
        ("a.svm", "\n# nothing\n", "is empty"),
    ],
)
def test_refusals_name_file_and_line(write, name, content, message):
    path = write(name, content)
    wanted = None if ".svm" in name else ["u", "i"]
    assert re.search(message, refusal(path, wanted))


def test_latin_1_is_read_when_named(write):
    path = write("a.csv", "u,i\n1,é\n".encode("latin-1"))
    assert rows(path, encoding="latin-1")["i"] == ["é"]
    assert "encoding 'latn' is unknown" in refusal(path, encoding="latn")


def test_libsvm_lines_that_change_their_form(write):
    more = write("a.svm", "1 1:1 2:1\n" * 200_000 + "0 1:1\n")
    message = refusal(more, block_bytes=1 << 20)
    assert "line 200001 has 1 entries and the lines before it 2" in message


def test_unknown_format_and_missing_file(write, tmp_path):
    assert "did you mean 'csv'" in refusal(write("a.csv", "u\n1\n"), format="cvs")
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "is a directory" in refusal(tmp_path)
