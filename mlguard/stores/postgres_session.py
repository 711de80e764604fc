"""The far end for PostgreSQL: a session that only reads, one short transaction for each table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from mlguard.stores import postgres_columns
from mlguard.stores.line import Trouble

CONNECT_SECONDS = 10
"""How long a server may take to let us in."""

LOCK_SECONDS = 5
"""How long a table may be locked by somebody else before it is left."""

STATEMENT_SECONDS = 300
"""How long a query on the catalog may take, and one on a small table."""

IDLE_SECONDS = 600
"""After which the server ends a session that has stopped reading."""

BYTES_PER_SECOND = 2**20
"""The slowest rate at which a large table is waited for."""

BATCH_BYTES = 4 * 2**20
"""Bytes of a batch, about."""

MAX_TABLES = 100_000
"""Tables of a database."""

MAX_ROLES = 100_000
"""Roles and memberships of a server."""

LARGE_OBJECT_BYTES = 2**20
"""What is read of a large object."""

_SETTINGS = {
    "row_security": "off",  # rows that a policy hides become an error, not a silence
    "lock_timeout": f"{LOCK_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "synchronize_seqscans": "off",  # the order of rows must not depend on other readers
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "0",
    "client_min_messages": "error",
}
"""What holds in each of our transactions and ends with it: behind a pool, a session is somebody else's next."""

_BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OWN_NAMES = "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)"  # no object may stand in for one of ours
_SET = (
    "SELECT set_config(s.name, w.value, true) AS value, s.name FROM pg_settings s JOIN (VALUES {values}) AS w(name, value)"
    " ON lower(w.name) = lower(s.name)"
)
_STATE = (
    "SELECT current_setting('transaction_read_only') = 'on' AND current_setting('row_security') = 'off' AS safe,"
    " current_setting('server_version_num')::int8 AS version, current_setting('server_encoding') AS encoding"
)

_TABLES = """
SELECT c.oid::int8 AS id, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
  c.relispopulated AS filled, c.reltuples::float8 AS rows, c.relpages::int8 AS pages,
  coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS usage,
  coalesce(has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'), false) AS allowed,
  row_security_active(c.oid) AS hidden,
  (SELECT i.inhparent::int8 FROM pg_inherits i WHERE c.relispartition AND i.inhrelid = c.oid LIMIT 1) AS parent
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" LIMIT {limit}
"""

_COLUMNS = """
SELECT a.attname::text AS name, a.attnum::int4 AS number, a.atttypid::int8 AS type,
  has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS allowed,
  left(col_description(a.attrelid, a.attnum), 10000) AS comment,
  left(pg_get_expr(d.adbin, d.adrelid), 10000) AS fallback
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = {id} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_TYPES = """
WITH RECURSIVE used(oid, depth) AS (
  SELECT atttypid, 0 FROM pg_attribute WHERE attrelid = {id} AND attnum > 0 AND NOT attisdropped
  UNION
  SELECT x.oid, u.depth + 1 FROM used u JOIN pg_type t ON t.oid = u.oid
  CROSS JOIN LATERAL (
    SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
    UNION ALL SELECT a.atttypid FROM pg_attribute a
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) x(oid) WHERE x.oid <> 0 AND u.depth < 8
)
SELECT DISTINCT t.oid::int8 AS id, t.typname::text AS name, t.typtype::text AS form, t.typcategory::text AS category,
  n.nspname = 'pg_catalog' AS builtin, t.typbasetype::int8 AS base, t.typelem::int8 AS element,
  CASE WHEN t.typtype = 'c' THEN ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) END AS fields,
  CASE WHEN t.typtype = 'c' THEN ARRAY(SELECT a.atttypid::int8 FROM pg_attribute a
    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) END AS field_types
