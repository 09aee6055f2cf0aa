"""CSV of other programs: mappings, locales, proposals, damage."""

from __future__ import annotations

import math
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings.files import refusal
from vitals.errors import ConfigError
from vitals.model import US
from vitals.recordings import Recording, RecordingError, read
from vitals.recordings.csv_proposal import proposal
from vitals.recordings.csv_times import Times, us_of
from vitals.recordings.mapping import TimeColumn, load, parse

T0 = us_of(datetime(2026, 3, 1, 8, 0, tzinfo=UTC))
GERMAN = (
    "Klinik Süd\n"
    "Zeit;SpO2 [%];Puls;Sys (kPa);Dia (kPa);Bemerkung\n"
    "01.03.2026 09:00:00;97,5;72;;;\n"
    "01.03.2026 09:00:01;0;73;16,0;10,5;Übelkeit\n"
    "01.03.2026 09:00:02;---;74;;;\n"
    "01.03.2026 09:00:03;96;kaputt;;;\n"
)
GERMAN_MAP = """
separator = ";"
decimal = ","
encoding = "cp1252"
skip_lines = 1
[time]
column = "Zeit"
format = "%d.%m.%Y %H:%M:%S"
zone = "Europe/Berlin"
[[track]]
name = "SpO2 [%]"
channel = "spo2"
unit = "%"
[[track]]
name = "Puls"
channel = "pr"
device = "oximeter"
[[track]]
name = "Sys (kPa)"
channel = "nibp_sys"
unit = "kPa"
[[track]]
name = "Dia (kPa)"
channel = "nibp_dia"
unit = "kPa"
[[track]]
name = "Bemerkung"
channel = "remark"
"""
PLAIN_MAP = '[time]\ncolumn = "t"\nformat = "unix"\n[[track]]\nname = "HR"\nchannel = "hr"\n'


def made(folder: Path, content: str, mapping: str, encoding: str = "utf-8") -> Recording:
    file = folder / "data.csv"
    file.write_bytes(content.encode(encoding))
    said = folder / "map.toml"
    said.write_text(mapping, encoding="utf-8")
    return read(file, *load(said))


def of(found: Recording, channel: str) -> list[float]:
    return next(one for one in found.numbers if one.channel == channel).value.tolist()


def test_a_german_spreadsheet_is_read_with_its_commas_zone_and_encoding(tmp_path: Path) -> None:
    found = made(tmp_path, GERMAN, GERMAN_MAP, "cp1252")
    spo2 = next(one for one in found.numbers if one.channel == "spo2")
    assert spo2.at_us.tolist() == [T0 + n * US for n in range(4)]
    assert [None if math.isnan(v) else v for v in spo2.value.tolist()] == [97.5, None, None, 96]
    assert spo2.device == "recording"
    assert of(found, "pr")[:3] == [72, 73, 74]
    assert next(n.device for n in found.numbers if n.channel == "pr") == "oximeter"
    assert of(found, "nibp_sys") == pytest.approx([120.0099], abs=1e-3)
    assert [(r.at_us, r.text) for r in found.remarks] == [(T0 + US, "Übelkeit")]
    assert any("1 cells of Puls are no number ('kaputt')" in note for note in found.notes)


def test_shape_is_found_out_where_the_mapping_does_not_say(tmp_path: Path) -> None:
    body = GERMAN.partition("\n")[2]
    mapping = "\n".join(GERMAN_MAP.splitlines()[5:])
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        found = made(tmp_path, body, mapping, encoding)
        assert of(found, "spo2")[0] == 97.5
        assert found.remarks[0].text == "Übelkeit"


def test_columns_that_are_not_named_are_left_out_and_told(tmp_path: Path) -> None:
    found = made(tmp_path, "t,HR,EtCO2\n1700000000,60,35\n1700000001,61,36\n", PLAIN_MAP)
    assert [(one.name, one.why) for one in found.left_out] == [("EtCO2", "not in the mapping")]


