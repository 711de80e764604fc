"""Objects of Kubernetes that Terraform creates, judged by the rules of manifests at the lines of the HCL."""

from __future__ import annotations

from pathlib import Path

from tests.scanning import found, scan

DEPLOYMENT = """\
resource "kubernetes_deployment_v1" "serve" {
  metadata {
    name      = "serve"
    namespace = "ml"
    labels    = { app = "serve" }
  }
  spec {
    replicas = 2
    selector {
      match_labels = { app = "serve" }
    }
    template {
      metadata {
        labels = { app = "serve" }
      }
      spec {
        host_network = true
        service_account_name = "loader"
        container {
          name  = "model"
          image = "registry.example.org/serve:latest"
          security_context {
            privileged = true
          }
          volume_mount {
            name       = "sock"
            mount_path = "/var/run/docker.sock"
          }
        }
        volume {
          name = "sock"
          host_path {
            path = "/var/run/docker.sock"
          }
        }
      }
    }
  }
}

resource "kubernetes_cluster_role" "all" {
  metadata {
    name = "all"
  }
  rule {
    api_groups = ["*"]
    resources  = ["*"]
    verbs      = ["get"]
  }
}

resource "kubernetes_manifest" "pod" {
  manifest = {
    apiVersion = "v1"
    kind       = "Pod"
    metadata   = { name = "a" }
    spec = {
      containers = [{
        name            = "a"
        image           = "registry.example.org/a:1.0.0"
        securityContext = { privileged = true }
      }]
    }
  }
}
"""


def test_what_the_provider_creates_is_judged_like_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(DEPLOYMENT)

    report = scan(tmp_path, ["infra"])

    lines = {rule: [line for _, line, _ in found(report, rule)] for rule in ("k8s/privileged-container", "k8s/wildcard-role", "k8s/unpinned-or-unapproved-image")}  # fmt: skip
    assert lines["k8s/privileged-container"] == [17, 23, 33, 61]
    assert set(lines["k8s/wildcard-role"]) <= {46, 47, 48, 49}
    assert lines["k8s/wildcard-role"]
    assert lines["k8s/unpinned-or-unapproved-image"][0] == 21
    assert report.gaps == ()


def test_a_hardened_deployment_is_not_reported(tmp_path: Path) -> None:
    text = DEPLOYMENT.split('resource "kubernetes_cluster_role"')[0]
    for line in ("        host_network = true\n", "            privileged = true\n"):
        text = text.replace(line, "")
    text = text.replace("/var/run/docker.sock", "/etc/localtime").replace(":latest", ":1.2.3")
    (tmp_path / "main.tf").write_text(text)

    assert found(scan(tmp_path, ["infra"]), "k8s/privileged-container") == []