FROM used u JOIN pg_type t ON t.oid = u.oid JOIN pg_namespace n ON n.oid = t.typnamespace
"""

_TEXTS = """
SELECT left(obj_description({id}, 'pg_class'), 10000) AS text, 'comment' AS kind
UNION ALL SELECT left(pg_get_constraintdef(oid), 10000), 'check' FROM pg_constraint WHERE conrelid = {id} AND contype = 'c'
"""

_ACCESS = {
    "roles": "SELECT oid::int8 AS id, rolname::text AS name, rolsuper AS super, rolbypassrls AS bypass, rolcanlogin AS login,"
    " rolinherit AS inherits FROM pg_roles ORDER BY rolname COLLATE \"C\" LIMIT {limit}",
    "members": "SELECT m.roleid::int8 AS role, m.member::int8 AS member, {inherit} AS inherits FROM pg_auth_members m"
    " JOIN pg_roles r ON r.oid = m.member ORDER BY 1, 2 LIMIT {limit}",
    "schemas": "SELECT n.nspname::text AS schema, a.grantee::int8 AS grantee FROM pg_namespace n,"
    " aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a WHERE a.privilege_type = 'USAGE'",
    "owners": "SELECT c.oid::int8 AS id, c.relowner::int8 AS owner, n.nspname::text AS schema, c.relrowsecurity AS guarded"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN ({ids})",
    "tables": "SELECT c.oid::int8 AS id, a.grantee::int8 AS grantee, NULL::text AS column FROM pg_class c,"
    " aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE c.oid IN ({ids}) AND a.privilege_type = 'SELECT'"
    " UNION ALL SELECT t.attrelid::int8, a.grantee::int8, t.attname::text FROM pg_attribute t, aclexplode(t.attacl) a"
    " WHERE t.attrelid IN ({ids}) AND t.attacl IS NOT NULL AND NOT t.attisdropped AND a.privilege_type = 'SELECT'",
    "views": "SELECT DISTINCT d.refobjid::int8 AS id, v.oid::int8 AS view, n.nspname::text AS schema, v.relname::text AS name,"
    " coalesce((SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    " AND d.refobjsubid > 0), '') AS column"
    " FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class"
    " JOIN pg_namespace n ON n.oid = v.relnamespace WHERE d.classid = 'pg_rewrite'::regclass"
    " AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN ({ids}) AND w.ev_class <> d.refobjid AND v.relkind IN ('v', 'm')"
    " AND NOT coalesce(v.reloptions @> ARRAY['security_invoker=true'] OR v.reloptions @> ARRAY['security_invoker=on'], false)",
    "defaults": "SELECT coalesce(n.nspname::text, '') AS schema, r.rolname::text AS owner FROM pg_default_acl d"
    " JOIN pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace,"
    " aclexplode(d.defaclacl) a WHERE d.defaclobjtype = 'r' AND a.grantee = 0 AND a.privilege_type = 'SELECT' ORDER BY 1, 2",
}  # fmt: skip


class Session:
    """A connection that is opened with the first call, and again after one was lost."""

    def __init__(self, url: str, settings: Mapping[str, Any]) -> None:
        self._url, self._settings = url, settings
        self._connection: Any = None
        self.version = 0  # of the server, as 150003
        self._raw = False  # a database whose texts have no known encoding

    def close(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:  # noqa: BLE001 - it is broken, and its text may quote
                pass

    # --- Calls

    def tables(self) -> Iterator[dict[str, Any]]:
        """Yield each table of the database, and how many large objects there are, as ``{"large": n}``, at the end."""
        with _Transaction(self) as run:
            found = run(_TABLES.format(limit=MAX_TABLES + 1))
            yield from found
            yield {"large": run("SELECT count(*) AS n FROM pg_largeobject_metadata")[0]["n"]}

    def read(self, id: int, kind: str, pages: int) -> Iterator[Any]:
        """Yield what a table's columns are, then its batches, then how many rows have a cell that was cut."""
        with _Transaction(self) as run:
            plan = postgres_columns.plan(run(_COLUMNS.format(id=int(id))), run(_TYPES.format(id=int(id))))
            yield {"labels": plan.labels, "denied": plan.denied, "nested": plan.nested,
                   "texts": self._texts(run, int(id), plan)}  # fmt: skip
            if not plan.labels:
                return
            schema, name = _named(run, int(id))
            only = "ONLY " if kind == "r" else ""
            place = f"{quoted(schema)}.{quoted(name)}"
            seconds = STATEMENT_SECONDS + pages * 8192 // BYTES_PER_SECOND
            run(f"SET LOCAL statement_timeout = '{seconds}s'", fetch=False)
            yield from self._rows(f"SELECT {', '.join(plan.expressions)} FROM {only}{place} AS t")

    def large(self) -> Iterator[Any]:
        """Yield the first bytes of the large objects that we may read, as batches of one column, then how many were cut."""
        with _Transaction(self):
            yield from self._rows(
                f"SELECT lo_get(oid, 0, {LARGE_OBJECT_BYTES + 1}) FROM pg_largeobject_metadata ORDER BY oid"
            )

    def access(self, ids: list[int]) -> Iterator[dict[str, Any]]:
        """Yield what decides who may read these tables: roles, memberships, and the lists of privileges."""
        with _Transaction(self) as run:
            found: dict[str, Any] = {}
            inherit = "m.inherit_option" if self.version >= 160000 else "r.rolinherit"
            listed = ", ".join(str(int(id)) for id in ids) or "0"
            for name, query in _ACCESS.items():
                found[name] = run(query.format(ids=listed, limit=MAX_ROLES, inherit=inherit))
            views = sorted({view["view"] for view in found["views"]})
            listed = ", ".join(map(str, views)) or "0"
            found["view_grants"] = run(_ACCESS["tables"].format(ids=listed))
            found["database"] = run(
                "SELECT a.grantee::int8 AS grantee FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a"
                " WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'"
            )
            yield found

    # --- Within

    def _texts(self, run: Any, id: int, plan: postgres_columns.Plan) -> dict[str, list[str]]:
        rows = run(_TEXTS.format(id=id))
        return {
            "(comments)": [row["text"] for row in rows if row["kind"] == "comment" and row["text"]] + plan.comments,
            "(defaults)": [row["text"] for row in rows if row["kind"] == "check" and row["text"]] + plan.fallbacks,
        }

    def _rows(self, query: str) -> Iterator[Any]:
        """Yield batches, an empty one when there are no rows, then how many rows have a cell that was cut."""
        cursor = self.connected().cursor()
        cut, sent = 0, False
        try:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
            for batch in reader:
                batch = _plain(batch, self._raw)
                cut += _cut(batch)
                sent = True
                yield batch
            if not sent:
                yield _empty(reader.schema)
            yield {"cut": cut}
        except Trouble:
            raise
        except Exception as error:  # noqa: BLE001 - the driver's text quotes rows and the connection
            raise told(error) from None
        finally:
            _closed(cursor)

    def connected(self) -> Any:
        """Return the connection. Raises Trouble."""
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def _opened(self) -> Any:
        from adbc_driver_postgresql import dbapi

        try:
            connection = dbapi.connect(with_limits(self._url), autocommit=True)
        except Exception as error:  # noqa: BLE001 - its text quotes the address
            raise refused(str(error)) from None
        return connection

    def prepare(self, connection: Any) -> None:
        """Begin a transaction that can only read, with our settings for it alone. Raises Trouble, and what the driver raises."""
        _executed(connection, _BEGIN, False)
        _executed(connection, _OWN_NAMES, True)
        values = ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS.items())
        _executed(connection, _SET.format(values=values), True)
        state = _executed(connection, _STATE, True)[0]
        if not state["safe"]:
            raise Trouble("the server does not take a transaction that only reads; nothing was read")
        self.version, self._raw = state["version"], state["encoding"] == "SQL_ASCII"
        if self._raw:  # such a database holds bytes of any encoding, and converts none
            _executed(connection, "SELECT set_config('client_encoding', 'SQL_ASCII', true)", True)


