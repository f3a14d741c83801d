-- isolate.lua: note that a suspect starts alone in its process, and learn how
-- many such starts have not been followed by an end: its worker died each time.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
--         2 starts     set    ours: tokens of lone starts without an end
--         3 deaths     string ours: how many workers died lately otherwise
-- ARGV    1 base       string what every key of this queue starts with
--         2 token      string the attempt's lock
--         3 ttl        ms     how long to remember
-- RETURNS {lone, others}     how many lone starts, this one not counted, ended with
--         the worker, and how many workers died while they ran other jobs
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return { redis.call('SCARD', KEYS[2]) - 1, tonumber(redis.call('GET', KEYS[3])) or 0 }
