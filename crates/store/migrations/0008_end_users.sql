-- People who chat and whom the site that embeds a bot vouched for.

CREATE TABLE end_users (
    tenant BLOB NOT NULL REFERENCES tenants (id), -- id: where
    person_blind BLOB NOT NULL, -- blind index: of the bot and the person's id at its site
    subject BLOB NOT NULL, -- id: the person who chats
    bot TEXT NOT NULL, -- name: the bot whose site vouched
    made_ms BIGINT NOT NULL, -- time: when they first came
    seen_ms BIGINT NOT NULL, -- time: when they last came
    PRIMARY KEY (tenant, person_blind)
) STRICT;

CREATE INDEX end_users_by_subject ON end_users (tenant, subject);
