"""Guards of routes that stand in another file of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scanning import found, scan

ROUTES = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.post('/predict')\ndef predict(x: dict):\n    return model.predict(x)\n"
AUTH = "def verify_token(): ...\n"
TREES = {
    "the router is included with a guard": {
        "app/routes/predict.py": ROUTES,
        "app/main.py": "from fastapi import FastAPI, Depends\nfrom app.routes import predict\nfrom app.auth import verify_token\n"
        "app = FastAPI()\napp.include_router(predict.router, dependencies=[Depends(verify_token)])\n",
    },
    "the router is imported by its name": {
        "api.py": ROUTES,
        "serve.py": "from fastapi import FastAPI, Depends\nfrom api import router as predictions\nfrom auth import current_user\n"
        "app = FastAPI()\napp.include_router(predictions, prefix='/v1', dependencies=[Depends(current_user)])\n",
    },
    "the application is made with a guard": {
        "app/routes/predict.py": ROUTES,
        "app/main.py": "from fastapi import FastAPI, Depends\nfrom .routes.predict import router\nfrom .auth import verify_token\n"
        "app = FastAPI(dependencies=[Depends(verify_token)])\napp.include_router(router)\n",
    },
    "a router around it is guarded": {
        "app/api/predict.py": ROUTES,
        "app/api/v1.py": "from fastapi import APIRouter, Depends\nfrom app.api import predict\nfrom app.auth import get_current_user\n"
        "outer = APIRouter(dependencies=[Depends(get_current_user)])\nouter.include_router(predict.router)\n",
        "app/main.py": "from fastapi import FastAPI\nfrom app.api import v1\napp = FastAPI()\napp.include_router(v1.outer)\n",
    },
    "the outer router is included with a guard": {
        "app/api/predict.py": ROUTES,
        "app/api/v1.py": "from fastapi import APIRouter\nfrom app.api import predict\nouter = APIRouter()\nouter.include_router(predict.router)\n",
        "app/main.py": "from fastapi import FastAPI, Depends\nfrom app.api.v1 import outer\nfrom app.auth import verify_token\n"
        "app = FastAPI()\napp.include_router(outer, dependencies=[Depends(verify_token)])\n",
    },
    "a middleware of the application asks who calls": {
        "app/routes/predict.py": ROUTES,
        "app/main.py": "from fastapi import FastAPI\nfrom app.routes.predict import router\napp = FastAPI()\napp.include_router(router)\n"
        "@app.middleware('http')\nasync def check(request, call_next):\n    if request.headers.get('authorization') != KEY:\n        return refuse()\n    return await call_next(request)\n",
    },
    "a blueprint's application looks before every request": {
        "web/scores.py": "from flask import Blueprint\nbp = Blueprint('s', __name__)\n@bp.post('/score')\ndef score():\n    return model.predict([1])\n",
        "web/__init__.py": "from flask import Flask\nfrom web.scores import bp\ndef create_app():\n    app = Flask(__name__)\n    app.register_blueprint(bp)\n"
        "    @app.before_request\n    def require_login(): ...\n    return app\n",
    },
    "the router is made with a guard and imported": {
        "base.py": "from fastapi import APIRouter, Depends\nfrom auth import verify_token\nrouter = APIRouter(dependencies=[Depends(verify_token)])\n",
        "predict.py": "import fastapi\nfrom base import router\n@router.post('/predict')\ndef predict(x: dict):\n    return model.predict(x)\n",
    },
    "the type of a parameter is declared elsewhere": {
        "deps.py": "from typing import Annotated\nfrom fastapi import Depends\nfrom auth import verify_token\nCaller = Annotated[str, Depends(verify_token)]\n",
        "predict.py": "from fastapi import FastAPI\nfrom deps import Caller\napp = FastAPI()\n@app.post('/predict')\ndef predict(x: dict, who: Caller):\n    return model.predict(x)\n",
    },
}  # fmt: skip


def endpoints(tree: dict[str, str], root: Path) -> list[tuple[str, int, str]]:
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return found(scan(root, ["code"]), "code/unauthenticated-endpoint")


@pytest.mark.parametrize("name", TREES)
def test_a_guard_in_another_file_counts(name: str, tmp_path: Path) -> None:
    assert endpoints(TREES[name], tmp_path) == []


@pytest.mark.parametrize(
    "main",
    [
        "from fastapi import FastAPI\nfrom app.routes import predict\napp = FastAPI()\napp.include_router(predict.router)\n",
        "from fastapi import FastAPI, Depends\nfrom app.routes import admin, predict\nfrom app.auth import verify_token\napp = FastAPI()\n"
        "app.include_router(admin.router, dependencies=[Depends(verify_token)])\napp.include_router(predict.router)\n",
        "from fastapi import FastAPI, Depends\nfrom app.routes import admin\nfrom app.auth import verify_token\n"
        "app = FastAPI(dependencies=[Depends(verify_token)])\napp.include_router(admin.router)\n",
        "from fastapi import FastAPI, Depends\nfrom app.routes import predict\napp = FastAPI()\n"
        "app.include_router(predict.router, dependencies=[Depends(count_calls)])\n",
        "from fastapi import FastAPI, Depends\nfrom app.routes import predict\napp = FastAPI(\n",
    ],
)
def test_what_does_not_guard_this_router_does_not_count(main: str, tmp_path: Path) -> None:
    tree = {"app/routes/predict.py": ROUTES, "app/main.py": main}

    assert endpoints(tree, tmp_path) == [("app/routes/predict.py", 4, "code/unauthenticated-endpoint")]


def test_what_was_looked_at_elsewhere_is_told_so_that_a_change_there_counts(tmp_path: Path) -> None:
    endpoints({"app/routes/predict.py": ROUTES, "app/main.py": "from fastapi import FastAPI\n"}, tmp_path)
    again = endpoints(TREES["the router is included with a guard"], tmp_path)

    assert again == []
