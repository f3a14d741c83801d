-- When the owner was last told that somebody tried to sign up with an address
-- that has an account; NULL is never.
ALTER TABLE users ADD COLUMN notified_at BIGINT;
