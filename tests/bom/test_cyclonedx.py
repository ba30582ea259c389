from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files as resources
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from scanner.bom import cyclonedx
from scanner.bom.cyclonedx.modelcard import component
from scanner.bom.cyclonedx.schema import schema_problems
from scanner.errors import BomError
from scanner.model import Claim, Claimed, Coverage, Digest, Kind, Origin
from scanner.result import Outcome, Report, Verification
from tests.bom.made import claims, file, report, tensors

COMMIT = "c5f93f70e82cd7f1ae3b1b3b3b3b3b3b3b3b3b3b"
TIME = "2026-01-02T03:04:05Z"


def _model(**about: Any) -> Report:
    card = claims(
        licence="apache-2.0",
        task="fill-mask",
        dataset=("s2orc", "org/pairs"),
        base_model="nreimers/MiniLM",
        base_model_relation="finetune",
        metric="accuracy = 0.91 on glue",
        tag=("arxiv:1908.10084", "x"),
        library="sentence-transformers",
        language="en",
    )
    return report(
        file("README.md", claims=card),
        file("LICENSE", claims=claims(licence="Apache-2.0")),
        file("config.json", claims=claims(architecture="BertModel", model_type="bert", dtype="float32")),
        file("model.safetensors", "safetensors", tensors=tensors((4, 2))),
        file(
            "requirements.txt", requirements=("Torch_Vision==2.1.0", "numpy>=1", "mine @ https://x.org/m.whl")
        ),
        file("tokenizer.json"),
        **about,
    )


def _hub(**about: Any) -> Report:
    about = {
        "name": "org/name",
        "source": "huggingface",
        "revision": COMMIT,
        "target": "hf://org/name",
    } | about
    return _model(**about)


def _document(source: Report, **options: str) -> dict[str, Any]:
    return json.loads(cyclonedx.render(source, **options))


def _main(document: dict[str, Any]) -> dict[str, Any]:
    return next(part for part in document["components"] if part["bom-ref"].startswith(("model:", "dataset:")))


def _properties(part: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in part["properties"]}


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_it_is_valid_by_the_official_schema_read_without_the_library(spec: str) -> None:
    folder = resources("cyclonedx.schema") / "_res"
    others = ("spdx", "jsf-0.82", "cryptography-defs")
    registry = Registry().with_resources(
        (
            f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json",
            DRAFT7.create_resource(json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())),
        )
        for name in others
    )
    schema = json.loads((folder / f"bom-{spec}.SNAPSHOT.schema.json").read_text())
    validator = Draft7Validator(schema, registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)
    for source in (_model(), _hub(), _hub(kind=Kind.DATASET)):
        validator.validate(_document(source, spec=spec, timestamp=TIME))
    broken = _document(_model(), spec=spec)
    _main(broken)["modelCard"]["parameterCount"] = 8
    assert list(validator.iter_errors(broken))


def test_the_model_card_says_what_the_files_say() -> None:
    card = _main(_document(_model()))["modelCard"]
    assert card["modelParameters"] == {
        "task": "fill-mask",
        "architectureFamily": "bert",
        "modelArchitecture": "BertModel",
        "datasets": [{"ref": "data:org/pairs"}, {"ref": "data:s2orc"}],
        "inputs": [{"format": "text"}],
        "outputs": [{"format": "text"}],
    }
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics == [{"type": "accuracy", "value": "0.91", "slice": "glue"}]


def test_what_the_card_says_about_use_and_limits_is_a_consideration() -> None:
    said = claims(use_case="Search.", limitation=("English only.", "Short texts."), ethics="Biased.")
    card = _main(_document(report(file("README.md", claims=said))))["modelCard"]
    assert card["considerations"] == {
        "useCases": ["Search."],
        "technicalLimitations": ["English only.", "Short texts."],
        "ethicalConsiderations": [{"name": "Biased."}],
    }


def test_every_field_has_its_state_and_its_source() -> None:
    found = _properties(_main(_document(_model())))
    assert found["weighbridge:parameters"] == "8"
    assert found["weighbridge:parameters:state"] == "observed"
    assert found["weighbridge:parameters:source"] == "model.safetensors#tensors"
    assert found["weighbridge:dtypes:2"] == "float32"
    assert found["weighbridge:dtypes:2:state"] == "declared"
    assert found["weighbridge:licence-spdx:state"] == "inferred"
    bare = _properties(_main(_document(report(file("a.txt")))))
    assert bare["weighbridge:parameters:state"] == "absent"
    assert "weighbridge:parameters" not in bare


