"""The far end for object stores: lists below a prefix, and reads ranges. Nothing is ever written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mlguard.stores.line import Trouble

CONNECT_SECONDS = 10
REQUEST_SECONDS = 20
"""How long one request may take."""

TRIES = 3
"""How often a request is tried."""

OPEN_FILES = 4
"""Handles that are kept. A reader comes back to an object for each column."""

MAX_READ_BYTES = 64 * 2**20
"""Bytes of one answer."""


class Objects:
    """The objects of one store, by "bucket/key"."""

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        self._kind, self._settings = kind, settings
        self._handles: dict[str, Any] = {}
        self._made: Any = None

    def close(self) -> None:
        """Do nothing: the process ends without the library's own end, which may abort it."""

    def _filesystem(self) -> Any:
        if self._made is None:
            makers = {"s3": _s3, "gs": _gs, "hf": _hf}
            self._made = makers[self._kind](self._settings)
        return self._made

    def list(self, bucket: str, prefix: str, most: int) -> Iterator[dict[str, Any]]:
        """Yield key and size of each object at or below a prefix, up to ``most``, and what could not be listed."""
        from pyarrow import fs

        pattern = _Pattern(prefix) if re.search(r"[*?]", prefix) else None
        start = f"{bucket}/{pattern.base if pattern else prefix}".rstrip("/")
        system = self._filesystem()
        seen = 0
        info = self._info(system, start) if start != bucket else None
        if info is not None and info.type == fs.FileType.File:
            yield _entry(info, bucket)
            return
        if info is not None and info.type == fs.FileType.NotFound:
            raise Trouble("there is no object and no folder of this name", "missing")
        folders, known = [start], {start}
        while folders:
            folder = folders.pop()
            try:
                entries = system.get_file_info(fs.FileSelector(folder))
            except Exception as error:  # noqa: BLE001 - the library's text quotes addresses
                trouble = told(error)
                if folder == start:
                    raise trouble from None
                yield {"key": folder.partition("/")[2], "missed": trouble.kind, "reason": str(trouble)}
                continue
            entries = sorted(entries, key=lambda entry: entry.path)
            below = [entry.path for entry in reversed(entries) if entry.type == fs.FileType.Directory]
            folders += [path for path in below if path.startswith(folder + "/") and path not in known]
            known.update(below)
            if any(not path.startswith(folder + "/") for path in below):  # it would be listed for ever
                yield {"key": folder.partition("/")[2], "missed": "skipped",
                       "reason": "objects whose keys have an empty part (two slashes) cannot be listed; rename them"}  # fmt: skip
            for entry in entries:
                if entry.type == fs.FileType.File and (pattern is None or pattern.fits(entry.path.partition("/")[2])):
                    if seen >= most:
                        yield {"key": "", "missed": "too-large",
                               "reason": f"only the first {most:,} objects were looked at; scan a part of them"}  # fmt: skip
                        return
                    seen += 1
                    yield _entry(entry, bucket)
        if not seen and pattern is not None:
            raise Trouble("no object fits the pattern", "missing")

    def read(self, path: str, offset: int, size: int) -> Iterator[bytes]:
        """Yield the bytes of a range, in one or more parts."""
        try:
            handle = self._handles.pop(path, None) or self._filesystem().open_input_file(path)
            self._handles[path] = handle
            while len(self._handles) > OPEN_FILES:
                self._handles.pop(next(iter(self._handles))).close()
            handle.seek(offset)
            while size > 0:
                data = handle.read(min(size, MAX_READ_BYTES))
                if not data:
                    return
                size -= len(data)
                yield data
        except Trouble:
            raise
        except Exception as error:  # noqa: BLE001
            self._handles.pop(path, None)
            raise told(error) from None

    def public(self, bucket: str) -> Iterator[dict[str, str]]:
        """Yield why everybody may read the bucket ("" when not), or why that is not known."""
        if self._kind != "s3":
            yield {
                "public": "",
                "missed": ""
                if self._kind == "hf"
                else "who may read the bucket is not looked at for this kind of store",
            }
            return
        yield _s3_public(bucket, self._settings)

    def _info(self, system: Any, path: str) -> Any:
        try:
            return system.get_file_info(path)
        except Exception as error:  # noqa: BLE001
            raise told(error) from None


def _entry(info: Any, bucket: str) -> dict[str, Any]:
    return {"key": info.path.removeprefix(bucket + "/"), "size": int(info.size or 0)}


class _Pattern:
    """A key with stars, and the folder above the first of them."""

    def __init__(self, prefix: str) -> None:
        self.base = re.split(r"[*?]", prefix)[0].rpartition("/")[0]
        parts = (
            {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token, re.escape(token))
            for token in re.findall(r"\*\*/|\*\*|\*|\?|.", prefix, re.S)
        )
        self._glob = re.compile("".join(parts) + r"\Z", re.S)

    def fits(self, key: str) -> bool:
        return bool(self._glob.match(key))


def _s3(settings: Mapping[str, Any]) -> Any:
    from pyarrow import fs

    place = (
        settings.get("endpoint_override")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or ""
    )
    options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS}
    options["retry_strategy"] = fs.AwsStandardS3RetryStrategy(max_attempts=TRIES)
    if place:
        parts = urlsplit(place if "://" in place else f"{settings.get('scheme', 'https')}://{place}")
        options |= {"endpoint_override": parts.netloc.rpartition("@")[2], "scheme": parts.scheme}
    region = settings.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        options["region"] = region
    if _anonymous(settings):
        options["anonymous"] = True
    return _made(fs.S3FileSystem, options)


