"""The rules of Hub configurations."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

REMOTE_CODE = Rule(
    id="hub-config/remote-code",
    title="The configuration brings its own Python code",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="An `auto_map`, `custom_pipelines` or custom diffusers entry that names a Python module of the "
    "repository.",
    why="Whoever loads the model with `trust_remote_code=True` imports that module; loaders have also "
    "imported it where the switch was off.",
    remedy="Read the module, load a fixed commit, or use a model that a library supports without it. Keep "
    "`trust_remote_code` off.",
    example='`{"auto_map": {"AutoModel": "custom_x.XModel"}}`',
    limits="It is the request that is found, whatever the module does; the module itself is judged as Python "
    "source where it is part of the artefact.",
    references=("CVE-2025-66448", "CVE-2026-22807", "CWE-829"),
)
FOREIGN_CODE = Rule(
    id="hub-config/foreign-code",
    title="The configuration takes Python code from another repository",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="An `auto_map` entry of the form `owner/name--module.Class`.",
    why="The code comes from the newest commit of a repository that is not the one you pinned: it changes "
    "without a change here, and it is not what was weighed.",
    remedy="Weigh the other repository too and pass its commit as `code_revision`, or copy the reviewed "
    "module into your own mirror.",
    example='`{"auto_map": {"AutoModel": "someone/else--custom_x.XModel"}}`',
    references=("CWE-829", "CWE-494"),
)
TRUST_SWITCH = Rule(
    id="hub-config/trust-remote-code",
    title="The configuration switches remote code on",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="`trust_remote_code: true` (or `allow_custom_code`) written into a configuration.",
    why="Loaders have let this value override the caller's own `trust_remote_code=False`: the artefact "
    "decides whether its code runs.",
    remedy="Remove the key. Only the caller may switch remote code on.",
    example='`{"trust_remote_code": true}`',
    references=("CVE-2026-5241", "CVE-2026-27893", "CWE-829"),
)
KERNEL = Rule(
    id="hub-config/kernel-repository",
    title="The configuration has a compute kernel downloaded and imported",
    severity=Severity.CRITICAL,
    check=Check.REMOTE_CODE,
    finds="An attention, experts or kernel setting whose value names a repository of the Hub.",
    why="transformers 4.56 to 5.2 download that repository and import its code during an ordinary "
    "`from_pretrained`, with `trust_remote_code` off.",
    remedy="Remove the setting; the caller can choose an implementation. Use transformers 5.3 or later.",
    example='`{"_attn_implementation_internal": "someone/kernel"}`',
    references=("CVE-2026-4372", "GHSA-29pf-2h5f-8g72", "CWE-829"),
)
DANGEROUS = Rule(
    id="hub-config/dangerous-callable",
    title="The configuration names a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.REMOTE_CODE,
    finds="A `_target_`, module type or library name that resolves to something which executes code, loads "
    "native code, or touches files or the network.",
    why="The loader imports what the configuration names and calls it with arguments from the configuration.",
    remedy="Do not load the model.",
    example='`{"_target_": "os.system", "command": "true"}`',
    references=("CVE-2025-23304", "CVE-2025-23249", "CWE-470", "CWE-94"),
)
UNKNOWN = Rule(
    id="hub-config/unknown-callable",
    title="The configuration names a callable that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A `_target_`, module type or library name outside the reviewed classes of the usual libraries.",
    why="The loader imports it, from the repository or from what happens to be installed, and calls it.",
    remedy="Find out which code it is and read it; load with a library that does not import by name.",
    example='`[{"type": "custom_module.Transformer", "path": ""}]` in `modules.json`',
    limits="The reviewed classes are those of sentence-transformers, diffusers, PEFT, PyTorch, Lightning and "
    "NeMo that configurations ordinarily name.",
    references=("CVE-2025-23304", "CWE-470"),
)
NAMED = Rule(
    id="hub-config/named-class",
    title="The configuration names classes for a loader to build",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A `_target_` in a usual library that is not among the reviewed classes.",
    why="The format can carry code: where this version does not, the next one may.",
    remedy="Load it only with a library that allows exactly the classes you expect.",
    example='`{"_target_": "nemo.collections.asr.modules.SomethingNew"}`',
    limits="Classes are accepted by their package, unless they walk to `os` or the like.",
    references=("CVE-2025-23304", "CWE-470"),
)
PATH = Rule(
    id="hub-config/path-escape",
    title="The configuration names a path outside the model",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An absolute path or one with `..` where a loader opens or writes a file of the model, also as the "
    "name of a chat template.",
    why="Loading reads a file that is not part of the model; saving again has written files outside the "
    "folder.",
    remedy="Refuse the file; a model's own files are named relative to its folder.",
    example='`[{"type": "sentence_transformers.models.Pooling", "path": "../../elsewhere"}]`',
    references=("CVE-2026-9856", "CWE-22"),
)
LOCAL_PATH = Rule(
    id="hub-config/local-path",
    title="A path of the author's machine stands in the configuration",
    severity=Severity.INFO,
    check=Check.ENVIRONMENT_LEAK,
    finds="An absolute path in a field that remembers where something was loaded from.",
    why="It tells user names and folder structure, and hides which base model was used.",
    remedy="Replace the path by the Hub name of the base model.",
    example='`{"_name_or_path": "/home/someone/checkpoints/run-3"}`',
    references=("CWE-497",),
)
RULES = (REMOTE_CODE, FOREIGN_CODE, TRUST_SWITCH, KERNEL, DANGEROUS, UNKNOWN, NAMED, PATH, LOCAL_PATH)