def test_files_are_nested_with_hashes_that_we_computed_and_claims_are_no_hashes() -> None:
    source = _model()
    declared = Digest("sha256", "d" * 64, Origin.DECLARED, "hub-lfs")
    remote = replace(source.files[3], digests=(declared,), coverage=Coverage.STRUCTURE)
    main = _main(_document(replace(source, files=(*source.files[:3], remote, *source.files[4:]))))
    parts = {part["name"]: part for part in main["components"]}
    assert parts["README.md"]["hashes"][0]["alg"] == "SHA-256"
    assert "hashes" not in parts["model.safetensors"]
    found = _properties(parts["model.safetensors"])
    assert found["weighbridge:file:declared-digest"] == f"sha256:{'d' * 64} (hub-lfs)"
    assert found["weighbridge:file:coverage"] == "structure"


def test_relations_are_a_graph_from_the_root_down() -> None:
    document = _document(_model())
    graph = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    main = _main(document)["bom-ref"]
    assert graph[document["metadata"]["component"]["bom-ref"]] == [main]
    assert set(graph[main]) == {
        "base:nreimers/MiniLM",
        "data:org/pairs",
        "data:s2orc",
        "library:mine",
        "library:sentence-transformers",
        "pypi:Torch_Vision%402.1.0",
        "pypi:numpy",
    }
    parts = {part["bom-ref"]: part for part in document["components"]}
    assert parts["pypi:Torch_Vision%402.1.0"]["purl"] == "pkg:pypi/torch-vision@2.1.0"
    assert "purl" not in parts["library:mine"]
    assert "purl" not in parts["base:nreimers/MiniLM"]
    assert (
        parts["data:org/pairs"]["data"][0]["contents"]["url"] == "https://huggingface.co/datasets/org/pairs"
    )
    assert parts["data:s2orc"]["evidence"]["occurrences"][0]["location"] == "README.md"


def test_base_models_are_ancestors() -> None:
    pedigree = _main(_document(_model()))["pedigree"]
    assert [(a["group"], a["name"]) for a in pedigree["ancestors"]] == [("nreimers", "MiniLM")]
    assert pedigree["notes"] == "declared relation: finetune (README.md#/base_model_relation)"


def test_the_last_checkpoint_of_a_config_is_no_ancestor() -> None:
    config = file("config.json", claims=(Claim(Claimed.BASE_MODEL, "org/old", "/_name_or_path"),))
    main = _main(_document(report(config)))
    assert "pedigree" not in main
    assert _properties(main)["weighbridge:base-model"] == "org/old"


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (("apache-2.0", "Apache-2.0"), [{"license": {"acknowledgement": "declared", "id": "Apache-2.0"}}]),
        (("mit OR apache-2.0",), [{"acknowledgement": "declared", "expression": "MIT OR Apache-2.0"}]),
        (("llama3",), [{"license": {"acknowledgement": "declared", "name": "llama3"}}]),
        (
            ("mit", "mit or isc"),
            [
                {"license": {"acknowledgement": "declared", "id": "MIT"}},
                {"license": {"acknowledgement": "declared", "name": "mit or isc"}},
            ],
        ),
        ((" ",), None),
    ],
)
def test_licences_are_identifiers_or_names_or_one_expression(licences, expected) -> None:
    main = _main(_document(report(file("README.md", claims=claims(licence=licences)))))
    assert main.get("licenses") == expected


def test_a_package_url_needs_a_namespace_and_a_commit() -> None:
    assert _main(_document(_hub()))["purl"] == f"pkg:huggingface/org/name@{COMMIT}"
    assert "purl" not in _main(_document(_hub(name="gpt2")))
    assert "purl" not in _main(_document(_hub(revision=None)))
    assert "purl" not in _main(_document(_hub(kind=Kind.DATASET)))
    assert "purl" not in _main(_document(_model()))
    mirror = _main(_document(_hub(), endpoint="https://user:secret@hub.example.org/"))["purl"]
    assert mirror == f"pkg:huggingface/org/name@{COMMIT}?repository_url=https://hub.example.org"


