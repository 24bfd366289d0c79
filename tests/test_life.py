"""Tables as banks, offices, instruments and forms write them: what a person sees in them is read, or it is said."""

import datetime
import json
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest

import pellucid
from pellucid import PellucidError
from pellucid.data.read import read_data

N = 40


def lines(row, n=N, end="\n"):
    return "".join(row(i) + end for i in range(n))


def read(tmp_path, text, name="t.csv", encoding="utf-8", **options):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_data(tmp_path / name, cache=False, **options)


def values(data, name):
    """What is in a column: numbers, seconds or words, None where there is none."""
    stored = data.stored_values(name)
    if "value" in stored.arrays:
        return [None if value != value else value for value in stored.arrays["value"].tolist()]
    return [stored.meta["values"][code] if code >= 0 else None for code in stored.arrays["code"].tolist()]


def said(data):
    return "\n".join(f"{note.level} {note}" for note in data.notes)


def day(i):
    return datetime.date(2024, 12, 1) + datetime.timedelta(days=i)


def seconds(date):
    return (date - datetime.date(1970, 1, 1)).days * 86_400.0


def swiss(value):
    return f"{value:,.2f}".replace(",", "'")


def german(value):
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def yes(i):
    return "ja" if i % 3 else "nein"


# what stands above and below


def test_a_swiss_bank_statement_with_titles_and_a_balance_below(tmp_path):
    text = (
        "\ufeffKontonummer:;CH93 0076 2011 6238 5295 7\r\nVon:;01.12.2024\r\nBis:;31.12.2024\r\n\r\n"
        "Datum;Buchungstext;Belastung;Gutschrift;Saldo\r\n"
        + lines(
            lambda i: f"{day(i):%d.%m.%Y};{'Coop' if i % 2 else 'SBB'};{swiss(1000.5 + i)};;{swiss(12345.6 + i)}",
            end="\r\n",
        )
        + "\r\nSaldo per 31.12.2024;;;;20'000.00\r\n"
    )
    data = read(tmp_path, text)
    assert list(data.fields) == ["Datum", "Buchungstext", "Belastung", "Gutschrift", "Saldo"]
    assert values(data, "Datum") == [seconds(day(i)) for i in range(N)]
    assert values(data, "Belastung") == [1000.5 + i for i in range(N)]
    assert values(data, "Saldo") == pytest.approx([12345.6 + i for i in range(N)])
    assert "warning t.csv: 1 line below the table skipped, the first one 'Saldo per 31.12.2024" in said(data)


ROWS = lines(lambda i: f"North,p{i % 5},{100 + i},{i / 4},{'AB'[i % 2]}")
HEAD = "Region,Product,Sales,Units,Grade\n"


@pytest.mark.parametrize(
    ("below", "count"),
    [("Total,,4780,780,\n", 1), ("\nTotal,,4780,780,\nSource: Statistical Office, 2024\n", 2),
     ("Source: Statistical Office\n", 1), ("Quelle: Amt;,,,,\n", 1), ("\n\n* preliminary\n** revised\n", 2),
     ("Итого,,4780,780,\n", 1), ("合計,,4780,780,\n", 1), ("# end of file\n", 1), ("Made by A. Muster in May\n", 1)],
)  # fmt: skip
def test_what_stands_below_a_table_is_no_row(tmp_path, below, count):
    data = read(tmp_path, HEAD + ROWS + below)
    assert len(data) == N
    assert values(data, "Sales") == [100.0 + i for i in range(N)]
    assert f"{count} line{'s' * (count > 1)} below the table skipped" in said(data)


@pytest.mark.parametrize(
    "last", ["North,p1,,,\n", "North,,140,,A\n", "140,p1\n", "Sumatra,,140,10,A\n", "Total,p1,140,10,A\n"]
)
def test_a_row_with_gaps_at_the_end_stays(tmp_path, last):
    data = read(tmp_path, HEAD + ROWS + last)
    assert len(data) == N + 1
    assert "below the table" not in said(data)