@pytest.mark.parametrize(
    ("how", "cells", "offsets"),
    [
        ({"format": "iso"}, ("2026-03-01T08:00:00Z", "2026-03-01 08:00:01.5+00:00"), (0, 1.5)),
        ({"format": "iso", "zone": "+01:00"}, ("2026-03-01T09:00:00",), (0,)),
        ({"format": "unix"}, ("1772352000", "1772352000.25"), (0, 0.25)),
        ({"format": "unix_ms"}, ("1772352000500",), (0.5,)),
        ({"format": "unix_us"}, ("1772352000000007",), (0.000007,)),
        ({"format": "seconds", "start": "2026-03-01T09:00:00+01:00"}, ("0", "90.5"), (0, 90.5)),
        ({"format": "minutes", "start": "2026-03-01T08:00:00"}, ("0", "1.5"), (0, 90)),
        (
            {"format": "%H:%M:%S", "start": "2026-03-01T00:00:00+00:00"},
            ("08:00:00", "23:59:59", "00:00:01"),
            (0, 57_599, 57_601),
        ),
        ({"format": "%m/%d/%Y %I:%M:%S %p"}, ("03/01/2026 08:00:00 AM",), (0,)),
    ],
)
def test_times_are_read_as_the_mapping_says(
    how: dict[str, str], cells: tuple[str, ...], offsets: tuple[float, ...]
) -> None:
    times = Times(TimeColumn(column="t", **how))
    assert [times.us(cell) for cell in cells] == [T0 + round(o * US) for o in offsets]


@pytest.mark.parametrize("cell", ["", "x", "nan", "inf", "1e400", "-5", "2026-13-01", "9" * 400])
def test_a_cell_that_is_no_time_is_none(cell: str) -> None:
    for how in ("iso", "unix", "%d.%m.%Y"):
        assert Times(TimeColumn(column="t", format=how)).us(cell) is None


def test_rows_without_a_time_are_left_out_and_told(tmp_path: Path) -> None:
    found = made(tmp_path, "t,HR\n1700000000,60\nsoon,61\n,62\n1700000003,63\n", PLAIN_MAP)
    assert of(found, "hr") == [60, 63]
    assert "2 rows have no time that can be read as unix ('soon')" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("spo2", "spo3"), r'track\.0\.channel: there is no channel .spo3.; did you mean "spo2"'),
        (("kPa\"\n[[track]]\nname = \"Dia", "bar\"\n[[track]]\nname = \"Dia"),
         r"track\.2\.unit: 'bar' cannot be turned into nibp_sys; known are mm\[Hg\]"),
        (("Europe/Berlin", "Berlin"), "time.zone: 'Berlin' is no zone"),
        (("cp1252", "cp9999"), "encoding: 'cp9999' is not known"),
        (("decimal", "decimals"), "decimals: there is no such key"),
        (('format = "%d.%m.%Y %H:%M:%S"', 'format = "seconds"'), "time.start: is needed"),
        (("[time]", "[time"), "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_is_refused_by_its_key(change: tuple[str, str], why: str) -> None:
    assert change[0] in GERMAN_MAP
    with pytest.raises(ConfigError, match=why):
        parse(GERMAN_MAP.replace(*change), Path("map.toml"))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="it has no column 'HR'; it has t, Puls"):
        made(tmp_path, "t,Puls\n1,2\n", PLAIN_MAP)


def test_a_fraction_is_a_percentage_only_when_it_is_declared(tmp_path: Path) -> None:
    rows = "t,SpO2\n1700000000,0.97\n1700000001,0.96\n"
    mapping = PLAIN_MAP.replace("HR", "SpO2").replace('"hr"', '"spo2"')
    with pytest.raises(RecordingError, match="none of its tracks can be used"):
        made(tmp_path, rows, mapping)
    declared = made(tmp_path, rows, mapping + 'unit = "fraction"\n')
    assert of(declared, "spo2") == pytest.approx([97, 96])


def test_words_for_no_value_of_a_mapping_are_none(tmp_path: Path) -> None:
    mapping = PLAIN_MAP + 'no_value = ["LEAD OFF", "222"]\n'
    rows = "t,HR\n1700000000,60\n1700000001,LEAD OFF\n1700000002,222\n1700000003,61\n"
    found = made(tmp_path, rows, mapping)
    assert [None if math.isnan(v) else v for v in of(found, "hr")] == [60, None, None, 61]
    assert not found.notes


