-- Legal holds: what the law wants kept, so that nobody erases it. A row is never deleted; a hold that was
-- lifted says when, by whom and why.

CREATE TABLE legal_holds (
    tenant BLOB NOT NULL, -- id: whose
    id BLOB NOT NULL, -- id: the hold
    subject BLOB, -- id: the person who is kept, nobody for a hold on everybody
    conversation BLOB, -- id: the conversation that it was placed on, if it was one
    key_gen BIGINT NOT NULL, -- number: generation of the key that seals why it was placed
    reason BLOB NOT NULL, -- sealed: why it was placed
    placed_ms BIGINT NOT NULL, -- time: when it was placed
    placed_by BLOB, -- id: the member of staff who placed it, nobody for the operator
    lifted_ms BIGINT, -- time: when it was lifted
    lifted_by BLOB, -- id: the member of staff who lifted it, nobody for the operator
    lift_gen BIGINT, -- number: generation of the key that seals why it was lifted
    lift_reason BLOB, -- sealed: why it was lifted
    bound BLOB, -- hash: keyed, of this row
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX legal_holds_by_person ON legal_holds (tenant, subject);
