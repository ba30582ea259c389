from __future__ import annotations

import pytest

from scanner.crosscheck import code
from scanner.model import Artefact, Facts, FileEntry, FileResult, Kind, Location


def findings(*entry_points: str, present: tuple[str, ...], config: str = "config.json"):
    facts = Facts("hub-config", entry_points=entry_points)
    files = (FileResult(config, 1, facts=((Location(config), facts),)),)
    entries = tuple(FileEntry(path, 1) for path in (config, *present))
    return list(code.check(files, Artefact("x", "local", "x", Kind.MODEL, None, entries)))


@pytest.mark.parametrize("present", ["custom_x.py", "custom_x/__init__.py", "unet/custom_x.py"])
def test_code_that_is_here_is_no_finding(present: str) -> None:
    assert not findings("custom_x.XModel", present=(present,))


def test_code_that_is_not_here_is_found() -> None:
    found = findings("custom_x.XModel", present=("other.py",))
    assert [(f.rule.id, f.evidence) for f in found] == [
        ("crosscheck/code-missing", (("reference", "custom_x.XModel"),))
    ]


def test_a_configuration_in_a_folder_looks_beside_itself() -> None:
    assert not findings("m.X", present=("part/m.py",), config="part/config.json")


@pytest.mark.parametrize(
    "name",
    [
        "owner/name--m.X",
        "sentence_transformers.models.Pooling",
        "torch.optim.AdamW",
        "owner/kernel",
        "os.system",
    ],
)
def test_other_code_is_not_looked_for(name: str) -> None:
    assert not findings(name, present=("README.md",))


def test_a_single_file_has_no_neighbours() -> None:
    assert not findings("custom_x.XModel", present=())
