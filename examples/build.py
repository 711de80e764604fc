"""Builds the tables, models and notebooks of the two examples, and the list of their digests.

Run it in an environment with the versions below; other versions write other bytes for the same content.

    python -m venv /tmp/examples
    /tmp/examples/bin/pip install joblib==1.6.0 numpy==2.4.6 pandas==3.1.1 pyarrow==26.0.1 \
        safetensors==0.8.0 scikit-learn==1.9.1 torch==2.13.0
    /tmp/examples/bin/python examples/build.py

Every person, address and number is invented. Telephone numbers are from the ranges that regulators keep for films, bank
codes are not assigned, network addresses are from the documentation ranges, and identity numbers from the end of theirs;
the check digits of accounts and identity numbers are right. Nothing here runs a pickle: the hostile one is assembled opcode
by opcode, and its argument is inert.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import random
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
SEED = 20260914
CUSTOMERS = 400
TICKETS = 120

FIRST = {
    "DE": "Frieda Jonas Anneliese Kilian Henrike Lennart Swantje Ole Mathilda Thies Wiebke Arne".split(),
    "FR": "Capucine Bastien Solène Thibault Maëlle Loïc Apolline Gaspard Clémence Rémi".split(),
    "ES": "Itziar Gonzalo Nerea Álvaro Leire Íñigo Candela Rodrigo Ximena Jacobo".split(),
}
LAST = {
    "DE": ("Birken Sturm Moor Hafen Linden Falken Distel Wacholder", "felser hagner brookmann steeg rieder wiesner"),
    "FR": ("Beau Haute Val Mont Clair Roche", "noisetier fougère bruyère lavandin châtelier"),
    "ES": ("Roble Olmo Fuente Peña Vega Sierra", "alta blanca serrano dorado umbría"),
}
CITIES = {
    "DE": (("26721", "Emden"), ("24937", "Flensburg"), ("18055", "Rostock"), ("97070", "Würzburg")),
    "FR": (("35400", "Saint-Malo"), ("58000", "Nevers"), ("12100", "Millau")),
    "ES": (("42001", "Soria"), ("48370", "Bermeo"), ("23400", "Úbeda")),
}
STREETS = {
    "DE": ("Wacholderstieg", "Am Leuchtturm", "Distelkamp", "Moorchaussee"),
    "FR": ("rue des Noisetiers", "quai de la Fougère", "impasse du Lavandin"),
    "ES": ("calle del Olmo", "paseo de la Umbría", "plaza de la Peña"),
}
MAIL = {"DE": "postkasten-nord.de", "FR": "courrier-lavandin.fr", "ES": "correo-umbria.es"}
RELIGIONS = ("evangelisch", "römisch-katholisch", "muslimisch", "jüdisch", "keine")
PLANS = ("basis", "plus", "family")
NIF_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE, help="the folder that holds churn and churn-clean")
    output = parser.parse_args().output
    built = [*faulty(output / "churn"), *clean(output / "churn-clean")]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(output).as_posix()}\n" for path in built
    ]
    (output / "SHA256SUMS").write_text("".join(sorted(lines, key=lambda line: line[66:])))
    sys.stdout.write("".join(sorted(lines, key=lambda line: line[66:])))


def people(chance: random.Random) -> list[dict[str, Any]]:
    """Return the invented customers, with the label that the model learns."""
    return [person(number, chance) for number in range(CUSTOMERS)]


def person(number: int, chance: random.Random) -> dict[str, Any]:
    country = chance.choice(("DE", "DE", "FR", "ES"))
    first = chance.choice(FIRST[country])
    heads, tails = LAST[country]
    last = chance.choice(heads.split()) + chance.choice(tails.split())
    code, city = chance.choice(CITIES[country])
    tenure = chance.randint(1, 72)
    plan = chance.choice(PLANS)
    charge = round({"basis": 15, "plus": 30, "family": 55}[plan] + chance.uniform(-4, 9), 2)
    calls = min(9, int(chance.expovariate(0.6)))
    gigabytes = round(chance.uniform(0.5, 60), 1)
    weight = -0.6 - 0.045 * tenure + 0.55 * calls + 0.02 * charge - 0.012 * gigabytes
    return {
        "customer_id": f"NT-{100000 + number * 7}",
        "vorname": first,
        "nachname": last,
        "email": f"{plain(first)}.{plain(last)}{number}@{MAIL[country]}",
        "telefono": telephone(country, number),
        "date_naissance": f"{chance.randint(1941, 2006)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        "adresse": f"{chance.choice(STREETS[country])} {chance.randint(1, 94)}",
        "code_postal": code,
        "ville": city,
        "pais": country,
        "iban": iban(country, number, chance),
        "nif": nif(number),
        "religion": chance.choice(RELIGIONS),
        "ip_address": f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.{chance.randint(1, 254)}",
        "tenure_months": tenure,
        "plan": plan,
        "monthly_charge": charge,
        "support_calls": calls,
        "data_gb": gigabytes,
        "churned": int(chance.random() < 1 / (1 + np.exp(-weight))),
    }


def plain(text: str) -> str:
    """Return the lower-case ASCII letters that an address would use."""
    table = str.maketrans("áéíóúñëïèâçäöüßÁÍ", "aeiouneieacaousai")
    return "".join(letter for letter in text.lower().translate(table) if letter.isascii() and letter.isalpha())


def telephone(country: str, number: int) -> str:
    """Return a number of a range that is kept for films. Spain keeps none, so her customers have British ones."""
    return {
        "DE": f"+49 30 23125 {number % 1000:03}",
        "FR": f"+33 2 61 91 {number // 100:02} {number % 100:02}",
        "ES": f"+44 7700 900{number % 1000:03}",
    }[country]


def iban(country: str, number: int, chance: random.Random) -> str:
    """Return an account number with right check digits at a bank code that is not assigned."""
    account = {
        "DE": f"99900099{number:06}{chance.randint(1000, 9999)}",
        "FR": f"99999000{number:010}{chance.randint(10000, 99999)}",
        "ES": f"9999000{number:08}{chance.randint(10000, 99999)}",
    }[country]
    digits = account + "".join(str(ord(letter) - 55) for letter in country) + "00"
    return f"{country}{98 - int(digits) % 97:02}{account}"


def nif(number: int) -> str:
    """Return a Spanish identity number of a block at the very end of the range, with its letter."""
    digits = 99_990_000 + number
    return f"{digits}{NIF_LETTERS[digits % 23]}"


def tickets(customers: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """Return support tickets whose text names people, accounts and illnesses."""
    texts = (
        "Guten Tag, hier ist {vorname} {nachname}. Bitte rufen Sie mich unter {telefono} zurück, es geht um den Vertrag {customer_id}.",
        "Ich bin seit März wegen einer Depression krankgeschrieben und kann die Rechnung nicht zahlen. {vorname} {nachname}",
        "Bonjour, merci de prélever sur mon nouveau compte {iban}. Mon adresse: {adresse}, {code_postal} {ville}.",
        "Hola, soy {vorname} {nachname}, mi NIF es {nif}. Quiero cancelar el contrato.",
        "Please send the invoice to {email}, the old mailbox is closed.",
        "The agent on the phone was rude. I am a member of the trade union and will complain there. {vorname}",
        "Le débit est trop lent le soir depuis la mise à jour du routeur.",
        "Meine Tochter ist 9 und nutzt den Anschluss auch, gibt es eine Jugendschutzfunktion?",
    )
    rows = []
    for number in range(TICKETS):
        customer = chance.choice(customers)
        rows.append(
            {
                "ticket_id": 50_000 + number,
                "customer_id": customer["customer_id"],
                "created_at": f"2026-{chance.randint(1, 8):02}-{chance.randint(1, 28):02}T{chance.randint(7, 19):02}:00:00Z",
                "channel": chance.choice(("mail", "phone", "chat")),
                "text": texts[number % len(texts)].format(**customer),
            }
        )
    return rows


def faulty(root: Path) -> list[Path]:
    """Write the tables, models and the notebook of the faulty example, and return their paths."""
    chance = random.Random(SEED)
    customers = people(chance)
    letters = tickets(customers, chance)
    frame = pd.DataFrame(customers)
    data, models = folder(root / "data"), folder(root / "models")

    frame.to_csv(data / "customers.csv", index=False, lineterminator="\n")
    frame.to_parquet(data / "customers.parquet", index=False)
    with open(data / "support_tickets.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(letter, ensure_ascii=False) + "\n" for letter in letters)

    calls = frame[frame["support_calls"] > 3][["telefono", "nachname", "support_calls"]]
    calls.to_csv(data / "callbacks.csv", index=False, lineterminator="\n")

    known = ["vorname", "nachname", "email", "iban", "date_naissance", "tenure_months", "monthly_charge"]
    frame[known].head(12).to_csv(
        folder(root / "tests" / "fixtures") / "customers.csv", index=False, lineterminator="\n"
    )

    fitted = scikit_model(frame, letters)
    joblib.dump(fitted, models / "churn.joblib")
    torch.save(torch_model(), models / "churn.pt")
    vectors = np.random.default_rng(SEED).normal(size=(40, 8)).astype(np.float32)
    pairs = np.empty((40, 2), dtype=object)
    for row, customer in enumerate(customers[:40]):
        pairs[row] = [customer["email"], vectors[row].tolist()]
    np.save(models / "embeddings.npy", pairs)
    classifier = fitted["model"]["classifier"]
    weights = {"coef": classifier.coef_.astype(np.float32), "intercept": classifier.intercept_.astype(np.float32)}
    # One key, because the library writes several in an order of its own.
    source = {"source": f"/home/birkenfelser/projects/churn/data/customers.csv, ask {customers[0]['email']}"}
    save_file(weights, str(models / "churn.safetensors"), metadata=source)
    (models / "churn.safetensors").chmod(0o644)
    (models / "suspicious.pkl").write_bytes(hostile())
    (root / "explore.ipynb").write_text(notebook(frame), encoding="utf-8")
    return [
        *(data / name for name in ("callbacks.csv", "customers.csv", "customers.parquet", "support_tickets.jsonl")),
        *(
            models / name
            for name in ("churn.joblib", "churn.pt", "embeddings.npy", "churn.safetensors", "suspicious.pkl")
        ),
        root / "tests" / "fixtures" / "customers.csv",
        root / "explore.ipynb",
    ]


def scikit_model(frame: pd.DataFrame, letters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the classifier and the vocabulary of the tickets: both keep e-mail addresses as words."""
    numbers = ["tenure_months", "monthly_charge", "support_calls", "data_gb"]
    words = ["plan", "code_postal", "religion", "email"]
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), numbers), ("words", OneHotEncoder(handle_unknown="ignore"), words)]
    )
    model = Pipeline([("columns", columns), ("classifier", LogisticRegression(max_iter=500))])
    model.fit(frame[numbers + words], frame["churned"])
    scaler, classifier = columns.named_transformers_["numbers"], model["classifier"]
    for holder, names in ((scaler, ("mean_", "var_", "scale_")), (classifier, ("coef_", "intercept_"))):
        for name in names:
            setattr(holder, name, even(getattr(holder, name)))
    vectorizer = TfidfVectorizer(token_pattern=r"\S+", lowercase=False).fit(letter["text"] for letter in letters)
    vectorizer.idf_ = even(vectorizer.idf_)
    vectorizer._stop_words_id = 0  # the address of an object, which differs from run to run
    return {"model": model, "tickets": vectorizer}


