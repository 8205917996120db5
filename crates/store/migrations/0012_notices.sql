-- Notices: what members of staff are told about their own accounts, when something about how they sign in
-- or what they may do has changed. A row is written in the transaction of the change.

CREATE TABLE notices (
    tenant BLOB NOT NULL, -- id: where they work
    id BLOB NOT NULL, -- id: the notice
    user_id BLOB NOT NULL, -- id: who is told
    kind TEXT NOT NULL, -- state: what happened
    hand TEXT NOT NULL, -- state: by whose hand: oneself, an administrator or provisioning
    at_ms BIGINT NOT NULL, -- time: when it happened
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals the particulars
    particulars BLOB NOT NULL, -- sealed: from where, on what device, and which factor or former address
    seen_ms BIGINT, -- time: when they acknowledged it
    mailed_ms BIGINT, -- time: when it was handed over for their mailbox
    tries BIGINT NOT NULL, -- size: how often that was tried in vain
    next_ms BIGINT NOT NULL, -- time: before which it is not tried again
    bound BLOB, -- hash: keyed, of this row
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id)
) STRICT;

CREATE INDEX notices_by_user ON notices (tenant, user_id, at_ms);
CREATE INDEX notices_by_mail ON notices (next_ms) WHERE mailed_ms IS NULL;
