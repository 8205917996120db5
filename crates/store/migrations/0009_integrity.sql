-- Rows that say who may do what are bound: each carries a keyed MAC over itself, so that one which was
-- written past the program is refused.

ALTER TABLE users ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE grants ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE invites ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE sessions ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE totp ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE passkeys ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE recovery_codes ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE connections ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE connection_domains ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE identities ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE break_glass ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE directory_tokens ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE key_requests ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE sign_in_rules ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE api_keys ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE service_accounts ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE end_users ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE custom_roles ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE policy_versions ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE access_requests ADD COLUMN bound BLOB; -- hash: keyed, of this row
ALTER TABLE break_glass_uses ADD COLUMN bound BLOB; -- hash: keyed, of this row
