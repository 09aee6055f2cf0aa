from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path
from types import ModuleType

import apsw
import pytest
from click.testing import CliRunner

from dashboard.review.index import Index
from tests.store.build import KEY, T0, audit, fill, raw, session, station, until
from vitals import config, supervised
from vitals.cli import cli
from vitals.errors import ConfigError, StoreError
from vitals.record import Record
from vitals.store import keys
from vitals.store.connection import open_for_reading, open_for_writing, quarantine
from vitals.store.keys import KeyUnavailable
from vitals.store.reader import Reader
from vitals.store.rekey import rekey
from vitals.store.verify import verify
from vitals.store.writer import Writer

OTHER = bytes(range(1, 33))


def _key_file(folder: Path, key: bytes = KEY, name: str = "clinic.key") -> Path:
    path = folder / name
    path.write_text(f"{key.hex()}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"file:{_key_file(tmp_path)}"


def _recorded(path: Path, source: str) -> None:
    """A record as a station makes it whose config names a key."""
    record = Record(path, "clinic-a", "", key_source=source)
    record.clock(1.0)
    record.start(lambda state: None)
    assert record.close()


# --- where a key can be -----------------------------------------------------------------------


def test_a_key_is_read_from_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = _key_file(tmp_path)
    assert keys.read(f"file:{path}") == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_could_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = _key_file(tmp_path)
    path.chmod(mode)
    with pytest.raises(KeyUnavailable, match=r"others on this computer can read the key; run `ch"):
        keys.read(f"file:{path}")


def test_a_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KV_RECORD_KEY", KEY.hex().upper())
    assert keys.read("env:KV_RECORD_KEY") == KEY
    monkeypatch.delenv("KV_RECORD_KEY")
    with pytest.raises(KeyUnavailable, match="KV_RECORD_KEY with the record's key is not set"):
        keys.read("env:KV_RECORD_KEY")


class _Keyring(ModuleType):
    """Stands for the package: the operating system's store of secrets."""

    def __init__(self, known: dict[tuple[str, str], str]) -> None:
        super().__init__("keyring")
        self._known = known

    def get_password(self, service: str, user: str) -> str | None:
        if service == "locked":
            raise RuntimeError("the collection is locked")
        return self._known.get((service, user))


def test_a_key_is_read_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keys._from_keyring.cache_clear()
    monkeypatch.setitem(sys.modules, "keyring", _Keyring({("vitals", "clinic/a"): KEY.hex()}))
    assert keys.read("keyring:vitals/clinic/a") == KEY
    with pytest.raises(KeyUnavailable, match=r"has no key 'nobody' .* `keyring set vitals nobody`"):
        keys.read("keyring:vitals/nobody")
    with pytest.raises(KeyUnavailable, match=r"does not answer \(RuntimeError\); unlock it"):
        keys.read("keyring:locked/a")


def test_a_keyring_that_waits_for_somebody_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A locked one shows a window, and nobody may sit there."""
    answered = threading.Event()
    keyring = _Keyring({})
    monkeypatch.setattr(keyring, "get_password", lambda service, user: str(answered.wait(60)))
    keys._from_keyring.cache_clear()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setattr(keys, "KEYRING_S", 0.05)
    try:
        with pytest.raises(KeyUnavailable, match=r"does not answer \(TimeoutError\); unlock it"):
            keys.read("keyring:vitals/a")
    finally:
        answered.set()


def test_a_station_says_that_its_key_is_away_before_its_supervisor_loses_patience() -> None:
    assert keys.KEYRING_S + 1 < supervised.AGAIN_S < supervised.GRACE_S


def test_without_the_package_keyring_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys._from_keyring.cache_clear()
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeyUnavailable, match=r"install kap-vitals\[keyring\]"):
        keys.read("keyring:vitals/a")


@pytest.mark.parametrize(
    "text", ["", "00" * 31, "00" * 33, "zz" * 32, "0x" + "00" * 31, "00" * 5000, "½" * 64]
)
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clinic.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyUnavailable, match="which has 64 hex digits") as caught:
        keys.read(f"file:{path}")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("gone", ["missing.key", "."])
def test_a_key_that_is_not_there_is_named(tmp_path: Path, gone: str) -> None:
    with pytest.raises(KeyUnavailable, match="key"):
        keys.read(f"file:{tmp_path / gone}")


# --- the config -------------------------------------------------------------------------------


def _config(line: str) -> config.Config:
    text = f'[station]\n{line}\n[[room]]\nid = "room-1"\n'
    return config.parse(text, path=Path("/clinic/vitals.toml"))


def test_the_config_names_a_key_relative_to_itself() -> None:
    assert _config('key = "file:keys/a.key"').station.key == "file:/clinic/keys/a.key"
    assert _config('key = "file:/safe/a.key"').station.key == "file:/safe/a.key"
    assert _config('key = "env:KV_KEY"').station.key == "env:KV_KEY"
    assert _config("").station.key == ""


@pytest.mark.parametrize("value", [KEY.hex(), "file:", "keyring:vitals", "vault:a", "env:"])
def test_a_config_that_names_no_place_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigError, match=r"station\.key: ") as caught:
        _config(f'key = "{value}"')
    assert KEY.hex() not in str(caught.value)


# --- beside the record ------------------------------------------------------------------------


def test_a_station_with_a_key_makes_an_encrypted_record(path: Path, source: str) -> None:
    _recorded(path, source)
    assert not path.read_bytes().startswith(b"SQLite")
    assert verify(path, key=KEY).ok


def test_everybody_finds_the_key_by_what_is_beside_the_record(path: Path, source: str) -> None:
    _recorded(path, source)
    assert stat.S_IMODE(keys.beside(path).stat().st_mode) == 0o600
    assert KEY.hex() not in keys.beside(path).read_text()
    assert Reader(path).last_seq() > 0
    assert verify(path).ok
    open_for_writing(path).connection.close()
    with Reader(path).at_one_moment() as reader:
        assert reader.audit(None)
    index = Index(path)
    assert index._key == KEY
    index.close()


def test_commands_find_the_key(path: Path, source: str) -> None:
    _recorded(path, source)
    for command in ("list", "verify"):
        done = CliRunner().invoke(cli, ["sessions", command, "--store", str(path)])
        assert done.exit_code == 0, done.output


def test_the_key_is_in_no_file_but_its_own(path: Path, source: str) -> None:
    _recorded(path, source)
    for file in path.parent.iterdir():
        if file.name != "clinic.key":
            content = file.read_bytes()
            assert KEY not in content, file
            assert KEY.hex().encode() not in content, file


def test_a_record_that_its_key_does_not_open_keeps_the_name_of_the_right_one(
    path: Path, source: str, tmp_path: Path
) -> None:
    _recorded(path, source)
    other = f"file:{_key_file(tmp_path, OTHER, 'other.key')}"
    with pytest.raises(StoreError, match="this key does not open the record"):
        Record(path, "clinic-a", "", key_source=other)
    assert keys.source_of(path) == source
    assert verify(path).ok


def test_a_record_whose_key_is_away_is_left_alone(path: Path, source: str, tmp_path: Path) -> None:
    _recorded(path, source)
    before = path.read_bytes()
    (tmp_path / "clinic.key").unlink()
    for attempt in (open_for_writing, open_for_reading, Writer, verify):
        with pytest.raises(StoreError, match=r"the key of the record is away: .* cannot be read"):
            attempt(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.corrupt.*"))


def test_an_encrypted_record_without_any_key_is_left_alone(path: Path, source: str) -> None:
    _recorded(path, source)
    keys.beside(path).unlink()
    before = path.read_bytes()
    for attempt in (open_for_writing, Writer):
        with pytest.raises(StoreError, match=r"is encrypted; give its key \(station.key in"):
            attempt(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.corrupt.*"))


def test_a_plain_record_is_not_taken_for_one_under_the_key(path: Path, source: str) -> None:
    fill(path)
    with pytest.raises(StoreError, match=r"is not encrypted; .* `vitals key encrypt`"):
        Record(path, "clinic-a", "", key_source=source)
    assert not keys.beside(path).exists()
    assert verify(path).ok


@pytest.mark.parametrize("text", ["", "key = 5", "key = [", "\0", 'ke = "file:/a"'])
def test_a_note_beside_the_record_that_says_nothing_is_told(path: Path, text: str) -> None:
    fill(path, key=KEY)
    keys.beside(path).write_text(text)
    with pytest.raises(KeyUnavailable, match=r"key\.toml: .* write one line into it"):
        Reader(path).sessions()


def test_a_damaged_record_that_was_set_aside_can_still_be_opened(path: Path, source: str) -> None:
    _recorded(path, source)
    aside = quarantine(path)
    assert aside is not None
    assert verify(aside).ok


def test_a_station_goes_on_when_its_key_disappears(path: Path, source: str, tmp_path: Path) -> None:
    writer = Writer(path, key=KEY, key_source=source, now_us=lambda: T0)
    writer.start()
    (tmp_path / "clinic.key").unlink()
    writer.put_audit(audit(1), session=session(), station=station())
    until(lambda: writer.health().queued == 0)
    assert writer.health().recording
    assert writer.close()


# --- the commands -----------------------------------------------------------------------------


def test_a_new_key_is_private_and_the_loss_is_spoken_of(tmp_path: Path) -> None:
    path = tmp_path / "new.key"
    done = CliRunner().invoke(cli, ["key", "new", str(path)])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "loses the record and every backup" in done.output
    assert keys.read(f"file:{path}").hex() not in done.output


def test_a_new_key_never_takes_the_place_of_another(tmp_path: Path) -> None:
    path = _key_file(tmp_path)
    with pytest.raises(KeyUnavailable, match="may be the only key of a record; name another"):
        keys.make(path)
    assert keys.read(f"file:{path}") == KEY


def test_two_new_keys_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keys.make(tmp_path / name)
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


def _dump(path: Path, key: bytes | None = None) -> list[tuple[object, ...]]:
    connection = open_for_reading(path, key=key)
    try:
        tables = ("session", "channel", "numeric", "wave", "audit", "station")
        return [row for t in tables for row in connection.execute(f"SELECT * FROM {t}").fetchall()]  # noqa: S608
    finally:
        connection.close()


def test_a_plain_record_is_put_under_a_key(path: Path, source: str) -> None:
    fill(path)
    Path(f"{path}.index").write_text("P-017")
    before = _dump(path)
    done = CliRunner().invoke(cli, ["key", "encrypt", "--store", str(path), "--to", source])
    assert done.exit_code == 0, done.output
    assert b"P-017" not in path.read_bytes()
    assert _dump(path) == before
    assert verify(path).ok
    assert not Path(f"{path}.index").exists()
    assert KEY.hex() not in done.output
    (old,) = path.parent.glob("*.before-key.*")
    assert _dump(old) == before
    assert str(old) in done.output


def test_a_record_is_put_under_another_key(path: Path, source: str, tmp_path: Path) -> None:
    _recorded(path, source)
    before = _dump(path)
    other = f"file:{_key_file(tmp_path, OTHER, 'other.key')}"
    done = rekey(path, other)
    assert done.found.ok
    assert _dump(path) == _dump(path, OTHER) == before
    assert _dump(done.old) == before  # under the old key, which is named beside it
    with pytest.raises(StoreError, match="this key does not open the record"):
        open_for_writing(path, key=KEY)
    assert not list(tmp_path.glob("*.corrupt.*"))


def test_the_old_key_never_makes_a_rekeyed_record_look_damaged(
    path: Path, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a loss of power right behind the exchange of the files."""
    _recorded(path, source)
    monkeypatch.setattr("vitals.store.key_mark.leave", lambda record, key: None)
    rekey(path, f"file:{_key_file(tmp_path, OTHER, 'other.key')}")
    with pytest.raises(StoreError, match="this key does not open the record"):
        open_for_writing(path, key=KEY)
    assert not list(tmp_path.glob("*.corrupt.*"))


def test_a_record_that_a_station_writes_is_not_put_under_a_key(path: Path, source: str) -> None:
    writer = Writer(path, now_us=lambda: T0)
    writer.start()
    with pytest.raises(StoreError, match="writes this record; stop it"):
        rekey(path, source)
    assert writer.close()
    assert verify(path).ok


def test_a_record_that_is_being_read_is_not_put_under_a_key(path: Path, source: str) -> None:
    fill(path)
    reader = open_for_reading(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM audit").fetchall()
    with pytest.raises(StoreError, match="another program has the record open; close it"):
        rekey(path, source)
    reader.close()
    assert not keys.beside(path).exists()
    assert verify(path).ok


def test_a_broken_record_is_not_put_under_a_key(path: Path, source: str) -> None:
    fill(path)
    connection = raw(path)
    connection.execute("DROP TRIGGER numeric_no_update")
    connection.close()
    with pytest.raises(StoreError, match="its key was not changed"):
        rekey(path, source)
    assert not [file for word in ("key", "rekeyed") for file in path.parent.glob(f"*.db*.{word}*")]


def test_a_full_disk_leaves_the_record_as_it_is(
    path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path)
    before = _dump(path)

    def full(*_: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr("vitals.store.rekey.connect", full)
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        rekey(path, source)
    assert _dump(path) == before
    assert not list(path.parent.glob("*.rekeyed*"))


def test_the_wrong_command_for_a_record_says_which_one_is_right(path: Path, source: str) -> None:
    fill(path)
    run = CliRunner()
    done = run.invoke(cli, ["key", "rekey", "--store", str(path), "--to", source])
    assert "use `vitals key encrypt`" in str(done.exception)
    assert run.invoke(cli, ["key", "encrypt", "--store", str(path), "--to", source]).exit_code == 0
    done = run.invoke(cli, ["key", "encrypt", "--store", str(path), "--to", source])
    assert "use `vitals key rekey`" in str(done.exception)


def test_an_encrypted_record_leaves_no_plain_temporary_file(path: Path) -> None:
    connection = open_for_writing(path, key=KEY).connection
    assert connection.pragma("temp_store") == 2
    connection.close()
    assert os.listdir(path.parent)
