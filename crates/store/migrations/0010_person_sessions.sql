-- Where people who chat are signed in through their own provider.

CREATE TABLE person_sessions (
    tenant BLOB NOT NULL, -- id: whose
    id BLOB NOT NULL, -- id: the session
    secret_hash BLOB NOT NULL, -- hash: of the secret in the browser's cookie
    subject BLOB NOT NULL, -- id: the person who chats
    connection BLOB NOT NULL, -- id: the connection it came through
    subject_blind BLOB NOT NULL, -- blind index: of the provider and the person's id there
    sid_blind BLOB, -- blind index: of the provider's session, if it named one
    key_gen BIGINT, -- number: generation of the key that seals the hint
    hint BLOB, -- sealed: what the provider wants to see when the session ends there too
    created_ms BIGINT NOT NULL, -- time: when they signed in
    last_seen_ms BIGINT NOT NULL, -- time: of the last request
    absolute_ms BIGINT NOT NULL, -- time: when it ends whatever happens
    ended_ms BIGINT, -- time: when it was ended
    bound BLOB, -- hash: keyed, of this row
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) STRICT;

CREATE UNIQUE INDEX person_sessions_by_secret ON person_sessions (secret_hash);
CREATE INDEX person_sessions_by_person ON person_sessions (tenant, subject);
CREATE INDEX person_sessions_by_subject ON person_sessions (tenant, connection, subject_blind);
