//! What the store does for the edges, each in one step that nothing comes between. Its clock is the one
//! that counts, so edges need not agree on the time.

use aws_lc_rs::digest;

/// A script and the name under which the store knows it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) text: &'static str,
    pub(crate) name: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        // The protocol names scripts by SHA-1; nothing rests on it but which script is meant.
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let name = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, name }
    }

    /// Takes from several budgets, or from none when one of them has not enough: the generic cell rate
    /// algorithm, as [`crate::admission`] runs it. KEYS are budgets; ARGV, for each of them, what fills it
    /// and what is taken, in microseconds. The answer: which one had not enough (0: all had) and how long
    /// until it has; then for each how long until it is empty.
    pub(crate) fn take() -> Self {
        Self::new(
            "local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local which, wait, filled = 0, 0, {}
for i, key in ipairs(KEYS) do
  local most, price = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local at = tonumber(redis.call('GET', key) or '0')
  at = math.min(math.max(at, now), now + most)
  local over = at + price - now - most
  if over > 0 and which == 0 then which, wait = i, over end
  filled[i] = at
end
local answer = { which, wait }
for i, key in ipairs(KEYS) do
  local at = filled[i]
  if which == 0 then
    at = at + tonumber(ARGV[2 * i])
    redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
  end
  answer[i + 2] = at - now
end
return answer",
        )
    }

    /// Keeps a sealed message for edges that come later, and tells it to those that are here. KEYS: where
    /// messages are kept. ARGV: the channel, the message's place, the message, and how long what is kept
    /// there shall be kept, in milliseconds.
    pub(crate) fn tell() -> Self {
        Self::new(
            "if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 or redis.call('HLEN', KEYS[1]) < 4096 then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
end
return redis.call('PUBLISH', ARGV[1], ARGV[3])",
        )
    }
}