class _Transaction:
    """One transaction that only reads. Its locks end with it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Any:
        try:
            self._connection = self._session.connected()
            self._session.prepare(self._connection)
        except Trouble:
            raise
        except Exception:  # noqa: BLE001 - the server has ended the session since; another one tells what is wrong
            self._session.close()
            self._connection = self._session.connected()
            try:
                self._session.prepare(self._connection)
            except Trouble:
                raise
            except Exception as error:  # noqa: BLE001 - its text quotes
                self._session.close()
                raise told(error) from None
        return self

    def __call__(self, query: str, fetch: bool = True) -> list[dict[str, Any]]:
        try:
            return _executed(self._connection, query, fetch)
        except Exception as error:  # noqa: BLE001 - the driver's text quotes
            raise told(error) from None

    def __exit__(self, *_: object) -> None:
        try:
            _executed(self._connection, "ROLLBACK", False)
        except Exception:  # noqa: BLE001 - the connection is lost; the next call makes another
            self._session.close()


def _executed(connection: Any, query: str, fetch: bool) -> list[dict[str, Any]]:
    cursor = connection.cursor()
    try:
        cursor.execute(query)
        return cursor.fetch_arrow_table().to_pylist() if fetch else []
    finally:
        _closed(cursor)


def _closed(cursor: Any) -> None:
    try:
        cursor.close()
    except Exception:  # noqa: BLE001 - what came before has been told
        pass


def _named(run: Any, id: int) -> tuple[str, str]:
    rows = run(
        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE c.oid = {id}"
    )
    if not rows:
        raise Trouble("the table vanished during the scan; run again")
    return rows[0]["schema"], rows[0]["name"]


def quoted(name: str) -> str:
    """Return an identifier as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def with_limits(url: str) -> str:
    """Return the address with a limit for connecting, signs of life, and our name for the server's list of sessions."""
    parts = urlsplit(url)
    given = parts.query
    wanted = {
        "connect_timeout": CONNECT_SECONDS, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
        "client_encoding": "UTF8", "fallback_application_name": "mlguard",
    }  # fmt: skip
    ours = {key: value for key, value in wanted.items() if not re.search(rf"(?:^|&){key}=", given)}
    query = "&".join(filter(None, (given, urlencode(ours))))
    text = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    return text if "://" in text else text.replace("postgresql:", "postgresql://", 1)


