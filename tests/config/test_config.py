"""What a clinic's config file may say, and the one sentence that refuses everything else."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.config import Config, check_store, load, parse
from vitals.errors import ConfigError
from vitals.web_config import check_host

WHERE = Path("/clinic/clinic.toml")
ROOM = """
[[room]]
id = "room-1"
label = "Room 1"
  [[room.device]]
  id = "ox"
  driver = "nonin-df2"
  url = "serial:///dev/ox"
"""
SAME_LABEL = "room.label: 'room 1' is used twice; people tell rooms apart by it"


def second(room: str = "room-2", label: str = "Room 2", device: str = "bp", url: str = "bp") -> str:
    """A room beside `ROOM`, different in everything unless the test says otherwise."""
    return (
        f'[[room]]\nid = "{room}"\nlabel = "{label}"\n'
        f'[[room.device]]\nid = "{device}"\ndriver = "dinamap"\nurl = "serial:///dev/{url}"\n'
    )


def refused(text: str) -> ConfigError:
    """The refusal of a text; always one line that names the file."""
    with pytest.raises(ConfigError) as refusal:
        parse(text, path=WHERE)
    assert str(refusal.value).startswith(f"{WHERE}: ")
    assert "\n" not in str(refusal.value)
    return refusal.value


def test_what_is_not_said_has_its_default() -> None:
    config = parse('[[room]]\nid = "r1"\n', path=WHERE)
    assert (config.station.id, config.station.mode, config.station.speed) == ("station", "real", 1)
    assert config.station.profile is None
    assert config.station.alarm_command == []
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8050)
    assert config.room[0].auto_nibp
    assert config.room[0].device == []  # a room may wait for its devices


def test_what_is_said_is_what_is_read() -> None:
    config = parse(
        '[station]\nid = "s-1"\nmode = "demo"\nspeed = 2\nalarm_command = ["say", "-v"]\n'
        '[web]\nhost = "::1"\nport = 1\n' + ROOM + second() + "[[room]]\nid = 'r3'\n"
        "auto_nibp = false\n",
        path=WHERE,
    )
    assert (config.station.id, config.station.mode, config.station.speed) == ("s-1", "demo", 2)
    assert config.station.alarm_command == ["say", "-v"]
    assert (config.web.host, config.web.port) == ("::1", 1)
    assert [room.name for room in config.room] == ["Room 1", "Room 2", "r3"]
    assert [room.auto_nibp for room in config.room] == [True, True, False]
    device = config.room[1].device[0]
    assert (device.id, device.driver, device.url) == ("bp", "dinamap", "serial:///dev/bp")


# --- files -------------------------------------------------------------------------------------


def test_relative_paths_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/clinic.toml").write_text(
        '[station]\nstore = "data/v.db"\nprofile = "mine.toml"\n' + ROOM
    )
    monkeypatch.chdir(tmp_path)
    config = load("conf/clinic.toml")
    assert config.station.store == tmp_path / "conf/data/v.db"
    assert config.station.profile == tmp_path / "conf/mine.toml"
    assert config.feed_file == tmp_path / "conf/data/v.db.feed"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    text = f"[station]\nstore = '{tmp_path}/v.db'\nprofile = '{tmp_path}/p.toml'\n{ROOM}"
    config = parse(text, path=WHERE)
    assert config.station.store == tmp_path / "v.db"
    assert config.station.profile == tmp_path / "p.toml"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory); check the path"),
        (b"\xff\xfe[\x00", "is not UTF-8 text; save it as UTF-8"),
        (b"[station\n", "is not valid TOML: "),
    ],
)
def test_a_file_that_is_not_a_config_is_named(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "clinic.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}: {words}")
    assert refusal.value.path == path


def test_a_record_needs_a_folder_and_must_be_a_file(tmp_path: Path) -> None:
    def why_not(store: str) -> str:
        config = parse(f"[station]\nstore = '{tmp_path}/{store}'\n{ROOM}", path=WHERE)
        with pytest.raises(ConfigError) as refusal:
            check_store(config, WHERE)
        assert refusal.value.key == "station.store"
        return str(refusal.value)

    (tmp_path / "there").mkdir()
    assert f"there is no folder {tmp_path}/not" in why_not("not/v.db")
    assert f"{tmp_path}/there is a folder; name a file in it" in why_not("there")
    check_store(parse(f"[station]\nstore = '{tmp_path}/v.db'\n{ROOM}", path=WHERE), WHERE)


# --- keys and types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ('[statoin]\nid = "x"\n' + ROOM, "statoin", 'did you mean "station"?'),
        ("[[rom]]\nid = 'x'\n", "rom", 'did you mean "room"?'),
        ('[station]\nstroe = "x"\n' + ROOM, "station.stroe", 'did you mean "store"?'),
        ("[web]\nprot = 1\n" + ROOM, "web.prot", 'did you mean "port"?'),
        ('[[room]]\nid = "r"\nlable = "x"\n', "room.0.lable", 'did you mean "label"?'),
        (
            ROOM + 'drivr = "x"\n',
            "room.0.device.0.drivr",
            'did you mean "driver"?',
        ),
        (ROOM + second() + "ulr = 1\n", "room.1.device.0.ulr", 'did you mean "url"?'),
        (
            "[web]\nzzz = 1\n" + ROOM,
            "web.zzz",
            "known keys are host, port, lock_s, tls_cert, tls_key",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_of_its_table(
    text: str, key: str, hint: str
) -> None:
    refusal = refused(text)
    assert refusal.key == key
    assert str(refusal) == f"{WHERE}: {key}: there is no such key; {hint}"


def test_a_needed_key_with_a_slip_is_called_a_slip() -> None:
    assert 'did you mean "driver"?' in str(refused(ROOM.replace("driver", "drivr")))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('station = "x"\n' + ROOM, "station"),
        ("room = 5\n", "room"),
        ("[room]\nid = 'x'\n", "room"),
        ("[station]\nid = 5\n" + ROOM, "station.id"),
        ("[station]\nstore = 5\n" + ROOM, "station.store"),
        ('[station]\nmode = "fast"\n' + ROOM, "station.mode"),
        ('[station]\nspeed = "2"\n' + ROOM, "station.speed"),
        ("[station]\nspeed = true\n" + ROOM, "station.speed"),
        ('[station]\nalarm_command = "say"\n' + ROOM, "station.alarm_command"),
        ("[station]\nalarm_command = [1]\n" + ROOM, "station.alarm_command.0"),
        ("[web]\nhost = 1\n" + ROOM, "web.host"),
        ('[web]\nport = "8050"\n' + ROOM, "web.port"),
        ("[web]\nport = 80.5\n" + ROOM, "web.port"),
        ("[web]\nport = true\n" + ROOM, "web.port"),
        ("[[room]]\nid = 'r'\nauto_nibp = 'no'\n", "room.0.auto_nibp"),
        ("[[room]]\nid = 'r'\nauto_nibp = 0\n", "room.0.auto_nibp"),
        ("[[room]]\nlabel = 'Room 1'\n", "room.0.id"),
        ("[[room]]\nid = 'r'\n[[room.device]]\nid = 'd'\nurl = 'x'\n", "room.0.device.0.driver"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_key(text: str, key: str) -> None:
    refusal = refused(text)
    assert refusal.key == key
    assert str(refusal).startswith(f"{WHERE}: {key}: ")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_nobody_can_open_is_refused(port: int) -> None:
    assert refused(f"[web]\nport = {port}\n{ROOM}").key == "web.port"


@pytest.mark.parametrize("name", ["", " ", "-a", "a b", "a/b", "a:b", "é", "a" * 41])
@pytest.mark.parametrize("table", ["station", "room", "device"])
def test_an_id_that_does_not_fit_into_names_is_refused(table: str, name: str) -> None:
    texts = {
        "station": f"[station]\nid = '{name}'\n{ROOM}",
        "room": second(room=name),
        "device": second(device=name),
    }
    assert refused(texts[table]).key.endswith("id")


@pytest.mark.parametrize("name", ["a", "0", "Room.1_b-c", "a" * 40])
def test_an_id_of_letters_digits_dots_and_dashes_is_read(name: str) -> None:
    assert parse(second(room=name), path=WHERE).room[0].id == name


# --- what cannot be together -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"room": "room-1"}, "room.id: 'room-1' is used twice; ids must differ"),
        ({"device": "ox"}, "device.id: 'ox' is used twice; ids must differ"),
        (
            {"url": "ox"},
            "device.url: 'serial:///dev/ox' is used twice; each device needs a link of its own",
        ),
        ({"label": "Room 1"}, SAME_LABEL),
        (
            {"label": " room  1"},
            "room.label: 'room 1' is used twice; people tell rooms apart by it",
        ),
    ],
)
def test_what_must_differ_between_rooms_and_devices_is_named(
    other: dict[str, str], sentence: str
) -> None:
    refusal = refused(ROOM + second(**other))
    assert str(refusal) == f"{WHERE}: {sentence}"
    assert refusal.key == sentence.partition(":")[0]


def test_devices_of_one_room_must_differ_too() -> None:
    more = '[[room.device]]\nid = "bp"\ndriver = "dinamap"\nurl = "serial:///dev/ox"\n'
    assert refused(ROOM + more).key == "device.url"


def test_a_room_without_a_label_goes_by_its_id() -> None:
    assert refused('[[room]]\nid = "a"\n[[room]]\nid = "b"\nlabel = "a"\n').key == "room.label"
    two = parse('[[room]]\nid = "a"\n[[room]]\nid = "b"\n', path=WHERE)
    assert [room.name for room in two.room] == ["a", "b"]


@pytest.mark.parametrize("text", ["", '[station]\nid = "s"\n', "room = []\n"])
def test_a_station_without_a_room_is_refused(text: str) -> None:
    refusal = refused(text)
    assert str(refusal) == f"{WHERE}: room: there is none; add a [[room]] with an id"
    assert refusal.key == "room"


@pytest.mark.parametrize("speed", ["0", "-1", "600.1", "nan", "inf"])
def test_a_speed_that_no_clock_can_have_is_refused(speed: str) -> None:
    assert refused(f'[station]\nmode = "demo"\nspeed = {speed}\n{ROOM}').key == "station.speed"


def test_only_a_demo_or_a_test_runs_faster() -> None:
    refusal = refused("[station]\nspeed = 2.0\n" + ROOM)
    assert str(refusal) == (f"{WHERE}: station.speed: only a demo or test station may run faster")
    for mode in ("demo", "test"):
        text = f'[station]\nmode = "{mode}"\nspeed = 600\n{ROOM}'
        assert parse(text, path=WHERE).station.speed == 600


# --- hosts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_computer_may_serve_the_pages(host: str) -> None:
    check_host(host, path="--host")
    assert parse(f'[web]\nhost = "{host}"\n{ROOM}', path=WHERE).web.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "clinic.example", "", "o'x\\"])  # noqa: S104
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    refusal = refused(f"[web]\nhost = '''{host}'''\n{ROOM}")
    assert refusal.key == "web.host"
    assert "use 127.0.0.1" in str(refusal)
    with pytest.raises(ConfigError, match=r"^--host: web.host: .* is reachable") as asked:
        check_host(host, path="--host")
    assert asked.value.key == "web.host"


# --- any text ----------------------------------------------------------------------------------

VALUES = st.sampled_from(["1", "-1", "0.5", "true", "'x'", "''", "[]", "{}", "[1]", "nan"])
KEYS = st.sampled_from(
    [*Config.model_fields, "id", "store", "speed", "host", "port", "label", "device", "driver", "x"]
)
TABLES = st.sampled_from(["[station]", "[web]", "[[room]]", "[[room.device]]", "[room]"])
LINES = st.one_of(TABLES, st.builds("{} = {}".format, KEYS, VALUES))


@given(st.one_of(st.text(), st.lists(LINES).map("\n".join)))
def test_any_text_is_a_config_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse(text, path=WHERE).room


def test_a_channel_or_device_that_a_room_does_not_know_is_named() -> None:
    room = '[[room]]\nid = "r"\n{more}\n[[room.device]]\nid = "d"\ndriver = "x"\nurl = "y"\n{dev}\n'
    for more, dev, words in (
        ("", 'channels = ["spo"]', 'did you mean "spo2"?'),
        ('prefer = { spo2 = ["e"] }', "", "has no such device"),
        ('prefer = { sp02 = ["d"] }', "", 'did you mean "spo2"?'),
        ("", 'mode = "often"', "mode"),
    ):
        with pytest.raises(ConfigError) as refusal:
            parse(room.format(more=more, dev=dev), path=Path("clinic.toml"))
        assert words in str(refusal.value)
    bound = parse(
        room.format(more='prefer = { spo2 = ["d"] }', dev='channels = ["spo2"]\nmode = "spot"'),
        path=Path("clinic.toml"),
    )
    assert bound.room[0].device[0].mode == "spot"
    assert bound.room[0].prefer == {"spo2": ["d"]}
