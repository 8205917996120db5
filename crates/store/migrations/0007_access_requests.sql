-- Roles for a while: who asked for one, why, who agreed, and until when it is held. And the uses of
-- break-glass accounts, each of which somebody else looks into afterwards.

CREATE TABLE access_requests (
    tenant BLOB NOT NULL, -- id: where they work
    id BLOB NOT NULL, -- id: the request
    user_id BLOB NOT NULL, -- id: who is to hold the role
    role TEXT NOT NULL, -- name: the role's
    scope TEXT NOT NULL, -- name: tenant, or bot and its name
    hours BIGINT NOT NULL, -- number: for how long
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the reason
    reason BLOB NOT NULL, -- sealed: why
    state TEXT NOT NULL, -- state: asked, approved, refused, withdrawn, expired or ended
    asked_ms BIGINT NOT NULL, -- time: when it was asked for
    asked_by BLOB, -- id: the member of staff who asked, nobody for the operator
    expires_ms BIGINT NOT NULL, -- time: when it can no longer be approved
    decided_ms BIGINT, -- time: when it was decided
    decided_by BLOB, -- id: the member of staff who decided, nobody for the operator
    until_ms BIGINT, -- time: when the role ends by itself
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX access_requests_by_state ON access_requests (tenant, state, asked_ms);

CREATE TABLE break_glass_uses (
    tenant BLOB NOT NULL, -- id: where
    session BLOB NOT NULL, -- id: the session that began
    user_id BLOB NOT NULL, -- id: the account
    used_ms BIGINT NOT NULL, -- time: of the sign-in
    due_ms BIGINT NOT NULL, -- time: by which somebody has to have looked into it
    reviewed_ms BIGINT, -- time: when somebody had
    reviewed_by BLOB, -- id: the member of staff who had, nobody for the operator
    key_gen BIGINT, -- number: generation of the key that seals the finding
    finding BLOB, -- sealed: what they found
    PRIMARY KEY (tenant, session),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;
