"""What a card's front matter claims."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ruamel.yaml.nodes import Node, SequenceNode

from scanner.model import Claim, Claimed
from scanner.wire import yaml

_LISTS: dict[str, Claimed] = {
    "license": Claimed.LICENCE,
    "license_name": Claimed.LICENCE,
    "license_link": Claimed.LICENCE_LINK,
    "language": Claimed.LANGUAGE,
    "library_name": Claimed.LIBRARY,
    "pipeline_tag": Claimed.TASK,
    "task_categories": Claimed.TASK,
    "datasets": Claimed.DATASET,
    "source_datasets": Claimed.DATASET,
    "base_model": Claimed.BASE_MODEL,
    "base_model_relation": Claimed.BASE_MODEL_RELATION,
    "tags": Claimed.TAG,
    "size_categories": Claimed.SIZE_CATEGORY,
    "pretty_name": Claimed.NAME,
    "model_name": Claimed.NAME,
}
_METRICS = 200
_ENTRIES = 100


def claims(document: Node) -> Iterator[Claim]:
    """Every statement, of all readings of repeated keys."""
    for key, what in _LISTS.items():
        for value in yaml.every(document, key):
            texts = yaml.scalars(value)
            for index, (text, _) in enumerate(texts):
                pointer = f"/{key}/{index}" if len(texts) > 1 else f"/{key}"
                yield Claim(what, text.strip()[:500], pointer)
    for value in yaml.every(document, "co2_eq_emissions"):
        amount = next((text for text, _ in yaml.scalars(value)), "") or yaml.scalar(value, "emissions")
        if amount:
            yield Claim(Claimed.ENERGY, f"{amount[:80]} g CO2eq", "/co2_eq_emissions")
    for value in yaml.every(document, "model-index"):
        yield from _metrics(value)


def _metrics(index: Node) -> Iterator[Claim]:
    # Aliases can repeat results without end, so what is looked at is counted, not what is said.
    for pointer, data, metric in islice(_results(index), _METRICS):
        name = yaml.scalar(metric, "type") or yaml.scalar(metric, "name")
        value = yaml.scalar(metric, "value")
        if name and value:
            text = f"{name[:80]} = {value[:80]}" + (f" on {data[:120]}" if data else "")
            yield Claim(Claimed.METRIC, text, pointer)


def _results(index: Node) -> Iterator[tuple[str, str, Node]]:
    """(pointer, data set, metric) of each measurement."""
    for model_number, model in enumerate(_entries([index])):
        for number, result in enumerate(_entries(yaml.every(model, "results"))):
            data = next((yaml.scalar(value, "name") for value in yaml.every(result, "dataset")), "")
            for metric in _entries(yaml.every(result, "metrics")):
                yield f"/model-index/{model_number}/results/{number}", data, metric


def _entries(lists: list[Node]) -> list[Node]:
    return [entry for node in lists[:4] if isinstance(node, SequenceNode) for entry in node.value[:_ENTRIES]]
