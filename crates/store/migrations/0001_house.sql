-- The whole house, first edition. Behind each column stands its class and its meaning; the classes
-- are explained in docs/data-classes.md, which is made from these comments.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY, -- id: the tenant
    created_ms BIGINT NOT NULL -- time: when it was made
) STRICT;

CREATE TABLE tenant_keys (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose key
    version BIGINT NOT NULL, -- number: its version, from 1
    state TEXT NOT NULL, -- state: active, retiring or destroyed
    provider TEXT NOT NULL, -- name: the provider that wrapped it
    blob BLOB NOT NULL, -- wrapped key: under the root key; empty once destroyed
    commitment BLOB NOT NULL, -- hash: commits to the key
    created_ms BIGINT NOT NULL, -- time: when it was made
    retired_ms BIGINT, -- time: when a newer version took over
    destroyed_ms BIGINT, -- time: when it was destroyed
    PRIMARY KEY (tenant, version)
) STRICT;

CREATE TABLE subject_keys (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose data
    subject BLOB NOT NULL, -- id: the person who chats
    wrapped_by BIGINT NOT NULL, -- number: the tenant key version above it
    blob BLOB NOT NULL, -- wrapped key: under the tenant key
    commitment BLOB NOT NULL, -- hash: commits to the key
    created_ms BIGINT NOT NULL, -- time: when it was made
    PRIMARY KEY (tenant, subject),
    FOREIGN KEY (tenant, wrapped_by) REFERENCES tenant_keys (tenant, version)
) STRICT;

CREATE INDEX subject_keys_by_version ON subject_keys (tenant, wrapped_by);

CREATE TABLE data_keys (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose data
    key_id BLOB NOT NULL, -- id: the key
    purpose BIGINT NOT NULL, -- number: what it is for
    owner BLOB NOT NULL, -- id: the row (or tenant) whose columns it seals
    generation BIGINT NOT NULL, -- number: how many came before it for the same rows, plus one
    subject BLOB, -- id: the person whose key wraps it, if one does
    wrapped_by BIGINT, -- number: the tenant key version that wraps it, if one does
    blob BLOB NOT NULL, -- wrapped key: under the subject key or the tenant key
    commitment BLOB NOT NULL, -- hash: commits to the key
    created_ms BIGINT NOT NULL, -- time: when it was made
    records BIGINT NOT NULL, -- size: records it is known to have sealed
    PRIMARY KEY (tenant, key_id),
    UNIQUE (tenant, purpose, owner, generation),
    FOREIGN KEY (tenant, wrapped_by) REFERENCES tenant_keys (tenant, version)
) STRICT;

CREATE INDEX data_keys_by_version ON data_keys (tenant, wrapped_by) WHERE wrapped_by IS NOT NULL;
CREATE INDEX data_keys_by_subject ON data_keys (tenant, subject) WHERE subject IS NOT NULL;

CREATE TABLE erasures (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose data
    subject BLOB NOT NULL, -- id: the person who was erased
    erased_ms BIGINT NOT NULL, -- time: when
    PRIMARY KEY (tenant, subject)
) STRICT;

CREATE TABLE bots (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose bot
    name TEXT NOT NULL, -- name: the bot's
    active_release BLOB, -- id: the release that answers now
    created_ms BIGINT NOT NULL, -- time: when it was made
    updated_ms BIGINT NOT NULL, -- time: when its active release last changed
    PRIMARY KEY (tenant, name)
) STRICT;

CREATE TABLE releases (
    tenant BLOB NOT NULL, -- id: whose bot
    id BLOB NOT NULL, -- id: the release
    bot TEXT NOT NULL, -- name: the bot's
    version BIGINT NOT NULL, -- number: counts up per bot, from 1
    state TEXT NOT NULL, -- state: submitted, approved or withdrawn
    sha256 BLOB NOT NULL, -- hash: of the artifact
    size BIGINT NOT NULL, -- size: of the artifact in bytes
    parts BIGINT NOT NULL, -- size: the number of parts it is stored in
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the parts
    created_ms BIGINT NOT NULL, -- time: when it was submitted
    created_by BLOB, -- id: the member of staff who submitted it
    approved_ms BIGINT, -- time: when it was approved
    approved_by BLOB, -- id: the member of staff who approved it
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, bot, version),
    FOREIGN KEY (tenant, bot) REFERENCES bots (tenant, name)
) STRICT;

CREATE TABLE release_parts (
    tenant BLOB NOT NULL, -- id: whose bot
    release BLOB NOT NULL, -- id: the release
    part BIGINT NOT NULL, -- number: its place, from 0
    record BLOB NOT NULL, -- sealed: a part of the artifact
    PRIMARY KEY (tenant, release, part),
    FOREIGN KEY (tenant, release) REFERENCES releases (tenant, id)
) STRICT;