def test_a_local_folder_gives_no_address_and_an_address_loses_its_query() -> None:
    assert "./model" not in json.dumps(_document(_model()))
    web = _model(source="web", target="https://host.example.org/m.bin?token=secret", revision="etag")
    document = _document(web)
    assert "secret" not in json.dumps(document)
    assert "version" not in _main(document)
    assert {"type": "distribution", "url": "https://host.example.org/m.bin"} in _main(document)[
        "externalReferences"
    ]


def test_identity_is_certain_only_where_the_bytes_are_the_published_ones() -> None:
    def purl(source: Report) -> dict[str, Any]:
        return next(i for i in _main(_document(source))["evidence"]["identity"] if i["field"] == "purl")

    source = _hub()
    paths = tuple(f.path for f in source.files)
    verified = Verification("hub-lfs:sha256", Outcome.VERIFIED, "", paths)
    assert purl(source)["confidence"] == 0.5
    assert purl(replace(source, verifications=(verified,)))["confidence"] == 1.0
    cache = replace(_hub(source="hub_cache"), verifications=(verified,))
    assert purl(cache)["confidence"] == 0.8


def test_what_is_complete_is_said_and_what_is_not() -> None:
    def kinds(source: Report) -> dict[str, list[str]]:
        found = _document(source)["compositions"]
        return {entry["aggregate"]: entry.get("assemblies", []) for entry in found}

    whole = kinds(_model())
    assert set(whole) == {"complete", "unknown"}
    broken = kinds(report(file("a.txt"), file("x.bin", gap="unknown format")))
    assert [ref.partition(":")[0] for ref in broken["incomplete"]] == ["model", "file"]
    assert broken["complete"] == ["file:a.txt"]
    unhashed = replace(file("m.safetensors", "safetensors"), digests=(), coverage=Coverage.STRUCTURE)
    assert "file:m.safetensors" in kinds(report(unhashed))["incomplete"]


def test_gaps_are_named_and_findings_are_not() -> None:
    found = _properties(_main(_document(report(file("x.bin", gap="unknown format")))))
    assert found["weighbridge:gaps"] == "1"
    assert found["weighbridge:gap"] == "x.bin: unknown format"
    assert "vulnerabilities" not in _document(_model())


def test_a_data_set_is_data_with_its_own_licence() -> None:
    card = file("README.md", claims=claims(licence="cc0-1.0", description="Pairs.", size_category="1K<n<10K"))
    document = _document(
        report(card, kind=Kind.DATASET, name="org/set", source="huggingface", revision=COMMIT)
    )
    main = _main(document)
    assert main["type"] == "data"
    assert main["data"] == [{"type": "dataset", "name": "org/set", "description": "Pairs."}]
    assert "modelCard" not in main
    assert main["licenses"][0]["license"]["id"] == "CC0-1.0"


def test_original_is_no_data_set() -> None:
    card = file("README.md", claims=claims(dataset=("original", "extended|squad", "org/set")))
    named = [part["name"] for part in _document(report(card))["components"] if "data" in part]
    assert named == ["org/set"]


def test_citations_attribute_fields_to_files_in_1_7_only_with_a_time() -> None:
    document = _document(_model(), spec="1.7", timestamp=TIME)
    by = {(c["attributedTo"], c["note"]): c["pointers"] for c in document["citations"]}
    pointers = by["file:config.json", "declared: config.json#/architecture"]
    index, _ = component(document, _main(document)["bom-ref"])
    assert f"/components/{index}/modelCard/modelParameters/modelArchitecture" in pointers
    assert "citations" not in _document(_model(), spec="1.7")
    assert "citations" not in _document(_model(), spec="1.6", timestamp=TIME)


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_the_same_artefact_gives_the_same_bytes(spec: str) -> None:
    text = cyclonedx.render(_model(), spec=spec, timestamp=TIME)
    source = _model()
    assert cyclonedx.render(replace(source, files=source.files), spec=spec, timestamp=TIME) == text
    other = cyclonedx.render(_model(), spec=spec, timestamp="2027-01-01T00:00:00Z")
    serial = json.loads(text)["serialNumber"]
    assert json.loads(other)["serialNumber"] == serial
    assert _document(_model(), spec=spec)["metadata"].get("timestamp") is None
    assert _document(report(file("other.txt")), spec=spec)["serialNumber"] != serial


def test_the_library_s_traps_are_avoided() -> None:
    text = cyclonedx.render(_hub(), spec="1.7", timestamp=TIME)
    assert "mimeType" not in text
    assert '"BomRef.' not in text
    assert '"confidence": "' not in text


