"""Checks on what code writes where others can reach it: archives, file permissions, hubs and object stores."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial

from mlguard import lazy
from mlguard.scanners.code.names import Unknown
from mlguard.scanners.code.seeing import Call, Place, Sight, on_call, on_node

ARCHIVE = "code/unsafe-archive-extraction"
PERMISSIONS = "code/open-file-permissions"
HUB = "code/public-hub-upload"
OBJECT = "code/public-object-upload"


@on_call("extractall", "extract", "unpack_archive", "unpack_from_file")
def archives(call: Call) -> Iterator[Sight]:
    """Archives that may write outside of their folder."""
    path = call.path
    if call.last in ("extractall", "extract"):
        if not (path.startswith("tarfile.") or (call.last == "extractall" and _is_tar(call))):
            return
        if call.source.at_least("python", "3.14"):
            return  # refuses such members by default
        if call.last == "extract" and not _in_loop(call):
            return
        if (
            not {"filter", "members"} & set(call.keywords)
            and (call.last == "extract" or len(call.node.args) < 2)
            and not _guarded(call)
        ) or (
            call.value("filter") in ("fully_trusted",)
            or "filter" in call.keywords
            and _trusting(call.keywords["filter"], call)
        ):
            yield call.sees(ARCHIVE, "extract-all")
    elif (
        path == "shutil.unpack_archive" and "filter" not in call.keywords and not call.source.at_least("python", "3.14")
    ):
        name, kind = call.constant(call.argument(0, "filename")), call.constant(call.argument(2, "format"))
        if kind != "zip" and not (isinstance(name, str) and name.lower().endswith(".zip")):
            yield call.sees(ARCHIVE, "extract-all")


@on_call("extractall", imports=["zipfile"])
def downloads(call: Call) -> Iterator[Sight]:
    """Zip archives that are unpacked straight out of an answer: nothing bounds how much they hold."""
    if not call.path.startswith("zipfile.") or "members" in call.keywords:
        return
    made: ast.AST | None = call.receiver
    if isinstance(made, ast.Name):
        single = call.names.single(made.id, call.scope)
        made = single[0] if single else None
    inner = made.args[0] if isinstance(made, ast.Call) and made.args else None
    if isinstance(inner, ast.Call) and call.names.path(inner.func, call.scope) == "io.BytesIO" and inner.args:
        body = inner.args[0]
        fetched = body.func if isinstance(body, ast.Call) else body
        network = not call.source.tree.roots.isdisjoint({"requests", "httpx", "urllib"})
        if network and isinstance(fetched, ast.Attribute) and fetched.attr in ("content", "read"):
            yield call.sees(ARCHIVE, "extract-all")


def _is_tar(call: Call) -> bool:
    """Say whether a receiver that is not resolved is named as a tar archive is."""
    if call.path or "tarfile" not in call.source.tree.roots or call.receiver is None:
        return False
    return bool(
        re.search(
            r"(?:^|_|\.)(?:t|tar|tf|tar_?file|tar_?ref|tar_?obj|tgz|tar_?archive)$",
            call.names.written(call.receiver),
            re.I,
        )
    )


def _trusting(node: ast.expr, call: Call) -> bool:
    return call.names.path(node, call.scope) == "tarfile.fully_trusted_filter"


def _in_loop(call: Call) -> bool:
    """Say whether the members of an archive are unpacked one by one."""
    node: ast.AST | None = call.node
    while node is not None and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
        if isinstance(node, ast.For | ast.While):
            return not call.source.once("chooses", id(node), partial(_chooses, node))
        node = call.source.tree.parent(node)
    return False


def _chooses(loop: ast.AST) -> bool:
    return any(isinstance(inner, ast.If) for inner in ast.walk(loop))


def _guarded(call: Call) -> bool:
    """Say whether the function compares the targets of members with its folder before it unpacks them."""
    function = call.scope.node
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _CONFINES.isdisjoint(
        call.source.tree.identifiers
    ):
        return False
    return call.source.once("confines", id(function), lambda: _confines(function))


_CONFINES = frozenset(
    {
        "is_relative_to",
        "commonpath",
        "commonprefix",
        "is_within_directory",
        "_is_within_directory",
        "safe_members",
        "_safe_members",
    }
)


def _confines(function: ast.AST) -> bool:
    names = {
        getattr(inner.func, "attr", None) or getattr(inner.func, "id", None)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Call)
    }
    return not names.isdisjoint(_CONFINES)


_OTHERS_WRITE = 0o002
_GROUP_WRITES = 0o020


@on_call("chmod", "fchmod", "lchmod", "umask", "mkfifo")
def permissions(call: Call) -> Iterator[Sight]:
    """Permissions that let everybody write."""
    path, last = call.path, call.last
    if last == "umask" and path == "os.umask":
        # ``old = os.umask(0)`` asks for the mask, and puts it back.
        if call.constant(call.argument(0)) == 0 and isinstance(call.source.tree.parent(call.node), ast.Expr):
            yield call.sees(PERMISSIONS, "world-writable")
        return
    if last == "mkfifo":
        if path != "os.mkfifo":
            return
        mode = _bits(call.argument(1, "mode"), call)
        if mode is not None and mode & _OTHERS_WRITE and not mode & 0o1000:
            yield call.sees(PERMISSIONS, "world-writable")
        return
    if path in ("os.chmod", "os.fchmod", "os.lchmod", "anyio.Path().chmod"):
        mode = _bits(call.argument(1, "mode"), call)
    elif call.receiver is not None and (path.startswith("pathlib.") or not path):
        mode = _bits(call.argument(0, "mode"), call)
    else:
        return
    if (
        mode is not None
        and not mode & 0o1000
        and mode & (_OTHERS_WRITE | _GROUP_WRITES)
        and (mode & _OTHERS_WRITE or mode & 0o7)
    ):
        yield call.sees(PERMISSIONS, "world-writable")


_CHMOD = lazy.pattern(r"\bchmod\b(?: -\S+)* (?:0?[0-7]?(?:777|666|[0-7][0-7][2367])|a\+\S*w|o\+\S*w|ugo\+\S*w)\b")


@on_call("run", "Popen", "call", "check_call", "check_output", "system", imports=["subprocess", "os"])
def commands(call: Call) -> Iterator[Sight]:
    """The same by a command."""
    if not call.path.startswith(("subprocess.", "os.")) or not call.node.args:
        return
    first = call.node.args[0]
    items = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
    words = [str(value) for item in items if isinstance(value := call.constant(item), str)]
    if words and "chmod" in words[0] and _CHMOD.search(" ".join(words)):
        yield call.sees(PERMISSIONS, "world-writable")


_FLAGS = {"S_IRWXO": 0o007, "S_IWOTH": 0o002, "S_IROTH": 0o004, "S_IXOTH": 0o001, "S_IRWXG": 0o070, "S_IWGRP": 0o020, "S_IRGRP": 0o040, "S_IXGRP": 0o010,
          "S_IRWXU": 0o700, "S_IRUSR": 0o400, "S_IWUSR": 0o200, "S_IXUSR": 0o100}  # fmt: skip


def _bits(node: ast.expr | None, call: Call, depth: int = 12) -> int | None:
    """Return the permissions that an expression of numbers and of constants of ``stat`` stands for; what is not known adds nothing."""
    if node is None or depth == 0:
        return None
    value = call.constant(node)
    if isinstance(value, int):
        return value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _bits(node.left, call, depth - 1), _bits(node.right, call, depth - 1)
        return None if left is None and right is None else (left or 0) | (right or 0)
    if isinstance(node, ast.Attribute | ast.Name):
        name = call.names.path(node, call.scope)
        if name.startswith("stat."):
            return _FLAGS.get(name[5:])
        single = call.names.single(node.id, call.scope) if isinstance(node, ast.Name) else None
        return _bits(single[0], call, depth - 1) if single and isinstance(single[0], ast.BinOp) else None
    return None


# ---- hubs

_UPLOADS = frozenset(
    {
        "push_to_hub",
        "push_to_hub_keras",
        "push_to_hub_fastai",
        "push_to_hub_gguf",
        "push_to_hub_merged",
        "save_to_hub",
        "push_model_to_hub",
    }
)
_CREATES = lazy.pattern(
    r"^huggingface_hub\.(?:[\w.]*\.)?(?:create_repo|duplicate_space|create_collection)$|^huggingface_hub\.(?:hf_api\.)?HfApi\(\)\.(?:create_repo|update_repo_visibility|update_repo_settings|duplicate_space)$"
)


@on_call(
    *_UPLOADS,
    "create_repo",
    "update_repo_visibility",
    "update_repo_settings",
    "create_collection",
    "duplicate_space",
    "dataset_create_new",
    "upload",
    "publish",
    "dataset_upload",
)
def hub_uploads(call: Call) -> Iterator[Sight]:
    """Models and data that everybody can download."""
    private = call.keywords.get("private", call.keywords.get("hub_private_repo"))
    if call.last in _UPLOADS:
        if call.path.startswith(".") or call.receiver is None and not call.path:
            return
        if private is None and (call.names.open_ended(call.node, call.scope) or not _names_a_repository(call)):
            return
        if private is None or call.constant(private) is False:
            yield call.sees(HUB, "push-to-hub")
    elif _CREATES.match(call.path) or (
        call.last == "create_repo" and not call.path and "huggingface_hub" in call.source.tree.roots
    ):
        if call.last in ("update_repo_visibility", "update_repo_settings"):
            if call.constant(private or call.argument(1, "private")) is False:
                yield call.sees(HUB, "push-to-hub")
        elif (
            private is None
            and not call.names.open_ended(call.node, call.scope)
            or private is not None
            and call.constant(private) is False
        ):
            yield call.sees(HUB, "push-to-hub")


def _names_a_repository(call: Call) -> bool:
    """Say whether the call says where it uploads: a call without any argument repeats what was set before."""
    return bool(call.node.args) or bool(
        call.keywords.keys() & {"repo_id", "repo_name", "repo_path_or_name", "repository_id"}
    )


@on_call("TrainingArguments", "Seq2SeqTrainingArguments", "SFTConfig", "DPOConfig", "PPOConfig", "ORPOConfig", "GRPOConfig", "KTOConfig", "PushToHubCallback",
         "RewardConfig", "SentenceTransformerTrainingArguments", imports=["transformers", "trl", "sentence_transformers", "optimum"])  # fmt: skip
def training_uploads(call: Call) -> Iterator[Sight]:
    """Training that uploads what it makes to a public repository."""
    if call.value("push_to_hub") is True:
        private = call.keywords.get("hub_private_repo")
        if (private is None and not call.names.open_ended(call.node, call.scope)) or (
            private is not None and call.constant(private) in (None, False)
        ):
            yield call.sees(HUB, "push-to-hub")


# ---- object stores

_PUBLIC = frozenset(
    {"public-read", "public-read-write", "authenticated-read", "publicRead", "publicReadWrite", "public", "website"}
)
_ACL_KEYS = frozenset(
    {
        "ACL",
        "acl",
        "predefined_acl",
        "predefinedAcl",
        "x-amz-acl",
        "CannedACL",
        "public_access",
        "PublicAccess",
        "default_acl",
    }
)
_OBJECT_STORES = frozenset(
    {
        "boto3",
        "botocore",
        "aioboto3",
        "google",
        "azure",
        "s3fs",
        "oss2",
        "minio",
        "boto",
        "gcsfs",
        "storages",
        "smart_open",
        "adlfs",
        "qcloud_cos",
        "libcloud",
    }
)


@on_call(
    keywords=[
        *_ACL_KEYS - {"x-amz-acl"},
        "ExtraArgs",
        "s3_additional_kwargs",
        "BlockPublicAcls",
        "PublicAccessBlockConfiguration",
        "transport_params",
    ]
)
def acls(call: Call) -> Iterator[Sight]:
    """Objects that everybody may read."""
    keywords = call.keywords
    given = [value for name, value in keywords.items() if name in _ACL_KEYS]
    for name in ("ExtraArgs", "s3_additional_kwargs"):
        if name in keywords:
            given += [
                value for key, value in call.names.entries(keywords[name], call.scope).items() if key in _ACL_KEYS
            ]
    if any(_is_public(value, call) for value in given):
        yield call.sees(OBJECT, "public-acl")
        return
    blocks = (
        call.names.entries(keywords["PublicAccessBlockConfiguration"], call.scope)
        if "PublicAccessBlockConfiguration" in keywords
        else {}
    )
    if any(call.constant(value) is False for value in blocks.values()):
        yield call.sees(OBJECT, "public-acl")


def _is_public(node: ast.expr, call: Call) -> bool:
    value = call.constant(node)
    if isinstance(value, str):
        if value in ("public", "website"):
            return False
        return value in _PUBLIC or value in ("blob", "container") and not call.source.tree.roots.isdisjoint({"azure"})
    written = call.names.written(node)
    return isinstance(value, Unknown) and bool(
        re.search(
            r"(?:^|\.)PublicAccess\.(?:BLOB|CONTAINER|Blob|Container|OFF_)\b|BUCKET_ACL_PUBLIC_READ|OBJECT_ACL_PUBLIC_READ",
            written,
        )
    )


@on_node(ast.Dict, words=["ACL", "x-amz-acl", "predefinedAcl"], imports=_OBJECT_STORES)
def acl_settings(node: ast.Dict, place: Place) -> Iterator[Sight]:
    """Settings with such an access list, where they are not the argument of a call that was looked at."""
    if id(node) in place.names.used:
        return
    for key, value in zip(node.keys, node.values, strict=True):
        if (
            isinstance(key, ast.Constant)
            and key.value in ("ACL", "x-amz-acl", "predefinedAcl")
            and place.names.constant(value, place.scope) in _PUBLIC
        ):
            parent = place.source.tree.parent(node)
            if not isinstance(parent, ast.keyword):
                yield Sight(OBJECT, "public-acl", node, {"call": "A dictionary of options"})


@on_call("make_public", "add_grantee", "put_object_acl", "put_bucket_acl", "put_bucket_policy", "put", "save_acl", "grant_read", "set_acl", "set_canned_acl",
         "make_bucket_public", "put_public_access_block", "delete_public_access_block", imports=_OBJECT_STORES)  # fmt: skip
def made_public(call: Call) -> Iterator[Sight]:
    """Objects and buckets that are made public afterwards."""
    if (
        call.last == "make_public"
        or call.last == "delete_public_access_block"
        or call.last in ("set_acl", "set_canned_acl")
        and any(call.constant(argument) in _PUBLIC for argument in call.node.args)
    ):
        yield call.sees(OBJECT, "public-acl")
    elif call.last == "put_bucket_policy":
        policy = call.constant(call.argument(1, "Policy"))
        if (
            isinstance(policy, str)
            and re.search(r'"Principal"\s*:\s*(?:"\*"|\{\s*"AWS"\s*:\s*"\*")', policy)
            and '"Allow"' in policy
        ):
            yield call.sees(OBJECT, "public-acl")
    elif "GrantRead" in call.keywords and "AllUsers" in str(call.value("GrantRead")):
        yield call.sees(OBJECT, "public-acl")


CHECKS = (archives, downloads, commands, permissions, hub_uploads, training_uploads, acls, acl_settings, made_public)
