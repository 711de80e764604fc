"""Tells resources what the declaration says of them: the class of the data in a store, and how long it may be kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlguard.scanners.infra.meaning import classes_of, members
from mlguard.scanners.infra.resources import Resource
from mlguard.values import replace

_NAMES = (
    "bucket", "name", "identifier", "cluster_identifier", "dataset_id", "table_id", "database", "topic", "repository", "metadata",
)  # fmt: skip
"""Attributes by which a declaration may call a store."""
_RETAINING = frozenset({
    "aws_kinesis_stream", "google_pubsub_topic", "google_pubsub_subscription", "KafkaTopic", "aws_s3_bucket",
    "aws_s3_bucket_object_lock_configuration", "google_storage_bucket", "azurerm_storage_account", "aws_db_instance",
    "aws_rds_cluster", "aws_docdb_cluster", "aws_neptune_cluster", "aws_backup_plan", "aws_backup_vault_lock_configuration",
    "azurerm_storage_container_immutability_policy", "google_sql_database_instance", "azurerm_postgresql_flexible_server",
    "azurerm_mysql_flexible_server", "azurerm_mssql_database",
})  # fmt: skip
"""Kinds that keep data for a time of their own."""


def marked(resources: Sequence[Resource], settings: Mapping[str, Any]) -> list[Resource]:
    """Return the resources, where the declaration knows a store with its class, and with the time that it allows.

    ``settings["declared"]`` holds ``stores`` (by what the store is called: class, and the days that its data may be kept, 0 when
    nothing says so) and ``longest``, the days of the longest retention of all. The times become the attributes ``declared_days``,
    ``declared_hours``, ``declared_seconds``, ``declared_milliseconds`` and ``declared_years``.
    """
    declared = settings.get("declared")
    if not isinstance(declared, Mapping):
        return list(resources)
    stores: Mapping[str, Mapping[str, Any]] = declared.get("stores", {})
    by_address = {resource.address: resource for resource in resources}
    return [_marked(resource, stores, declared.get("longest", 0), by_address) for resource in resources]


def _marked(
    resource: Resource, stores: Mapping[str, Mapping[str, Any]], longest: int, by_address: Mapping[str, Resource]
) -> Resource:
    retaining = resource.kind in _RETAINING
    if not retaining and resource.kind not in members("stores", "kinds"):
        return resource
    store = next((stores[name] for name in _called(resource, by_address) if name in stores), None)
    attributes = dict(resource.attributes)
    if retaining and (days := (store or {}).get("days") or longest):
        attributes |= {
            "declared_days": days, "declared_hours": days * 24, "declared_seconds": days * 86_400,
            "declared_milliseconds": days * 86_400_000, "declared_years": days / 365,
        }  # fmt: skip
    data_class = resource.data_class or str((store or {}).get("class", ""))
    if data_class == resource.data_class:
        return replace(resource, attributes=attributes) if retaining else resource
    meant = classes_of(resource.kind, resource.name, attributes, data_class)
    kept = [one for one in resource.classes if one not in ("store", "data", "tagged", "ml")]
    return replace(resource, attributes=attributes, data_class=data_class, classes=(*kept, *meant))


def _called(resource: Resource, by_address: Mapping[str, Resource]) -> list[str]:
    """Return what a store may be called: its names, and those of the bucket that a setting belongs to."""
    owners = [resource, *(by_address[name] for name in resource.references.get(("bucket",), ()) if name in by_address)]
    found = [resource.address]
    for owner in owners:
        for key in _NAMES:
            value = owner.attributes.get(key)
            value = value.get("name") if isinstance(value, Mapping) else value
            if isinstance(value, str) and value:
                found.append(value)
    return found


def plain(ref: str) -> str:
    """Return the name in an address of a store: ``acme-lake`` of ``s3://acme-lake/raw`` and of ``arn:aws:s3:::acme-lake``."""
    if match := re.match(r"[a-z][a-z0-9+.-]*://([^/]+)", ref):
        return match.group(1)
    return ref.rpartition(":")[2] if ref.startswith("arn:") else ref
