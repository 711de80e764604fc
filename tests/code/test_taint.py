"""Where the text of an expression comes from: each program shows it to ``sink``, and the comment says what is known of it."""

from __future__ import annotations

import ast
import textwrap

import pytest

from mlguard.findings import Detection, Gap
from mlguard.scanners.code import source, taint
from mlguard.scanners.code.names import Names
from mlguard.scanners.code.report import records

PROGRAMS = {
    # what a caller sent
    "flask arguments": ("from flask import request\nsink(request.args['q'])", "request"),
    "flask arguments under another name": ("from flask import request as r\nq = r.args.get('q')\nsink(f'x {q}')", "request"),
    "flask module": ("import flask\nsink(flask.request.get_json()['url'])", "request"),
    "route parameter": ("import fastapi\napp = fastapi.FastAPI()\n@app.get('/')\ndef f(q: str):\n    sink(q)", "request parameter"),
    "route parameter that is a number": ("import fastapi\napp = fastapi.FastAPI()\n@app.get('/')\ndef f(q: int):\n    sink(q)", "parameter"),
    "route parameter that is given": (
        "from fastapi import FastAPI, Depends\napp = FastAPI()\n@app.get('/')\ndef f(db=Depends(get)):\n    sink(db)", "parameter"),
    "router of another file": ("import fastapi\nfrom .app import router\n@router.post('/')\nasync def f(body):\n    sink(body.url)", "request parameter"),
    "request object": ("from fastapi import Request\nasync def f(request: Request):\n    body = await request.json()\n    sink(body['p'])", "request"),
    "django": ("def view(request):\n    sink(request.POST['name'])", "request"),
    "websocket": ("from fastapi import WebSocket\nasync def f(ws: WebSocket):\n    sink(await ws.receive_text())", "request"),
    "tornado": ("class H(RequestHandler):\n    def get(self):\n        sink(self.get_argument('q'))", "request"),
    "typed in": ("sink(eval(input()) + input('> '))", "request terminal"),
    "command line": ("import sys\nsink(sys.argv[1])", "request terminal"),
    "lambda handler": ("def lambda_handler(event, context):\n    sink(event['body'])", "request parameter"),
    "gradio": ("import gradio as gr\ndef f(text):\n    sink(text)\ngr.Interface(fn=f, inputs='text')", "request parameter"),
    "gradio event": ("import gradio as gr\ndef f(text):\n    sink(text)\nb.click(f, a, c)", "request parameter"),
    "streamlit": ("import streamlit as st\nq = st.text_input('q')\nsink('x' + q)", "request"),
    # what a language model wrote
    "openai": ("from openai import OpenAI\nc = OpenAI()\nr = c.chat.completions.create(model='m')\nsink(r.choices[0].message.content)", "model"),
    "anthropic": ("import anthropic\nsink(anthropic.Anthropic().messages.create().content[0].text)", "model"),
    "awaited": ("async def f(client):\n    r = await client.chat.completions.create()\n    sink(r.choices[0])", "model"),
    "langchain": ("from langchain_openai import ChatOpenAI\nllm = ChatOpenAI()\nsink(llm.invoke('x').content)", "model"),
    "chain": ("sink(chain.invoke({'q': 1})['text'])", "model"),
    "streamed": ("for part in client.chat.completions.create(stream=True):\n    sink(part.choices[0].delta.content)", "model"),
    "gathered": ("out = []\nfor p in llm.stream('x'):\n    out.append(p.text)\nsink(''.join(out))", "model"),
    "parsed": ("import json\nd = json.loads(llm.invoke('x').content)\nsink(d['code'])", "model"),
    "by a pattern": ("import re\nt = llm.invoke('x')\nsink(re.search('a(.*)', t).group(1))", "model"),
    "helper": ("def ask(p):\n    return client.messages.create(p).content\nsink(ask('x').strip())", "model"),
    "method": ("class A:\n    def ask(self):\n        return self.client.chat.completions.create().choices\n    def run(self):\n        sink(self.ask()[0])", "model"),
    "attribute": ("class A:\n    def ask(self):\n        self.answer = llm.invoke('x')\n    def run(self):\n        sink(self.answer)", "model"),
    "handed on": ("def run(code):\n    sink(code)\nrun(llm.invoke('x'))", "model parameter"),
    "tool": ("from langchain.tools import tool\n@tool\ndef shell(command: str):\n    sink(command)", "model parameter"),
    "mcp tool": ("@mcp.tool()\ndef shell(command: str):\n    sink(command)", "model parameter"),
    "unpacked": ("a, b = llm.invoke('x').split(',')\nsink(b)", "model"),
    "walrus": ("if (a := llm.invoke('x')):\n    sink(a)", "model"),
    "comprehension": ("sink([x.text for x in llm.batch(q)])", ""),
    "comprehension over an answer": ("sink([x.text for x in llm.stream(q)])", "model"),
    "dictionary": ("d = {}\nd['a'] = llm.invoke('x')\nsink(d['a'])", "model"),
    "template": ("sink('run {}'.format(llm.invoke('x')))", "model"),
    "with": ("with client.messages.stream() as s:\n    sink(s.text)", "model"),
    "transformers": ("sink(tokenizer.decode(model.generate(x)[0]))", "model"),
    "pipeline": ("from transformers import pipeline\np = pipeline('text-generation')\nsink(p('x')[0]['generated_text'])", "model"),
    "ternary": ("sink(llm.invoke('x') if a else '')", "model"),
    # what a model predicted
    "predicted": ("p = model.predict(x)\nsink(p[0])", "prediction"),
    "probability": ("sink(clf.predict_proba(x)[:, 1])", "prediction"),
    "predicted by a helper": ("def score(x):\n    return model.predict(x)\ns = score(1)\nsink(s)", "prediction"),
    # credentials
    "environment": ("import os\nsink(os.environ['OPENAI_API_KEY'])", "secret"),
    "environment with get": ("import os\nk = os.getenv('DB_PASSWORD')\nsink(f'k={k}')", "secret"),
    "by name": ("def f(password):\n    sink(password)", "secret parameter"),
    "attribute by name": ("sink(settings.api_key)", "secret"),
    "entry by name": ("sink(config['client_secret'])", "secret"),
    "no credential": ("sink(settings.api_key_name, 1)", ""),
    "public part of settings": ("import os\nsink(os.environ['HOME'])", ""),
    # cut off
    "escaped": ("import html\nsink(html.escape(llm.invoke('x')))", ""),
    "quoted": ("import shlex\nfrom flask import request\nsink(shlex.quote(request.args['q']))", ""),
    "a number": ("from flask import request\nsink(int(request.args['q']))", ""),
    "a length": ("sink(len(llm.invoke('x')))", ""),
    "a base name": ("import os\nfrom flask import request\nsink(os.path.basename(request.args['q']))", ""),
    "compared with what is allowed": (
        "from flask import request\ndef f():\n    q = request.args['q']\n    if q not in ALLOWED:\n        raise ValueError\n    sink(q)", ""),
    "matched against a pattern": (
        "import re\nfrom flask import request\ndef f():\n    q = request.args['q']\n    if not re.fullmatch('[a-z]+', q):\n        return\n    sink(q)", ""),
    "an unknown function": ("sink(lookup(llm.invoke('x')))", ""),
    "a constant": ("a = 'x'\nsink(a)", ""),
    "itself": ("a = a + 'x'\nsink(a)", ""),
    "two that call each other": ("def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nsink(f('a'))", ""),
    "passed through": ("def f(x):\n    return x.strip()\nfrom flask import request\nsink(f(request.data))", "request"),
    "not passed through": ("def f(x):\n    return 'a'\nfrom flask import request\nsink(f(request.data))", ""),
}  # fmt: skip


