"""The parts that cyclonedx-python-lib has classes for: components, hashes, licences, evidence, graph."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.model.component_evidence import (
    AnalysisTechnique,
    ComponentEvidence,
    Identity,
    IdentityField,
    Method,
    Occurrence,
)
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseAcknowledgement, LicenseExpression
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

from scanner.bom.cyclonedx.addresses import web_address
from scanner.bom.cyclonedx.refs import (
    base_ref,
    data_ref,
    file_ref,
    library_ref,
    main_ref,
    quoted,
    root_ref,
    tool_ref,
)
from scanner.bom.licences import normalise
from scanner.bom.subject import Related, Subject
from scanner.bom.weights import weight_sets
from scanner.model import Claimed, FileResult, Kind, Origin
from scanner.result import InventoryField, Outcome

_HASHES = {
    "md5": HashAlgorithm.MD5,
    "sha1": HashAlgorithm.SHA_1,
    "sha256": HashAlgorithm.SHA_256,
    "sha512": HashAlgorithm.SHA_512,
    "blake2b": HashAlgorithm.BLAKE2B_512,
    "blake3": HashAlgorithm.BLAKE3,
}
_DECLARED = LicenseAcknowledgement.DECLARED
_SURE, _CACHED, _SAID = Decimal(1), Decimal("0.8"), Decimal("0.5")
_PUBLIC = frozenset({"", "https://huggingface.co", "https://www.huggingface.co", "https://hf.co"})


def build(subject: Subject, endpoint: str) -> Bom:
    """Everything but model card, data, properties, compositions and citations."""
    report = subject.report
    root = Component(
        type=ComponentType.APPLICATION,
        name=report.artefact.name,
        version=subject.version or None,
        description="What the target resolved to, as it was found at its source",
        bom_ref=root_ref(subject),
    )
    main = _main(subject, endpoint)
    related = (*_bases(subject), *_datasets(subject), *_libraries(subject))
    tool = Component(
        type=ComponentType.APPLICATION, name="weighbridge", version=report.tool_version, bom_ref=tool_ref()
    )
    metadata = BomMetaData(
        component=root,
        lifecycles=[PredefinedLifecycle(LifecyclePhase.POST_BUILD)],
        tools=ToolRepository(components=[tool]),
    )
    bom = Bom(version=1, metadata=metadata, components=(main, *related))
    bom.register_dependency(root, [main])
    bom.register_dependency(main, related)
    return bom


def _main(subject: Subject, endpoint: str) -> Component:
    """The model or the data set itself, with its files inside."""
    report = subject.report
    kind = report.artefact.kind
    files = report.files
    single = files[0] if len(files) == 1 else None
    purl = _purl(subject, endpoint)
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL if kind is Kind.MODEL else ComponentType.DATA,
        group=subject.group or None,
        name=subject.name,
        version=subject.version or None,
        description=next(iter(subject.values(Claimed.DESCRIPTION)), None),
        bom_ref=main_ref(subject),
        purl=purl,
        supplier=OrganizationalEntity(name=subject.group) if subject.group else None,
        authors=[OrganizationalContact(name=name) for name in subject.values(Claimed.AUTHOR)],
        tags=subject.values(Claimed.TAG),
        hashes=_hashes(single) if single else (),
        licenses=_licences(subject.values(Claimed.LICENCE)),
        pedigree=_pedigree(subject),
        evidence=_evidence(subject, single, purl),
        external_references=tuple(_references(subject)),
        components=[_file(file) for file in files],
    )


def _file(file: FileResult) -> Component:
    # NOTE: mime_type stays unset: the library writes a key that no schema knows.
    return Component(
        type=ComponentType.FILE, name=file.path, bom_ref=file_ref(file.path), hashes=_hashes(file)
    )


def _hashes(file: FileResult) -> tuple[HashType, ...]:
    """Only what was computed: somebody's claim about a digest is no hash of these bytes."""
    own = {d.algorithm: d.value for d in file.digests if d.origin is Origin.COMPUTED}
    return tuple(HashType(alg=_HASHES[name], content=own[name]) for name in sorted(own) if name in _HASHES)


