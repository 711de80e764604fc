"""What a name stands for: the program calls it, and the comment gives the path of what is called."""

from __future__ import annotations

import ast

import pytest

from mlguard.scanners.code import source
from mlguard.scanners.code.names import Names

PROGRAMS = {
    "import": ("import torch\ntorch.load(p)", "torch.load"),
    "import as": ("import torch.hub as h\nh.load(p)", "torch.hub.load"),
    "from import": ("from torch import load\nload(p)", "torch.load"),
    "from import as": ("from torch import load as tl\ntl(p)", "torch.load"),
    "assigned": ("import torch\nread = torch.load\nread(p)", "torch.load"),
    "assigned twice the same": ("import torch\nif a:\n    r = torch.load\nelse:\n    r = torch.load\nr(p)", "torch.load"),
    "assigned two different": ("import torch, json\nif a:\n    r = torch.load\nelse:\n    r = json.load\nr(p)", ""),
    "import in a function": ("def f():\n    import torch\n    torch.load(p)", "torch.load"),
    "import of another function": ("def f():\n    import torch\ndef g():\n    torch.load(p)", ""),
    "import below": ("def f():\n    torch.load(p)\nimport torch", "torch.load"),
    "optional import": ("try:\n    import torch\nexcept ImportError:\n    torch = None\ntorch.load(p)", "torch.load"),
    "star": ("from torch import *\nload(p)", "torch.load"),
    "star of one module": ("from acme.io import *\nfetch(p)", "acme.io.fetch"),
    "star of two modules": ("from os import *\nfrom torch import *\nload(p)", "torch.load"),
    "star and a builtin": ("from torch import *\nprint(p)", "print"),
    "shadowed": ("from torch import load\ndef f(load):\n    load(p)", ""),
    "shadowed by a function": ("from pickle import load\ndef load(p): ...\nload(p)", ""),
    "receiver": ("import gradio as gr\nd = gr.Blocks()\nd.launch()", "gradio.Blocks().launch"),
    "chained": ("import gradio as gr\ngr.Interface(f).launch()", "gradio.Interface().launch"),
    "with": ("import tarfile\nwith tarfile.open(p) as t:\n    t.extractall()", "tarfile.open().extractall"),
    "attribute": ("import requests\nclass A:\n    def __init__(self):\n        self.s = requests.Session()\n    def f(self):\n        self.s.get(u)", "requests.Session().get"),
    "attribute by annotation": ("import requests\nclass A:\n    s: requests.Session\n    def f(self):\n        self.s.get(u)", "requests.Session().get"),
    "attribute of the class": ("import requests\nclass A:\n    s = requests.Session()\n    def f(self):\n        self.s.get(u)", "requests.Session().get"),
    "parameter by annotation": ("from fastapi import FastAPI\ndef f(app: FastAPI):\n    app.run()", "fastapi.FastAPI().run"),
    "optional parameter": ("from fastapi import FastAPI\ndef f(app: FastAPI | None = None):\n    app.run()", "fastapi.FastAPI().run"),
    "variable by annotation": ("import torch\nm: torch.nn.Module = make()\nm.load(p)", "torch.nn.Module().load"),
    "factory": ("import requests\ndef make():\n    s = requests.Session()\n    return s\nmake().get(u)", "requests.Session().get"),
    "factory by annotation": ("import requests\ndef make() -> requests.Session:\n    return build()\nc = make()\nc.get(u)", "requests.Session().get"),
    "method as a factory": ("import requests\nclass A:\n    def make(self):\n        return requests.Session()\n    def f(self):\n        self.make().get(u)", "requests.Session().get"),
    "factory of itself": ("def make():\n    return make()\nmake().get(u)", ""),
    "two factories": ("def a():\n    return b()\ndef b():\n    return a()\na().get(u)", ""),
    "import by name": ("import importlib\nimportlib.import_module('torch').load(p)", "torch.load"),
    "attribute by name": ("import torch\ngetattr(torch, 'load')(p)", "torch.load"),
    "dunder import": ("__import__('os').system(c)", "os.system"),
    "table": ("import torch\nR = {'a': torch.load}\nR['a'](p)", "torch.load"),
    "walrus": ("import requests\nif (s := requests.Session()):\n    s.get(u)", "requests.Session().get"),
    "lambda's parameter": ("import torch\nf = lambda torch: torch.load(p)", ""),
    "comprehension's variable": ("import torch\n[torch.load(p) for torch in x]", ""),
    "global": ("import requests\ndef setup():\n    global s\n    s = requests.Session()\ndef f():\n    s.get(u)", "requests.Session().get"),
    "awaited": ("import httpx\nasync def f():\n    c = await httpx.connect()\n    c.get(u)", "httpx.connect().get"),
    "builtin": ("eval(x)", "eval"),
    "unknown": ("thing.load(p)", ""),
    "relative": ("from .io import load\nload(p)", ".io.load"),
    "default": ("import torch\ndef f(read=torch.load):\n    read(p)", "torch.load"),
    "decorated": ("import torch\n@d\ndef f():\n    torch.load(p)", "torch.load"),
    "in a decorator": ("import torch\n@torch.load(p)\ndef torch_():\n    pass", "torch.load"),
    "in a default": ("import torch\ndef f(torch_=torch.load(p)):\n    pass", "torch.load"),
    "in a class": ("import torch\nclass A:\n    m = torch.load(p)", "torch.load"),
    "a class's own name": ("import torch\nclass A:\n    torch = 1\n    def f(self):\n        torch.load(p)", "torch.load"),
    "matched": ("import torch\nmatch x:\n    case {'a': torch}:\n        torch.load(p)", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_called_name_stands_for_its_path(name: str) -> None:
    program, expected = PROGRAMS[name]
    parsed = source.python_file("a.py", program.encode())
    names = Names(parsed.tree)
    paths = [names.path(call.func, parsed.tree.scope(call)) for call in parsed.tree.of(ast.Call)]
    if expected:
        assert expected in paths
    else:
        assert not any(path.endswith((".load", ".get")) for path in paths)
