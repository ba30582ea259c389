"""The rules of Parquet files."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

SPEC = "https://github.com/apache/parquet-format"

LAYOUT = Rule(
    id="parquet/layout",
    title="The columns do not cover the file exactly",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Column chunks or indexes that overlap, and bytes other than zeros that none of them owns.",
    why="Readers skip such bytes; another program may find an archive, a script or a pickle in them.",
    remedy="Read the table and write it again, or refuse it. What lies there was inspected as well.",
    example="A zip archive between the last column and the footer.",
    limits="Polars, and Arrow before version 17, leave a copy of a column's metadata behind it: what stands "
    "there and is no longer than those is not looked at.",
    references=(SPEC, "CWE-646"),
)
PATH_ESCAPE = Rule(
    id="parquet/path-escape",
    title="A column lies in a file outside the data set",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A `file_path` of a column chunk that is absolute, an address, or climbs out with `..`.",
    why="Readers that follow it open a file of the machine, or of another one, as part of the table.",
    remedy="Refuse the file. Summaries (`_metadata`) name files beside themselves.",
    example='`file_path: "../../etc/passwd"`',
    references=(SPEC, "CWE-22"),
)
COUNTS = Rule(
    id="parquet/row-count",
    title="The footer contradicts itself about the number of rows",
    severity=Severity.LOW,
    check=Check.BOUNDS,
    finds="A number of rows that is not the sum of those of the row groups.",
    why="Readers that go by the one and readers that go by the other see different tables.",
    remedy="Read the table and write it again.",
    example="`num_rows` is 10, the only row group has 20.",
    references=(SPEC,),
)
RULES = (COUNTS, LAYOUT, PATH_ESCAPE)
