"""Sessions as files that other programs read: one module for each format.

Every format has `write(data, target, tell)`. Its libraries are imported inside, so that naming a
format costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes:
        module: where its `write` is.
        suffix: of a file.
        several: whether it makes several files: a folder, or a zip.
        extra: what must be installed beside the program (`pip install "kap-vitals[…]"`).
        about: for the help.
    """

    module: str
    suffix: str
    several: bool
    extra: str
    about: str


FORMATS: dict[str, Format] = {
    "csv": Format("csv_files", "", True, "", "tables for every program"),
    "fhir": Format("fhir", ".json", False, "", "FHIR R4 Bundle"),
    "hl7": Format("hl7", ".hl7", False, "", "HL7 v2.6 ORU^R01, shaped as IHE PCD-01"),
    "edf": Format("edf", ".edf", False, "edf", "EDF+ signals"),
    "parquet": Format("parquet", "", True, "parquet", "Parquet tables"),
    "pdf": Format("pdf", ".pdf", False, "pdf", "report of two A4 pages"),
    "rems": Format("rems_pdf", ".pdf", False, "pdf", "sheet with the fields of the REMS form"),
    "vital": Format("vital_file", ".vital", False, "", "file of Vital Recorder and VitalDB"),
}