def torch_model() -> dict[str, torch.Tensor]:
    """Return the weights of the network of last year."""
    torch.manual_seed(SEED)
    network = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    return dict(network.state_dict())


def hostile() -> bytes:
    """Return a pickle that would call ``posix.system`` with the harmless command ``true``."""
    argument = b"true"
    return b"".join(
        (
            b"\x80\x02",  # PROTO 2
            b"cposix\nsystem\n",  # GLOBAL
            b"X" + len(argument).to_bytes(4, "little") + argument,  # BINUNICODE
            b"\x85",  # TUPLE1
            b"R",  # REDUCE
            b".",  # STOP
        )
    )


def notebook(frame: pd.DataFrame) -> str:
    """Return the notebook with its outputs, which show customers, and a cell with a token."""
    head = frame[["vorname", "nachname", "email", "telefono", "iban", "churned"]].head(4)
    # The underscore is written as an escape: the notebook holds the token, and the file's bytes do not.
    letters = random.Random(SEED)
    token = "hf\\u005f" + "".join(letters.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(34))
    cells = [
        markdown("# Who leaves?\n", "First look at the export of September."),
        code(
            1,
            ["import pandas as pd\n", "\n", 'frame = pd.read_csv("data/customers.csv")\n', "frame.head(4)"],
            [
                {
                    "output_type": "execute_result",
                    "execution_count": 1,
                    "metadata": {},
                    "data": {"text/html": lines(head.to_html()), "text/plain": lines(head.to_string())},
                }
            ],
        ),
        code(2, ["from huggingface_hub import login\n", "\n", 'login(token="@TOKEN@")'], []),
        code(
            3,
            [
                "import joblib\n",
                "\n",
                'model = joblib.load("models/churn.joblib")["model"]\n',
                'print(frame[["email", "religion"]].sample(3))',
            ],
            [
                {
                    "output_type": "stream",
                    "name": "stdout",
                    "text": lines(frame[["email", "religion"]].iloc[5:8].to_string()),
                }
            ],
        ),
        code(4, ["!pip install --index-url http://pypi.nordlicht-telekom.example/simple nordlicht-features"], []),
    ]
    return as_notebook(cells).replace("@TOKEN@", token)


