from pathlib import Path
from typing import Any

import pytest

from gru4rec import DataConfig, LoadingConfig, load_events, read_log
from gru4rec.errors import ConfigError, DataError

ABC = ["a", "b", "c"]


@pytest.fixture(autouse=True)
def _own_cache(cache_folder: Path) -> None: ...


def rows_of(folder: Path, text: str, name: str = "log.csv", **options: Any) -> dict[str, Any]:
    (folder / name).write_bytes(text.encode())
    rows: dict[str, Any] = read_log(folder / name, **options).to_pyarrow().to_pydict()
    return rows


@pytest.mark.parametrize("delimiter", ["::", "||", ";;", ", ", "; ", "\t ", "\x01", " "])
def test_delimiters_are_found_out(tmp_path: Path, delimiter: str) -> None:
    text = "a,b,c\n1,x:y,3\n4,5,6\n".replace(",", delimiter)
    expected = {"a": ["1", "4"], "b": ["x:y", "5"], "c": ["3", "6"]}
    assert rows_of(tmp_path, text) == expected
    assert rows_of(tmp_path, text, delimiter=delimiter) == expected
    rows = text.partition("\n")[2]
    assert rows_of(tmp_path, rows, column_names=ABC) == expected


@pytest.mark.parametrize("delimiter", ["::", "||", ", ", "~~~~"])
def test_long_delimiters_within_quotes_and_beside_their_characters(
    tmp_path: Path, delimiter: str
) -> None:
    text = f'"x{delimiter}y"{delimiter}b\n"1{delimiter}2"{delimiter}{delimiter[:1]}3\n'
    found = rows_of(tmp_path, text, delimiter=delimiter)
    assert found == {f"x{delimiter}y": [f"1{delimiter}2"], "b": [f"{delimiter[:1]}3"]}


def test_movielens_is_read_to_exact_events(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::1193::5::978300760\n1::661::3::978302109\n")
    names = ["user", "item", "rating", "time"]
    keys = DataConfig(session_key="user", item_key="item", time_key="time")
    for delimiter in (None, "::"):
        log = read_log(tmp_path / "ratings.dat", column_names=names, delimiter=delimiter)
        events = load_events(log, keys, LoadingConfig()).to_pandas()
        assert sorted(events["ItemId"]) == [661, 1193]
        assert sorted(events["Time"]) == [978300760, 978302109]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"x;y;z",b\n1,2\n', {"x;y;z": ["1"], "b": ["2"]}),
        ('"a, or b",c\n"1, 2",3\n', {"a, or b": ["1, 2"], "c": ["3"]}),
        ("a,,c\n1,2,3\n", {"a": ["1"], "column1": ["2"], "c": ["3"]}),
        ("a, b\n1,2\n", {"a": ["1"], "b": ["2"]}),
        ("a;b\n1,5;2\n", {"a": ["1,5"], "b": ["2"]}),
        ("Item Name\nsome thing else\n", {"Item Name": ["some thing else"]}),
        ("0,1\n5,6\n", {"0": ["5"], "1": ["6"]}),
        ("a,b", {"a": [], "b": []}),
    ],
)
def test_headers_do_not_mislead(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    assert rows_of(tmp_path, text) == expected


def test_the_number_of_names_tells_the_delimiter(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "1,5;2,5\n", column_names=["a", "b"]) == {"a": ["1,5"], "b": ["2,5"]}
    assert rows_of(tmp_path, "1;;3\n", column_names=ABC) == {"a": ["1"], "b": [None], "c": ["3"]}


@pytest.mark.parametrize("delimiter", [None, r"\s+"])
def test_runs_of_blanks_separate(tmp_path: Path, delimiter: str | None) -> None:
    text = 'a   b \t c\n1  "2   3\n  4 5 6  \n'
    expected = {"a": ["1", "4"], "b": ['"2', "5"], "c": ["3", "6"]}
    if delimiter is None:
        text, expected["b"] = text.replace('"', "").replace("\t", ""), ["2", "5"]
    assert rows_of(tmp_path, text, delimiter=delimiter) == expected


def test_a_tab_as_yaml_writes_it(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "a\tb,c\n1\t2\n", delimiter=r"\t") == {"a": ["1"], "b,c": ["2"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ""}, "delimiter: empty text separates nothing; leave it out"),
        ({"delimiter": "abcde"}, "delimiter: a delimiter has up to 4 bytes"),
        ({"delimiter": "\u20ac\u20ac"}, "delimiter: a delimiter has up to 4 bytes"),
        ({"delimiter": '"'}, "delimiter: a delimiter has no quotes"),
        ({"delimiter": 3}, "delimiter: Input should be a valid string"),
        ({"skip_lines": -1}, "skip_lines: .*greater than or equal to 0"),
        ({"skip_lines": True}, "skip_lines: a number or text is expected, not a boolean"),
        ({"comment": ""}, "comment: String should have at least 1 character"),
        ({"column_names": "abc"}, "column_names: Input should be a valid list"),
        ({"column_names": []}, "column_names: List should have at least 1 item"),
        ({"column_names": [1]}, r"column_names\.0: Input should be a valid string"),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)reading \S*log\.csv has 1 mistake.*{message}"):
        rows_of(tmp_path, "a,b\n1,2\n", **options)


