"""Code for every check of bandit, each with lines that it reports and lines that it does not, as its documentation has them."""

from __future__ import annotations

from collections.abc import Iterator

SAMPLES: dict[str, str] = {
    "B101": "assert x\nassert (y, 'text')\ndef f():\n    assert self.ok, f'{a}'\nif not x: raise ValueError\n",
    "B102": "exec('x = 1')\nexec(code, {})\nrun = exec\nself.exec(x)\n",
    "B103": (
        "import os\nos.chmod('/etc/x', 0o777)\nos.chmod(path, 0o664)\nos.chmod(f, 0o7)\nos.chmod('/x', stat.S_IRWXU)\n"
        "os.chmod(p, 0o600)\nos.fchmod(fd, 0o111)\npath.chmod(0o777)\nos.chmod(p, True)\nos.chmod(name.attr, 511)\n"
    ),
    "B104": "s.bind(('0.0.0.0', 80))\nhost = '0.0.0.0'\nrun(host='0.0.0.0')\ns.bind(('127.0.0.1', 80))\nx = '0.0.0.0:80'\n",
    "B105": (
        "password = 'a'\nself.secret = 'b'\npass_phrase = 'c'\nd = {'token': 'd', 'pwd': x, 'a': 'e', **more}\nd['passwd'] = 'f'\n"
        "if password == 'g': pass\nif self.token != 'h' != 'i': pass\nif 'j' == password: pass\nusername = 'k'\npassword = None\n"
        "a = password = 'l'\nx['token']['pwd'] = 'm'\n'password'[0]\npassword: str = 'n'\ntokens = {'x': 'password'}\n"
        "password, b = 'o', 'p'\nPASSWORD_X = ('q'\n  'r')\nd = {'secret': 1, 'secrete': None}\n"
    ),
    "B106": (
        "f(password='a')\nself.f(x, token='b', pwd='c')\nf(passwords='d', secret=x)\nf(**{'password': 'e'})\nf(**'text')\n"
        "f(\n  1,\n  secret='f',\n)\n"
    ),
    "B107": (
        "def f(password='a'): pass\ndef g(a, b=1, token='b', *, pwd='c'): pass\ndef h(a, /, secret='d'): pass\n"
        "async def i(password='e'): pass\nlambda password='f': 0\ndef j(password=None, token=x): pass\n"
        "class C:\n    def k(self, pwd='g'):\n        def m(token='h'): pass\n"
    ),
    "B108": "open('/tmp/a')\nx = '/var/tmp'\ny = '/dev/shm/z'\nz = 'x/tmp'\n'''/tmp is a docstring'''\nfor a in '/tmp': pass\n"
    "def f(a='/tmp/b'):\n    '/tmp/doc'\nmatch x:\n    case y if '/tmp/c': pass\nwith '/tmp/d', '/tmp/e' as f: pass\n[a for a in '/tmp/f']\n",
    "B110": "try: pass\nexcept Exception: pass\ntry: pass\nexcept: pass\ntry: pass\nexcept ValueError: pass\ntry: x\nexcept* OSError: pass\n"
    "try: pass\nexcept (A, B): pass\ntry: pass\nexcept Exception as e:\n    # why\n    pass\ntry: pass\nexcept Exception: ...\n",
    "B112": "for i in x:\n    try: pass\n    except Exception: continue\n    try: pass\n    except: continue\n    try: pass\n    except KeyError: continue\n",
    "B113": (
        "import requests, httpx\nfrom requests import get, post as send\nrequests.get(u)\nrequests.get(u, timeout=3)\nrequests.put(u, timeout=None)\n"
        "httpx.get(u)\nhttpx.get(u, timeout=None)\nget(u)\nsend(u)\nrequests.Session().get(u)\nd.get(u)\nrequests.request('GET', u)\n"
        "httpx.AsyncClient(timeout=None)\nawait_(requests.delete(u))\n"
    ),
    "B201": "from flask import Flask\napp = Flask(__name__)\napp.run(debug=True)\napp.run(debug=False)\napp.run(debug=x)\nrun(debug=True)\napp.run()\n"
    "app.run(\n    debug=True)\n",
    "B202": (
        "import tarfile\nt = tarfile.open(f)\nt.extractall()\nt.extractall(path=p, members=safe(t))\nt.extractall(members=m)\n"
        "t.extractall(filter='data')\nt.extractall(filter='tar')\nt.extractall(members=[])\nt.extractall(members=self.safe(t))\nextractall(a)\n"
        "t.my_extractall_x()\n"
    ),
    "B324": (
        "import hashlib, crypt\nfrom hashlib import md5, new as make\nhashlib.md5(x)\nhashlib.md5(x, usedforsecurity=False)\nhashlib.sha1()\n"
        "hashlib.sha256(x)\nhashlib.new('md5')\nhashlib.new(name='SHA1')\nhashlib.new('sha512')\nmd5(x)\nmake('md4')\nmake(name)\n"
        "crypt.crypt('a', salt=crypt.METHOD_CRYPT)\ncrypt.mksalt(crypt.METHOD_BLOWFISH)\ncrypt.mksalt(crypt.METHOD_SHA256)\nx.md5(y)\n"
        "hashlib.new(1)\nhashlib.new()\n"
    ),
    "B501": "import requests, httpx\nrequests.get(u, verify=False, timeout=1)\nrequests.get(u, verify=True, timeout=1)\nhttpx.Client(verify=False)\n"
    "httpx.stream('GET', u,\n  verify=False)\nrequests.get(u, verify=path, timeout=1)\n",
    "B502": (
        "import ssl\nfrom pyOpenSSL import SSL\nssl.wrap_socket(ssl_version=ssl.PROTOCOL_SSLv2)\nSSL.Context(method=SSL.SSLv2_METHOD)\n"
        "f(method=ssl.PROTOCOL_TLSv1)\nf(ssl_version=SSL.SSLv3_METHOD)\nf(method='x')\nssl.wrap_socket(ssl_version=ssl.PROTOCOL_TLSv1_2)\n"
    ),
    "B503": "import ssl\ndef f(v=ssl.PROTOCOL_SSLv3): pass\ndef g(v=ssl.PROTOCOL_TLS, w=SSL.TLSv1_METHOD): pass\ndef h(v=a.b.PROTOCOL_TLSv1): pass\n",
    "B504": "import ssl\nssl.wrap_socket()\nssl.wrap_socket(s, ssl_version=x)\nfrom ssl import wrap_socket as w\nw()\n",
    "B505": (
        "from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa\nfrom Crypto.PublicKey import RSA\nfrom Cryptodome.PublicKey import DSA\n"
        "rsa.generate_private_key(65537, 1024)\nrsa.generate_private_key(key_size=512)\ndsa.generate_private_key(2048)\n"
        "ec.generate_private_key(ec.SECP192R1)\nec.generate_private_key(curve=ec.SECT163K1)\nec.generate_private_key(ec.SECP384R1)\n"
        "RSA.generate(1024)\nDSA.generate(bits=512)\nRSA.generate(4096)\nRSA.generate(size)\nrsa.generate_private_key()\n"
    ),
    "B506": (
        "import yaml\nyaml.load(f)\nyaml.load(f, Loader=yaml.SafeLoader)\nyaml.load(f, yaml.CSafeLoader)\nyaml.load(f, Loader=yaml.Loader)\n"
        "yaml.safe_load(f)\nimport yaml as y\ny.load(f)\nself.yaml.load(f)\njson.load(f)\n"
    ),
    "B507": (
        "import paramiko\nfrom paramiko import client\nc.set_missing_host_key_policy(paramiko.AutoAddPolicy)\n"
        "c.set_missing_host_key_policy(paramiko.WarningPolicy())\nc.set_missing_host_key_policy(AutoAddPolicy())\n"
        "c.set_missing_host_key_policy(paramiko.RejectPolicy)\nc.set_missing_host_key_policy()\n"
    ),
    "B508": "from pysnmp.hlapi import CommunityData\nCommunityData('public', mpModel=0)\nCommunityData('public', mpModel=1)\nCommunityData('a')\n",
    "B509": "from pysnmp.hlapi import UsmUserData\nUsmUserData('a')\nUsmUserData('a', 'b')\nUsmUserData('a', 'b', 'c')\n",
    "B601": "import paramiko\nc.exec_command('ls')\nclient.exec_command(x, y)\nexec_command(z)\n",
    "B602": (
        "import subprocess\nfrom subprocess import Popen as P, call\nsubprocess.Popen('ls', shell=True)\nsubprocess.run(x, shell=1)\n"
        "subprocess.call(cmd,\n    shell=True)\nP(['ls'], shell=True)\nsubprocess.check_output(f'ls {x}', shell=True)\nsubprocess.run('a' + b, shell={})\n"
        "subprocess.run(x, shell='yes')\nsubprocess.run(x, shell=None)\nsubprocess.run(shell=True)\nsubprocess.run(x, **{'shell': True})\n"
        "subprocess.run(x, shell=lambda: 0)\nsubprocess.run(x, shell=[1])\n"
    ),
    "B603": "import subprocess\nsubprocess.Popen(['/bin/ls'])\nsubprocess.run(x, shell=False)\nsubprocess.check_call(x)\n",
    "B604": "f('ls', shell=True)\nself.run(shell=True)\nf(shell=False)\nf(shell=0.0)\nf(shell=[x])\ng()(shell=True)\nf(\n  x,\n  shell=True)\n",
    "B605": "import os, commands\nos.system('ls')\nos.system(x)\nos.popen(f'{x}')\ncommands.getoutput('ls')\nos.popen()\nfrom os import system as s\ns('/bin/ls')\n"
    "import subprocess as sp\nsp.getoutput('ls')\n",
    "B606": "import os\nos.execl('/bin/ls')\nos.spawnve(m, 'ls')\nos.startfile(x)\nfrom os import execvp\nexecvp('a')\n",
    "B607": "import os, subprocess\nsubprocess.Popen('ls')\nsubprocess.run(['git', 'x'])\nsubprocess.run(['/usr/bin/git'])\nos.system('C:\\\\x')\nsubprocess.run(('a', 'b'))\n"
    "os.execl('./x')\nsubprocess.run([])\n",
    "B608": (
        "q = 'SELECT a FROM b WHERE c = ' + d\ncur.execute('select a from b where c = %s' % d)\ncur.executemany('DELETE FROM ' + t)\n"
        "q = f'select {a} from b'\ncur.execute(f'update {t} set a = 1')\nq = 'insert into t values ({})'.format(v)\n"
        "cur.execute('select a from b'.replace('a', c))\nq = 'select a from b'\nq = 'sel' 'ect a from b' + c\nq = 'sel' + 'ect a from b'\n"
        "q = f'sel{\"\"}ect {a} from b'\nq = ('with x as (select a '\n     'from ' + t +\n     ') select 1')\nq = '%s' % 'select a from b'\n"
        "q = a + 'select a ' + b + 'from c '\nq = 'select' + 1 + ' from '\nq = f'{a} select b from {c}' + d\nq = 'SELECT\\n*\\nFROM t' % x\n"
        "q = 'ſelect a from b' + c\nq = 'ınſert into t values(' + c\n"
    ),
    "B609": "import os, subprocess\nos.system('chown root *')\nos.popen('tar xf *')\nsubprocess.Popen('rsync * x', shell=True)\nsubprocess.run(['chmod', '*'], shell=True)\n"
    "subprocess.run('tar *')\nos.system('ls *')\n",
    "B610": "User.objects.extra(select={'a': 'b'})\nq.extra(where=['a = %s' % x])\nq.extra({'a': x})\nq.extra(tables=t)\nq.extra(where=['a'])\nq.extra(select={x: 'a'})\n"
    "q.extra({'a': 'b'}, ['c'], [], ['d'])\n",
    "B611": "from django.db.models.expressions import RawSQL\nRawSQL('select 1', [])\nRawSQL('select %s' % x, [])\nq.annotate(v=RawSQL(sql='a'))\nRawSQL(sql=x)\nRawSQL()\n",
    "B612": "import logging.config\nlogging.config.listen(1)\nlogging.config.listen(1, verify=v)\nfrom logging.config import listen\nlisten()\n",
    "B613": "x = '\u202e' # a\ny = 1\n",
    "B614": "import torch\ntorch.load(p)\ntorch.load(p, weights_only=True)\ntorch.load(p, weights_only=False)\nfrom torch import load as l\nl(p)\n"
    "torch.serialization.load(p)\ntorch.jit.load(p)\nmodel.load(p)\n",
    "B615": (
        "from transformers import AutoModel\nimport datasets, huggingface_hub as hub\nAutoModel.from_pretrained('a/b')\n"
        "AutoModel.from_pretrained('a/b', revision='main')\nAutoModel.from_pretrained('a/b', revision='0123456789abcdef')\n"
        "AutoModel.from_pretrained('./local')\nAutoModel.from_pretrained(name, revision=rev)\ndatasets.load_dataset('a')\n"
        "hub.hf_hub_download(repo_id='a', filename='b')\nhub.snapshot_download('a', commit_id='abcdef1')\nload_dataset('a')\n"
    ),
    "B701": (
        "import jinja2\nfrom jinja2 import Environment, select_autoescape\njinja2.Environment()\njinja2.Environment(autoescape=True)\n"
        "Environment(autoescape=False)\nEnvironment(autoescape=select_autoescape())\nEnvironment(autoescape=x)\nEnvironment(loader=f(autoescape=True))\n"
        "Environment(autoescape=jinja2.select_autoescape(['a']))\n"
    ),
    "B702": "from mako.template import Template\nimport mako\nTemplate('x')\nmako.template.Template(y)\nstring.Template(z)\n",
    "B703": (
        "from django.utils.safestring import mark_safe, SafeString\nmark_safe('a')\nmark_safe(x)\nmark_safe('<b>%s</b>' % x)\nmark_safe('a {}'.format('b'))\n"
        "def f(p):\n    a = 'x'\n    mark_safe(a)\n    mark_safe(p)\n    b, c = 'y', z\n    mark_safe(c)\n    if q:\n        d = 'z'\n    else:\n        d = p\n"
        "    mark_safe(d)\n    with o as e:\n        mark_safe(e)\nSafeString(f(1))\nmark_safe()\nmark_safe('%s' % ('a', 'b'))\nasync def g():\n    mark_safe(x)\n"
    ),
    "B704": "from markupsafe import Markup\nimport flask\nMarkup('a')\nMarkup(x)\nflask.Markup(f'{x}')\nMarkup()\nMarkup('a' + x)\nMarkup(escape(x))\n",
}  # fmt: skip
"""By the id of the check; every file is also run against all other checks."""

