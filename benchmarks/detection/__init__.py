"""Detection, measured: a labelled corpus, and what we and the peers say of it in one run.

``python -m benchmarks.detection`` builds the corpus below .cache/bench/detection, installs the peers in
environments of their own, and prints a table. Payloads are inert: they name a callable, nothing is loaded.
"""