def clean(root: Path) -> list[Path]:
    """Write the features, the model and the reports of the clean example, and return their paths."""
    customers = people(random.Random(SEED))
    table = features(customers)
    data, models, reports = folder(root / "data"), folder(root / "models"), folder(root / "reports")
    pq.write_table(table, data / "features.parquet", compression="zstd")

    numbers = ["tenure_quarters", "charge_step", "support_calls", "data_step"]
    held_out = 100
    matrix = np.column_stack([table.column(name).to_numpy().astype(np.float64) for name in numbers])
    label = table.column("churned").to_numpy()
    train, test = slice(0, CUSTOMERS - held_out), slice(CUSTOMERS - held_out, None)
    scaler = StandardScaler().fit(matrix[train])
    model = LogisticRegression(max_iter=500).fit(scaler.transform(matrix[train]), label[train])
    for holder, names in ((scaler, ("mean_", "scale_")), (model, ("coef_", "intercept_"))):
        for name in names:
            setattr(holder, name, even(getattr(holder, name)))
    score = model.predict_proba(scaler.transform(matrix))[:, 1]
    noisy = matrix + np.random.default_rng(SEED).normal(scale=0.05 * scaler.scale_, size=matrix.shape)
    score_with_noise = model.predict_proba(scaler.transform(noisy))[:, 1]
    # Whoever guesses membership by the confidence in the true label must do no better than a coin.
    confidence = np.where(label == 1, score, 1 - score)
    attack = auc(np.arange(CUSTOMERS) < CUSTOMERS - held_out, confidence)
    tensors = {
        "coef": model.coef_[0].astype(np.float64),
        "intercept": model.intercept_.astype(np.float64),
        "mean": scaler.mean_.astype(np.float64),
        "scale": scaler.scale_.astype(np.float64),
    }
    save_file(tensors, str(models / "churn.safetensors"), metadata={"format": "np"})
    (models / "churn.safetensors").chmod(0o644)

    digest = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (models / "churn.safetensors", data / "features.parquet")
    }
    write_json(
        models / "churn.json",
        {
            "model": "churn",
            "version": "1.4.0",
            "kind": "logistic regression",
            "features": numbers,
            "label": "churned",
            "files": {"churn.safetensors": {"sha256": digest["churn.safetensors"]}},
        },
    )
    write_json(
        reports / "evaluation.json",
        {
            **evaluation(digest, label[test], score[test], table.slice(CUSTOMERS - held_out)),
            "privacy": {"membership_inference_auc": attack, "max": 0.55},
            "robustness": {"roc_auc_with_5_percent_noise": auc(label[test], score_with_noise[test]), "min": 0.75},
        },
    )
    (root / "explore.ipynb").write_text(clean_notebook(), encoding="utf-8")
    return [
        data / "features.parquet",
        models / "churn.safetensors",
        models / "churn.json",
        reports / "evaluation.json",
        root / "explore.ipynb",
    ]


