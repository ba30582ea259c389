"""References inside a bill of materials: from content and names, so that they never change by chance."""

from __future__ import annotations

from urllib.parse import quote

from scanner.bom.subject import Related, Subject


def root_ref(subject: Subject) -> str:
    """What the target resolved to."""
    return f"artefact:{subject.digest}"


def main_ref(subject: Subject) -> str:
    """The model or the data set."""
    return f"{subject.report.artefact.kind.value}:{subject.digest}"


def file_ref(path: str) -> str:
    """A file of the artefact."""
    return f"file:{quoted(path)}"


def data_ref(dataset: Related) -> str:
    """A data set that somebody names."""
    return f"data:{quoted(dataset.name)}"


def base_ref(base: Related, *, ancestor: bool = False) -> str:
    """A base model: as a component, or once more as an ancestor in the pedigree."""
    return f"{'ancestor' if ancestor else 'base'}:{quoted(base.name)}"


def library_ref(library: Related) -> str:
    """A library; what pip installs and what somebody merely calls by that name are two things."""
    return f"{'pypi' if library.package else 'library'}:{quoted(library.ref)}"


def tool_ref() -> str:
    """Weighbridge itself."""
    return "tool:weighbridge"


def quoted(text: str, safe: str = "/") -> str:
    """A path or name as part of a reference or an address, whatever is in it."""
    return quote(text, safe=safe, errors="backslashreplace")
