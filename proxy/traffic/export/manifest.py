"""The manifest of an export: its format, and how many records of each kind and day it has."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from proxy.private_files import replace_file
from proxy.traffic.export.errors import ExportError

FileFormat: TypeAlias = Literal["parquet", "jsonl"]

VERSION: Final = 1
"""Changes whenever a version of Holdover lays out directories or columns otherwise."""
_NAME: Final = "export.json"


class Manifest(msgspec.Struct, kw_only=True):
    """The version and format of an export, and the number of records in each of its files."""

    version: int
    format: str
    days: dict[str, dict[str, int]]
    """Records by kind and day."""


def read_manifest(directory: Path, file_format: FileFormat) -> Manifest:
    """Return the manifest, or that of a new export; raises `ExportError` if it is another's."""
    file = directory / _NAME
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest(version=VERSION, format=file_format, days={})
    except msgspec.MsgspecError as exc:
        raise ExportError(f"{file} is not the manifest of an export: {exc}") from exc
    if manifest.version != VERSION:
        raise ExportError(
            f"{directory} has an export of format version {manifest.version}, and this version of"
            f" Holdover writes {VERSION}: choose another directory"
        )
    if manifest.format != file_format:
        raise ExportError(
            f"{directory} has an export in the format {manifest.format}: go on with"
            f" `--format {manifest.format}`, or choose another directory"
        )
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest; raises `OSError`."""
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"))
    replace_file(directory / _NAME, text + b"\n")
