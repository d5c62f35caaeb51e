//! Schema 1. Frozen: a later change is a later file. `docs/store-schema.md` says what each column
//! means.

/// Everything of schema 1, from an empty file.
pub(super) const SQL: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE apps (
    id INTEGER PRIMARY KEY,
    uid INTEGER,
    package TEXT
);
CREATE UNIQUE INDEX apps_by_value ON apps (ifnull(uid, -1), ifnull(package, x''));

CREATE TABLE hosts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE servers (
    id INTEGER PRIMARY KEY,
    addr TEXT NOT NULL,
    port INTEGER NOT NULL,
    country TEXT,
    asn INTEGER,
    operator TEXT
);
CREATE UNIQUE INDEX servers_by_value ON servers
    (addr, port, ifnull(country, x''), ifnull(asn, -1), ifnull(operator, x''));

CREATE TABLE rules (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    rule TEXT,
    list TEXT
);
CREATE UNIQUE INDEX rules_by_value ON rules (code, ifnull(rule, x''), ifnull(list, x''));

CREATE TABLE flows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    opened INTEGER NOT NULL,
    closed INTEGER,
    app INTEGER,
    host INTEGER,
    server INTEGER,
    port INTEGER NOT NULL,
    transport TEXT NOT NULL,
    verdict TEXT NOT NULL,
    rule INTEGER NOT NULL,
    up INTEGER,
    down INTEGER
);

CREATE TABLE payloads (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    data BLOB
);

CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    headers TEXT NOT NULL,
    payload INTEGER,
    body_size INTEGER NOT NULL,
    cut INTEGER NOT NULL
);
CREATE INDEX requests_by_payload ON requests (payload) WHERE payload IS NOT NULL;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER,
    app INTEGER,
    hint TEXT,
    host INTEGER,
    server INTEGER,
    transport TEXT,
    verdict TEXT,
    rule INTEGER,
    state TEXT NOT NULL,
    protocol TEXT,
    event TEXT,
    event_time INTEGER,
    kinds TEXT NOT NULL,
    checks TEXT,
    problems TEXT,
    decoder TEXT,
    flow INTEGER,
    request INTEGER
);
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_flow ON events (flow) WHERE flow IS NOT NULL;
CREATE INDEX events_by_request ON events (request) WHERE request IS NOT NULL;

CREATE TABLE fields (
    event INTEGER NOT NULL,
    place INTEGER NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (event, place)
) WITHOUT ROWID;

CREATE TABLE identifiers (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (kind, value)
);

CREATE TABLE identifier_events (
    event INTEGER NOT NULL,
    place INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (event, place)
) WITHOUT ROWID;

CREATE TABLE identifier_apps (
    identifier INTEGER NOT NULL,
    app INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (identifier, app)
) WITHOUT ROWID;

CREATE TABLE identifier_hosts (
    identifier INTEGER NOT NULL,
    host INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (identifier, host)
) WITHOUT ROWID;

CREATE TABLE counters (
    day TEXT NOT NULL,
    app INTEGER NOT NULL,
    host INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    flows INTEGER NOT NULL,
    events INTEGER NOT NULL,
    up INTEGER NOT NULL,
    down INTEGER NOT NULL,
    PRIMARY KEY (day, app, host, verdict)
) WITHOUT ROWID;

CREATE TABLE kind_counters (
    day TEXT NOT NULL,
    app INTEGER NOT NULL,
    kind TEXT NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (day, app, kind)
) WITHOUT ROWID;

CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    stop INTEGER,
    reason TEXT NOT NULL
);
";
