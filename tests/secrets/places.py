"""Writes a credential in files of many kinds, as people do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

Place = tuple[str, Callable[[str, str], str]]
"""Path of the file, and its text for a name (upper case, underscores) and a value."""


def _notebook(source: list[str], output: list[str], kind: str = "code") -> str:
    cell: dict[str, object] = {"cell_type": kind, "id": "a1b2c3d4", "metadata": {}, "source": source}
    if kind == "code":
        cell["execution_count"] = 3
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": output}] if output else []
    first = {"cell_type": "markdown", "id": "0f1e2d3c", "metadata": {}, "source": ["# Report\n"]}
    return json.dumps({"cells": [first, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(part.title() for part in rest)


def _low(name: str) -> str:
    return name.lower()


PLACES: dict[str, Place] = {
    "python": ("src/client.py", lambda n, v: f'import os\n\n{n} = "{v}"\nrun({n})\n'),
    "python keyword": ("src/run.py", lambda n, v: f"client = Client(url, {_low(n)}='{v}', timeout=3)\n"),
    "python environ": ("train.py", lambda n, v: f'import os\nos.environ["{n}"] = "{v}"\n'),
    "python default": ("conf.py", lambda n, v: f'KEY = os.getenv("{n}", "{v}")\n'),
    "python dict": ("settings.py", lambda n, v: f'CONFIG = {{\n    "{_low(n)}": "{v}",\n    "retries": 3,\n}}\n'),
    "notebook source": ("a.ipynb", lambda n, v: _notebook(["import os\n", f'{n} = "{v}"\n'], [])),
    "notebook shell": ("b.ipynb", lambda n, v: _notebook([f"!export {n}={v}\n", "!pip list\n"], [])),
    "notebook output": ("c.ipynb", lambda n, v: _notebook(["print(config)\n"], [f"{{'{_low(n)}': '{v}'}}\n"])),
    "notebook markdown": ("d.ipynb", lambda n, v: _notebook([f"Use `{n}={v}` here\n"], [], "markdown")),
    "yaml": ("conf/app.yaml", lambda n, v: f"service:\n  {_low(n)}: '{v}'\n  retries: 3\n"),
    "yaml bare": ("conf/bare.yml", lambda n, v: f"service:\n  {_low(n)}: {v}\n  retries: 3\n"),
    "json": ("conf/app.json", lambda n, v: json.dumps({"name": "a", _camel(n): v, "size": 3}, indent=2) + "\n"),
    "json one line": ("conf/line.json", lambda n, v: json.dumps({"a": [1, 2], "auth": {_low(n): v}})),
    ".env": (".env", lambda n, v: f"DEBUG=1\n{n}={v}\nPORT=8000\n"),
    ".env quoted": ("prod.env", lambda n, v: f'{n}="{v}"\n'),
    "toml": ("conf/app.toml", lambda n, v: f'[service]\n{_low(n)} = "{v}"\n'),
    "ini": ("conf/app.ini", lambda n, v: f"[service]\n{_low(n)} = {v}\n"),
    "dockerfile env": ("Dockerfile", lambda n, v: f"FROM python:3.11\nENV {n}={v}\nRUN make\n"),
    "dockerfile arg": ("build/Dockerfile", lambda n, v: f'FROM python:3.11\nARG {n}="{v}"\n'),
    "compose": (
        "docker-compose.yml",
        lambda n, v: f"services:\n  web:\n    image: a\n    environment:\n      - {n}={v}\n",
    ),
    "terraform": ("main.tf", lambda n, v: f'provider "a" {{\n  {_low(n)} = "{v}"\n}}\n'),
    "tfvars": ("prod.tfvars", lambda n, v: f'{_low(n)} = "{v}"\n'),
    "shell": ("run.sh", lambda n, v: f"#!/bin/sh\nexport {n}={v}\npython train.py\n"),
    "shell quoted": ("go.sh", lambda n, v: f"#!/bin/bash\n{n}='{v}' python train.py\n"),
    "markdown": ("docs/use.md", lambda n, v: f"# Use\n\n```sh\nexport {n}={v}\n```\n"),
    "javascript": ("web/app.js", lambda n, v: f"const {_camel(n)} = '{v}';\nfetch(url);\n"),
    "typescript": ("web/app.ts", lambda n, v: f'export const config: Config = {{ {_camel(n)}: "{v}" }};\n'),
    "java": ("src/App.java", lambda n, v: f'class A {{\n  private static final String {n} = "{v}";\n}}\n'),
    "go": ("main.go", lambda n, v: f'package main\n\nvar {_camel(n)} = "{v}"\n'),
    "properties": ("app.properties", lambda n, v: f"server.port=80\n{_low(n).replace('_', '.')}={v}\n"),
    "xml": ("conf/app.xml", lambda n, v: f"<c>\n  <{_camel(n)}>{v}</{_camel(n)}>\n</c>\n"),
    "xml property": ("conf/core.xml", lambda n, v: f'<c>\n  <add key="{n}" value="{v}" />\n</c>\n'),
    "manifest env": (
        "k8s/deploy.yaml",
        lambda n, v: (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  template:\n    spec:\n      containers:\n"
            f"        - name: a\n          image: a\n          env:\n            - name: {n}\n              value: '{v}'\n"
        ),
    ),
    "manifest secret": (
        "k8s/secret.yaml",
        lambda n, v: (
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ntype: Opaque\ndata:\n"
            f"  {_low(n)}: {base64.b64encode(v.encode()).decode()}\n"
        ),
    ),
    "workflow": (
        ".github/workflows/ci.yml",
        lambda n, v: (
            f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    env:\n      {n}: '{v}'\n    steps:\n      - run: make\n"
        ),
    ),
}
"""Where a name stands beside the value."""

ALONE: dict[str, Place] = {
    "header": ("call.sh", lambda n, v: f'curl -H "Authorization: Bearer {v}" https://api.acme.io/v1/me\n'),
    "own header": ("own.sh", lambda n, v: f"curl -H 'X-Api-Key: {v}' https://api.acme.io/v1/me\n"),
    "python header": ("src/head.py", lambda n, v: f'headers = {{"Authorization": f"Bearer {v}"}}\n'),
    "log": ("logs/run.log", lambda n, v: f"2025-03-04 10:11:12 INFO client: signed in with {v} (cached)\n"),
    "query": ("src/url.py", lambda n, v: f'get("https://api.acme.io/v1/items?token={v}&page=2")\n'),
    "positional": ("src/pos.py", lambda n, v: f'login("{v}")\n'),
    "comment": ("src/note.py", lambda n, v: f"# old key: {v}\nx = 1\n"),
    "prose": ("NOTES.md", lambda n, v: f"Then sign in with `{v}`.\n"),
    "csv": ("data/a.csv", lambda n, v: f"id,text\n1,{v}\n"),
    "list": ("keys.txt", lambda n, v: f"{v}\n"),
    "joined": ("src/join.py", lambda n, v: f'KEY = "{v[:9]}" + "{v[9:]}"\n'),
    "implicit": ("src/imp.py", lambda n, v: f'KEY = (\n    "{v[:11]}"\n    "{v[11:]}"\n)\n'),
}
"""Where nothing but the form of a value tells what it is."""
