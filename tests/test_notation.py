"""How numbers are written: one cell, one column, and what the columns of a table say to one another."""

import numpy as np
import openpyxl
import polars as pl
import pytest

from pellucid import PellucidError
from pellucid.data.read import read_data
from pellucid.data.read_new import read_new
from pellucid.fields.notation import weigh_marks
from pellucid.fields.number import parse_numbers


@pytest.mark.parametrize(
    ("cells", "decimal", "expected"),
    [
        (["1,200", "$5", "n/a", "tall"], ".", [1200, 5, None, None]),
        (["1.200", "12,5 %", "3.5"], ",", [1200, 12.5, None]),
        (["12,34,567", "1,23,456.50", "56,789", "999"], ".", [1234567, 123456.5, 56789, 999]),
        (["1'234.50", "12.–", "12.-", "8.—"], ".", [1234.5, 12, 12, None]),
        (["(12,443.34)", "(7)", "$ (3.50)", "($3.50)"], ".", [-12443.34, -7, -3.5, -3.5]),
        (["120-", "−5", "-5", "+5"], ".", [-120, -5, -5, 5]),
        (["USD 1,200.50", "CHF 3.20", "12.50 EUR", "R$ 5", "US$5", "Rs. 1,00,000", "5 kr"], ".",
         [1200.5, 3.2, 12.5, 5, 5, 100000, 5]),
        (["1,234E-05", "-1,5e3", "2"], ",", [1.234e-05, -1500, 2]),
        (["1\u202f234,567", "1 234", "12 34"], ",", [1234.567, 1234, None]),
        (["١٢٫٥", "٣", "１２", "१२"], ".", [12.5, 3, 12, 12]),
        (["0,125", "1,5", "12-13", "3 cm", "abc (3)"], ".", [None] * 5),
    ],
)  # fmt: skip
def test_a_cell_is_read_as_the_mark_says(cells, decimal, expected):
    assert parse_numbers(pl.Series(cells, dtype=pl.String), decimal)[0].to_list() == expected


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["1,5", "2,125"], ","),
        (["12,125", "13,456"], ""),
        (["12.125", "13.456"], ""),
        # Shorter numbers without a mark: the others are grouped.
        (["12,125", "856", "1,200", "9,999"], "."),
        (["12.500", "900", "3.400", "4.333"], ","),
        # A long number that is not grouped.
        (["1200", "12,125"], ","),
        (["12,34,567", "1,000"], "."),
        (["1.234.567", "1.000"], ","),
        (["1,234E-05"], ","),
        (["0.125", "1.500"], "."),
        (["-5.581,94"], ","),
        (["5", "7"], ""),
    ],
)
def test_the_cells_of_a_column_say_which_mark_stands_before_decimals(cells, decimal):
    marks = weigh_marks(cells)
    assert marks.numeric
    assert marks.decimal == decimal


@pytest.mark.parametrize("cells", [["yes", "no"], ["1,2,3", "4,5,6,7", "1,2"], ["10.0.0.1", "10.0.0.2"], ["a1", "b2"]])
def test_words_and_lists_are_no_numbers(cells):
    assert not weigh_marks(cells).numeric


def table(header, *columns):
    return header + "\n" + "\n".join(header_join(header).join(row) for row in zip(*columns, strict=True)) + "\n"


def header_join(header):
    return next(sign for sign in (";", "\t", "|", ",") if sign in header)


N = 60
LABEL = ["yes" if i % 3 else "no" for i in range(N)]
TENTHS = [f"{i / 10 + 1:.1f}" for i in range(N)]
THREES = [f"{1 + i * 0.731:.3f}" for i in range(N)]
GROUPED = [f"{900 + 731 * i:,}".replace(",", ".") for i in range(N)]


def comma(cells):
    return [cell.replace(".", ",") for cell in cells]


def quote(cells):
    return [f'"{cell}"' for cell in cells]