NOSEC = """\
import pickle  # nosec
import pickle  # nosec B403
import telnetlib  # nosec B403
import subprocess  # noqa: E1  # nosec: B404, B603
subprocess.run(  # nosec B603
    ["git", "status"],
    shell=False,
)
subprocess.run(
    ["git"],
)  # nosec B607, B603
subprocess.run(
    ["git"],  # nosec B607
)  # nosec B603
assert x  # nosec: assert_used
assert x  # nosec B101,B102
assert x  # nosec B102,B101
assert x  #nosec
assert x  # NOSEC
assert x  # pylint: x # nosec # more
assert x  # nosec B101 because the caller has asked
eval(x)  # nosec eval
eval(x)  # nosec B307 # B101
password = "abc"  # nosec hardcoded_password_string
text = "# nosec"; assert w
text = "# nosec"; assert w  # nosec B101
text = ("a"  # nosec B105
        "b"); assert w
text = f"# nosec {x}"; assert w
'''
# nosec B101
'''; assert v  # nosec B102
def f(password="x",  # nosec
      token="y"): pass
def f(
    password="x",
    token="y",  # nosec B107
): pass
password = (  # nosec B101
    "x"  # nosec
)
password = (  # nosec
    "x"  # nosec B101
)
d = {
    "password": "a",  # nosec B105
    "token": "b",
}
try:
    pass
except Exception:  # nosec B110
    pass
try:
    pass
except Exception:
    pass  # nosec
# nosec
assert x
f(
    a,
    shell=True,  # nosec
)
assert ü  # nosec
assert ü  #\u00a0nosec B101
"""

