"""The typed inventory that scanners emit: what is in the repository, for the second stage and for the reports.

No fact ever holds a value that was read from a record: only names, counts, categories and digests.
"""

from __future__ import annotations

from typing import Literal

from mlguard.values import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One column or field of a dataset in which a category of personal data was seen.

    ``category`` is a data category key of fideslang and ``dpv`` a term of W3C DPV-PD. ``cells`` of ``of`` non-empty
    cells matched; both count every row unless ``sampled``.
    """

    name: str
    category: str
    dpv: str
    gdpr_class: Literal["personal", "special", "criminal"]
    confidence: Literal["high", "medium", "low"]
    strength: Literal["checksum", "pattern", "context", "ner"]
    cells: int
    of: int
    detectors: tuple[str, ...]
    line: int = 1
    column: int = 1
    sampled: bool = False
    free_text: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file that holds records. ``fields`` are those with personal data; ``columns`` counts them all.

    ``languages`` are those of its free text as (ISO 639-1 code, largest share of 1 in a column, whether names were looked for in it);
    ``masked`` is the largest share of a column's texts in which something is masked or is to be filled in. ``size`` is in bytes, of all
    its files, 0 when it is not known; ``schema`` is the SHA-256 of the names and types of its columns as they are shown. With
    ``sampled`` above 0 the cells were counted in so many of the ``rows``, drawn at random.
    """

    path: str
    format: str
    rows: int
    columns: int
    fields: tuple[Field, ...] = ()
    within: str = ""
    languages: tuple[tuple[str, float, bool], ...] = ()
    masked: float = 0.0
    size: int = 0
    schema: str = ""
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class Diversity:
    """How varied a sensitive column is among rows that cannot be told apart. ``distinct`` is l, ``entropy`` that of entropy l-diversity.

    ``t`` is the distance of t-closeness: ordered for numbers, equal otherwise; None when it is not known. ``alone`` counts the rows
    whose value follows from the quasi-identifiers. Of a part of the classes when ``share`` is below 1.
    """

    column: str
    distinct: int
    entropy: float
    t: float | None
    alone: int
    ordered: bool = False
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Anonymity:
    """How well the rows of a table hide among each other, by its quasi-identifiers ``columns``.

    ``k`` is the size of the smallest class of rows that agree in all of them; ``unique`` counts the classes of one row, ``below`` the
    rows in classes smaller than ``k_min`` (0: no limit is known). ``share`` is the part of the classes that was counted: below 1, ``k``
    is an upper bound and rows are estimates. With ``sampled`` above 0 all figures are of so many rows drawn at random. ``claim`` is what
    the declaration or the file's name says of the data; ``spread`` has (column, distinct values, entropy in bits).
    """

    path: str
    columns: tuple[str, ...]
    declared: bool
    rows: int
    classes: int
    k: int
    unique: int
    k_min: int = 0
    below: int = 0
    diversity: tuple[Diversity, ...] = ()
    spread: tuple[tuple[str, int, float], ...] = ()
    share: float = 1.0
    sampled: int = 0
    claim: str = ""
    within: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Files of different splits of one dataset, and what they have in common. No value of either is kept.

    ``columns`` are what names a person, () for whole rows. ``shared`` of the ``keys`` different ones of ``path`` are also in ``other``,
    which makes ``rows`` of the ``of`` rows of ``path``; ``repeated`` rows of ``path`` stand in it more than once. With ``share`` below 1
    only that part of the keys was compared, and the numbers are estimates. ``personal``: a column names persons.
    """

    path: str
    other: str
    split: str
    other_split: str
    columns: tuple[str, ...]
    keys: int
    shared: int
    rows: int
    repeated: int = 0
    of: int = 0
    share: float = 1.0
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """A column of pseudonyms of which values were recomputed. ``method`` says how: "SHA-256 without a key", "base64".

    ``found`` of ``of`` different values were recomputed from ``source``: a column of the same table, or all values of a small space.
    """

    path: str
    column: str
    method: str
    source: str
    found: int
    of: int
    within: str = ""
    claim: str = ""
    line: int = 1
    position: int = 1  # of the column's header, from 1
    same_table: bool = False


DESCRIPTIONS = frozenset({"huggingface", "jinja", "hydra", "mlflow", "keras-metadata", "tensorflow-fingerprint"})
"""Formats of files that say something of a model and are none themselves."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model artifact. ``imports`` are the globals that loading it would use, as ``module.name``, sorted.

    ``bases`` are (reference, revision) of the models that it is made from, ``licences`` what it says of itself, ``stored`` the
    attributes of estimators that hold rows of the training data, ``formats`` every format met inside it.
    """

    path: str
    format: str
    verdict: Literal["clean", "review", "blocked", "unknown"]
    imports: tuple[str, ...] = ()
    tensors: int = 0
    size: int = 0  # bytes
    bases: tuple[tuple[str, str], ...] = ()
    licences: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A document about a model: a card, a README that is one, or the model card of a CycloneDX bill of materials.

    ``sections`` and ``missing`` are names of rules/tables/model-cards.yaml: what the card tells, and what it does not.
    ``bases`` are (reference, revision).
    """

    path: str
    form: Literal["markdown", "data", "cyclonedx"]
    licences: tuple[str, ...] = ()
    bases: tuple[tuple[str, str], ...] = ()
    datasets: tuple[str, ...] = ()
    task: str = ""
    library: str = ""
    sections: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    private: int = 0  # the line that claims differentially private training; 0: none does
    epsilon: float | None = None
    delta: float | None = None


