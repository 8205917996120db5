-- People and groups as an enterprise's directory provisions them (SCIM): what it says of them, which of
-- them have an account here, and the tokens with which it comes.

CREATE TABLE directory_entries (
    tenant BLOB NOT NULL, -- id: whose
    connection BLOB NOT NULL, -- id: the connection through which the directory provisions
    id BLOB NOT NULL, -- id: the person or the group
    kind TEXT NOT NULL, -- state: user or group
    name_blind BLOB NOT NULL, -- blind index: of the user name or the group's name, in small letters
    external_blind BLOB, -- blind index: of the id at the directory, if it told one
    account BLOB, -- id: the account of a person who has one
    active BIGINT NOT NULL, -- state: 1 when the directory says that the person may sign in
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the record
    record BLOB NOT NULL, -- sealed: names, addresses, department, as the directory says them
    version BIGINT NOT NULL, -- number: counts changes, members included
    created_ms BIGINT NOT NULL, -- time: when it was made
    changed_ms BIGINT NOT NULL, -- time: of the last change
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id),
    FOREIGN KEY (tenant, account) REFERENCES users (tenant, id)
) STRICT;

CREATE UNIQUE INDEX directory_entries_by_user_name ON directory_entries (tenant, connection, name_blind) WHERE kind = 'user';
CREATE UNIQUE INDEX directory_entries_by_account ON directory_entries (tenant, account) WHERE account IS NOT NULL;
CREATE INDEX directory_entries_by_name ON directory_entries (tenant, connection, kind, name_blind);
CREATE INDEX directory_entries_by_external ON directory_entries (tenant, connection, kind, external_blind) WHERE external_blind IS NOT NULL;
CREATE INDEX directory_entries_in_order ON directory_entries (tenant, connection, kind, created_ms, id);

CREATE TABLE directory_members (
    tenant BLOB NOT NULL, -- id: whose
    group_id BLOB NOT NULL, -- id: the group
    member BLOB NOT NULL, -- id: the person in it
    PRIMARY KEY (tenant, group_id, member),
    FOREIGN KEY (tenant, group_id) REFERENCES directory_entries (tenant, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant, member) REFERENCES directory_entries (tenant, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX directory_members_by_member ON directory_members (tenant, member);

CREATE TABLE directory_holds (
    tenant BLOB NOT NULL, -- id: whose
    user_id BLOB NOT NULL, -- id: an account that is disabled because a directory says so, and for no other reason
    connection BLOB NOT NULL, -- id: the connection of the directory, which may enable it again
    since_ms BIGINT NOT NULL, -- time: when it was disabled
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE directory_tokens (
    tenant BLOB NOT NULL, -- id: whose
    connection BLOB NOT NULL, -- id: the connection that it opens for provisioning
    id BLOB NOT NULL, -- id: the token
    hash BLOB NOT NULL UNIQUE, -- hash: of the token, which is random
    created_ms BIGINT NOT NULL, -- time: when it was made
    created_by BLOB, -- id: the member of staff who made it
    expires_ms BIGINT NOT NULL, -- time: when it ends by itself
    used_ms BIGINT, -- time: about when it was last used
    revoked_ms BIGINT, -- time: when it was revoked
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) STRICT;