def _purl(subject: Subject, endpoint: str) -> PackageURL | None:
    """The type ``huggingface`` is for models and needs a namespace and a commit; else there is none."""
    if not subject.commit or subject.report.artefact.kind is not Kind.MODEL:
        return None
    parts = urlsplit(endpoint)
    home = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/") if endpoint else ""
    qualifiers = {} if home in _PUBLIC else {"repository_url": home}
    return PackageURL("huggingface", subject.group, subject.name, subject.commit, qualifiers)


def _licences(values: tuple[str, ...]) -> tuple[License, ...]:
    """SPDX identifiers where they are, the declared words where not; an expression only alone."""
    spdx = {value: normalise(value) for value in values if value.strip()}
    if len(set(spdx.values())) == 1:
        (only,) = set(spdx.values())
        if only and not is_supported_id(only) and not only.startswith("LicenseRef-"):
            return (LicenseExpression(only, acknowledgement=_DECLARED),)
    found: dict[str, License] = {}
    for value, name in spdx.items():
        if is_supported_id(name):
            found.setdefault(name, DisjunctiveLicense(id=name, acknowledgement=_DECLARED))
        else:
            found.setdefault(name or value, DisjunctiveLicense(name=value, acknowledgement=_DECLARED))
    return tuple(found.values())


def _pedigree(subject: Subject) -> Pedigree | None:
    """Base models as ancestors; their own components carry the evidence."""
    if not subject.bases:
        return None
    relations = subject.fields(Claimed.BASE_MODEL_RELATION.value)
    notes = "; ".join(dict.fromkeys(f"{entry.value} ({_place(entry)})" for entry in relations))
    ancestors = [_model(base, base_ref(base, ancestor=True)) for base in subject.bases]
    return Pedigree(ancestors=ancestors, notes=f"declared relation: {notes}" if notes else None)


def _model(base: Related, ref: str, evidence: ComponentEvidence | None = None) -> Component:
    group, slash, name = base.name.partition("/")
    plain = slash and "://" not in base.name
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        group=group if plain else None,
        name=name if plain else base.name,
        bom_ref=ref,
        evidence=evidence,
    )


def _bases(subject: Subject) -> Iterator[Component]:
    for base in subject.bases:
        yield _model(base, base_ref(base), _said(base, base_ref(base)))


def _datasets(subject: Subject) -> Iterator[Component]:
    for dataset in subject.datasets:
        ref = data_ref(dataset)
        yield Component(type=ComponentType.DATA, name=dataset.name, bom_ref=ref, evidence=_said(dataset, ref))


def _libraries(subject: Subject) -> Iterator[Component]:
    for library in subject.libraries:
        # pip's names: case and the kind of separator make no difference (PEP 503, purl-spec pypi).
        name = library.name.lower().replace("_", "-")
        ref = library_ref(library)
        yield Component(
            type=ComponentType.LIBRARY,
            name=library.name,
            version=library.version or None,
            bom_ref=ref,
            purl=PackageURL("pypi", None, name, library.version or None) if library.package else None,
            evidence=_said(library, ref),
        )


def _said(related: Related, ref: str) -> ComponentEvidence:
    """Where it is named."""
    places = sorted({(entry.path or "source", entry.pointer) for entry in related.said_by})
    return ComponentEvidence(
        occurrences=[
            Occurrence(
                bom_ref=f"{ref}#{number}",
                location=path,
                additional_context=f"declared at {pointer}" if pointer else "declared",
            )
            for number, (path, pointer) in enumerate(places, 1)
        ]
    )


def _place(entry: InventoryField) -> str:
    return f"{entry.path}#{entry.pointer}" if entry.pointer else entry.path