CREATE TABLE conversations (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    id BLOB NOT NULL, -- id: the conversation
    bot TEXT NOT NULL, -- name: the bot's
    subject BLOB NOT NULL, -- id: the person who chats
    state TEXT NOT NULL, -- state: open, handoff or closed
    opened_ms BIGINT NOT NULL, -- time: when it was opened
    last_ms BIGINT NOT NULL, -- time: of the last message or change of state
    last_seq BIGINT NOT NULL, -- number: of the last message, 0 when there is none
    locale TEXT NOT NULL, -- name: the language tag asked for, empty when none was
    release BLOB, -- id: the release of the bot that answers
    assignee BLOB, -- id: the agent who has it
    context BLOB, -- sealed: what the embedding page told about the person
    context_gen BIGINT, -- number: generation of the key that seals the context
    flow_state BLOB, -- sealed: where the bot stands in its flow
    flow_gen BIGINT, -- number: generation of the key that seals the flow state
    flow_seq BIGINT, -- number: the message after which the flow state holds
    head BLOB NOT NULL, -- hash: of the last row of the chain of messages
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX conversations_by_time ON conversations (tenant, last_ms, id);
CREATE INDEX conversations_by_subject ON conversations (tenant, subject);

CREATE TABLE messages (
    tenant BLOB NOT NULL, -- id: whose
    conversation BLOB NOT NULL, -- id: the conversation
    seq BIGINT NOT NULL, -- number: its place, from 1
    id BLOB NOT NULL, -- id: the message, chosen by whoever sent it
    role BIGINT NOT NULL, -- state: who speaks: 1 person, 2 bot, 3 agent, 4 house
    author BLOB, -- id: the member of staff who wrote it, if one did
    content_type BIGINT NOT NULL, -- state: what the record holds: 1 text
    created_ms BIGINT NOT NULL, -- time: when it was taken in
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals it
    record BLOB NOT NULL, -- sealed: what was said
    citations BLOB, -- sealed: the sources of an answer
    row_hash BLOB NOT NULL, -- hash: of this row and the one before it
    PRIMARY KEY (tenant, conversation, seq),
    UNIQUE (tenant, conversation, id),
    FOREIGN KEY (tenant, conversation) REFERENCES conversations (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    tenant BLOB NOT NULL, -- id: whose
    id BLOB NOT NULL, -- id: the ticket
    conversation BLOB NOT NULL, -- id: the conversation it came from
    bot TEXT NOT NULL, -- name: the bot's
    state TEXT NOT NULL, -- state: open or closed
    created_ms BIGINT NOT NULL, -- time: when it was opened
    updated_ms BIGINT NOT NULL, -- time: when its state last changed
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals it
    title BLOB NOT NULL, -- sealed: its subject line
    body BLOB NOT NULL, -- sealed: what it is about
    contact BLOB, -- sealed: how to reach the person
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, conversation) REFERENCES conversations (tenant, id)
) STRICT;

CREATE INDEX tickets_by_time ON tickets (tenant, created_ms, id);

CREATE TABLE users (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: where they work
    id BLOB NOT NULL, -- id: the member of staff
    email_blind BLOB NOT NULL, -- blind index: of the e-mail address
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals address and name
    email BLOB NOT NULL, -- sealed: the e-mail address
    name BLOB NOT NULL, -- sealed: the name
    state TEXT NOT NULL, -- state: active or disabled
    epoch BIGINT NOT NULL, -- number: sessions of an older epoch are void
    created_ms BIGINT NOT NULL, -- time: when the account was made
    last_login_ms BIGINT, -- time: of the last sign-in
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, email_blind)
) STRICT;

