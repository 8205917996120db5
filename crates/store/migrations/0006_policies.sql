-- Who may do what, as it was changed: proposals of policies and what became of them, roles that a tenant
-- made of actions, and the shapes of decisions that were made, on which a change is rehearsed.

CREATE TABLE policy_versions (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    version BIGINT NOT NULL, -- number: counts proposals up from 1
    id BLOB NOT NULL, -- id: the row, for its seals
    state TEXT NOT NULL, -- state: proposed, in-force, replaced, refused or expired
    digest BLOB NOT NULL, -- hash: of the files
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals files and reason
    files BLOB NOT NULL, -- sealed: the policy files
    reason BLOB NOT NULL, -- sealed: why they were proposed
    restores BIGINT, -- number: the version that it puts in force again; 0 for the policies that ship
    proposed_by BLOB, -- id: the member of staff; nobody stands for the operator
    proposed_ms BIGINT NOT NULL, -- time: when
    expires_ms BIGINT NOT NULL, -- time: when it can no longer be approved
    decided_by BLOB, -- id: the member of staff who approved or refused it
    decided_ms BIGINT, -- time: when
    PRIMARY KEY (tenant, version)
) STRICT;

CREATE TABLE custom_roles (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    name TEXT NOT NULL, -- name: the role's name
    role TEXT NOT NULL, -- name: name and actions, as grants hold it
    made_by BLOB, -- id: the member of staff who made it so; nobody stands for the operator
    made_ms BIGINT NOT NULL, -- time: when
    PRIMARY KEY (tenant, name)
) STRICT;

CREATE TABLE decision_shapes (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose
    digest BLOB NOT NULL, -- hash: of the shape
    shape TEXT NOT NULL, -- state: roles, action and circumstances of a decision, without ids
    allowed BIGINT NOT NULL, -- number: 1 when it was permitted
    rule TEXT NOT NULL, -- name: the policy that decided
    times BIGINT NOT NULL, -- size: how often
    first_ms BIGINT NOT NULL, -- time: of the first
    last_ms BIGINT NOT NULL, -- time: of the last
    PRIMARY KEY (tenant, digest)
) STRICT;
