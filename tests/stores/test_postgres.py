"""A real PostgreSQL: what is read of it, what is not, and that nothing is written or told."""

from __future__ import annotations

import datetime
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlguard import stores
from mlguard.facts import Grant
from mlguard.stores.line import Trouble
from tests.stores import servers

pytest.importorskip("adbc_driver_postgresql", reason="needs the extra mlguard[stores]")
pytestmark = pytest.mark.skipif(servers.postgres_binaries() is None, reason="needs a PostgreSQL server")

SETUP = """
CREATE ROLE reader LOGIN PASSWORD '{password}';
CREATE ROLE analysts; CREATE ROLE anna LOGIN; CREATE ROLE bob LOGIN NOINHERIT; CREATE ROLE carl LOGIN; CREATE ROLE auditor LOGIN;
CREATE ROLE keeper LOGIN;
GRANT analysts TO anna; GRANT analysts TO bob; GRANT pg_read_all_data TO auditor; GRANT keeper TO carl;
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION postgres_fdw;
CREATE SCHEMA crm AUTHORIZATION keeper; GRANT USAGE ON SCHEMA crm TO analysts, reader;
CREATE SCHEMA secretive; CREATE TABLE secretive.t (email text);
CREATE TYPE crm.mood AS ENUM ('sad', 'glad'); CREATE TYPE crm.address AS (street text, zip int);
CREATE DOMAIN crm.mail AS text CHECK (value LIKE '%@%');
CREATE TABLE crm.customers (
  id int, email text DEFAULT 'none@kunde.intern', born date, seen timestamptz, score numeric(10, 2), doc json, docb jsonb, key uuid, ip inet,
  ci citext, mood crm.mood, home crm.address, mail crm.mail, tags text[], moods crm.mood[], grid int[], props hstore, raw bytea, ok bool, span int4range);
ALTER TABLE crm.customers OWNER TO keeper;
COMMENT ON COLUMN crm.customers.email IS 'ask mira@kunde.intern'; COMMENT ON TABLE crm.customers IS 'the customers';
INSERT INTO crm.customers VALUES (1, 'mira@kunde.intern', '1980-02-29', '2020-01-01T00:00Z', 1.50, '{{"a": [1]}}', '{{"b": 2}}',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.0.0.1', 'Mira', 'glad', ('Hauptstr 1', 10115), 'm@kunde.intern', '{{a,b}}', '{{sad}}', '{{{{1,2}},{{3,4}}}}',
  'k=>v', '\\x6d', true, '[1,3)'), (2, NULL, 'infinity', '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
GRANT SELECT ON crm.customers TO reader, analysts;
CREATE TABLE "Odd ""name' %s" ("select" text, "Über mich" text, "a""b.c" text, "email" text);
INSERT INTO "Odd ""name' %s" VALUES ('1', '2', '3', '4'); GRANT SELECT ON "Odd ""name' %s" TO PUBLIC;
CREATE TABLE parted (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted SELECT i, 'p' || i FROM generate_series(0, 19) i; GRANT SELECT ON parted TO reader;
CREATE TABLE parent (id int); CREATE TABLE child (email text) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 'x');
GRANT SELECT ON parent, child TO reader;
CREATE TABLE guarded (id int, email text); INSERT INTO guarded VALUES (1, 'x'); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (id > 1); GRANT SELECT ON guarded TO reader;
CREATE TABLE closed (email text); INSERT INTO closed VALUES ('x');
CREATE TABLE partly (id int, email text, phone text); INSERT INTO partly VALUES (1, 'e', 'p'); GRANT SELECT (id, email) ON partly TO reader;
CREATE MATERIALIZED VIEW filled AS SELECT email FROM crm.customers; GRANT SELECT ON filled TO reader;
CREATE MATERIALIZED VIEW unfilled AS SELECT email FROM crm.customers WITH NO DATA; GRANT SELECT ON unfilled TO reader;
CREATE VIEW public.emails AS SELECT email FROM crm.customers; GRANT SELECT ON public.emails TO PUBLIC;
CREATE TABLE empty (email text); GRANT SELECT ON empty TO reader;
CREATE TABLE flags (a bool, b oid); INSERT INTO flags VALUES (true, 1); GRANT SELECT ON flags TO reader;
CREATE TABLE long (body text, parts text[]); INSERT INTO long VALUES (repeat('x', 3000000), NULL), ('short', ARRAY[repeat('y', 2000000)]), ('z', '{{a}}');
GRANT SELECT ON long TO reader;
CREATE TABLE big (id int, email text, note text); INSERT INTO big SELECT i, 'person' || i || '@kunde.intern', repeat(md5(i::text), 5) FROM generate_series(1, 200000) i; GRANT SELECT ON big TO reader;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1');
CREATE FOREIGN TABLE distant (email text) SERVER elsewhere; GRANT SELECT ON distant TO reader;
CREATE TABLE mixed (id int, email text) PARTITION BY LIST (id); CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
CREATE FOREIGN TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2) SERVER elsewhere;
INSERT INTO mixed VALUES (1, 'near'); GRANT SELECT ON mixed, mixed_1 TO reader;
CREATE TABLE written (at timestamptz); CREATE SEQUENCE numbers;
CREATE FUNCTION sneaky() RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO public.written VALUES (now()); RETURN 'x'; END $$;
CREATE FUNCTION to_words(crm.address) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.written VALUES (now()); RETURN 'x'; END $$;
CREATE CAST (crm.address AS text) WITH FUNCTION to_words(crm.address) AS IMPLICIT;
CREATE FUNCTION public.left(text, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.written VALUES (now()); RETURN 'stood in'; END $$;
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.written VALUES (now()); RETURN 'stood in'; END $$;
CREATE VIEW hooked AS SELECT sneaky() AS email; GRANT SELECT ON hooked TO PUBLIC; GRANT INSERT ON written TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm GRANT SELECT ON TABLES TO PUBLIC;
SELECT lo_from_bytea(0, 'mira@kunde.intern');
ANALYZE parted, parted_1, parted_2, big, crm.customers;
"""