CASES = {
    "tabs": ("t.tsv", table("a\tprice\tlabel", comma(TENTHS), comma(THREES), LABEL), {"price": THREES}),
    "bars": ("t.csv", table("a|price|label", comma(TENTHS), comma(THREES), LABEL), {"price": THREES}),
    "semicolons": ("t.csv", table("a;price;label", comma(TENTHS), comma(THREES), LABEL), {"price": THREES}),
    # One decimal elsewhere in the column is enough.
    "quoted": ("t.csv", table("a,price,label", TENTHS, quote(comma([*THREES[1:], "2.5"])), LABEL),
               {"price": [*THREES[1:], "2.5"]}),
    "grouped and decimals": ("t.csv", table("a;price;label", GROUPED, comma(TENTHS), LABEL),
                             {"a": [str(900 + 731 * i) for i in range(N)], "price": TENTHS}),
    # The column itself can be read both ways; its neighbour has decimal commas.
    "helped by the others": ("t.csv", table("a,price,label", quote(comma(TENTHS)), quote(comma(THREES)), LABEL),
                             {"price": THREES}),
    "two marks in one number": ("t.csv", table("a;label", [f"{i + 1}.581,94" for i in range(N)], LABEL),
                                {"a": [f"{i + 1}581.94" for i in range(N)]}),
    "percent": ("t.csv", table("a;label", [f"{cell} %" for cell in comma(TENTHS)], LABEL), {"a": TENTHS}),
    "brackets": (
        "t.csv", table("a,label", quote(["(1,443.34)", *TENTHS[1:]]), LABEL), {"a": ["-1443.34", *TENTHS[1:]]}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_in_its_notation(tmp_path, case):
    name, text, expected = CASES[case]
    (tmp_path / name).write_text(text)
    data = read_data(tmp_path / name, target="label", cache=False)
    for column, cells in expected.items():
        assert data.fields[column].kind == "number"
        assert data.stored_values(column).arrays["value"].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize(
    ("text", "cell", "option", "value"),
    [
        (table("a,price,label", TENTHS, quote(comma(THREES)), LABEL), "2,462", ",", 2.462),
        (table("a;price;label", LABEL, [f"{3 + i}.{100 + i}" for i in range(N)], LABEL), "3.100", ",", 3100),
        (table("a;price;label", LABEL, [f"{3 + i},{100 + i}" for i in range(N)], LABEL), "3,100", ",", 3.1),
    ],
)
def test_what_can_be_read_both_ways_is_a_warning_and_an_option_decides(tmp_path, text, cell, option, value):
    (tmp_path / "t.csv").write_text(text)
    told = [
        note for note in read_data(tmp_path / "t.csv", target="label", cache=False).notes if "is read as" in note.text
    ]
    assert [note.level for note in told] == ["warning"]
    assert "column 'price'" in told[0].where
    assert f"--decimal {option}" in told[0].fix or "--decimal ." in told[0].fix
    data = read_data(tmp_path / "t.csv", target="label", decimal=option, cache=False)
    assert value in data.stored_values("price").arrays["value"]
    assert not [note for note in data.notes if "is read as" in note.text]


def test_thousands_as_in_english_need_no_warning(tmp_path):
    cells = [f"{900 + 731 * i:,}" for i in range(N)]
    (tmp_path / "t.csv").write_text(table("a,price,label", TENTHS, quote(cells), LABEL))
    data = read_data(tmp_path / "t.csv", target="label", cache=False)
    assert data.stored_values("price").arrays["value"].tolist() == [900 + 731 * i for i in range(N)]
    assert not [note for note in data.notes if note.level == "warning" and "price" in note.where]


def test_frames_and_text_cells_of_a_sheet_are_read_the_same(tmp_path):
    columns = {"a": comma(TENTHS), "price": comma(THREES), "label": LABEL}
    book = openpyxl.Workbook()
    book.active.append(list(columns))
    for row in zip(*columns.values(), strict=True):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    for source in (pl.DataFrame(columns), columns, tmp_path / "t.xlsx"):
        data = read_data(source, target="label", cache=False)
        assert data.stored_values("price").arrays["value"].tolist() == [float(cell) for cell in THREES]


def test_new_data_keep_the_mark_that_was_found(tmp_path):
    (tmp_path / "t.csv").write_text(table("a;price;label", GROUPED, comma(TENTHS), LABEL))
    fields = list(read_data(tmp_path / "t.csv", target="label", cache=False).fields.values())
    # Alone, either could be another number.
    (tmp_path / "new.csv").write_text("a;price\n12.500;3,125\n")
    new = read_new(tmp_path / "new.csv", fields, False, cache=False)
    assert new.stored_values("a").arrays["value"].tolist() == [12500]
    assert new.stored_values("price").arrays["value"].tolist() == [3.125]
    # Written as a program writes: another notation, the same numbers.
    (tmp_path / "new.csv").write_text("a,price\n12500.5,3.25\n")
    new = read_new(tmp_path / "new.csv", fields, False, cache=False)
    assert new.stored_values("a").arrays["value"].tolist() == [12500.5]


def test_numbers_in_two_notations_are_named(tmp_path):
    (tmp_path / "t.csv").write_text(table("a;label", [*comma(TENTHS[:-2]), "5.25", "7.75"], LABEL))
    data = read_data(tmp_path / "t.csv", target="label", cache=False)
    assert any("2 numbers have a decimal point, the others a comma" in note.text for note in data.notes)
    assert np.isnan(data.stored_values("a").arrays["value"]).sum() == 2


def test_an_unknown_mark_is_refused():
    with pytest.raises(PellucidError, match="expected , or"):
        read_data(pl.DataFrame({"a": ["1"]}), decimal=";", cache=False)


def test_nothing_is_said_of_numbers_as_programs_write_them():
    value, taken_off = parse_numbers(pl.Series(["1.25", "1e3", "-7", None]))
    assert value.to_list() == [1.25, 1000, -7, None]
    assert taken_off == {}


def test_new_data_can_be_told_how_they_are_written(tmp_path):
    (tmp_path / "t.csv").write_text(table("a;price;label", TENTHS, TENTHS, LABEL))
    fields = list(read_data(tmp_path / "t.csv", target="label", cache=False).fields.values())
    (tmp_path / "new.csv").write_text("a;price\n3,125;2\n")
    assert read_new(tmp_path / "new.csv", fields, False, cache=False).stored_values("a").arrays["value"][0] == 3125
    new = read_new(tmp_path / "new.csv", fields, False, decimal=",", cache=False)
    assert new.stored_values("a").arrays["value"][0] == 3.125
    (tmp_path / "new.txt").write_text("a_price\n1.5_2\n")
    new = read_new(tmp_path / "new.txt", fields, False, delimiter="_", cache=False)
    assert new.stored_values("price").arrays["value"].tolist() == [2]
    with pytest.raises(PellucidError, match="Unknown option of evaluate 'delimter'"):
        read_new(tmp_path / "new.csv", fields, False, delimter=",")


def test_a_word_that_ends_like_a_number_is_not_taken_for_the_one_to_show():
    cells = ["12.1,234", *(f"{i + 1},{100 + i}" for i in range(30))]
    data = read_data({"price": cells, "label": ["a", *["a", "b"] * 15]}, target="label", cache=False)
    assert any("'1,100' is read as 1100, its comma as a thousands separator" in note.text for note in data.notes)


@pytest.mark.parametrize(("delimiter", "mark"), [(",", "."), ("\t", "."), (";", ",")])
def test_three_decimals_beside_others_need_no_warning(tmp_path, delimiter, mark):
    rows = [delimiter.join([f"{i + 1}{mark}{100 + i}", f"0{mark}{i + 1}", LABEL[i]]) for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join([delimiter.join(["a", "b", "label"]), *rows]) + "\n")
    data = read_data(tmp_path / "t.csv", target="label", cache=False)
    assert data.stored_values("a").arrays["value"].tolist() == [float(f"{i + 1}.{100 + i}") for i in range(N)]
    assert not [note for note in data.notes if "is read as" in note.text]