@dataclass(frozen=True, slots=True)
class PrivateTraining:
    """Something that bears on differentially private training: a claim, an imported library, a call with its constant settings.

    ``name`` is the library (as on PyPI), the method, or what makes the claim. ``accounts``: the call computes what privacy was spent;
    ``insecure``: it switches secure random numbers off.
    """

    path: str
    line: int
    role: Literal["claim", "library", "call"]
    name: str
    epsilon: float | None = None
    delta: float | None = None
    noise: float | None = None
    accounts: bool = False
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The SHA-256 of a file, as 64 hexadecimal digits. ``pointer``: what a pointer of Git LFS records, not what was read."""

    path: str
    sha256: str
    pointer: bool = False


@dataclass(frozen=True, slots=True)
class Seal:
    """A file that vouches for others: a list of digests, or a signed statement.

    ``files`` are the files below ``folder`` that it names and that are there. With ``whole`` the folder may hold nothing else but
    what lies under ``ignored``. ``digest`` is the SHA-256 of the whole. All paths are relative to the root.
    """

    path: str
    kind: Literal["checksums", "statement", "signature"]
    folder: str
    files: tuple[str, ...] = ()
    signature: Literal["none", "verified", "unverified", "failed"] = "none"
    whole: bool = False
    ignored: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class BillOfMaterials:
    """A bill of materials. ``models`` counts the models that it lists."""

    path: str
    format: Literal["CycloneDX", "SPDX"]
    models: int


@dataclass(frozen=True, slots=True)
class Package:
    """A third-party component that a manifest names. ``purl`` is a package URL; ``version`` is "" when not pinned.

    ``hashes`` are "algorithm:digest" of its files, ``licence`` is what the manifest or the metadata of the installed package states, and
    ``requires`` are the canonical names of what a lock says it needs. ``lock``: the manifest is a lock file; ``build``: it is needed to build only.
    """

    name: str
    version: str
    specifier: str
    path: str
    line: int
    purl: str
    pinned: bool
    hashed: bool = False
    group: str = ""
    hashes: tuple[str, ...] = ()
    licence: str = ""
    requires: tuple[str, ...] = ()
    lock: bool = False
    build: bool = False


@dataclass(frozen=True, slots=True)
class Library:
    """A module of third parties that code imports, in how many ``files``, and where first.

    ``packages`` are canonical names of the distributions that bring it, the usual one first.
    """

    module: str
    packages: tuple[str, ...]
    files: int
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Switch:
    """A variable of the environment that turns the telemetry of a tool off, or on when not ``off``, and where it is set."""

    name: str
    path: str
    line: int
    off: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that infrastructure code creates. ``address`` is unique within the file set (Terraform address or kind/ns/name)."""

    kind: str
    address: str
    path: str
    line: int
    data_class: str = ""  # of a classification tag, label or annotation
    region: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A principal may perform actions on resources."""

    principal: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    path: str
    line: int
    source: str  # address of the policy or binding


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function that the privacy declaration names, where code defines, calls or mentions it; "training": where a file trains something.

    ``name`` is with its classes for a definition, else its last part; "" for training.
    """

    name: str
    path: str
    line: int
    role: Literal["definition", "call", "reference", "training"]


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Code reads from or writes to a file, hub or service."""

    direction: Literal["read", "write"]
    kind: Literal["dataset", "model", "service"]
    target: str
    path: str
    line: int
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A workload that serves an image or a model."""

    address: str
    image: str
    path: str
    line: int
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A report of model metrics. ``metrics`` are (name, value as written)."""

    path: str
    model: str
    metrics: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A sealed count of a part of the dataset at ``path``, on its way to where the parts are merged. It is in no report.

    ``sealed`` is Base64 of bytes that open only with the key of the run.
    """

    path: str
    begin: int
    end: int
    sealed: str


@dataclass(frozen=True, slots=True)
class Consulted:
    """What was looked at besides the file at ``path`` to judge it: other files of the tree, there or not, and folders that were listed.

    It is in no report. What was seen in the file is seen again without looking as long as none of these changes.
    """

    path: str
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imports:
    """The modules of third parties that one file imports, with the lines of their first imports. It is in no report: ``Library`` is."""

    path: str
    modules: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A file that bears on the upkeep of dependencies. It is in no report.

    ``role``: a bill of materials, one in a form that is not read, a pipeline that makes bills, or what proposes updates or audits by a
    schedule. ``packages`` are (canonical name, version) of the Python packages that a bill lists.
    """

    path: str
    role: Literal["bill", "unread-bill", "bill-maker", "updater"]
    packages: tuple[tuple[str, str], ...] = ()


Fact = (
    Dataset
    | Anonymity
    | Overlap
    | Pseudonym
    | PrivateTraining
    | ModelFile
    | ModelCard
    | FileDigest
    | Seal
    | BillOfMaterials
    | Package
    | Library
    | Switch
    | Resource
    | Grant
    | DataFlow
    | Symbol
    | Deployment
    | Evaluation
)