# --- proposals ------------------------------------------------------------------------------------


def test_a_proposal_can_be_used_as_it_is(tmp_path: Path) -> None:
    rows = "Timestamp,SpO2 (%),Pulse Rate,NIBP Sys [mmHg],Weight\n" + "".join(
        f"2026-03-01T08:00:{n:02}Z,{97 - n % 2},{70 + n},,80\n" for n in range(10)
    )
    (tmp_path / "data.csv").write_text(rows)
    said = proposal(tmp_path / "data.csv")
    assert "# Left out, as it is not known what they are: Weight" in said
    found = made(tmp_path, rows, said)
    assert of(found, "pr") == list(range(70, 80))
    assert next(n for n in found.numbers if n.channel == "spo2").at_us[0] == T0


@pytest.mark.parametrize(
    ("rows", "how", "separator"),
    [
        (
            "Datum;HR\n01.03.2026 09:00:00;70,5\n01.03.2026 09:00:01;71,5\n",
            "%d.%m.%Y %H:%M:%S",
            ";",
        ),
        ("time\tHR\n1772352000\t70\n1772352001\t71\n", "unix", "\t"),
        ("HR,when\n70,2026-03-01 09:00:00\n71,2026-03-01 09:00:01\n", "iso", ","),
        ("time,HR\n0,70\n1.5,71\n", "seconds", ","),
    ],
)
def test_a_proposal_finds_out_when_and_how(
    tmp_path: Path, rows: str, how: str, separator: str
) -> None:
    (tmp_path / "data.csv").write_text(rows)
    said = tomllib.loads(proposal(tmp_path / "data.csv"))
    assert (said["time"]["format"], said["separator"]) == (how, separator)
    assert [track["channel"] for track in said["track"]] == ["hr"]


def test_heads_cannot_break_out_of_a_proposal(tmp_path: Path) -> None:
    head = 'time,"HR","x"" ]\n[[track]]\nname = 1"\n'
    (tmp_path / "data.csv").write_text(head + "2026-03-01T09:00:00Z,70,1\n")
    said = tomllib.loads(proposal(tmp_path / "data.csv"))
    assert len(said["track"]) == 1


# --- hostile --------------------------------------------------------------------------------------


def test_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a line of more than"):
        made(tmp_path, "t,HR\n1700000000," + "9" * (1 << 21), PLAIN_MAP)


def test_a_quote_that_never_closes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="it is no CSV that can be read"):
        made(tmp_path, 't,HR\n1700000000,"' + "9\n" * 200_000, PLAIN_MAP)


def test_a_binary_file_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="neither text nor a format that is known"):
        made(tmp_path, "t,HR\0\0\0", PLAIN_MAP)


@pytest.mark.parametrize("year", [1800, 1950, 2400])
def test_years_that_cannot_be_leave_nothing(tmp_path: Path, year: int) -> None:
    mapping = PLAIN_MAP.replace("unix", "iso")
    with pytest.raises(RecordingError, match="there is no value in it"):
        made(tmp_path, f"t,HR\n{year}-01-01T00:00:00Z,60\n", mapping)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_or_the_proposal_fail(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(b"t,HR,note\n1700000000,60,a\n" + junk)
    mapping = parse(PLAIN_MAP, path)
    assert "\n" not in refusal(lambda: read(path, mapping))
    assert "\n" not in refusal(lambda: proposal(path))
    path.unlink()


_CELLS = st.sampled_from(
    ["60", "0", "-1", "NaN", "inf", "1e999", "", "x", "60,5", "99999", '"', "="]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-100, 2**40), _CELLS), max_size=30))
def test_values_are_always_plausible_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "x.csv"
    path.write_text("t,HR\n" + "".join(f"{at},{cell}\n" for at, cell in rows))
    try:
        found = read(path, parse(PLAIN_MAP, path))
    except RecordingError:
        path.unlink()
        return
    (hr,) = found.numbers
    assert (hr.at_us[1:] > hr.at_us[:-1]).all()
    assert all(math.isnan(value) or 20 <= value <= 300 for value in hr.value)
    path.unlink()