_IMPORTS = """\
import {name}
import {name} as q
from {name} import a
from {name} import a as b, c
from . import {last}
from .{name} import a
import {name}x
__import__("{name}")
importlib.import_module("{name}")
def late():
    import {name}
    try: from {first} import {last}
    except ImportError: pass
"""

_CALLS = """\
import {first}
{name}(x)
{name}()
x.{name}(y)
x = {name}
{name}(
    a,
)(b)
await_({name}(x))
if {module}:
    from {module} import {last} as called, other
    called(x)
    {last}(x)
    def inner(a={name}(1)): return [{name}(i) for i in a]
import {module} as m
m.{last}(x)
@{name}(x)
class C: pass
"""


def files(blacklists: dict[str, list[dict[str, list[str]]]]) -> Iterator[tuple[str, str]]:
    """Yield name and code of the files, one for each check, each blacklisted call and each blacklisted import."""
    yield from ((f"plugin_{test}.py", code) for test, code in SAMPLES.items())
    yield "nosec.py", NOSEC
    for kind, form in (("Call", _CALLS), ("Import", _IMPORTS)):
        names = {name for entry in blacklists[kind] for name in entry["qualnames"]}
        for number, name in enumerate(sorted(names)):
            parts = name.rstrip(".").split(".")
            words = {
                "name": ".".join(parts),
                "first": parts[0],
                "last": parts[-1],
                "module": ".".join(parts[:-1]) or "builtins",
            }
            yield f"{kind.lower()}_{number}.py", form.format(**words)