# --- Batches


def _cut(batch: Any) -> int:
    """Return how many rows have a cell that is longer than what is read of one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    most, elements = postgres_columns.MAX_CELL, postgres_columns.MAX_ELEMENTS
    rows: Any = None
    for column in batch.columns:
        if pa.types.is_list(column.type):
            inner = pc.list_value_length(column)
            mark = pc.greater(inner, elements) if (pc.max(inner).as_py() or 0) > elements else None
            if (
                pa.types.is_string(column.type.value_type)
                and (pc.max(pc.binary_length(column.values)).as_py() or 0) > most
            ):
                long = pc.list_parent_indices(column).filter(
                    pc.fill_null(pc.greater(pc.utf8_length(column.flatten()), most), False)
                )
                mark = pc.is_in(pa.array(range(batch.num_rows)), long.cast(pa.int64()))
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            if (pc.max(pc.binary_length(column)).as_py() or 0) <= most:
                continue
            mark = pc.greater((pc.utf8_length if pa.types.is_string(column.type) else pc.binary_length)(column), most)
        else:
            continue
        if mark is not None:
            mark = pc.fill_null(mark, False)
            rows = mark if rows is None else pc.or_(rows, mark)
    return 0 if rows is None else int(pc.sum(rows).as_py() or 0)


def _plain(batch: Any, raw: bool) -> Any:
    """Return the batch without the driver's notes on its types."""
    import pyarrow as pa

    columns = [getattr(column, "storage", column) for column in batch.columns]
    columns = [_bare(_decoded(column) if raw else column) for column in columns]
    return pa.RecordBatch.from_arrays(columns, names=[f"c{index}" for index in range(len(columns))])


def _bare(column: Any) -> Any:
    import pyarrow as pa

    return column.cast(pa.list_(column.type.value_type)) if pa.types.is_list(column.type) else column


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    types = [getattr(field.type, "storage_type", field.type) for field in schema]
    return pa.RecordBatch.from_arrays(
        [pa.array([], type=kind) for kind in types], names=[f"c{index}" for index in range(len(types))]
    )


def _decoded(column: Any) -> Any:
    """Return texts of a database without an encoding as UTF-8, or byte by byte where they are none."""
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return column
    try:
        column.validate(full=True)
        return column
    except pa.ArrowInvalid:
        cells = column.cast(pa.binary()).to_pylist()
        return pa.array([None if cell is None else cell.decode("utf-8", "replace") for cell in cells], pa.string())


# --- Errors