def _gs(settings: Mapping[str, Any]) -> Any:
    import datetime

    from pyarrow import fs

    options: dict[str, Any] = {"retry_time_limit": datetime.timedelta(seconds=REQUEST_SECONDS)}
    place = settings.get("endpoint_override") or os.environ.get("STORAGE_EMULATOR_HOST") or ""
    if place:
        parts = urlsplit(place if "://" in place else f"{settings.get('scheme', 'https')}://{place}")
        options |= {"endpoint_override": parts.netloc.rpartition("@")[2], "scheme": parts.scheme}
    if _anonymous(settings):
        options["anonymous"] = True
    return _made(fs.GcsFileSystem, options)


def _hf(settings: Mapping[str, Any]) -> Any:
    from huggingface_hub import HfFileSystem
    from pyarrow import fs

    return fs.PyFileSystem(fs.FSSpecHandler(HfFileSystem()))


def _anonymous(settings: Mapping[str, Any]) -> bool:
    return str(settings.get("anonymous", "")).lower() in ("1", "true", "yes")


def _made(kind: Any, options: dict[str, Any]) -> Any:
    try:
        return kind(**options)
    except Exception as error:  # noqa: BLE001
        raise told(error) from None


def _s3_public(bucket: str, settings: Mapping[str, Any]) -> dict[str, str]:
    try:
        import boto3
        import botocore
        from botocore.config import Config
    except ImportError:
        return {"public": "", "missed": "who may read the bucket was not looked at: it needs boto3 (pip install boto3)"}
    signing = {"signature_version": botocore.UNSIGNED} if _anonymous(settings) else {}
    limits = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=REQUEST_SECONDS, retries={"max_attempts": TRIES}, **signing
    )
    place = settings.get("endpoint_override") or None
    if place and "://" not in place:
        place = f"{settings.get('scheme', 'https')}://{place}"
    try:
        client = boto3.client("s3", endpoint_url=place, region_name=settings.get("region"), config=limits)
        if _asked(
            lambda: client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["IgnorePublicAcls"]
        ):
            acl = False
        else:
            acl = any(
                grant["Grantee"].get("URI", "").endswith(("/global/AllUsers", "/global/AuthenticatedUsers"))
                and grant["Permission"] in ("READ", "FULL_CONTROL")
                for grant in client.get_bucket_acl(Bucket=bucket)["Grants"]
            )
        policy = _asked(lambda: client.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"])
    except Exception:  # noqa: BLE001
        return {
            "public": "",
            "missed": "who may read the bucket could not be asked; allow s3:GetBucketAcl and s3:GetBucketPolicyStatus",
        }
    return {
        "public": "the policy of the bucket" if policy else "the access list of the bucket" if acl else "",
        "missed": "",
    }


def _asked(question: Any) -> bool:
    """Return an answer that is a refusal when nothing of the kind is set. Raises for everything else."""
    try:
        return bool(question())
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code in ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy"):
            return False
        raise


_CAUSES: tuple[tuple[str, str, str], ...] = (
    (r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist", "unreadable", "there is no bucket of this name"),
    (r"NO_SUCH_KEY|NoSuchKey|RESOURCE_NOT_FOUND|NOT_FOUND|Path does not exist|HTTP status 404|404", "unreadable", "the bucket or the object is not there, or vanished during the scan"),
    (r"ACCESS_DENIED|AccessDenied|Forbidden|HTTP status 403|403|PERMISSION_DENIED|GatedRepo", "unreadable", "permission denied; allow listing and reading for these credentials, or give others"),
    (r"INVALID_ACCESS_KEY|INVALID_SIGNATURE|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|EXPIRED|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN|401|UNAUTHENTICATED|credentials", "unreadable", "the credentials are not accepted or have run out; set AWS_PROFILE, or log in again"),
    (r"PERMANENT_REDIRECT|MovedPermanently|301|AuthorizationHeaderMalformed", "unreadable", "the bucket lies in another region; set AWS_REGION"),
    (r"curlCode: (?:6|5)\b|resolve host|HOST_NOT_FOUND|Name or service", "unreadable", "the name of the host cannot be resolved"),
    (r"curlCode: 28|[Tt]imeout|timed out|REQUEST_TIMEOUT", "timeout", "the store did not answer in time"),
    (r"curlCode: (?:35|51|58|60|77|83)\b|SSL|certificate|TLS", "unreadable", "no encrypted connection: the certificate does not fit"),
    (r"NETWORK_CONNECTION|curlCode: |onnect|UNAVAILABLE", "unreadable", "nothing answers there, or the connection was lost; run again"),
    (r"SLOW_DOWN|THROTTLING|503|429", "unreadable", "the store is asked too much at once; run again later"),
)  # fmt: skip


def told(error: BaseException) -> Trouble:
    """Return the trouble by the code in the library's text, which itself is not passed on. Raises MemoryError and ImportError again."""
    if isinstance(error, (MemoryError, ImportError)):
        raise error
    text = f"{type(error).__name__} {error}"
    for pattern, kind, reason in _CAUSES:
        if re.search(pattern, text):
            return Trouble(reason, kind)  # type: ignore[arg-type]  # from the table above
    if isinstance(error, FileNotFoundError):
        return Trouble(_CAUSES[1][2])
    return Trouble("the store cannot be read")
