"""What a callable of an installed library can do when a pickle reaches it, by reading its source.

``python -m tools.callables FOLDER PACKAGE…`` parses a package below a site-packages folder and proposes,
for each class and function: *safe*, a capability, or why it could not be proved. Nothing is imported.
What it proposes is reviewed, then committed to ``scanner/data/callables`` with the uses that picklers make of
it (docs/adr/0009): those follow from ``__reduce_ex__``, and from looking at what the library writes.
"""