_STATES: tuple[tuple[str, str, str], ...] = (
    ("28", "unreadable", "the password or the user is not accepted; set PGUSER and PGPASSWORD, or write ~/.pgpass"),
    ("3D", "unreadable", "there is no database of this name on the server"),
    ("42501", "unreadable", "permission denied; grant SELECT to the user that scans, or name another"),
    ("42P01", "unreadable", "the table vanished during the scan; run again"),
    ("3F", "unreadable", "the schema vanished during the scan; run again"),
    ("42P17", "unreadable", "a policy of row level security cannot be applied"),
    ("57014", "timeout", "the server stopped the query: it took longer than statement_timeout allows"),
    ("55P03", "timeout", "another session holds a lock on it; run again when that is done"),
    ("55000", "unreadable", "it is not in a state to be read: a materialised view without rows, or an unlogged table of a replica"),
    ("25P0", "timeout", "the server ended the transaction because it was idle for too long"),
    ("57P0", "unreadable", "the server is starting, stopping, or has ended the session; run again"),
    ("53300", "unreadable", "the server has no connection left; run again, or raise max_connections"),
    ("53", "unreadable", "the server is short of memory, disk or connections"),
    ("40", "unreadable", "the server cancelled the query in favour of another (a replica does that); run again"),
    ("22", "unreadable", "the server cannot convert a value of it"),
    ("XX", "unreadable", "the server reports damaged data or an error of its own"),
    ("58", "unreadable", "the server cannot read its files"),
    ("08", "unreadable", "the connection was lost; run again"),
)  # fmt: skip
"""Reason by the beginning of an SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CONNECTING: tuple[tuple[str, str, str], ...] = (
    (r"password authentication|no password supplied|authentication failed|role .* does not exist|SCRAM|fe_sendauth", "unreadable", _STATES[0][2]),
    (r"no pg_hba\.conf entry", "unreadable", "the server does not let this user in from here (pg_hba.conf)"),
    (r"database .* does not exist", "unreadable", _STATES[1][2]),
    (r"permission denied for database", "unreadable", "this user may not connect to the database; grant CONNECT"),
    (r"translate host name|Name or service|nodename nor servname", "unreadable", "the name of the host cannot be resolved"),
    (r"timeout expired|timed out", "timeout", f"the server did not answer within {CONNECT_SECONDS} seconds"),
    (r"SSL|certificate|TLS", "unreadable", "no encrypted connection: the certificate or sslmode does not fit"),
    (r"definition of service|service file", "unreadable", "the service file does not have this service (PGSERVICEFILE, ~/.pg_service.conf)"),
    (r"Connection refused|No such file|Network is unreachable|No route to host|Is the server running", "unreadable", "nothing answers there: the server is not running, or host and port are wrong"),
    (r"too many (?:connections|clients)|remaining connection slots", "unreadable", "the server has no connection left; run again, or raise max_connections"),
    (r"starting up|shutting down|recovery mode", "unreadable", "the server is starting or stopping; run again"),
    (r"invalid (?:percent|URI|connection option|port|sslmode|integer)|percent-encoded|query parameter|URI", "unreadable", "the address is not one that libpq takes; write special characters of a password in percent form"),
    (r"closed the connection|lost|reset by peer|SYSCALL|expected authentication request|protocol", "unreadable", "what answers there speaks no PostgreSQL, or closed the connection"),
)  # fmt: skip


def refused(text: str) -> Trouble:
    """Return the trouble with a connection that was not made. The driver names no state then, so its words decide."""
    for pattern, kind, reason in _CONNECTING:
        if re.search(pattern, text, re.I):
            return Trouble(reason, kind)  # type: ignore[arg-type]  # from the table above
    return Trouble("the server cannot be reached, or does not let us in")


def told(error: BaseException) -> Trouble:
    """Return the trouble with a statement, by its SQLSTATE. Raises MemoryError again."""
    if isinstance(error, MemoryError):
        raise error
    state = getattr(error, "sqlstate", None) or ""
    if not state:
        match = re.search(r"SQLSTATE: ([0-9A-Z]{5})", str(error))
        state = match.group(1) if match else ""
    if state == "42501" and "row-level security" in str(error):
        return Trouble(HIDDEN)
    for begin, kind, reason in _STATES:
        if state.startswith(begin):
            return Trouble(reason, kind)  # type: ignore[arg-type]  # from the table above
    if not state:  # while rows are coming the driver passes on words alone
        for pattern, begin in _WORDS:
            if re.search(pattern, str(error), re.I):
                return next(Trouble(reason, kind) for state, kind, reason in _STATES if state == begin)  # type: ignore[arg-type]
        return Trouble("the server ended the query, or the driver cannot read its rows")
    return Trouble(f"the server cannot run the query (SQLSTATE {state})")


_WORDS = (
    (r"permission denied", "42501"), (r"statement timeout|user request", "57014"), (r"lock timeout", "55P03"),
    (r"conflict with recovery", "40"), (r"terminating connection|shutting down", "57P0"), (r"idle-in-transaction", "25P0"),
    (r"out of memory|disk|No space", "53"), (r"invalid byte sequence|division|out of range|cannot be converted", "22"),
    (r"invalid page|corrupt|missing chunk|could not open file", "XX"), (r"could not read", "58"),
    (r"server closed|connection|EOF|SYSCALL|lost", "08"),
)  # fmt: skip
HIDDEN = "row level security hides rows of it from this user; scan as its owner or as a role with BYPASSRLS"
