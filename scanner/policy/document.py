"""The policy file: YAML 1.2, typed, errors with line, column and a suggestion."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.errors import PolicyError
from scanner.model import Severity

_LIMIT = 1 << 20
_KEYS = {
    "": ("version", "name", "gate", "gaps", "source"),
    "gate": ("fail_on", "warn_on"),
    "gaps": ("allow",),
    "source": ("pinned",),
}
# In an installed wheel the packs lie beside this module, in a checkout at the top level.
_FOLDERS = (Path(__file__).parent / "packs", Path(__file__).parents[2] / "policies")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that has been checked."""

    name: str
    path: str
    digest: str
    fail_on: Severity = Severity.HIGH
    warn_on: Severity = Severity.MEDIUM
    allow_gaps: bool = False
    pinned: bool = False
    lines: tuple[tuple[str, int], ...] = ()

    def line(self, key: str) -> int | None:
        """1-based line of ``gate.fail_on`` and the like, where the file has it."""
        return dict(self.lines).get(key)


def load(path_or_pack: str) -> Policy:
    """A shipped pack by its name, or a policy file by its path.

    Raises:
        PolicyError: It does not exist, or is no valid policy.
    """
    path = _find(path_or_pack)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}", path=str(path)) from error
    if len(raw) > _LIMIT:
        raise PolicyError(f"is larger than {_LIMIT} bytes", path=str(path))
    body = _parse(raw, str(path))
    return _policy(body, path.name, hashlib.sha256(raw).hexdigest())


def _find(name: str) -> Path:
    if Path(name).suffix in {".yaml", ".yml"} or "/" in name:
        return Path(name)
    for folder in _FOLDERS:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted({path.stem for folder in _FOLDERS for path in folder.glob("*.yaml")})
    raise PolicyError(f"no shipped policy is called {name!r} (there is: {', '.join(known)})")


def _parse(raw: bytes, path: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415 - only where a policy is read
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    try:
        return yaml.load(raw.decode("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = str(error.problem or "is no valid YAML")
        raise PolicyError(problem, path=path, line=place[0], column=place[1]) from error
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise PolicyError("is no valid YAML 1.2 in UTF-8", path=path) from error


class _Section:
    """One mapping of the file: known keys only, each with its place."""

    def __init__(self, body: Any, name: str, path: str) -> None:
        if not isinstance(body, Mapping):
            raise PolicyError(f"{name or 'the policy'} has to be a mapping", path=path)
        self._body: Any = body
        self._name = name
        self._path = path
        for key in body:
            if key not in _KEYS[name]:
                near = difflib.get_close_matches(str(key), _KEYS[name], 1)
                hint = f"; did you mean {near[0]}?" if near else f" (known: {', '.join(_KEYS[name])})"
                raise self.error(key, f"unknown key {key!r}{hint}")

    def place(self, key: Any) -> tuple[int, int]:
        line, column = self._body.lc.key(key)
        return line + 1, column + 1

    def error(self, key: Any, message: str) -> PolicyError:
        line, column = self.place(key)
        return PolicyError(message, path=self._path, line=line, column=column)

    def section(self, key: str) -> _Section:
        return _Section(self._body.get(key, {}), key, self._path)

    def lines(self) -> tuple[tuple[str, int], ...]:
        prefix = f"{self._name}." if self._name else ""
        return tuple((prefix + str(key), self.place(key)[0]) for key in self._body)

    def text(self, key: str, default: str) -> str:
        value = self._body.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, f"{key} has to be text")
        return str(value)

    def flag(self, key: str) -> bool:
        value = self._body.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"{key} has to be true or false")
        return value

    def severity(self, key: str, default: Severity) -> Severity:
        value = self.text(key, default.value)
        if value not in {entry.value for entry in Severity}:
            known = ", ".join(entry.value for entry in Severity)
            raise self.error(key, f"{value!r} is no severity (known: {known})")
        return Severity(value)

    def version(self) -> None:
        if self._body.get("version") != 1:
            raise PolicyError("version: 1 is required", path=self._path)


def _policy(body: Any, path: str, digest: str) -> Policy:
    top = _Section(body, "", path)
    top.version()
    gate, gaps, source = (top.section(name) for name in ("gate", "gaps", "source"))
    return Policy(
        name=top.text("name", Path(path).stem),
        path=path,
        digest=digest,
        fail_on=gate.severity("fail_on", Severity.HIGH),
        warn_on=gate.severity("warn_on", Severity.MEDIUM),
        allow_gaps=gaps.flag("allow"),
        pinned=source.flag("pinned"),
        lines=(*top.lines(), *gate.lines(), *gaps.lines(), *source.lines()),
    )