def test_blank_lines_between_rows_cut_nothing_off(tmp_path):
    text = HEAD + ROWS.replace("\n", "\n\n") + "South,,,,B\n"
    assert len(read(tmp_path, text)) == N + 1


def workbook(path, rows, merged=(), **hidden):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cells in merged:
        book.active.merge_cells(cells)
    for name, more in hidden.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden"
        for row in more:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_with_a_title_totals_and_a_longer_hidden_sheet(tmp_path):
    rows = [["Umsatzbericht 2024"], ["Muster AG"], [], ["Filiale", "Umsatz", "Marge", "Ziel erreicht"]]
    rows += [[["Bern", "Ulm"][i % 2], f"CHF {swiss(1000 + i * 99.5)}", f"{10 + i / 2}%", yes(i)] for i in range(N)]
    rows += [["Total", "CHF 99'999.00", "20%", None], [], ["Quelle: Buchhaltung"]]
    path = workbook(tmp_path / "t.xlsx", rows, ["A1:D1"], lists=[[i, 2 * i] for i in range(100)])
    data = read_data(path, cache=False)
    assert list(data.fields) == ["Filiale", "Umsatz", "Marge", "Ziel erreicht"]
    assert values(data, "Umsatz") == [1000 + i * 99.5 for i in range(N)]
    assert values(data, "Marge") == [10 + i / 2 for i in range(N)]
    assert "warning t.xlsx: 2 rows below the table skipped, the first one 'Total CHF" in said(data)
    assert list(read_data(path, cache=False, sheet="lists").fields) == ["column_1", "column_2"]


# several rows of names

GROUPED = [["Region", None, "2023", None, "2024", None, "Grade"], [None, "City", "in", "out", "in", "out", None]]


def grouped(i):
    return ["NS"[i % 2], f"c{i % 7}", 100 + i, 50 + i, 10 + i, 60 + i, "ABC"[i % 3]]


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_names_under_merged_cells(tmp_path, form):
    rows = [*GROUPED, *(grouped(i) for i in range(N))]
    if form == "xlsx":
        data = read_data(workbook(tmp_path / "t.xlsx", rows, ["C1:D1", "E1:F1"]), cache=False)
    else:
        data = read(tmp_path, "".join(",".join("" if c is None else str(c) for c in row) + "\n" for row in rows))
    assert list(data.fields) == ["Region", "City", "2023 in", "2023 out", "2024 in", "2024 out", "Grade"]
    assert values(data, "2024 in") == [10.0 + i for i in range(N)]
    assert "names are put together from 2 rows" in said(data)


def test_few_heads_over_many_names(tmp_path):
    text = ",Wind,,,Rain,,\nday,max,mean,min,max,mean,min\n"
    data = read(tmp_path, text + lines(lambda i: f"{day(i)},{i},{i},{i},{i},{i},{i}"))
    assert list(data.fields) == ["day", "Wind max", "Wind mean", "Wind min", "Rain max", "Rain mean", "Rain min"]


def test_a_weather_station_with_units_below_two_rows_of_names(tmp_path):
    text = "Date,Temperature,Temperature,Humidity,Rain\n,max,min,mean,\n,°C,°C,%,\n"
    data = read(tmp_path, text + lines(lambda i: f"{day(i)},{10 + i / 2},{i / 4},{50 + i},{yes(i)}"))
    assert list(data.fields) == ["Date", "Temperature max °C", "Temperature min °C", "Humidity mean %", "Rain"]
    assert values(data, "Temperature min °C") == [i / 4 for i in range(N)]
    assert values(data, "Rain") == [yes(i) for i in range(N)]


@pytest.mark.parametrize("rule", ["|:-----|------:|------|", "|------|------|------|", "+------+------+------+"])
def test_a_table_drawn_with_bars(tmp_path, rule):
    data = read(
        tmp_path, f"| Name | Value | Kind |\n{rule}\n" + lines(lambda i: f"| n{i % 5} | {i + 0.5} | {yes(i)} |")
    )
    assert len(data) == N
    assert values(data, "Value") == [i + 0.5 for i in range(N)]
    assert values(data, "Kind") == [yes(i) for i in range(N)]


