"""Names of base models: what is a repository, and what is a path on somebody's machine."""

from __future__ import annotations

import re

_HUB = re.compile(r"\Ahttps?://(www\.)?(huggingface\.co|hf\.co)/")
_REPOSITORY = re.compile(r"[a-z0-9][\w.-]*/[a-z0-9][\w.-]*\Z")
# Where training scripts write by custom.
_FOLDER = re.compile(
    r"(checkpoints?|ckpts?|content|data|home|local|mnt|models?|outputs?|pretrained|results|root|runs|saved"
    r"|tmp|workspace)/|[^/]+/checkpoint"
)


def repository(value: str) -> str:
    """``org/name`` in lower case, as far as a base model was named like that; else empty."""
    text = _HUB.sub("", value.strip().casefold()).rstrip("/").partition("@")[0]
    return text if _REPOSITORY.fullmatch(text) and not _FOLDER.match(text) else ""


def names_base(path: str, pointer: str) -> bool:
    """Whether a claim is meant as lineage: ``_name_or_path`` of a configuration is the last checkpoint.

    Only an adapter's configuration names its base model under such a key.
    """
    return "name_or_path" not in pointer or path.endswith("adapter_config.json")
