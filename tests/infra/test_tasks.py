"""Containers that cloud resources start, judged like those of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.artifacts import Artifact
from mlguard.scanners import Context
from mlguard.scanners.infra import terraform
from mlguard.scanners.infra.resources import Resource
from mlguard.scanners.infra.tasks import containers

ECS = """\
resource "aws_ecs_task_definition" "serve" {
  family = "serve"
  container_definitions = jsonencode([
    {
      name       = "lab"
      image      = "quay.io/jupyter/base-notebook:latest"
      command    = ["start-notebook.sh", "--ServerApp.token=''"]
      privileged = true
      user       = "0"
      environment = [
        { name = "MODE", value = "prod" },
      ]
      secrets = [{ name = "KEY", valueFrom = "arn:aws:ssm:eu-west-1:1:parameter/key" }]
    },
    { name = "side", image = "registry.example.org/side:1.2.3" },
  ])
}
"""


def found(tmp_path: Path, text: str) -> list[Resource]:
    (tmp_path / "main.tf").write_text(text)
    read = terraform.read([Artifact("main.tf", "terraform", len(text))], Context(tmp_path))
    return [container for one in read if isinstance(one, Resource) for container in containers(one)]


def test_the_containers_of_a_task_know_the_line_of_each_part(tmp_path: Path) -> None:
    lab, side = found(tmp_path, ECS)

    assert (lab.name, side.name) == ("lab", "side")
    assert lab.attributes["floating"] is True
    assert side.attributes["floating"] is False
    lines = {key: lab.positions[key].line for key in [("image",), ("effective", "privileged"), ("user",), ("open_services", 0)]}  # fmt: skip
    assert lines == {("image",): 6, ("effective", "privileged"): 8, ("user",): 9, ("open_services", 0): 7}
    assert lab.attributes["environment"] == {"MODE": "prod", "KEY": {"valueFrom": "a store of secrets"}}
    assert side.positions[()].line == 15


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ('resource "google_cloud_run_v2_service" "a" {\n  template {\n    containers {\n      image = "ollama/ollama"\n    }\n  }\n}\n', "ollama/ollama"),
        ('resource "google_cloud_run_service" "a" {\n  template {\n    spec {\n      containers {\n        image = "a:1"\n      }\n    }\n  }\n}\n', "a:1"),
        ('resource "azurerm_container_group" "a" {\n  container {\n    name  = "x"\n    image = "a:latest"\n    environment_variables = { A = "1" }\n  }\n}\n', "a:latest"),
        ('resource "azurerm_container_app" "a" {\n  template {\n    container {\n      name  = "x"\n      image = "a:2"\n      env {\n        name = "A"\n        value = "1"\n      }\n    }\n  }\n}\n', "a:2"),
        ('resource "aws_sagemaker_model" "a" {\n  primary_container {\n    image = "a:3"\n    environment = { A = "1" }\n  }\n}\n', "a:3"),
        ('resource "aws_lambda_function" "a" {\n  image_uri = "a:4"\n  environment {\n    variables = { A = "1" }\n  }\n}\n', "a:4"),
        ('resource "aws_batch_job_definition" "a" {\n  container_properties = jsonencode({ image = "a:5", environment = [{ name = "A", value = "1" }] })\n}\n', "a:5"),
    ],
)  # fmt: skip
def test_every_kind_that_starts_containers_is_read(text: str, image: str, tmp_path: Path) -> None:
    (one,) = found(tmp_path, text)

    assert one.attributes["image"] == image
    assert one.attributes["environment"] in ({}, {"A": "1"})
    if "1" in str(one.attributes["environment"]):
        assert one.positions[("environment", "A")].line > 1 or "batch" in text


@pytest.mark.parametrize(
    "text",
    [
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = var.definitions\n}\n',
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = "no json"\n}\n',
        'resource "aws_ecs_task_definition" "a" {}\n',
        'resource "aws_lambda_function" "a" {\n  filename = "a.zip"\n}\n',
    ],
)
def test_what_names_no_image_starts_no_container(text: str, tmp_path: Path) -> None:
    assert found(tmp_path, text) == []
