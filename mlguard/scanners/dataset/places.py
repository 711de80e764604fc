"""What a path says about a file: test, documentation, dump, configuration, source."""

from __future__ import annotations

from mlguard.scanners import lazy

_TESTS = lazy.pattern(
    r"(?i)(?:^|/)(?:tests?|testing|test[-_]?data|testdata|fixtures?|__tests__|specs?|mocks?|__mocks__|unit[-_]?tests?|e2e|cypress)/"
)
_DUMP = lazy.pattern(
    r"(?i)\.(?:log|sql|dump|har)(?:\.\d+)?(?:\.gz)?$|(?:^|/)[^/]*\.log[.-]\d[^/]*$|(?:^|/)logs?/[^/]+\.(?:txt|out|err|jsonl?)$"
)
_DOCS = lazy.pattern(
    r"(?i)\.(?:md|markdown|rst|adoc|asciidoc|tex)$|(?:^|/)(?:docs?|documentation|wiki|site|website|licenses?)/"
    r"|(?:^|/)(?:readme|licen[cs]e|notice|copying|changelog|changes|history|news|authors|contributors|maintainers|credits|thanks|acks|codeowners|owners|"
    r"security|code_of_conduct|contributing|citation|third[-_]?party[^/]*|install|todo|version|manifest|patents|dco)(?:[.\-_][^/]*)?$"
)
_PROSE = lazy.pattern(
    r"(?i)\.(?:txt|text|log|out|err|eml|mbox|vcf|ics|srt|vtt|dump|har|prompt|tex|adoc|rst)(?:\.\d+)?$|\.log[.-]\d[^/]*$"
)
_TABLES = lazy.pattern(r"(?i)\.(?:data|dat|psv|names|all-data|csv|tsv|tab|txt|tst|train|trn)(?:\.gz)?$")
_BINARY_TABLES = lazy.pattern(
    r"(?i)\.(?:parquet|feather|arrow|orc|avro|npy|hdf5|h5|sqlite3?|xlsx?|ods|gz|zst|bz2|xz|lz4|zip|tar|tgz)$"
)
_HIDING = lazy.pattern(
    r"(?i)(?:^|/)[^/.]+$|\.(?:csv|tsv|tab|jsonl|ndjson|json|txt|sql|log|parquet|xlsx?)(?:\.(?:bak|old|orig|backup|copy|save|sav|tmp|part|swp|\d{1,8})|[~_-][^/]*)$"
    r"|\.(?:bak|old|orig|backup|db|tmp|part)$"
)
_POSING = lazy.pattern(r"(?i)\.(?:png|jpe?g|gif|bmp|webp|tiff?|doc|docx|pdf|ppt|pptx)$")
_PACKED = lazy.pattern(r"(?i)\.(?:csv|tsv|tab|jsonl|ndjson|json|txt|log|sql)\.(?:gz|zst|bz2|xz|lz4)$")
_NO_DATA = lazy.pattern(
    r"(?i)(?:^|/)(?:requirements[^/]*|constraints[^/]*|robots|humans|cmakelists|top_level|entry_points|sources|vocab|merges|bpe[^/]*|stop_?words[^/]*|labels|classes)\.txt$|\.egg-info/|\.dist-info/"
)


def is_remote(path: str) -> bool:
    """Say whether a path is the address of something in a store. What lies there is data, whatever its name says of the place."""
    return "://" in path or path.startswith("sqlite:")


def is_test(path: str) -> bool:
    """Say whether the file lies among tests or fixtures."""
    return bool(_TESTS.search(path)) and not is_remote(path)


def is_dump(path: str) -> bool:
    """Say whether the file is a log or a dump of a database."""
    return bool(_DUMP.search(path)) and not is_docs(path) and not is_remote(path)


def is_docs(path: str) -> bool:
    """Say whether the file is documentation, a licence or a list of maintainers."""
    if is_remote(path) or is_prompt(path):
        return False
    return bool(_DOCS.search(path)) and not _TABLES.search(path) or bool(_README.search(path))