_ANYTHING = st.text(max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(Claimed)), st.lists(_ANYTHING, min_size=1, max_size=3), max_size=12),
    _ANYTHING,
)
def test_whatever_strangers_claim_the_document_is_valid(said, name: str) -> None:
    made = tuple(Claim(what, value, "/x") for what, values in said.items() for value in values)
    paths = {f"dir/{name}", "README.md"}
    source = report(*(file(path, claims=made) for path in sorted(paths)), name=name or "x")
    assert _document(source, spec="1.7", timestamp=TIME)["specVersion"] == "1.7"


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("licence_link", "http://a:b:c/[x"),
        ("licence_link", "javascript:alert(1)"),
        ("version", "9" * 5000),
        ("dataset", "https://[::"),
        ("tag", "arxiv:../../x y"),
        ("base_model", "https://huggingface.co/a/b"),
        ("metric", "= on"),
    ],
)
def test_hostile_claims_do_not_stop_the_bill(what: str, value: str) -> None:
    document = _document(report(file("README.md", claims=claims(**{what: value}))))
    assert "javascript" not in json.dumps(_main(document).get("externalReferences", []))


def _broken(change) -> str:
    document = _document(_hub(), spec="1.7", timestamp=TIME)
    change(document, _main(document))
    with pytest.raises(BomError) as caught:
        cyclonedx.check(json.dumps(document), "1.7")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, m: m["components"][0].update({"bom-ref": m["bom-ref"]}), "stands 2 times"),
        (lambda d, m: d["dependencies"][0].update(dependsOn=["nobody"]), "'nobody', which is not there"),
        (
            lambda d, m: m["modelCard"]["modelParameters"]["datasets"].append({"ref": "no"}),
            "model card points",
        ),
        (lambda d, m: d["compositions"][0]["assemblies"].append("no"), "composition points to 'no'"),
        (lambda d, m: d["citations"][0].update(attributedTo="no"), "citation points to 'no'"),
        (lambda d, m: d["citations"][0].update(pointers=["/components/99"]), "points to /components/99"),
        (lambda d, m: m["components"][0]["hashes"][0].update(content="a" * 40), "is no SHA-256"),
        (lambda d, m: m.update(purl="pkg:"), "is no package URL"),
        (lambda d, m: m.update(purl="pkg:huggingface/gpt2@1"), "needs a namespace and a commit"),
        (lambda d, m: m.update(purl="pkg:PyPI/A_b@1"), "canonical form"),
        (lambda d, m: m.update(licenses=[{"expression": "MIT AND ("}]), "no SPDX licence expression"),
        (lambda d, m: m.update(data=[{"type": "dataset"}]), "is no data component"),
        (lambda d, m: m["components"][0].update(modelCard={}), "is no model"),
        (lambda d, m: m["modelCard"].update(parameterCount=1), "parameterCount"),
        (lambda d, m: d["metadata"].update(timestamp="yesterday"), "/metadata/timestamp"),
    ],
)
def test_what_a_schema_cannot_see_is_refused(change, message: str) -> None:
    assert message in _broken(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: None,
        lambda d: d.update(extra=1),
        lambda d: d["components"].append(d["components"][0]),
        lambda d: d["components"][0].pop("type"),
        lambda d: d["dependencies"][0].update(dependsOn=["a", "a"]),
        lambda d: d.update(serialNumber="urn:uuid:1"),
        lambda d: d["components"][0].update(licenses=[{"license": {"id": "My-1.0"}}]),
    ],
)
def test_our_quick_schema_check_agrees_with_the_library_s(change) -> None:
    document = _document(_hub(), spec="1.6")
    change(document)
    library = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    assert bool(list(schema_problems(document, "1.6"))) == (library is not None)


def test_two_thousand_files_are_written_in_time_that_grows_with_them() -> None:
    source = report(*(file(f"f{number:04}.txt") for number in range(2000)))
    assert len(_main(_document(source))["components"]) == 2000


def test_another_version_is_refused() -> None:
    with pytest.raises(BomError, match=r"choose 1\.6 or 1\.7"):
        cyclonedx.render(_model(), spec="1.5")


def test_nothing_at_all_is_a_bill_without_evidence() -> None:
    main = _main(_document(report()))
    assert "evidence" not in main
    assert "components" not in main
