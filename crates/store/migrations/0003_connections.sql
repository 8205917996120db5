-- Signing in through an enterprise's own identity provider: which providers there are, whose accounts
-- they vouch for, and what must be remembered so that nothing is believed twice.

CREATE TABLE connections (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    id BLOB NOT NULL, -- id: the connection
    kind TEXT NOT NULL, -- state: oidc or saml
    name TEXT NOT NULL, -- name: what people who sign in see on the button
    state TEXT NOT NULL, -- state: draft, enabled or disabled
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the settings
    settings BLOB NOT NULL, -- sealed: addresses, certificates, group names and rules
    secret_gen BIGINT, -- number: generation of the key that seals the secret
    secret BLOB, -- sealed: the client secret or the private key
    version BIGINT NOT NULL, -- number: counts changes, so that none is written over another
    created_ms BIGINT NOT NULL, -- time: when it was made
    changed_ms BIGINT NOT NULL, -- time: of the last change
    changed_by BLOB, -- id: the member of staff who made it
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE TABLE connection_domains (
    tenant BLOB NOT NULL, -- id: whose
    domain_blind BLOB NOT NULL, -- blind index: of the domain
    connection BLOB NOT NULL, -- id: the connection whose people have addresses there
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the domain
    domain BLOB NOT NULL, -- sealed: the domain
    proof TEXT NOT NULL, -- state: how it was proved to be the tenant's: operator or website
    proved_ms BIGINT, -- time: when it was; before that it does not count
    PRIMARY KEY (tenant, domain_blind),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) STRICT;

CREATE TABLE identities (
    tenant BLOB NOT NULL, -- id: whose
    connection BLOB NOT NULL, -- id: the connection that vouches
    subject_blind BLOB NOT NULL, -- blind index: of the provider and the person's id there
    user_id BLOB NOT NULL, -- id: the account
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the subject
    subject BLOB NOT NULL, -- sealed: the person's id at the provider
    created_ms BIGINT NOT NULL, -- time: when it was linked
    seen_ms BIGINT NOT NULL, -- time: of the last sign-in with it
    PRIMARY KEY (tenant, connection, subject_blind),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX identities_by_user ON identities (tenant, user_id);

CREATE TABLE session_origins (
    tenant BLOB NOT NULL, -- id: whose
    session BLOB NOT NULL, -- id: the session
    connection BLOB NOT NULL, -- id: the connection it came through
    subject_blind BLOB NOT NULL, -- blind index: of the provider and the person's id there
    sid_blind BLOB, -- blind index: of the provider's session, if it named one
    key_gen BIGINT, -- number: generation of the key that seals the hint
    hint BLOB, -- sealed: what the provider wants to see when the session ends there too
    PRIMARY KEY (tenant, session),
    FOREIGN KEY (tenant, session) REFERENCES sessions (tenant, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) STRICT;

CREATE INDEX session_origins_by_subject ON session_origins (tenant, connection, subject_blind);
CREATE INDEX session_origins_by_sid ON session_origins (tenant, connection, sid_blind) WHERE sid_blind IS NOT NULL;

CREATE TABLE provider_replays (
    tenant BLOB NOT NULL, -- id: whose
    connection BLOB NOT NULL, -- id: the connection
    token BLOB NOT NULL, -- hash: of the id of an assertion or logout token
    until_ms BIGINT NOT NULL, -- time: from then on it is refused for its age
    PRIMARY KEY (tenant, connection, token),
    FOREIGN KEY (tenant, connection) REFERENCES connections (tenant, id)
) STRICT;

CREATE TABLE break_glass (
    tenant BLOB NOT NULL, -- id: whose
    user_id BLOB NOT NULL, -- id: an account that signs in here even where all others sign in elsewhere
    named_ms BIGINT NOT NULL, -- time: when it was named
    named_by BLOB, -- id: the member of staff who named it
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE TABLE sign_in_rules (
    tenant BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id), -- id: whose
    only_connections BIGINT NOT NULL, -- state: 1 when only break-glass accounts sign in here with their own factors
    changed_ms BIGINT NOT NULL, -- time: of the last change
    changed_by BLOB -- id: the member of staff who made it
) STRICT;