_README = lazy.pattern(
    r"(?i)(?:^|/)(?:readme|licen[cs]e|authors|codeowners|notice|changelog|contributors|maintainers)(?:\.txt)?$"
)


_PROMPT = lazy.pattern(
    r"(?i)(?:^|/)(?:(?:system|chat|llm|user|agent|eval)[-_]?)?(?:prompts?|prompt[-_]?templates?|few[-_]?shots?(?:[-_]?examples?)?|golden[-_]?(?:sets?|answers?|data)?|evals?|llm[-_]?evals?|completions?)/"
    r"(?:[^/]+/)*[^/]+\.(?:txt|text|md|markdown|prompt|prompty|jinja2?|j2|tmpl|mustache|jsonl?|ndjson|ya?ml)$"
    r"|(?:^|/)(?:[\w.]+[-_.])?(?:prompts?|prompt[-_]?templates?|few[-_]?shots?|system[-_]?message)(?:[-_.][\w.-]+)?\.(?:txt|text|md|markdown|prompt|prompty|jinja2?|j2|tmpl|mustache|jsonl?|ndjson|ya?ml)$"
    r"|\.(?:prompt|prompty)(?:\.(?:txt|md|ya?ml))?$"
)


def is_prompt(path: str) -> bool:
    """Say whether the file is a prompt, a template of one, or a set of examples that prompts are built or tested with."""
    return (
        bool(_PROMPT.search(path))
        and not is_remote(path)
        and not is_test(path)
        and not _README.search(path)
        and not _NOTES.search(path)
    )


_NOTES = lazy.pattern(
    r"(?i)(?:^|/)(?:readme|changelog|contributing|license)[^/]*$|(?:^|/)(?:docs?|documentation|wiki|site|website)/"
)


def is_prose(path: str) -> bool:
    """Say whether a file of kind text is to be read: by its suffix, or because it is named as documentation. Source code is not."""
    name = path.rsplit("/", 1)[-1]
    if _NO_DATA.search(path):
        return False
    return bool(_PROSE.search(path) or may_be_table(path) or is_docs(path) and ("." not in name or _PROSE.search(name)))


def may_be_table(path: str) -> bool:
    """Say whether the suffix is one under which tables without a dialect are kept, or a text that is named as another table."""
    return bool(_TABLES.search(path) or is_binary_table(path))


def is_binary_table(path: str) -> bool:
    """Say whether the suffix is that of a table or an archive that is no text."""
    return bool(_BINARY_TABLES.search(path))


def is_posing(path: str) -> bool:
    """Say whether the suffix is that of a document or picture, which is no text."""
    return bool(_POSING.search(path))


def may_hide(path: str) -> bool:
    """Say whether a text may be a table or records although its name does not say so: it has no suffix, or that of a copy."""
    return bool(_HIDING.search(path) or _POSING.search(path)) and not is_docs(path)


def is_packed(path: str) -> bool:
    """Say whether the file is a compressed table or text."""
    return bool(_PACKED.search(path))


_PEOPLE = lazy.pattern(
    r"(?i)(?:^|/)(?:authors|contributors|maintainers|credits|thanks|acks|codeowners|owners|changelog|changes|history|citation|licen[cs]e|notice|copying)(?:[.\-_][^/]*)?$"
)


def names_people(path: str) -> bool:
    """Say whether naming people is the purpose of the document."""
    return bool(_PEOPLE.search(path))


_DATA = lazy.pattern(
    r"(?i)(?:^|/)(?:data|datasets?|raw|interim|processed|exports?|dumps?|corpus|corpora|prompts?|train|training)(?:/|[^/]*\.[a-z]+$)"
)


def is_data(path: str) -> bool:
    """Say whether the file lies in a folder for data, or is named as data or prompts."""
    return is_remote(path) or bool(_DATA.search(path))