CREATE TABLE passwords (
    tenant BLOB NOT NULL, -- id: where they work
    user_id BLOB NOT NULL, -- id: whose
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the hash
    phc BLOB NOT NULL, -- sealed: the argon2id hash of the password
    changed_ms BIGINT NOT NULL, -- time: when it was set
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE totp (
    tenant BLOB NOT NULL, -- id: where they work
    user_id BLOB NOT NULL, -- id: whose
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the seed
    seed BLOB NOT NULL, -- sealed: the shared seed
    last_step BIGINT NOT NULL, -- number: the last time step used, so that a code works once
    confirmed_ms BIGINT, -- time: when the first code was given; before that it does not count
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE passkeys (
    tenant BLOB NOT NULL, -- id: where they work
    credential BLOB NOT NULL, -- hash: of the credential id
    user_id BLOB NOT NULL, -- id: whose
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals it
    public BLOB NOT NULL, -- sealed: the public key and what else checks a signature
    name BLOB NOT NULL, -- sealed: what its holder calls it
    counter BIGINT NOT NULL, -- number: the authenticator's signature counter
    created_ms BIGINT NOT NULL, -- time: when it was registered
    used_ms BIGINT, -- time: when it was last used
    PRIMARY KEY (tenant, credential),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX passkeys_by_user ON passkeys (tenant, user_id);

CREATE TABLE recovery_codes (
    tenant BLOB NOT NULL, -- id: where they work
    user_id BLOB NOT NULL, -- id: whose
    code_hash BLOB NOT NULL, -- hash: keyed, of the code
    created_ms BIGINT NOT NULL, -- time: when it was given out
    used_ms BIGINT, -- time: when it was used
    PRIMARY KEY (tenant, user_id, code_hash),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE grants (
    tenant BLOB NOT NULL, -- id: where they work
    user_id BLOB NOT NULL, -- id: who holds it
    role TEXT NOT NULL, -- name: the role's
    scope TEXT NOT NULL, -- name: tenant, or bot and its name
    source TEXT NOT NULL, -- name: where it comes from: manual, or a directory
    granted_by BLOB, -- id: the member of staff who granted it
    key_gen BIGINT, -- number: generation of the key that seals the reason
    reason BLOB, -- sealed: why
    granted_ms BIGINT NOT NULL, -- time: when
    expires_ms BIGINT, -- time: when it ends by itself
    PRIMARY KEY (tenant, user_id, role, scope, source),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE invites (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: where to
    id BLOB NOT NULL, -- id: the invitation
    secret_hash BLOB NOT NULL UNIQUE, -- hash: of the link's secret
    role TEXT NOT NULL, -- name: the role that it brings
    scope TEXT NOT NULL, -- name: tenant, or bot and its name
    key_gen BIGINT, -- number: generation of the key that seals the address
    email BLOB, -- sealed: who may use it, when only one may
    invited_by BLOB, -- id: the member of staff who invited
    created_ms BIGINT NOT NULL, -- time: when it was made
    expires_ms BIGINT NOT NULL, -- time: when it ends
    used_ms BIGINT, -- time: when it was used
    used_by BLOB, -- id: the account that came of it
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE TABLE sessions (
    tenant BLOB NOT NULL, -- id: where they work
    id BLOB NOT NULL, -- id: the session
    secret_hash BLOB NOT NULL UNIQUE, -- hash: of the cookie's secret
    csrf_hash BLOB NOT NULL, -- hash: of the token that forms carry
    user_id BLOB NOT NULL, -- id: who is signed in
    assurance BIGINT NOT NULL, -- state: the authenticator assurance level, 1 to 3
    epoch BIGINT NOT NULL, -- number: the account's epoch at sign-in
    created_ms BIGINT NOT NULL, -- time: of the sign-in
    auth_ms BIGINT NOT NULL, -- time: of the last proof of who they are
    last_seen_ms BIGINT NOT NULL, -- time: of the last request, to the minute
    absolute_ms BIGINT NOT NULL, -- time: when it ends whatever happens
    ended_ms BIGINT, -- time: when it was ended
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX sessions_by_user ON sessions (tenant, user_id);

CREATE TABLE ceremonies (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: where
    id BLOB NOT NULL, -- id: random; the browser holds it in a cookie
    kind TEXT NOT NULL, -- name: which ceremony
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the state
    state BLOB NOT NULL, -- sealed: what must be remembered until the browser answers
    expires_ms BIGINT NOT NULL, -- time: when it ends
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE TABLE login_failures (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: where
    bucket BLOB NOT NULL, -- blind index: of an account or an address
    failures BIGINT NOT NULL, -- size: failed attempts since the last success
    until_ms BIGINT NOT NULL, -- time: before it no further attempt is looked at
    updated_ms BIGINT NOT NULL, -- time: of the last failure
    PRIMARY KEY (tenant, bucket)
) STRICT;

CREATE TABLE settings (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    name TEXT NOT NULL, -- name: the setting's
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the value
    value BLOB NOT NULL, -- sealed: the value
    updated_ms BIGINT NOT NULL, -- time: when it was last set
    PRIMARY KEY (tenant, name)
) STRICT;

CREATE TABLE ledger_trees (
    tenant BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id), -- id: whose log
    size BIGINT NOT NULL, -- size: the number of leaves
    frontier BLOB NOT NULL -- hash: the right edge of the Merkle tree
) STRICT;

CREATE TABLE ledger_leaves (
    tenant BLOB NOT NULL REFERENCES ledger_trees (tenant), -- id: whose log
    idx BIGINT NOT NULL, -- number: its place in the log, from 0
    event BLOB NOT NULL, -- id: the event
    code TEXT NOT NULL, -- name: the event's stable code
    at_ms BIGINT NOT NULL, -- time: when it happened
    actor BLOB, -- id: the member of staff who did it, if one did
    json BLOB, -- event: ids, fixed words and pseudonyms as canonical JSON, no free text; empty when pruned
    leaf_hash BLOB NOT NULL, -- hash: of the leaf
    detail BLOB, -- sealed: what is personal about it
    detail_gen BIGINT, -- number: generation of the key that seals the detail
    PRIMARY KEY (tenant, idx)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_leaves_by_code ON ledger_leaves (tenant, code, idx);
CREATE INDEX ledger_leaves_by_actor ON ledger_leaves (tenant, actor, idx) WHERE actor IS NOT NULL;

CREATE TABLE ledger_checkpoints (
    tenant BLOB NOT NULL REFERENCES ledger_trees (tenant), -- id: whose log
    size BIGINT NOT NULL, -- size: the number of leaves it vouches for
    note TEXT NOT NULL, -- event: the signed checkpoint
    at_ms BIGINT NOT NULL, -- time: when it was signed
    PRIMARY KEY (tenant, size)
) STRICT;