# how numbers are written


@pytest.mark.parametrize(
    ("cell", "value", "encoding"),
    [(lambda i: f'"₹{12 + i},34,567"', lambda i: 1234567 + i * 100_000, "utf-8"),
     (lambda i: f'"{12 + i},345원"', lambda i: 12345 + i * 1000, "cp949"),
     (lambda i: f'"{12 + i},345円"', lambda i: 12345 + i * 1000, "cp932"),
     (lambda i: f"(${12 + i}.50)" if i % 2 else f"${i}.25", lambda i: -12.5 - i if i % 2 else i + 0.25, "utf-8"),
     (lambda i: f"{i}°30'{'NS'[i % 2]}", lambda i: (i + 0.5) * (1, -1)[i % 2], "utf-8"),
     (lambda i: f"{i}° 7' 30\" E", lambda i: i + 0.125, "utf-8"),
     (lambda i: f"{i}.5° {'EW'[i % 2]}", lambda i: (i + 0.5) * (1, -1)[i % 2], "utf-8"),
     (lambda i: f"S{i}.125", lambda i: -i - 0.125, "utf-8"),
     (lambda i: "<0.5" if i % 4 == 1 else f"{i}.25", lambda i: 0.5 if i % 4 == 1 else i + 0.25, "utf-8"),
     (lambda i: ">= 100" if i % 5 == 1 else f"{i}.25", lambda i: 100 if i % 5 == 1 else i + 0.25, "utf-8"),
     (lambda i: f"~{i}.5" if i % 5 == 1 else f"{i}.25", lambda i: i + (0.5 if i % 5 == 1 else 0.25), "utf-8")],
)  # fmt: skip
def test_numbers_as_they_are_written(tmp_path, cell, value, encoding):
    town = {"cp949": "서울", "cp932": "東京"}.get(encoding, "Ulm")
    data = read(tmp_path, "town,amount,good\n" + lines(lambda i: f"{town},{cell(i)},{yes(i)}"), encoding=encoding)
    assert data.fields["amount"].kind == "number"
    assert values(data, "amount") == pytest.approx([value(i) for i in range(N)])


@pytest.mark.parametrize("cells", [("<30", ">30"), ("<30", ">30", "NO"), ("2E", "3W"), ("12N", "7S"), ("1/2", "3/4")])
def test_words_with_a_number_in_them_stay_words(tmp_path, cells):
    data = read(tmp_path, "age,cell\n" + lines(lambda i: f"{20 + i / 2},{cells[i % len(cells)]}"))
    assert data.fields["cell"].kind == "category"
    assert values(data, "cell") == [cells[i % len(cells)] for i in range(N)]
    assert "with a unit" not in said(data) or cells[0][-1].isalpha()


def test_an_instrument_with_comments_units_and_detection_limits(tmp_path):
    def row(i):
        conc = "<0.5" if i % 5 == 0 else ("NaN", "#N/A")[i % 2] if i % 7 == 3 else f"{i / 4}"
        return f"S{i:03d};{1200 + i:.3E};{conc};{'OK' if i % 3 else 'BAD'};"

    text = "# Device: XR-200\n# Date: 2024-05-01, 12:00\nSample;Temp;Conc;Flag\n-;°C;mg/L;-\n"
    data = read(tmp_path, text + lines(row))
    assert len(data) == N
    assert values(data, "Temp") == [1200.0 + i for i in range(N)]
    limits = [0.5 if i % 5 == 0 else None if i % 7 == 3 else i / 4 for i in range(N)]
    assert values(data, "Conc") == limits
    assert values(data, "Flag") == ["OK" if i % 3 else "BAD" for i in range(N)]
    assert data.place(0) == "t.csv, line 5"


def test_units_that_differ_within_a_column_are_said(tmp_path):
    text = "rate,price,size\n" + lines(
        lambda i: f"{f'{i + 1}%' if i % 2 else (i + 1) / 100},{'$€'[i % 3 == 0]}{10 + i},{i + 1}.5cm"
    )
    notes = said(read(tmp_path, text))
    assert "warning column 'rate': 20 of 40 values have a percent sign, the others none (such as '0.01')" in notes
    assert "warning column 'price': amounts are in several currencies: €" in notes
    assert "warning column 'size': 40 of 40 values are numbers with a unit" in notes


