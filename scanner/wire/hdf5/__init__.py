"""The structure of HDF5 files: superblock, objects, links, attributes, where the data lies; no numbers.

Written after the HDF5 File Format Specification version 3.0; sections are named where they are read.
Everything is read over addresses that are checked, in blocks that are kept, and no checksum is believed.
"""

from __future__ import annotations

from scanner.wire.hdf5.attributes import Attribute, attributes
from scanner.wire.hdf5.contents import beginning, elements
from scanner.wire.hdf5.datasets import Dataset, dataset
from scanner.wire.hdf5.datatype import Datatype
from scanner.wire.hdf5.links import Link, links
from scanner.wire.hdf5.objects import Message, messages
from scanner.wire.hdf5.storage import SIGNATURE, Storage, signature_at

__all__ = [
    "SIGNATURE",
    "Attribute",
    "Dataset",
    "Datatype",
    "Link",
    "Message",
    "Storage",
    "attributes",
    "beginning",
    "dataset",
    "elements",
    "links",
    "messages",
    "signature_at",
]
