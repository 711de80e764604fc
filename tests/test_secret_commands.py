"""Credentials are found in commands and under names that hold a harmless word by chance."""

from __future__ import annotations

import pytest

from mlguard.scanners.secrets.search import Style, find

PASSWORD = "Nm3Q0ixz" + "T4bL"
TOKEN = PASSWORD + "kk2398" + "fhskQ"
ACCOUNT_KEY = ("kX8vQz81mLpR4tYw9sDf6gHj2kLz0xCvB5nM" + "q1w2e3r4t5y6u7+Za/Pb3") * 2


@pytest.mark.parametrize(
    "name",
    ["adminPassword", "REDIS_PASSWORD", "redispassword", "CLICKHOUSE_PASSWORD", "backend_password", "elasticpassword"],
)
def test_a_word_inside_another_does_not_hide_a_password(name: str) -> None:
    assert find(f'{name}: "{PASSWORD}"', Style())


@pytest.mark.parametrize("name", ["developer_token", "developerToken", "ownerToken"])
def test_a_word_inside_another_does_not_hide_a_token(name: str) -> None:
    assert find(f'{name} = "{TOKEN}"', Style())


@pytest.mark.parametrize("name", ["maxTokens", "next_token", "pageToken", "is_token", "resetToken", "showPassword"])
def test_names_that_are_no_credentials_stay_quiet(name: str) -> None:
    assert find(f'{name} = "{TOKEN}"', Style()) == []


@pytest.mark.parametrize(
    "line",
    [
        f"mysql -uroot -p{PASSWORD} shop",
        f"docker login -u me -p {PASSWORD} registry.corp.io",
        f"sshpass -p '{PASSWORD}' ssh me@host",
        f"PGPASSWORD={PASSWORD} psql -h db",
        f'user.setPassword("{PASSWORD}");',
        f'parser.add_argument("--api-key", type=str, default="{TOKEN}")',
        f'spark.conf.set("fs.azure.account.key.acc.dfs.core.windows.net", "{ACCOUNT_KEY[:86]}==")',
    ],
)
def test_a_credential_in_a_command_or_call_is_found_once(line: str) -> None:
    (hit,) = find(line, Style(bare=True))

    assert line[hit.start : hit.end].strip("'") in line


@pytest.mark.parametrize(
    "line",
    [
        "docker run -p 8080:80 web",
        "mysql -u root -p$DB_PASSWORD shop",
        "mysql -uroot -ppassword shop",
        "mkdir -p /srv/abc123/x7",
        "docker login -u me -p ${{ secrets.TOKEN }}",
        "PGPASSWORD=postgres psql",
        'parser.add_argument("--token", default="bert-base-uncased")',
        "user.setPassword(password)",
    ],
)
def test_commands_without_a_credential_stay_quiet(line: str) -> None:
    assert find(line, Style(bare=True)) == []
