"""The rules of Arrow files."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

SPEC = "https://arrow.apache.org/docs/format/Columnar.html"

PYTHON_TYPE = Rule(
    id="arrow/python-extension-type",
    title="A column's type is a pickled Python object",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="The extension type `arrow.py_extension_type`: its parameters are a pickle.",
    why="PyArrow from 0.14 to 14.0.0 unpickles it as soon as the schema is read, from Arrow, Feather and "
    "Parquet alike; later versions where it is switched on again.",
    remedy="Load with a current PyArrow, and have the publisher write the column with a plain type. "
    "The pickle was inspected on its own.",
    example="A class that inherits from `pyarrow.PyExtensionType`, as the datasets library before 2.15 has "
    "for arrays of fixed shape.",
    references=("CVE-2023-47248", "CWE-502"),
)
PICKLED_VALUES = Rule(
    id="arrow/pickled-values",
    title="The values of a column are pickles that a library loads",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="The extension type `ray.data.arrow_pickled_object`: each value is a pickle.",
    why="Ray Data registers the type and unpickles each value as it is read, unless the reader refuses.",
    remedy="Do not read the table with Ray, or have the publisher write numbers and texts.",
    example="A column of Python objects that Ray Data wrote to Parquet.",
    limits="The values lie in pages that are not expanded here: what they do is not known.",
    references=("GHSA-2ch8-9c5v-84jf", "CWE-502"),
)
PICKLED_PARAMETERS = Rule(
    id="arrow/pickled-parameters",
    title="The parameters of a column's type are a pickle",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="Extension types of Ray Data whose parameters are not JSON.",
    why="Ray 2.49 to 2.54 write the shape of a tensor as a pickle, and read it as one where it is none.",
    remedy="Have the publisher write the table with a later version. The pickle was inspected on its own.",
    example="A column of type `ray.data.arrow_tensor_v2` that Ray 2.50 wrote",
    references=("GHSA-2ch8-9c5v-84jf", "CWE-502"),
)
LAYOUT = Rule(
    id="arrow/layout",
    title="The batches do not cover the file exactly",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Batches that overlap, buffers that reach out of their batch, bytes other than zeros between the "
    "batches, in front of them or behind the end of the stream.",
    why="Readers skip such bytes, or read past the data; another program may find something in them.",
    remedy="Read the table and write it again, or refuse it. What lies there was inspected as well.",
    example="A zip archive between the last batch and the footer.",
    references=(SPEC, "CWE-646"),
)
SCHEMAS = Rule(
    id="arrow/schemas-disagree",
    title="The file has two schemas",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A schema at the start of a file that is another one than the schema in its footer.",
    why="Readers of files go by the footer, readers of streams by the start: they see different tables.",
    remedy="Refuse the file. Both schemas were judged.",
    example="A column that is text in the one and an extension type in the other.",
    references=(SPEC, "CWE-436"),
)
RULES = (LAYOUT, PICKLED_PARAMETERS, PICKLED_VALUES, PYTHON_TYPE, SCHEMAS)