def features(customers: list[dict[str, Any]]) -> pa.Table:
    """Return the pseudonymised table: keyed pseudonyms, coarse numbers, no attribute of a person beyond two bands.

    The key is thrown away after the build, as the real one stays in a vault.
    """
    key = random.Random(SEED + 1).randbytes(32)
    columns: dict[str, list[Any]] = {
        "customer_key": [hmac.new(key, c["customer_id"].encode(), hashlib.sha256).hexdigest()[:32] for c in customers],
        "market": [c["pais"] for c in customers],
        "age_band": [band(2026 - int(c["date_naissance"][:4])) for c in customers],
        "plan": [c["plan"] for c in customers],
        "tenure_quarters": [c["tenure_months"] // 3 for c in customers],
        "charge_step": [int(c["monthly_charge"] // 10) for c in customers],
        "support_calls": [c["support_calls"] for c in customers],
        "data_step": [int(c["data_gb"] // 10) for c in customers],
        "churned": [c["churned"] for c in customers],
    }
    return pa.table(
        {name: pa.array(values, None if isinstance(values[0], str) else pa.int16()) for name, values in columns.items()}
    )


def band(age: int) -> str:
    return "under 40" if age < 40 else "40 to 59" if age < 60 else "60 and over"


def evaluation(digest: dict[str, str], label: np.ndarray, score: np.ndarray, rows: pa.Table) -> dict[str, Any]:
    """Return the report of the held-out customers, by age band as well."""
    bands = np.array(rows.column("age_band").to_pylist())
    return {
        "model": {
            "name": "churn",
            "version": "1.4.0",
            "path": "models/churn.safetensors",
            "sha256": digest["churn.safetensors"],
        },
        "dataset": {"path": "data/features.parquet", "sha256": digest["features.parquet"], "split": "last 100 rows"},
        "date": "2026-09-14",
        "metrics": {
            "roc_auc": auc(label, score),
            "brier_score": round(float(brier_score_loss(label, score)), 4),
            "examples": len(label),
        },
        "thresholds": {"roc_auc": {"min": 0.75}, "brier_score": {"max": 0.2}},
        "slices": {
            f"age_band={name}": {
                "roc_auc": auc(label[bands == name], score[bands == name]),
                "examples": int((bands == name).sum()),
            }
            for name in sorted(set(bands))
        },
    }


def auc(label: np.ndarray, score: np.ndarray) -> float:
    return round(float(roc_auc_score(label, score)), 4)


def clean_notebook() -> str:
    cells = [
        markdown("# Churn by tenure\n", "Outputs are cleared before every commit."),
        code(None, ["import pyarrow.parquet as pq\n", "\n", 'table = pq.read_table("data/features.parquet")'], []),
        code(
            None,
            [
                'by_tenure = table.group_by("tenure_quarters").aggregate([("churned", "mean"), ("churned", "count")])\n',
                'by_tenure.sort_by("tenure_quarters")',
            ],
            [],
        ),
    ]
    return as_notebook(cells)


def even(values: np.ndarray) -> np.ndarray:
    """Return the values to six decimals, as processors differ in the last bits."""
    return np.round(values, 6)


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def markdown(*source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": list(source)}


def code(count: int | None, source: list[str], outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": outputs, "source": source}


def as_notebook(cells: list[dict[str, Any]]) -> str:
    for number, cell in enumerate(cells, 1):
        cell["id"] = f"cell-{number}"
    body = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "version": "3.13.0"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write_json(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