# line ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ends", ["\r\n \n \r\n", "\n \r\n \n", "\r \n \r\n", "\r \r \r", "\r\n \r "]
)
def test_line_ends_of_all_kinds_are_read(tmp_path: Path, ends: str) -> None:
    first, second, third = ends.split(" ")
    text = f"a,b{first}1,x{second}2,y{third}"
    assert rows_of(tmp_path, text) == {"a": ["1", "2"], "b": ["x", "y"]}


def test_mixed_line_ends_deep_in_a_file(tmp_path: Path) -> None:
    lines = [f"{number},x{number}" for number in range(100_000)]
    text = "a,b\n" + "\n".join(lines[:99_990]) + "\n" + "\r\n".join(lines[99_990:])
    found = rows_of(tmp_path, text)
    assert [f"{a},{b}" for a, b in zip(found["a"], found["b"], strict=True)] == lines


def test_ragged_rows_are_refused_whatever_the_line_ends(tmp_path: Path) -> None:
    for row in ("1,2", "1,2,3,4"):
        (tmp_path / "log.csv").write_text(f"a,b,c\r\n1,2,3\n{row}\n", newline="")
        with pytest.raises(DataError, match=r"cannot be read: .*Line: 3.*log\.csv"):
            load_events(
                read_log(tmp_path / "log.csv"),
                DataConfig(session_key="a", item_key="b", time_key="c"),
                LoadingConfig(time_unit="ordinal"),
            )


def test_line_ends_within_quotes(tmp_path: Path) -> None:
    assert rows_of(tmp_path, 'a,b\r\n1,"x\ny"\r\n') == {"a": ["1"], "b": ["x\ny"]}


# what stands above the rows ----------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_a_first_line_for_spreadsheets(tmp_path: Path, separator: str) -> None:
    text = "sep=,\r\na,b\r\n1,2.5\r\n".replace(",", separator)
    found = rows_of(tmp_path, text)
    assert list(found) == ["a", "b"]
    quoted = text.replace(f"sep={separator}", f'"sep={separator}"')
    assert rows_of(tmp_path, quoted) == found
    rows = text.replace(f"a{separator}b\r\n", "")
    assert rows_of(tmp_path, rows, column_names=["a", "b"]) == found


def test_lines_to_skip(tmp_path: Path) -> None:
    expected = {"a": ["1"], "b": ["2"]}
    assert rows_of(tmp_path, "Report, of 2020\n\na,b\n1,2\n", skip_lines=1) == expected
    assert rows_of(tmp_path, '5" screens\nx\na,b\n1,2\n', skip_lines=2) == expected
    assert rows_of(tmp_path, "a,b,c\n1,2\n", skip_lines=1, column_names=["a", "b"]) == expected
    assert rows_of(tmp_path, "\n\na,b\n1,2\n") == expected