@pytest.mark.parametrize("cell", ["{}%", "{} %", "${}", "{} CHF", "CHF {}"])
def test_one_unit_throughout_is_not_said(tmp_path, cell):
    data = read(tmp_path, "a,b\n" + lines(lambda i: f"{cell.format(i + 0.5)},{yes(i)}"))
    assert values(data, "a") == [i + 0.5 for i in range(N)]
    assert "have a percent sign" not in said(data)
    assert "currencies" not in said(data)


def test_rows_of_sums_between_others_are_said(tmp_path):
    rows = ROWS.splitlines(keepends=True)
    notes = said(read(tmp_path, HEAD + "".join([*rows[:20], "Total North,,2190,95,\n", *rows[20:]])))
    assert "warning t.csv, line 22, column 'Region': 1 row looks like a sum of others ('Total North')" in notes
    months = [f"{i % 12 + 1}/{2020 + i // 12},{100 + i}\n" for i in range(24)]
    notes = said(read(tmp_path, "month,sales\n" + "".join([*months, f"Total,{sum(100 + i for i in range(24))}\n"])))
    assert "1 row looks like a sum of others ('Total')" in notes


def test_a_class_called_total_is_a_class(tmp_path):
    data = read(tmp_path, "sex,rate\n" + lines(lambda i: f"{['male', 'female', 'total'][i % 3]},{i / 4}"))
    assert "like a sum" not in said(data)
    assert "like sums" not in said(data)


def test_years_over_two_columns_are_names(tmp_path):
    data = read(tmp_path, "geo;2020;2021\n" + lines(lambda i: f"R{i};{12.5 + i};{':' if i % 9 == 0 else 13.5 + i}"))
    assert list(data.fields) == ["geo", "2020", "2021"]
    assert values(data, "2021") == [None if i % 9 == 0 else 13.5 + i for i in range(N)]


@pytest.mark.parametrize(
    ("cell", "value"),
    [(lambda i: f"{20 + i}:{i % 60:02d}:10", lambda i: (20 + i) * 3600 + i * 60 + 10),
     (lambda i: f"{50 + i}:{i:02d}" if i < 10 else f"1:{i:02d}:22",
      lambda i: (50 + i) * 60 + i if i < 10 else 3622 + 60 * i),
     (lambda i: f"{20 + i}:30.5", lambda i: (20 + i) * 60 + 30.5)],
)  # fmt: skip
def test_durations_longer_than_a_day_or_without_hours_are_seconds(tmp_path, cell, value):
    data = read(tmp_path, "job,took\n" + lines(lambda i: f"j{i % 5},{cell(i)}"))
    assert data.fields["took"].kind == "number"
    assert values(data, "took") == [value(i) for i in range(N)]


def test_times_of_day_stay_times(tmp_path):
    data = read(tmp_path, "job,start\n" + lines(lambda i: f"j{i % 5},{i % 24}:{i:02d}"))
    assert data.fields["start"].kind == "date"


# other files

USERS = [{"age": 20 + i, "churn": i % 3 == 0} for i in range(N)]
AGES, CHURN = [20.0 + i for i in range(N)], ["true" if i % 3 == 0 else "false" for i in range(N)]


