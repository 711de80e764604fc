"""Outputs that hand out a secret, and resources that no file declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scanning import scan


def lines(root: Path, text: str, rule: str) -> list[int]:
    (root / "main.tf").write_text(text)

    return sorted(one.location.line for one in scan(root, ["infra"]).findings if one.rule == rule)


@pytest.mark.parametrize(
    "value",
    [
        "google_service_account_key.k.private_key",
        "azurerm_kubernetes_cluster.c.kube_config[0].client_key",
        "azurerm_storage_account.s[*].primary_access_key",
        "random_password.p.result",
        "data.azurerm_key_vault_secret.s.value",
        '"postgres://u:${google_sql_user.u.password}@h/x"',
        "{ for name, one in azurerm_storage_account.s : name => one.primary_connection_string }",
        "[base64decode(google_service_account_key.k.private_key)]",
        "var.on ? azurerm_cognitive_account.a.primary_access_key : null",
    ],
)
def test_an_output_that_gives_a_secret_must_be_marked(tmp_path: Path, value: str) -> None:
    rule = "secret/committed-terraform-secrets"

    assert lines(tmp_path, f'output "x" {{\n  value = {value}\n}}\n', rule) == [1]
    assert lines(tmp_path, f'output "x" {{\n  value = {value}\n  sensitive = true\n}}\n', rule) == []


@pytest.mark.parametrize(
    "value",
    [
        "nonsensitive(random_password.p.result)",
        "sha256(google_sql_user.u.password)",
        "google_secret_manager_secret.s.secret_id",
        "azurerm_storage_account.s.primary_blob_endpoint",
        "random_password.p.length",
        "tls_private_key.k.public_key_openssh",
        "azurerm_key_vault_secret.s.id",
        "var.on ? 1 : 0",
        "each.key",
    ],
)
def test_an_output_of_something_else_need_not_be_marked(tmp_path: Path, value: str) -> None:
    assert lines(tmp_path, f'output "x" {{\n  value = {value}\n}}\n', "secret/committed-terraform-secrets") == []


@pytest.mark.parametrize(
    "reference", ["azurerm_public_ip.p.id", "azurerm_public_ip.p[0].id", 'azurerm_public_ip.p["a"].id']
)
def test_what_identifies_a_resource_that_is_declared_elsewhere_counts_as_set(tmp_path: Path, reference: str) -> None:
    text = f'resource "azurerm_network_interface" "n" {{\n  ip_configuration {{\n    public_ip_address_id = {reference}\n  }}\n}}\n'

    assert lines(tmp_path, text, "tf/public-service-address") == [3]


def test_other_attributes_of_a_resource_that_is_declared_elsewhere_are_not_known(tmp_path: Path) -> None:
    text = 'resource "azurerm_key_vault" "v" {\n  purge_protection_enabled = azurerm_key_vault.other.purge_protection_enabled\n}\n'
    (tmp_path / "main.tf").write_text(text)

    report = scan(tmp_path, ["infra"])

    assert [one for one in report.findings if one.rule == "tf/missing-deletion-protection"] == []
    assert any("azurerm_key_vault.other, which is not declared" in gap.reason for gap in report.gaps)


def test_a_list_of_resources_that_are_declared_elsewhere_has_no_length(tmp_path: Path) -> None:
    text = (
        'resource "azurerm_storage_account" "s" {\n  dynamic "customer_managed_key" {\n    for_each = azurerm_key_vault_key.k[*].id\n'
        "    content {\n      key_vault_key_id = customer_managed_key.value\n    }\n  }\n}\n"
    )

    assert lines(tmp_path, text, "tf/missing-customer-managed-key") == []