def test_comments_are_left_out_wherever_they_are(tmp_path: Path) -> None:
    text = "# a, b and c\n#\na,b\n1,#2\n# x\n3,4#\n#end"
    assert rows_of(tmp_path, text, comment="#") == {"a": ["1", "3"], "b": ["#2", "4#"]}
    assert rows_of(tmp_path, "#a,b\n1,2\n") == {"#a": ["1"], "b": ["2"]}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Report 2020\nof x\n\na,b\n1,2\n3,4", {}, r"1 column\(s\) in its first line, but 2 below"),
        ("# x, y, z\na,b\n1,2\n", {}, r"skip_lines, or comment for lines that begin with '#'"),
        ("a,b\n1,2,\n3,4,\n", {}, r"skip_lines: 1 and column_names"),
        ("a b\n1  2\n", {"delimiter": " "}, r"set delimiter; if"),
        ('"a" "b"\n"1" 5 6\n', {}, "are no lines of a text file with columns.* set delimiter"),
        ("a,b\n", {"skip_lines": 1}, r"no line with columns \(skip_lines is 1\)"),
        ("#x\n\n", {"comment": "#"}, r"no line with columns"),
        ("a,b\n1,2\n", {"column_names": ["a", "b"]}, "first line .* has the column_names itself"),
        ("1,1,16\n1,1,17\n", {}, "column name twice: 1, 1, 16.* looks like data.*column_names of"),
        ("a,A\n1,2\n", {}, "column name twice: a, A. Rename one; capitals do not count"),
    ],
)
def test_what_stands_above_the_rows_is_told_from_them(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(tmp_path, text, **options)


def test_files_of_a_log_begin_alike(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("sep=,\na,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"2\.csv begin after 0 lines, those of .*1\.csv after 1;"):
        read_log(f"{tmp_path}/*.csv", column_names=["a", "b"])


# without a header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["1,10,1600000000", "a,b,1.6e9", "a,b,2014-04-07T10:51:09.277Z", "a,b, 2014-04-07 10:51:09"],
)
def test_a_missing_header_is_recognised(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.csv").write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match=r"lacks .*The first line \(.*\) looks like data.*column_n"):
        load_events(read_log(tmp_path / "log.csv"), DataConfig(), LoadingConfig())
    (tmp_path / "log2.csv").write_text(f"{line}1\n")
    with pytest.raises(DataError, match=r"has other columns than .*looks like data.*column_names"):
        read_log(f"{tmp_path}/log*.csv")


@pytest.mark.parametrize("line", ["SessionId,ItemId,When", "0,1,2", "s1,i1,t1"])
def test_other_names_are_a_header(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.csv").write_text(f"{line}\n1,2,3\n")
    with pytest.raises(DataError, match=r"lacks .*Set session_key, item_key and time_key of the"):
        load_events(read_log(tmp_path / "log.csv"), DataConfig(), LoadingConfig())


def test_one_column_only_may_be_a_wrong_delimiter(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("SessionId:ItemId:Time\n1:2:3\n")
    with pytest.raises(DataError, match=r"lacks .*has more columns, set delimiter, or skip_lines"):
        load_events(read_log(tmp_path / "log.csv"), DataConfig(), LoadingConfig())


def test_atomic_files_of_recbole(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\ttimestamp:float\ttags:token_seq\n5\t7\t978300760\ta b\n"
    found = rows_of(tmp_path, text, name="ml.inter")
    assert found == {
        "user_id": ["5"],
        "item_id": ["7"],
        "timestamp": ["978300760"],
        "tags": ["a b"],
    }
    assert "user_id:token" in rows_of(tmp_path, text, name="ml.tsv")
