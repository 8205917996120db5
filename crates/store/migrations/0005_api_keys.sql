-- Programs at the staff door: service accounts, which nobody signs in to, and the keys that programs show.

CREATE TABLE service_accounts (
    tenant BLOB NOT NULL, -- id: where it works
    user_id BLOB NOT NULL, -- id: the account
    answers BLOB NOT NULL, -- id: the member of staff who answers for it and makes its keys
    made_ms BIGINT NOT NULL, -- time: when it was made
    made_by BLOB, -- id: the member of staff who made it, nobody for the operator
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id),
    FOREIGN KEY (tenant, answers) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE api_keys (
    tenant BLOB NOT NULL, -- id: where it is good
    id BLOB NOT NULL, -- id: the key
    owner BLOB NOT NULL, -- id: the account above which it never does anything
    secret_hash BLOB NOT NULL UNIQUE, -- hash: of the whole key
    tag TEXT NOT NULL, -- name: the public beginning of the key, by which people tell it from others
    line BLOB NOT NULL, -- id: the key that this one continues after rotation; its own when it is the first
    acts TEXT NOT NULL, -- name: the actions that it was made for, by a space between
    scope TEXT NOT NULL, -- name: tenant, or bot and its name
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals name and sources
    name BLOB NOT NULL, -- sealed: what it is for
    sources BLOB, -- sealed: the addresses that it may be shown from, when not any
    made_ms BIGINT NOT NULL, -- time: when it was made
    made_by BLOB, -- id: the member of staff who made it, nobody for the operator
    expires_ms BIGINT NOT NULL, -- time: when it ends by itself
    used_ms BIGINT, -- time: of its last use, to the minute
    revoked_ms BIGINT, -- time: when it was ended
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, owner) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX api_keys_by_owner ON api_keys (tenant, owner);
CREATE INDEX api_keys_by_line ON api_keys (tenant, line);
CREATE INDEX service_accounts_by_answers ON service_accounts (tenant, answers);