def _labels(program: str) -> set[str]:
    parsed = source.python_file("a.py", textwrap.dedent(program).encode())
    names = Names(parsed.tree)
    found: set[str] = set()
    for call in parsed.tree.of(ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id == "sink":
            found |= taint.of(call.args[0], parsed.tree.scope(call), names)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_labels_are_those_of_what_an_expression_is_made_from(name: str) -> None:
    program, expected = PROGRAMS[name]
    assert _labels(program) == set(expected.split())


def test_long_chains_of_names_and_calls_end() -> None:
    lines = ["a0 = llm.invoke('x')", *(f"a{n + 1} = a{n} + a{n} + a{n}" for n in range(2000)), "sink(a2000)"]
    assert _labels("\n".join(lines)) == set()
    calls = "\n".join(f"def f{n}(x):\n    return f{n + 1}(x) + f{n + 1}(x)" for n in range(500))
    assert _labels(f"{calls}\nsink(f0(input()))") == set()


def test_a_file_of_names_that_are_made_from_each_other_ends_soon_and_in_a_gap() -> None:
    lines = (f"    x{n + 1} = f'{{x{n}}}{{x{n}}}'\n    subprocess.run(x{n}, shell=True)\n" for n in range(6000))
    text = "import subprocess\nfrom flask import request\ndef f():\n    x0 = request.args\n" + "".join(lines)

    seen = list(records(source.python_file("service.py", text.encode())))

    assert [record.kind for record in seen if isinstance(record, Gap)] == ["unresolved"]
    assert sum(isinstance(record, Detection) and record.check == "shell-command" for record in seen) == 6000


def test_an_ordinary_file_is_followed_to_its_end() -> None:
    text = "import os\nfrom flask import request\n" + "".join(
        f"def f{n}(a):\n    b = a + request.args['x']\n    return open(b)\n" for n in range(500)
    )

    seen = list(records(source.python_file("service.py", text.encode())))

    assert not [record for record in seen if isinstance(record, Gap)]
    assert sum(isinstance(record, Detection) and record.rule == "code/path-traversal" for record in seen) == 500
