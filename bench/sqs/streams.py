"""The form of queues in Redis, and the scripts that change them.

sqs:{queue}          stream with one consumer group: the messages, those in flight among its pending entries
sqs:{queue}:delayed  sorted set of messages by the time (ms) when they become visible
sqs:counts           hash of counters

A message is one string: id (36 characters), MD5 of the body (32), time of sending in ms (13), body.
"""

import hashlib
from dataclasses import dataclass
from uuid import uuid4

GROUP = "lambda"
COUNTS = "sqs:counts"
FIELD = b"m"
_ID, _MD5, _TIME = 36, 32, 13


@dataclass(frozen=True)
class Message:
    """A message as it is kept: its id and MD5 as SQS gives them out, when it was sent (ms since 1970), its body."""

    id: str
    md5: str
    sent_ms: int
    body: str

    @classmethod
    def new(cls, body: str, sent_ms: int) -> "Message":
        return cls(str(uuid4()), hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(), sent_ms, body)

    @classmethod
    def parse(cls, packed: bytes) -> "Message":
        text = packed.decode()
        md5, time, body = _ID, _ID + _MD5, _ID + _MD5 + _TIME
        return cls(text[:md5], text[md5:time], int(text[time:body]), text[body:])

    def packed(self) -> bytes:
        return f"{self.id}{self.md5}{self.sent_ms:0{_TIME}d}{self.body}".encode()


def stream(queue: str) -> str:
    """Return the key of a queue's stream."""
    return f"sqs:{queue}"


def delayed(queue: str) -> str:
    """Return the key of a queue's messages that are not visible yet."""
    return f"sqs:{queue}:delayed"


def dead_queue(queue: str) -> str:
    """Return the dead-letter queue of '<stage queue>-<lane>': the lanes of a stage share one."""
    return f"{queue.rpartition('-')[0]}-dead"


_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

# KEYS: stream, delayed, counts. ARGV: 1 when it is no retry of botocore's, bytes, units billed, then delay (ms) and
# message of each
SEND = (
    _NOW
    + """
for i = 4, #ARGV, 2 do
  if ARGV[i] == '0' then redis.call('XADD', KEYS[1], '*', 'm', ARGV[i + 1])
  else redis.call('ZADD', KEYS[2], now + ARGV[i], ARGV[i + 1]) end
end
redis.call('HINCRBY', KEYS[3], 'send_operations', ARGV[1])
redis.call('HINCRBY', KEYS[3], 'send_calls', 1)
redis.call('HINCRBY', KEYS[3], 'send_units', ARGV[3])
redis.call('HINCRBY', KEYS[3], 'sent_messages', (#ARGV - 3) / 2)
redis.call('HINCRBY', KEYS[3], 'sent_bytes', ARGV[2])
"""
)

# KEYS: counts, then stream, delayed and dead stream of each queue, in the order in which they are asked.
# ARGV: consumer, messages, visibility (ms; 0 when messages left behind are not looked for), most receives.
# Returns the number of the first queue that had any (from 1) and {entry id, receive count, message} of each; or 0
# and the ms until a delayed message becomes visible (-1: there is none).
RECEIVE = (
    _NOW
    + """
local consumer, count, visibility, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local soonest = -1
for q = 2, #KEYS, 3 do
  local stream, delayed, dead, got = KEYS[q], KEYS[q + 1], KEYS[q + 2], {}
  for _, message in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 1000)) do
    redis.call('ZREM', delayed, message)
    redis.call('XADD', stream, '*', 'm', message)
  end
  if visibility > 0 then
    local left = redis.call('XPENDING', stream, 'lambda', 'IDLE', visibility, '-', '+', count)
    for _, entry in ipairs(left) do
      local id, received = entry[1], entry[4]
      if received >= most then
        local found = redis.call('XRANGE', stream, id, id)
        if found[1] then redis.call('XADD', dead, '*', 'm', found[1][2][2]) end
        redis.call('XACK', stream, 'lambda', id)
        redis.call('XDEL', stream, id)
        redis.call('HINCRBY', KEYS[1], 'given_up_messages', 1)
      else
        local claimed = redis.call('XCLAIM', stream, 'lambda', consumer, 0, id)
        if claimed[1] then got[#got + 1] = {id, received + 1, claimed[1][2][2]} end
      end
    end
  end
  if #got < count then
    local reply = redis.call('XREADGROUP', 'GROUP', 'lambda', consumer, 'COUNT', count - #got,
                             'STREAMS', stream, '>')
    if reply then
      for _, entry in ipairs(reply[1][2]) do got[#got + 1] = {entry[1], 1, entry[2][2]} end
    end
  end
  if #got > 0 then return {(q + 1) / 3, got} end
  local next = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if next[2] and (soonest < 0 or next[2] - now < soonest) then soonest = math.max(0, next[2] - now) end
end
return {0, soonest}
"""
)

# KEYS: stream, counts. ARGV: messages received, then the entry ids to delete. Receives and deletes are counted as
# the calls of ten messages that Lambda makes.
SETTLE = """
redis.call('HINCRBY', KEYS[2], 'receive_calls', math.ceil(ARGV[1] / 10))
redis.call('HINCRBY', KEYS[2], 'received_messages', ARGV[1])
redis.call('HINCRBY', KEYS[2], 'invocations', 1)
if #ARGV == 1 then return end
redis.call('HINCRBY', KEYS[2], 'delete_calls', math.ceil((#ARGV - 1) / 10))
redis.call('HINCRBY', KEYS[2], 'deleted_messages', #ARGV - 1)
redis.call('XACK', KEYS[1], 'lambda', unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
"""
