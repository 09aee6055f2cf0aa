"""An export is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vitals.export import csv_files
from vitals.export.command import write
from vitals.export.session_data import SessionData
from vitals.export.target import ExportError, whole_file, whole_folder

FORMATS = ("csv", "fhir", "hl7", "edf", "parquet", "vital")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Interrupted:
    """Ctrl-C in the middle: the n-th time that something is told."""

    def __init__(self, after: int) -> None:
        self._after = after

    def __call__(self, _: str) -> None:
        self._after -= 1
        if self._after < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["out", "out.zip"])
@pytest.mark.parametrize("after", [0, 1])
def test_ctrl_c_leaves_nothing(
    data: SessionData, tmp_path: Path, form: str, name: str, after: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(data, form, tmp_path / name, Interrupted(after))
    assert left(tmp_path) == []


class FullDisk:
    """A disk that takes so many bytes more, as a file object sees it."""

    def __init__(self, file: Any, free: int) -> None:
        self._file, self._free = file, free

    def write(self, block: Any) -> int:
        self._free -= len(block)
        if self._free < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(block))

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = os.fdopen
    monkeypatch.setattr("os.fdopen", lambda *a, **k: FullDisk(real(*a, **k), 3_000))
    yield
    monkeypatch.undo()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["out", "out.zip"])
@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    data: SessionData, tmp_path: Path, form: str, name: str
) -> None:
    with pytest.raises(ExportError, match="the disk is full, so nothing was exported") as caught:
        write(data, form, tmp_path / name, lambda _: None)
    assert str(tmp_path / name) in str(caught.value)
    assert left(tmp_path) == []


def test_what_is_there_already_is_never_overwritten(data: SessionData, tmp_path: Path) -> None:
    there = tmp_path / "vitals.db"
    there.write_text("a record")
    for form in FORMATS:
        with pytest.raises(ExportError, match="something of that name already"):
            write(data, form, there, lambda _: None)
    assert there.read_text() == "a record"
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match="already"), whole_folder(tmp_path / "folder"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="already"), whole_file(tmp_path / "link"):
        pass
    assert left(tmp_path) == ["folder", "link", "vitals.db"]


def test_what_appears_meanwhile_is_not_overwritten_either(tmp_path: Path) -> None:
    path = tmp_path / "one.json"

    def meanwhile() -> None:
        with whole_file(path) as file:
            file.write(b"export")
            path.write_text("of somebody else")

    with pytest.raises(ExportError, match="already"):
        meanwhile()
    assert path.read_text() == "of somebody else"
    assert left(tmp_path) == ["one.json"]


def test_a_missing_folder_is_one_sentence(data: SessionData, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no folder .*nowhere; create it"):
        write(data, "csv", tmp_path / "nowhere" / "out", lambda _: None)


def test_nothing_is_there_before_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    with whole_file(path) as file:
        file.write(b"export")
        assert not path.exists()
    assert path.read_bytes() == b"export"
    assert left(tmp_path) == ["one.json"]


def test_only_the_owner_can_read_an_export(data: SessionData, tmp_path: Path) -> None:
    write(data, "csv", tmp_path / "out", lambda _: None)
    write(data, "fhir", tmp_path / "out.json", lambda _: None)
    for path in (tmp_path / "out", tmp_path / "out.json", *(tmp_path / "out").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_every_file_of_a_zip_is_whole(data: SessionData, tmp_path: Path) -> None:
    write(data, "parquet", tmp_path / "out.zip", lambda _: None)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 5


def test_every_format_tells_what_it_writes(data: SessionData, tmp_path: Path) -> None:
    for form in FORMATS:
        said: list[str] = []
        write(data, form, tmp_path / form, said.append)
        assert said
    said = []
    with whole_folder(tmp_path / "again") as files:
        csv_files.write(data, files, said.append)
    assert any(text.endswith(" %") for text in said)