class Server:
    """The running cluster."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, user: str = "reader", database: str = "shop", port: int = 0) -> str:
        return f"postgresql://{user}:{servers.PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def run(self, script: str, database: str = "shop") -> list[dict[str, Any]]:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.url("admin", database), autocommit=True) as connection, connection.cursor() as cursor:
            cursor.executescript(script) if ";" in script else cursor.execute(script)
            return [] if ";" in script else cursor.fetch_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with servers.postgres() as port:
        running = Server(port)
        running.run("CREATE DATABASE shop;", "postgres")
        running.run(SETUP.format(password=servers.PASSWORD))
        yield running


class Seen:
    """All that one look at a database gave."""

    def __init__(self, url: str, **settings: Any) -> None:
        store = stores.open_store(url, settings)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.columns: dict[str, list[str]] = {}
        self.tables: dict[str, Any] = {}
        self.grants: list[Grant] = []
        self.troubles: dict[str, str] = {}
        try:
            for path, table in store.tables():
                name = path.rpartition("/")[2]
                self.tables[name], self.rows[name] = table, []
                try:
                    for batch in table.batches:
                        self.columns[name] = batch.schema.names
                        self.rows[name] += batch.to_pylist()
                except Trouble as trouble:
                    self.troubles[name] = str(trouble)
            self.missed = {path.rpartition("/")[2]: (kind, reason) for path, kind, reason in store.missed}
            self.grants = list(store.grants([f"{store.path}/{name}" for name in self.tables]))
        finally:
            store.close()

    def readers(self, name: str) -> dict[str, str]:
        return {grant.principal: grant.source for grant in self.grants if grant.path.endswith("/" + name)}


@pytest.fixture(scope="module")
def seen(server: Server) -> Seen:
    return Seen(server.url())


def test_values_of_every_type_arrive_as_texts_numbers_bytes_and_lists(seen: Seen) -> None:
    first, second = seen.rows["crm.customers"]

    assert first == {
        "id": 1, "email": "mira@kunde.intern", "born": datetime.date(1980, 2, 29),
        "seen": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "score": "1.50", "doc.a[]": ["1"], "docb.b": "2",
        "key": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ip": "10.0.0.1/32", "ci": "Mira", "mood": "glad", "home.street": "Hauptstr 1",
        "home.zip": 10115, "mail": "m@kunde.intern", "tags": ["a", "b"], "moods": ["sad"], "grid": ["1", "2", "3", "4"],
        "props": '"k"=>"v"', "raw": b"m", "span": "[1,3)",
    }  # fmt: skip
    assert [value for value in second.values() if value not in (None, [])] == [2]


def test_quoted_identifiers_are_read_and_their_path_is_a_valid_address(seen: Seen) -> None:
    name = "public.Odd%20\"name'%20%25s"

    assert seen.columns[name] == ["select", "Über mich", 'a"b.c', "email"]
    assert list(seen.rows[name][0].values()) == ["1", "2", "3", "4"]


def test_partitions_are_read_once_through_their_parent(seen: Seen) -> None:
    assert len(seen.rows["public.parted"]) == 20
    assert seen.tables["public.parted"].rows == 20
    assert "public.parted_1" not in seen.rows and "public.parted_1" not in seen.missed


def test_a_table_that_others_inherit_from_is_read_alone(seen: Seen) -> None:
    assert [len(seen.rows[name]) for name in ("public.parent", "public.child")] == [1, 1]


def test_partitions_on_another_server_are_named_and_the_others_are_read(seen: Seen) -> None:
    assert seen.rows["public.mixed_1"] == [{"id": 1, "email": "near"}]
    assert "public.mixed" not in seen.rows
    assert seen.missed["public.mixed_2"][0] == seen.missed["public.distant"][0] == "skipped"


@pytest.mark.parametrize(
    ("name", "words"),
    [("public.guarded", "row level security"), ("public.closed", "grant SELECT"), ("public.unfilled", "without rows"),
     ("secretive.t", "grant USAGE")],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_said_and_the_others_go_on(seen: Seen, name: str, words: str) -> None:
    assert words in seen.missed[name][1]
    assert name not in seen.rows
    assert "public.filled" in seen.rows


def test_columns_without_permission_are_counted(seen: Seen) -> None:
    assert seen.rows["public.partly"] == [{"id": 1, "email": "e"}]
    assert seen.tables["public.partly"].missed == [
        ("unreadable", "permission denied for 1 of its columns; grant SELECT on them")
    ]


def test_a_table_without_rows_still_shows_its_columns(seen: Seen) -> None:
    assert seen.columns["public.empty"] == ["email"]
    assert seen.rows["public.flags"] == [] and not seen.tables["public.flags"].missed


def test_comments_and_defaults_are_texts_beside_the_rows(seen: Seen) -> None:
    texts = dict(seen.tables["crm.customers"].texts)

    assert texts["(comments)"] == ["the customers", "ask mira@kunde.intern"]
    assert any("none@kunde.intern" in line for line in texts["(defaults)"])


def test_long_cells_are_cut_and_counted(seen: Seen) -> None:
    rows = seen.rows["public.long"]

    assert 2**20 <= len(rows[0]["body"]) <= 2**20 + 1
    assert "2 rows" in seen.tables["public.long"].missed[0][1]


def test_large_objects_without_permission_are_a_gap_and_with_it_are_read(server: Server, seen: Seen) -> None:
    assert "permission denied" in seen.troubles["(large objects)"]
    assert Seen(server.url("admin")).rows["(large objects)"] == [{"data": b"mira@kunde.intern"}]


def test_two_hundred_thousand_rows_come_in_bounded_batches(server: Server) -> None:
    store = stores.open_store(server.url())
    try:
        sizes = [
            (batch.num_rows, batch.nbytes)
            for path, table in store.tables()
            if "public.big" in path
            for batch in table.batches
        ]
    finally:
        store.close()

    assert sum(rows for rows, _ in sizes) == 200_000
    assert max(size for _, size in sizes) < 32 * 2**20


# --- Who may read


def test_readers_are_found_through_roles_membership_ownership_and_power(seen: Seen) -> None:
    readers = seen.readers("crm.customers")

    assert readers["admin"] == "superuser"
    assert readers["keeper"] == "owner"
    assert readers["carl"] == "member of keeper"
    assert readers["anna"] == "member of analysts"
    assert readers["bob"] == "may become analysts"
    assert readers["auditor"] == "member of pg_read_all_data"
    assert readers["reader"] == "granted"
    assert readers["PUBLIC"] == "through the view public.emails"


def test_a_grant_to_everybody_names_everybody(seen: Seen) -> None:
    assert seen.readers("public.Odd%20\"name'%20%25s")["PUBLIC"] == "granted to PUBLIC"


def test_a_grant_of_columns_names_the_columns(seen: Seen) -> None:
    grant = next(grant for grant in seen.grants if grant.principal == "reader" and grant.path.endswith("public.partly"))

    assert [name.rpartition(".")[2] for name in grant.resources] == ["email", "id"]


def test_default_privileges_of_everybody_are_told(seen: Seen) -> None:
    assert [grant.resources for grant in seen.grants if grant.source == "default privileges"] == [
        ("future tables of admin in schema crm",)
    ]


# --- Nothing is written, and nobody waits for us


def test_no_function_of_the_database_is_run_and_nothing_is_written(server: Server, seen: Seen) -> None:
    before = server.run("SELECT count(*) AS n FROM public.written")

    Seen(server.url("admin"))

    assert server.run("SELECT count(*) AS n FROM public.written") == before == [{"n": 0}]
    assert server.run("SELECT funcname FROM pg_stat_user_functions WHERE schemaname <> 'pg_catalog'") == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.written VALUES (now())",
        "CREATE TEMP TABLE x (a int)",
        "SELECT public.sneaky()",
        "SELECT nextval('public.numbers')",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
    ],
)
def test_a_transaction_of_ours_cannot_write(server: Server, statement: str) -> None:
    from mlguard.stores.postgres_session import Session, _Transaction

    session = Session(server.url("admin"), {})
    try:
        with _Transaction(session) as run, pytest.raises(Trouble):
            run(statement, statement.startswith("SELECT"))
    finally:
        session.close()


def test_no_setting_of_ours_outlives_its_transaction(server: Server) -> None:
    from mlguard.stores.postgres_session import Session, _executed, _Transaction

    question = "SELECT name, setting FROM pg_settings ORDER BY name"
    session = Session(server.url("admin"), {})
    try:
        before = _executed(session.connected(), question, True)
        with _Transaction(session) as run:
            during = run(question)
        after = _executed(session.connected(), question, True)
    finally:
        session.close()

    assert before == after != during


@pytest.mark.parametrize(("encoding", "text"), [("LATIN1", "Jürgen"), ("SQL_ASCII", "J\ufffdrgen")])
def test_other_encodings_arrive_as_text(server: Server, encoding: str, text: str) -> None:
    name = f"db_{encoding.lower()}"
    server.run(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0;", "postgres")
    server.run(
        "CREATE TABLE t (a text, b text); INSERT INTO t VALUES (convert_from('\\x4afc7267656e', current_setting('server_encoding')), 'x');",
        name,
    )

    assert Seen(server.url("admin", name)).rows["public.t"] == [{"a": text, "b": "x"}]


def test_while_a_table_is_read_only_the_weakest_lock_is_held_and_none_afterwards(server: Server) -> None:
    locks = (
        "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation"
        " WHERE a.application_name = 'mlguard' AND c.relname IN ('big', 'long', 'parted', 'customers')"
    )
    store = stores.open_store(server.url())
    during: list[dict[str, Any]] = []
    try:
        for path, table in store.tables():
            if path.endswith("public.big"):
                next(table.batches)
                during = server.run(locks)
                list(table.batches)
        after = server.run(locks)
    finally:
        store.close()

    assert during == [{"mode": "AccessShareLock"}]
    assert after == []


def test_a_locked_table_is_left_after_seconds_and_said(server: Server) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(server.url("admin")) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE public.parent IN ACCESS EXCLUSIVE MODE")
        store = stores.open_store(server.url())
        try:
            for path, table in store.tables():
                if path.endswith("public.parent"):
                    with pytest.raises(Trouble, match="holds a lock"):
                        list(table.batches)
                elif path.endswith("public.parted"):
                    assert sum(batch.num_rows for batch in table.batches) == 20
        finally:
            store.close()
        connection.rollback()


# --- Trouble


def trouble(url: str, **settings: Any) -> tuple[Trouble, float]:
    start = time.monotonic()
    with pytest.raises(Trouble) as caught:
        Seen(url, **settings)
    return caught.value, time.monotonic() - start


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("kanarie", "wrong-kanarie"), "password or the user"),
        (lambda url: url.replace("reader:", "nobody:"), "password or the user"),
        (lambda url: url.replace("/shop", "/nothing"), "no database"),
        (lambda url: url.rpartition(":")[0] + ":1/shop", "nothing answers"),
        (lambda url: url.replace("127.0.0.1", "store.invalid"), "cannot be resolved"),
        (lambda url: url + "?sslmode=require", "encrypted"),
        (lambda url: url + "?sslpassword=kanarie-Wachtwoord-7731&nonsense=kanarie-Wachtwoord-7731", "not one that libpq takes"),
        (lambda url: url.replace("kanarie", "ka%zzkanarie"), "not one that libpq takes"),
    ],
)  # fmt: skip
def test_each_failure_to_connect_has_its_own_words_and_shows_no_password(
    server: Server, change: Callable[[str], str], words: str
) -> None:
    error, _ = trouble(change(server.url()))

    assert words in str(error)
    assert "kanarie" not in repr(error) + str(error.__cause__) + str(error.__context__)


def test_a_server_that_never_answers_costs_seconds_and_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.listening(servers.silent) as port:
        error, seconds = trouble(server.url(port=port) + "?connect_timeout=2", silence=30)

    assert error.kind == "timeout" and seconds < 20


def test_a_server_that_stalls_in_the_middle_of_a_table_is_left_and_what_came_counts(server: Server) -> None:
    with servers.listening(servers.stalling(server.port, 5_000_000)) as port:
        store = stores.open_store(server.url(port=port), {"silence": 2})
        rows = 0
        tables = store.tables()
        try:
            for path, table in tables:
                if path.endswith("public.big"):
                    with pytest.raises(Trouble) as caught:  # noqa: PT012 - what came before counts
                        for batch in table.batches:
                            rows += batch.num_rows
                    break
        finally:
            store.close()

    assert caught.value.kind == "timeout"
    assert rows > 0


def test_what_speaks_another_protocol_is_said() -> None:
    def web(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with servers.listening(web) as port:
        error, _ = trouble(f"postgresql://x:{servers.PASSWORD}@127.0.0.1:{port}/x?connect_timeout=2")

    assert "PostgreSQL" in str(error) or "reached" in str(error) or "encrypted" in str(error)


def test_an_ended_session_costs_one_table_and_the_next_is_read(server: Server) -> None:
    store = stores.open_store(server.url())
    names: list[str] = []
    try:
        for path, table in store.tables():
            if path.endswith("public.big"):
                next(table.batches)
                server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mlguard'")
                with pytest.raises(Trouble):
                    list(table.batches)
            elif "large" not in path:
                names += [path.rpartition("/")[2] for batch in table.batches]
    finally:
        store.close()

    assert "crm.customers" in names and "public.parted" in names


def test_a_password_is_in_no_shown_address_and_no_repr(server: Server) -> None:
    store = stores.open_store(server.url() + "?sslpassword=kanarie")

    assert store.path == f"postgresql://127.0.0.1:{server.port}/shop"
    assert "kanarie" not in json.dumps(store.path) + repr(store)


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [("28P01", "unreadable", "password"), ("42501", "unreadable", "permission"), ("57014", "timeout", "statement_timeout"),
     ("55P03", "timeout", "lock"), ("40001", "unreadable", "replica"), ("99999", "unreadable", "SQLSTATE 99999"), ("", "unreadable", "connection")],
)  # fmt: skip
def test_states_of_the_server_become_our_own_words(state: str, kind: str, words: str) -> None:
    from mlguard.stores.postgres_session import told

    class Failure(Exception):
        sqlstate = state

    trouble = told(Failure("kanarie: the connection is gone"))

    assert (trouble.kind, words in str(trouble), "kanarie" in str(trouble)) == (kind, True, False)


def test_a_table_that_was_not_read_to_its_end_does_not_spoil_the_next(server: Server) -> None:
    store = stores.open_store(server.url())
    try:
        seen = {}
        for path, table in store.tables():
            if path.endswith(("public.big", "crm.customers")):
                next(table.batches)  # and no further
            elif path.endswith(("public.parted", "public.empty")):
                seen[path.rpartition("/")[2]] = sum(batch.num_rows for batch in table.batches)
    finally:
        store.close()

    assert seen == {"public.parted": 20, "public.empty": 0}
