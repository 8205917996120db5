-- Key custody: the policy of a tenant's keys, what two people must agree to, what is to be destroyed,
-- and where the wrapping anew stands.

CREATE TABLE key_policies (
    tenant BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id), -- id: whose keys
    rotate_after_days BIGINT NOT NULL, -- number: the age at which the tenant key gets a new version
    destroy_after_days BIGINT NOT NULL, -- number: how long a version that wraps nothing waits for its end
    rewrap_per_second BIGINT NOT NULL, -- number: the most keys to wrap anew in a second, 0 for no bound
    paused_ms BIGINT -- time: since when the wrapping anew is paused, if it is
) STRICT;

CREATE TABLE key_requests (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: whose keys
    id BLOB NOT NULL, -- id: the request
    kind TEXT NOT NULL, -- name: destroy or move
    version BIGINT, -- number: the version to destroy
    days BIGINT, -- number: the days to wait before it is destroyed
    root TEXT, -- name: the provider to move to
    state TEXT NOT NULL, -- state: asked, approved, cancelled, expired or done
    requested_by BLOB, -- id: the member of staff who asks, nobody for the operator
    requested_ms BIGINT NOT NULL, -- time: when it was asked for
    expires_ms BIGINT NOT NULL, -- time: when it can no longer be approved
    decided_by BLOB, -- id: the member of staff who decided, nobody for the operator
    decided_ms BIGINT, -- time: when it was approved, cancelled or seen to have expired
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX key_requests_by_time ON key_requests (tenant, requested_ms);

CREATE TABLE key_destructions (
    tenant BLOB NOT NULL, -- id: whose key
    version BIGINT NOT NULL, -- number: the version that is to be destroyed
    was TEXT NOT NULL, -- state: its state before it was scheduled
    request BLOB, -- id: the request that was approved, if not the policy alone asks
    scheduled_ms BIGINT NOT NULL, -- time: when it was scheduled
    due_ms BIGINT NOT NULL, -- time: when it is destroyed
    held_ms BIGINT, -- time: when it was called off; it is then not scheduled by policy again
    PRIMARY KEY (tenant, version),
    FOREIGN KEY (tenant, version) REFERENCES tenant_keys (tenant, version)
) STRICT;

CREATE TABLE key_rewraps (
    tenant BLOB NOT NULL, -- id: whose keys
    version BIGINT NOT NULL, -- number: the version that they are taken from
    target BIGINT NOT NULL, -- number: the version that they are wrapped by then
    cursor BLOB, -- id: the last key looked at
    done BIGINT NOT NULL, -- size: keys wrapped anew
    refused BIGINT NOT NULL, -- size: keys that did not open and stay as they are
    started_ms BIGINT NOT NULL, -- time: when it began
    updated_ms BIGINT NOT NULL, -- time: of the last batch
    ended_ms BIGINT, -- time: when all of them were looked at
    PRIMARY KEY (tenant, version),
    FOREIGN KEY (tenant, version) REFERENCES tenant_keys (tenant, version)
) STRICT;

CREATE INDEX data_keys_to_rewrap ON data_keys (tenant, wrapped_by, key_id) WHERE wrapped_by IS NOT NULL;
CREATE INDEX subject_keys_to_rewrap ON subject_keys (tenant, wrapped_by, subject);
DROP INDEX data_keys_by_version;
DROP INDEX subject_keys_by_version;
