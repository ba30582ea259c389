"""What can be found in an HDF5 file."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_SPEC = "https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html"

EXTERNAL = Rule(
    id="hdf5/external-file",
    title="Reading the file opens another one beside it",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="An external link or a virtual data set that names another file below the same folder, or a link "
    "of a class that only its own software can follow.",
    why="What is loaded is not what was scanned here: it lies in the other file.",
    remedy="Scan the named files as well, or copy the data into one file.",
    example='`h5py.ExternalLink("part2.h5", "/weights")`',
    references=("CWE-73", f"{_SPEC} IV.A.2.g", "CVE-2026-1669"),
)
EXTERNAL_ESCAPE = Rule(
    id="hdf5/external-escape",
    title="Reading the file opens a file outside of it",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An external link or a virtual data set whose file name is absolute or climbs out of the folder, "
    "and any data set whose numbers lie in another file (external storage).",
    why="The library opens it silently: a model that is loaded and saved again, or answers with its weights, "
    "gives away whatever the process may read. Names of external storage count from the folder that happens "
    "to be current.",
    remedy="Do not load the file. Recent versions of Keras refuse such data sets.",
    example='`create_dataset("w", …, external=[("/etc/passwd", 0, 1024)])`',
    references=("CVE-2026-1669", "CWE-73", f"{_SPEC} IV.A.2.h"),
)
PICKLED = Rule(
    id="hdf5/pickled",
    title="A value in the file is a pickle",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="An attribute or a data set whose bytes run as a pickle.",
    why="PyTables and pandas unpickle such values as soon as they are read. What the pickle does was judged "
    "as well.",
    remedy="Store texts and numbers, or open the file with h5py, which unpickles nothing.",
    example='A column of Python objects in a `pandas.HDFStore`, or `node.attrs["info"] = {…}` in PyTables.',
    limits="Of data sets, bytes, opaque values and sequences of bytes are looked at; of large ones, the "
    "beginning. Texts of variable length are not.",
    references=("CWE-502", "tables/attributeset.py, __getattr__", "tables/atom.py, ObjectAtom"),
)
HIDDEN = Rule(
    id="hdf5/hidden-bytes",
    title="Bytes lie in front of the file or behind its end",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="A user block that is not empty, or bytes behind the end that the superblock declares.",
    why="The library never looks at them; another program may run them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A shell script in the user block, a zip archive behind the end.",
    limits="A signature behind the first 2 KiB is not looked for; free space within the file is not read. "
    "MATLAB's user block is known and not reported.",
    references=("CWE-646", f"{_SPEC} II.A"),
)
BOMB = Rule(
    id="hdf5/size-bomb",
    title="A data set claims more than could lie in the file",
    severity=Severity.MEDIUM,
    check=Check.EXHAUSTION,
    finds="A data set of more than 4 GiB whose declared size is more than a thousand times the file's.",
    why="Whoever reads it, as Keras does with weights, allocates all of it.",
    remedy="Refuse the file.",
    example="An empty chunked data set of shape (2**40,).",
    references=("CVE-2026-0897", "CWE-789"),
)
PLUGIN = Rule(
    id="hdf5/filter-plugin",
    title="Reading the data needs a filter that the library does not have",
    severity=Severity.LOW,
    check=Check.EXECUTABLE,
    finds="A filter whose number belongs neither to the library nor to the usual compressors.",
    why="The library looks for a native plug-in of that number in its plug-in folder and runs it.",
    remedy="Find out which filter is meant, and write the data again with a usual one.",
    example="A filter with the number 40000.",
    references=("CWE-829", f"{_SPEC} IV.A.2.l"),
)
RULES = (EXTERNAL, EXTERNAL_ESCAPE, PICKLED, HIDDEN, BOMB, PLUGIN)
