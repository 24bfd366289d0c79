"""How a text file or a sheet holds its table: delimiter, quotation, header, what stands above and below it."""

import openpyxl
import pytest

from pellucid import PellucidError
from pellucid.data.read import read_data
from pellucid.data.read_new import read_new

N = 40


def lines(row, n=N):
    return "".join(row(i) + "\n" for i in range(n))


def half(i):
    return f"{i / 2 + 0.5:.1f}"


def yes(i):
    return "yes" if i % 3 else "no"


def read(tmp_path, text, name="t.csv", **options):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_data(tmp_path / name, cache=False, **options)


def values(data, name):
    stored = data.stored_values(name)
    if "value" in stored.arrays:
        return stored.arrays["value"].tolist()
    return [stored.meta["values"][code] if code >= 0 else None for code in stored.arrays["code"].tolist()]


HALVES = [i / 2 + 0.5 for i in range(N)]
LABELS = [yes(i) for i in range(N)]
PLAIN = lines(lambda i: f"{half(i)},red{i % 2},{yes(i)}")

# What a file may hold of one and the same table.
SAME = {
    "a delimiter at the end of rows": "height,colour,label\n" + PLAIN.replace("\n", ",\n"),
    "a delimiter at the end of all lines": "height,colour,label,\n" + PLAIN.replace("\n", ",\n"),
    "carriage returns and a delimiter": ("height,colour,label\n" + PLAIN.replace("\n", ",\n")).replace("\n", "\r\n"),
    "a comment": "# station 7\nheight,colour,label\n" + PLAIN,
    "several comments": "% from lab 3\n%\n\nheight,colour,label\n" + PLAIN,
    "the names in a comment": "# made by hand\n#height,colour,label\n" + PLAIN,
    "a title as wide as the table": "Garden survey,,\nheight,colour,label\n" + PLAIN,
    "titles and a blank line": "Garden survey\nby A. Muster, 2024\n\nheight,colour,label\n" + PLAIN,
    "the delimiter said": "sep=,\nheight,colour,label\n" + PLAIN,
    "units": "height,colour,label\n(cm),,\n" + PLAIN,
    "names once more": "height,colour,label\n" + PLAIN[:200] + PLAIN[200:].replace("\n", "\nheight,colour,label\n", 2),
    "single quotes": "height,colour,label\n" + lines(lambda i: f"{half(i)},'red{i % 2}','{yes(i)}'"),
    "blanks": "height colour label\n" + PLAIN.replace(",", " "),
    "aligned blanks": "height  colour   label\n" + lines(lambda i: f"{half(i):>6}  red{i % 2:<6} {yes(i)}"),
    "carets": "height^colour^label\n" + PLAIN.replace(",", "^"),
    "double colons": "height::colour::label\n" + PLAIN.replace(",", "::"),
    "broken bars": "height¦colour¦label\n" + PLAIN.replace(",", "¦"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_the_same_table_in_another_form(tmp_path, case):
    data = read(tmp_path, SAME[case])
    assert list(data.fields) == ["height", "colour", "label"]
    assert values(data, "height") == HALVES
    assert values(data, "colour") == [f"red{i % 2}" for i in range(N)]
    assert values(data, "label") == LABELS
    assert data.target.name == "label"


def test_places_are_lines_of_the_file(tmp_path):
    data = read(tmp_path, "# station 7\n\nheight,colour,label\n(cm),,\n" + PLAIN)
    assert data.place(0) == "t.csv, line 5"


@pytest.mark.parametrize(
    ("cell", "value"),
    [('"Bern, CH"', "Bern, CH"), ('"he said ""no, thanks"""', 'he said "no, thanks"'),
     ('"he said \\"no, thanks\\""', 'he said "no, thanks"'), ("'Bern, CH'", "Bern, CH"), (r"Bern\, CH", "Bern, CH")],
)  # fmt: skip
def test_cells_that_hold_the_delimiter(tmp_path, cell, value):
    text = "place,height,label\n" + lines(lambda i: f"{cell if i % 2 else 'Ulm'},{half(i)},{yes(i)}")
    data = read(tmp_path, text)
    assert values(data, "place")[:2] == ["Ulm", value]
    assert values(data, "label") == LABELS


def test_a_blank_before_quotation(tmp_path):
    text = "place, height, label\n" + lines(lambda i: f'Ulm{i % 4}, "{half(i)}", "{yes(i)}, or so"')
    data = read(tmp_path, text)
    assert values(data, "height") == HALVES
    assert values(data, "label")[0] == "no, or so"


def test_names_of_rows_as_r_writes_them(tmp_path):
    data = read(tmp_path, "height,label\n" + lines(lambda i: f"r{i},{half(i)},{yes(i)}"))
    assert values(data, "height") == HALVES
    assert data.fields["column_1"].role == "id"


def test_a_column_too_many_is_an_error_and_not_another_table(tmp_path):
    with pytest.raises(PellucidError, match="rows have 3 cells and its first line 2 names"):
        read(tmp_path, "height,label\n" + lines(lambda i: f"{i % 4},{half(i)},{yes(i)}"))


def test_an_empty_last_column_is_no_target(tmp_path):
    data = read(tmp_path, lines(lambda i: f"{half(i)},{i % 9 + 35},{yes(i)},"))
    assert data.target.name == "column_3"
    assert list(data.fields) == ["column_1", "column_2", "column_3"]


HEADERS = [
    ("0,1,2,label", lambda i: f"{half(i)},{half(i + 1)},{i % 5},{yes(i)}", {}),
    (",0,1,2", lambda i: f"{i},{half(i)},{half(i + 1)},{i % 5}", {}),
    ("land,2019,2020,2021", lambda i: f"L{i},{half(i)},{half(i + 1)},{i + 3}", {}),
    ("What is your age group?,Would you recommend us?", lambda i: f"{i % 3 * 10}-{i % 3 * 10 + 9},{yes(i)}", {}),
    ("Wie alt sind Sie (in Jahren, ungefähr)?;Würden Sie?", lambda i: f"{i + 20};{yes(i)}", {}),
    ("5.1,label", lambda i: f"{half(i)},{yes(i)}", {"target": "label"}),
    ("5.1,b,c", lambda i: f"{half(i)},{yes(i)},{yes(i + 1)}", {"kinds": {"c": "category"}}),
    ("7,b,c", lambda i: f"{half(i)},{yes(i)},{yes(i + 1)}", {"ignore": "b"}),
]


@pytest.mark.parametrize(("header", "row", "options"), HEADERS)
def test_names_that_are_numbers_or_questions(tmp_path, header, row, options):
    data = read(tmp_path, header + "\n" + lines(row), **options)
    assert data.reading.named
    assert len(data) == N


@pytest.mark.parametrize(
    "row",
    [lambda i: f"{half(i)},{half(i + 1)},{yes(i)}", lambda i: f"{i},{i + 1},{i + 2}",
     lambda i: f"{yes(i)},{yes(i + 1)}",
     lambda i: f"2024-01-{i % 28 + 1:02},{half(i)}"],
)  # fmt: skip
def test_rows_are_no_names(tmp_path, row):
    data = read(tmp_path, lines(row))
    assert not data.reading.named
    assert len(data) == N


def test_two_rows_of_names_are_put_together(tmp_path):
    data = read(tmp_path, "id,size,size,label\n,x,y,\n" + lines(lambda i: f"r{i},{half(i)},{half(i)},{yes(i)}"))
    assert list(data.fields) == ["id", "size x", "size y", "label"]


def test_a_hash_begins_a_text_too(tmp_path):
    data = read(tmp_path, lines(lambda i: f"#{'blessed' if i % 2 else 'tired'} day number {i},{yes(i)}"))
    assert len(data) == N


def test_spellings_are_kept(tmp_path):
    text = "zip,smoker,label\n" + lines(
        lambda i: f"{['01234', '8001', '00700'][i % 3]},{['True', 'False'][i % 2]},{yes(i)}"
    )
    data = read(tmp_path, text)
    assert set(values(data, "zip")) == {"01234", "8001", "00700"}
    assert set(values(data, "smoker")) == {"True", "False"}


def test_a_code_behind_the_rows_looked_at_first(tmp_path):
    text = "zip,height,label\n" + lines(lambda i: f"{8001 + i % 3},{half(i)},{yes(i)}", 9000) + "0700,1.5,no\n" * 500
    assert "0700" in values(read(tmp_path, text), "zip")


def test_a_delimiter_that_is_only_said(tmp_path):
    text = "height:colour:label\n" + PLAIN.replace(",", ":")
    data = read(tmp_path, text)
    assert any("':' would cut every line into 3 cells" in note.text for note in data.notes)
    assert values(read(tmp_path, text, delimiter=":"), "height") == HALVES


def test_times_and_prose_are_one_column(tmp_path):
    assert list(read(tmp_path, "time\n" + lines(lambda i: f"12:{i:02}:30")).fields) == ["time"]
    prose = read(tmp_path, "text\n" + lines(lambda i: f"this is line {i} of them" + " all" * (i % 3)))
    assert list(prose.fields) == ["text"]


def test_new_data_are_cut_where_the_names_are(tmp_path):
    fields = list(read(tmp_path, "height;colour;label\n" + PLAIN.replace(",", ";")).fields.values())
    (tmp_path / "new.csv").write_text("colour;height\nred1;1,5\n")
    new = read_new(tmp_path / "new.csv", fields, False, cache=False)
    assert values(new, "height") == [1.5]


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


DATA = [["height", "label"], *([i / 2, yes(i)] for i in range(N))]


def test_the_sheet_with_the_columns_or_the_rows(tmp_path):
    path = workbook(tmp_path / "t.xlsx", Legend=[["code", "meaning"], ["yes", "ja"], ["no", "nein"]], Data=DATA)
    for options in ({}, {"target": "label"}, {"sheet": "Data"}):
        assert list(read_data(path, cache=False, **options).fields) == ["height", "label"]
    assert list(read_data(path, sheet="Legend", cache=False).fields) == ["code", "meaning"]
    assert list(read_data(path, target="meaning", cache=False).fields) == ["code", "meaning"]
    with pytest.raises(PellucidError, match=r"Unknown sheet 'Dat'. Did you mean 'Data'\?"):
        read_data(path, sheet="Dat", cache=False)


def test_sheets_with_the_same_columns_are_one_table(tmp_path):
    path = workbook(tmp_path / "t.xlsx", **{"2023": DATA, "2024": DATA, "about": [["made by me"]]})
    data = read_data(path, cache=False)
    assert len(data) == 2 * N
    assert data.place(N) == "t.xlsx, sheet '2024', line 2"
    assert len(read_data(path, sheet="2024", cache=False)) == N


@pytest.mark.parametrize("blank", [1, 3, 70])
@pytest.mark.parametrize("titles", [[], [["made by me"], []]])
@pytest.mark.parametrize("units", [[], [["cm", "mm", None]]])
def test_empty_rows_at_the_top_of_a_sheet(tmp_path, blank, titles, units):
    above = [*([[]] * blank), *titles, ["height", "width", "label"], *units]
    rows = [*above, *([i / 2, i * i % 7, yes(i)] for i in range(100))]
    data = read_data(workbook(tmp_path / "t.xlsx", a=rows), cache=False)
    assert values(data, "height") == [i / 2 for i in range(100)]
    assert values(data, "width") == [i * i % 7 for i in range(100)]
    assert data.place(4) == f"t.xlsx, line {len(above) + 5}"
    # Without names, the first row is a row of the table.
    alone = [[]] * blank + [[i / 2, i * i % 7] for i in range(100)]
    first = read_data(workbook(tmp_path / "n.xlsx", a=alone), cache=False)
    assert values(first, "column_1") == [i / 2 for i in range(100)]
    assert first.place(0) == f"n.xlsx, line {blank + 1}"


def test_units_below_the_names_of_a_sheet(tmp_path):
    rows = [["height", "width", "label"], ["cm", "mm", None], *([i / 2, i, yes(i)] for i in range(N))]
    data = read_data(workbook(tmp_path / "t.xlsx", a=rows), cache=False)
    assert values(data, "height") == [i / 2 for i in range(N)]
    assert any("no values but 'cm' and 'mm'" in note.text for note in data.notes)


def test_the_first_rows_are_shown_as_they_were_read(tmp_path):
    text = "place;people;size;label\n" + lines(lambda i: f"O{i};{i + 1}.{100 + i};{half(i).replace('.', ',')};{yes(i)}")
    first = read(tmp_path, text).reading.first
    assert first[0] == {"place": "O0", "people": "1100", "size": "0.5", "label": "no"}
    assert len(first) == 5


# Under names, German and Swiss numbers with grouped digits, and English ones between tabs.
@pytest.mark.parametrize(
    ("cut", "write"),
    [
        (";", lambda x: f"{x:_.2f}".replace(".", ",").replace("_", ".")),
        (";", lambda x: f"{x:,.2f}".replace(",", "’")),
        ("\t", lambda x: f"{x:,.2f}"),
    ],
)
def test_units_above_numbers_with_grouped_digits(tmp_path, cut, write):
    head = cut.join(["time", "pressure", "force"]) + "\n" + cut.join(["s", "mbar", "kN"]) + "\n"
    data = read(tmp_path, head + lines(lambda i: cut.join([write(i / 2), write(5000 + i / 4), write(2000.5 + i)])))
    assert values(data, "time") == [i / 2 for i in range(N)]
    assert values(data, "pressure") == [5000 + i / 4 for i in range(N)]
    assert values(data, "force") == [2000.5 + i for i in range(N)]


@pytest.mark.parametrize("cut", [";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "Temperatur, °C{0}Druck, mbar{0}Kraft, kN\n"])
def test_commas_inside_numbers_cut_no_cells(tmp_path, cut, first):
    def row(i):
        return cut.join([f"1.{i:03},25", f"{i},5", f"2,{i:02}"])

    data = read(tmp_path, first.format(cut) + lines(row))
    one, two, three = data.fields
    assert values(data, one) == [1000.25 + i for i in range(N)]
    assert values(data, two) == [i + 0.5 for i in range(N)]
    assert values(data, three) == pytest.approx([2 + i / 100 for i in range(N)], abs=1e-12)


def test_commas_cut_cells_that_hold_semicolons(tmp_path):
    data = read(tmp_path, lines(lambda i: f"{half(i)},a{i % 2};b,{yes(i)}"))
    assert len(data.fields) == 3
    assert values(data, "column_3") == LABELS


def test_values_of_another_version_are_not_taken_from_the_cache(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("a,b\nm,kg\n" + lines(lambda i: f"{i},{i * 2}"))
    with monkeypatch.context() as older:
        older.setattr("pellucid.data.tables.form.second_header", lambda records: 0)
        older.setattr("pellucid.data.read.reading_code", lambda: "older")
        assert len(values(read_data(path, cache=tmp_path / "cache"), "b")) == N + 1
    assert values(read_data(path, cache=tmp_path / "cache"), "b") == [2 * i for i in range(N)]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_bytes_that_the_named_encoding_has_not_are_said(tmp_path, encoding):
    text = ("street;size\n" + lines(lambda i: f"Straße {i % 4};{half(i)}")).encode("cp1252")
    data = read(tmp_path, text, encoding=encoding)
    said = [note.text for note in data.notes if note.level == "warning"]
    assert said == [f"{N} characters are not {encoding} and read as '\ufffd'"]
    assert values(data, "size") == HALVES
    assert values(data, "street")[1] == "Stra\ufffde 1"
    assert not [note for note in read(tmp_path, text, encoding="cp1252").notes if "read as" in note.text]


@pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x85"])
def test_a_quotation_that_never_ends_leaves_other_rows_whole(tmp_path, sign):
    data = read(tmp_path, 'note,size\n"open,1\n' + lines(lambda i: f"a{i % 4}{sign}b,{half(i)}", 200))
    assert len(data) == 201
    assert values(data, "size")[1:] == [i / 2 + 0.5 for i in range(200)]
