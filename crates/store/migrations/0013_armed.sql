-- Break-glass accounts open something only while they are armed.

ALTER TABLE break_glass ADD COLUMN armed_ms BIGINT; -- time: until when it signs in although all others sign in elsewhere; none while it is not armed