def _evidence(
    subject: Subject, single: FileResult | None, purl: PackageURL | None
) -> ComponentEvidence | None:
    """How the identity is known: from hashes that we computed, and from what the Hub says of the commit."""
    report = subject.report
    identities = []
    hashed = [file for file in report.files if file.computed("sha256")]
    if hashed and len(hashed) == len(report.files):
        value = (single.computed("sha256") if single else None) or subject.digest
        how = "SHA-256 of the file" if single else "SHA-256 over kind, paths, sizes and SHA-256 of all files"
        identities.append(_identity(IdentityField.HASH, value, _SURE, AnalysisTechnique.HASH_COMPARISON, how))
    if purl is not None:
        identities.append(_published(subject, purl))
    weights = weight_sets(report.files) if report.artefact.kind is Kind.MODEL else ()
    paths = dict.fromkeys(path for one in weights for path in one.paths)
    occurrences = [
        Occurrence(bom_ref=f"occurrence:{quoted(path)}", location=path, additional_context="weights")
        for path in paths
    ]
    if not identities and not occurrences:
        return None
    return ComponentEvidence(identity=identities, occurrences=occurrences)


def _published(subject: Subject, purl: PackageURL) -> Identity:
    """How sure it is that these are the files which the Hub has under that commit.

    Anybody can lay out a cache, so its blob names weigh less than the Hub's own answer.
    """
    report = subject.report
    equal = {path for v in report.verifications if v.outcome is Outcome.VERIFIED for path in v.subject}
    count = sum(file.path in equal for file in report.files)
    hub = report.artefact.source == "huggingface"
    who = "the Hub declares for the commit" if hub else "the blob names of the local cache say"
    how = f"{count} of {len(report.files)} files have the digests that {who}"
    if count < len(report.files):
        return _identity(
            IdentityField.PURL, purl.to_string(), _SAID, AnalysisTechnique.MANIFEST_ANALYSIS, how
        )
    sure = _SURE if hub else _CACHED
    return _identity(IdentityField.PURL, purl.to_string(), sure, AnalysisTechnique.HASH_COMPARISON, how)


def _identity(
    field: IdentityField, value: str, confidence: Decimal, technique: AnalysisTechnique, how: str
) -> Identity:
    # NOTE: confidence is a Decimal: the library writes other numbers as texts, which no schema accepts.
    method = Method(technique=technique, confidence=confidence, value=how)
    return Identity(field=field, confidence=confidence, concluded_value=value, methods=[method])


def _references(subject: Subject) -> Iterator[ExternalReference]:
    """Card and licence texts by path and hash, where the artefact came from, and what was declared."""
    for file in subject.report.files:
        name = file.path.lower()
        if name in {"readme.md", "model_card.md", "modelcard.md"}:
            yield _reference(ExternalReferenceType.MODEL_CARD, quoted(file.path), file)
        elif name.startswith(("license", "licence")) and "/" not in name:
            yield _reference(ExternalReferenceType.LICENSE, quoted(file.path), file)
    if home := _home(subject):
        yield _reference(ExternalReferenceType.DISTRIBUTION, home)
    for link in subject.values(Claimed.LICENCE_LINK):
        if address := web_address(link):
            yield _reference(ExternalReferenceType.LICENSE, address)
    for tag in subject.values(Claimed.TAG):
        if tag.startswith("arxiv:"):
            address = f"https://arxiv.org/abs/{quoted(tag.removeprefix('arxiv:'))}"
            yield _reference(ExternalReferenceType.DOCUMENTATION, address)


def _home(subject: Subject) -> str:
    """Where the artefact came from, as a target of Weighbridge; local folders are nobody's business."""
    artefact = subject.report.artefact
    if subject.group:
        kind = "" if artefact.kind is Kind.MODEL else "datasets/"
        revision = f"@{quoted(artefact.revision)}" if artefact.revision else ""
        return f"hf://{kind}{quoted(subject.group)}/{quoted(subject.name)}{revision}"
    # A query may hold a signature or a token.
    return web_address(artefact.target.partition("?")[0].partition("#")[0])


def _reference(kind: ExternalReferenceType, url: str, file: FileResult | None = None) -> ExternalReference:
    return ExternalReference(type=kind, url=XsUri(url), hashes=_hashes(file) if file else ())
