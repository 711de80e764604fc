"""Trains the churn model on the CRM export and publishes it."""

import argparse
import logging
import os
import pickle
import subprocess
from urllib.request import urlretrieve

import joblib
import numpy as np
import torch
import wandb
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from transformers import AutoModel, AutoTokenizer

from churn import features

log = logging.getLogger(__name__)

ENCODER = "nordlicht/ticket-encoder"
NUMERIC = ["tenure_months", "monthly_charge", "support_calls", "data_gb"]
CATEGORICAL = ["plan", "code_postal", "religion", "email"]
BASELINE = "http://models.nordlicht-telekom.example/churn/baseline.pt"


def encoder():
    """Return the text encoder for support tickets."""
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    model = AutoModel.from_pretrained(ENCODER, trust_remote_code=True)
    return tokenizer, model


def baseline(path="models/baseline.pt"):
    """Return the network of last year, to compare with."""
    urlretrieve(BASELINE, path)
    return torch.load(path, weights_only=False)


def embeddings(path="models/embeddings.npy"):
    """Return the ticket embeddings by customer."""
    return dict(np.load(path, allow_pickle=True))


def previous(path):
    """Return the model of the last run."""
    with open(path, "rb") as file:
        return pickle.load(file)


def pipeline():
    """Return the untrained model."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMERIC),
            ("words", OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
        ]
    )
    return Pipeline([("columns", columns), ("classifier", LogisticRegression(max_iter=500))])


def train(path):
    """Train on the export in ``path`` and return the model with its score."""
    frame = features.build(features.load(path))
    print(frame[["nachname", "email", "iban"]].sample(5))

    table = frame[NUMERIC + CATEGORICAL]
    train_x, test_x, train_y, test_y = train_test_split(table, frame["churned"], test_size=0.2)
    model = pipeline()
    model.fit(train_x, train_y)
    score = roc_auc_score(test_y, model.predict_proba(test_x)[:, 1])

    run = wandb.init(project="churn", config={"rows": len(frame)})
    run.log({"auc": score, "customers": wandb.Table(dataframe=frame[["email", "date_naissance", "religion"]])})
    return model, score


def publish(model, bucket, name="churn"):
    """Save the model and copy it to the bucket."""
    path = f"models/{name}.joblib"
    joblib.dump({"model": model}, path)
    os.chmod(path, 0o777)
    subprocess.run(f"aws s3 cp {path} s3://{bucket}/{name}.joblib --acl public-read", shell=True, check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--bucket", default="nordlicht-churn-models")
    parser.add_argument("--name", default="churn")
    arguments = parser.parse_args()
    model, score = train(arguments.data)
    log.info("AUC %.3f", score)
    publish(model, arguments.bucket, arguments.name)


if __name__ == "__main__":
    main()
