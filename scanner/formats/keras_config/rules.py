"""What can be found in a serialised Keras model."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_LIB = "keras/src/saving/serialization_lib.py"
_SAFE = (
    "Load it only with `safe_mode=True`, in the latest release of Keras, and as `.keras`: for `.h5` files, "
    "versions before 3.11.3 ignore the switch. "
)

DANGEROUS = Rule(
    id="keras-config/dangerous-callable",
    title="Loading the model reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.CODE_EXECUTION,
    finds="An object whose `module` and `class_name` (or function name) lead to something that executes "
    "code, switches safe mode off, resolves names, or touches files or the network; a TensorFlow function or "
    "operation that does; byte code of a `Lambda` that names one.",
    why="Keras imports the module and calls what is found there with arguments from the file. Versions 3.0 "
    "to 3.8 import any module; later ones fell to functions of their own that download or load.",
    remedy="Do not load the file. Current versions with `safe_mode=True` refuse these names; older ones "
    "do not.",
    example='`{"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}`',
    limits="The list of what reaches further is reviewed by hand; what it lacks is reported as unknown.",
    references=("CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9906", "CVE-2025-12060", "CWE-502", _LIB),
)
UNKNOWN = Rule(
    id="keras-config/unknown-callable",
    title="Loading the model imports something that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="An object of a module that is neither Keras' own nor that of a library whose classes models "
    "ordinarily hold, or a name in Keras or TensorFlow that no model is known to be built of.",
    why="Importing the module runs it, and calling the object runs whatever it does.",
    remedy=_SAFE + "Find out which package is meant, and where it comes from.",
    example='`{"module": "mypackage.blocks", "class_name": "Gate", "config": {}}`',
    limits="Known names were collected from Keras 1.2 to 3.15; a layer of a later version is reported.",
    references=("CVE-2025-1550", "CWE-470", _LIB),
)
CUSTOM = Rule(
    id="keras-config/custom-object",
    title="The model needs code that is not in Keras",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A layer, function or other object without a module, registered under a name of its own, or of "
    "another library for Keras.",
    why="The model cannot be loaded without that code, and people take it from where they took the model. A "
    "registered name goes before what the class name says.",
    remedy="Get the code from a source that you trust, read it, and register exactly that.",
    example='`{"module": null, "class_name": "Gate", "registered_name": "mypackage>Gate", "config": {}}`',
    references=("CWE-829", _LIB),
)
LAMBDA = Rule(
    id="keras-config/lambda",
    title="The model brings Python byte code",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A `Lambda` layer, or another place for a function, that holds a marshalled Python function.",
    why="It runs as soon as the model is built, that is while it is loaded. Nobody can read it in the file.",
    remedy=_SAFE + "Ask the publisher for a model in which named layers take the place of the function.",
    example="`Lambda(lambda x: x * 2)` in a saved model.",
    limits="Which names the code uses is read; what it does with them is not. Code that names something "
    "dangerous is reported as that.",
    references=("CVE-2024-3660", "CVE-2025-9905", "CWE-94", "CWE-502"),
)
TORCH = Rule(
    id="keras-config/torch-module",
    title="The model brings a pickled PyTorch module",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A `TorchModuleWrapper` whose module is stored in the configuration.",
    why="Keras hands it to `torch.load(…, weights_only=False)`: whatever the pickle calls is called. Keras "
    "3.11.0 to 3.11.2 did so even in safe mode. The pickle was judged as well.",
    remedy=_SAFE + "Keep the module's code and its weights apart.",
    example='`{"class_name": "TorchModuleWrapper", "config": {"module": "gAJj…"}}`',
    references=("CVE-2025-49655", "CWE-502", "keras/src/utils/torch_utils.py"),
)
SAVED_MODEL = Rule(
    id="keras-config/saved-model",
    title="The model loads another model from elsewhere",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="A `TFSMLayer` or a `KerasLayer` of TensorFlow Hub, with the path or address of a SavedModel.",
    why="A SavedModel is a program: its graph reads and writes files. It lies outside of what was scanned, "
    "and versions of Keras before 3.12.1, and 3.13.0 and 3.13.1, load it in safe mode as well.",
    remedy="Scan the named model too, and load both only from places that nobody else can write to.",
    example='`{"class_name": "TFSMLayer", "config": {"filepath": "//host/share/model"}}`',
    references=("CVE-2026-1462", "GHSA-4f3f-g24h-fr8m", "CWE-829"),
)
READS_FILE = Rule(
    id="keras-config/reads-file",
    title="Loading the model reads a file outside of it",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A layer (`StringLookup`, `IntegerLookup`, `TextVectorization` …) whose vocabulary is an absolute "
    "path, one that climbs out of the folder, or an address.",
    why="The layer reads the file while the model is loaded; what stands in it becomes a part of the model "
    "and leaves with it. An address is fetched, which tells its owner.",
    remedy=_SAFE + "Ask for a model that holds its vocabulary.",
    example='`{"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}`',
    references=("CVE-2025-12058", "CWE-73", "CWE-918"),
)
NEEDS_FILE = Rule(
    id="keras-config/needs-file",
    title="The model reads a file beside it",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A layer whose vocabulary is a relative path.",
    why="The path counts from the folder that happens to be current, so that any file of that name is read.",
    remedy="Ask for a model that holds its vocabulary, or scan the named file as well.",
    example='`{"class_name": "TextVectorization", "config": {"vocabulary": "vocab.txt"}}`',
    references=("CVE-2025-12058", "CWE-73"),
)
RULES = (DANGEROUS, UNKNOWN, CUSTOM, LAMBDA, TORCH, SAVED_MODEL, READS_FILE, NEEDS_FILE)