@pytest.mark.parametrize(
    ("document", "place"),
    [({"status": "ok", "count": N, "results": USERS}, "its 'results'"),
     ({"response": {"page": 1, "items": USERS}}, "its 'items' in 'response'"),
     ({"columns": ["age", "churn"], "index": [*range(N)], "data": [[*u.values()] for u in USERS]}, "its 'columns' and"),
     ({name: [u[name] for u in USERS] for name in USERS[0]}, "its lists, a column each"),
     ({name: {str(i): u[name] for i, u in enumerate(USERS)} for name in USERS[0]}, "its objects, a column each"),
     ({str(i): user for i, user in enumerate(USERS)}, "its numbered objects")],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_document_that_holds_a_table(tmp_path, document, place, indent):
    data = read(tmp_path, json.dumps(document, indent=indent), "t.json")
    assert list(data.fields) == ["age", "churn"]
    assert values(data, "age") == AGES
    assert values(data, "churn") == CHURN
    assert f"info t.json: 40 rows read from {place}" in said(data)


@pytest.mark.parametrize("name", ["t.json", "t.ndjson", "t.jsonl"])
def test_objects_in_objects_are_columns(tmp_path, name):
    text = "\ufeff" + lines(lambda i: json.dumps({"id": i, "user": {"age": 20 + i, "home": {"city": yes(i)}}}))
    data = read(tmp_path, text, name)
    assert list(data.fields) == ["id", "user.age", "user.home.city"]
    assert values(data, "user.age") == AGES
    assert values(data, "user.home.city") == [yes(i) for i in range(N)]


def test_one_line_of_json_lines_is_one_row(tmp_path):
    assert len(read(tmp_path, '{"a": ["x", "y"], "b": ["p", "q"]}\n', "t.jsonl")) == 1


def test_numbers_between_blanks_and_a_name_behind_a_tab(tmp_path):
    text = lines(
        lambda i: f'{15 + i / 2:.1f}   {4 + 2 * (i % 3)}   {"?" if i % 9 == 4 else 90.0 + i}  70\t"ford {yes(i)}"'
    )
    data = read(tmp_path, text, "auto.data")
    assert len(data.fields) == 5
    assert values(data, "column_1") == [15 + i / 2 for i in range(N)]
    assert values(data, "column_3") == [None if i % 9 == 4 else 90.0 + i for i in range(N)]
    assert values(data, "column_5") == [f"ford {yes(i)}" for i in range(N)]


def test_texts_between_tabs_keep_their_blanks(tmp_path):
    text = "name\tnote\tn\n" + lines(lambda i: f"Anna Maria Berg\t{i} of 40 seen\t{i}")
    assert list(read(tmp_path, text, "t.tsv").fields) == ["name", "note", "n"]


@pytest.mark.parametrize(("name", "word"), [("t.arff", "ARFF"), ("t.sav", "statistics file"), ("t.dta", "statistics")])
def test_a_file_of_another_program_is_named(tmp_path, name, word):
    with pytest.raises(PellucidError, match=word) as error:
        read(tmp_path, "@relation iris\n", name)
    assert "CSV" in str(error.value)


@pytest.mark.parametrize("cell", ['Screen 15.6" wide', "47°22'30\"N", 'a "so called" one'])
def test_a_mark_inside_a_cell_is_no_broken_quoting(cell: str, tmp_path: Path) -> None:
    rows = "\n".join(f"{cell},{i},{'ab'[i % 2]}" for i in range(60))
    path = tmp_path / "t.csv"
    path.write_text(f"what,n,label\n{rows}\n")
    data = pellucid.read(path, target="label")
    assert data.column("what").values.to_list() == [cell] * 60
    assert not any("quotation" in note.text for note in data.notes)


def test_marks_that_swallow_cells_are_said(tmp_path: Path) -> None:
    rows = "\n".join(f"{'' if i % 9 else chr(34)}w{i},{i},{'ab'[i % 2]}" for i in range(60))
    path = tmp_path / "t.csv"
    path.write_text(f"what,n,label\n{rows}\n")
    assert any("quotation marks do not pair up" in note.text for note in pellucid.read(path, target="label").notes)


@pytest.mark.parametrize("word", ["k.A.", "K. A.", "s/o", "n.a."])
def test_words_for_no_answer_among_numbers(word: str) -> None:
    ages = [word if i % 7 == 0 else str(20 + i % 50) for i in range(140)]
    data = pellucid.read(pl.DataFrame({"age": ages, "y": ["a", "b"] * 70}), target="y")
    assert data.fields["age"].kind == "number"
    assert np.isnan(data.stored_values("age").arrays["value"]).sum() == 20
    assert not [note.text for note in data.notes if "not numbers" in note.text or "is not a number" in note.text]
