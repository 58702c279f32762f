-- What the scheduler is made of, as functions of state and clock: no table is
-- read, no time is taken but the one that is given.

-- ---- windows: when in the local week messages may leave ----

CREATE FUNCTION smsr.window_open(windows text, local timestamp) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_window_open'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.window_open(text, timestamp)
	IS 'Whether windows, such as ''Mon-Fri 01:00-05:00, Sat,Sun 00:00-24:00, 22:00-04:00'', are open at a local time; NULL windows always are';

CREATE FUNCTION smsr.window_opens(windows text, local timestamp) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'smsr_window_opens'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.window_opens(text, timestamp) IS 'The first local time from the given one on at which windows are open; the given one if they are';

CREATE FUNCTION smsr.window_closes(windows text, local timestamp) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'smsr_window_closes'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.window_closes(text, timestamp)
	IS 'The first local time from the given one on at which windows are closed; the given one if they are, infinity if they never are';

CREATE FUNCTION smsr.windows_fault(windows text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_windows_fault'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.windows_fault(text) IS 'What is wrong with windows, and where; NULL if nothing is';

CREATE FUNCTION smsr.valid_windows(windows text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_valid_windows'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.valid_windows(text) IS 'Whether windows can be read; for CHECK';

-- ---- pace: at most so many short messages in any second ----

CREATE FUNCTION smsr.pace(state bytea, per_second int, now timestamptz, wanted int, ahead interval DEFAULT '0',
		OUT granted int, OUT next bytea)
	AS 'MODULE_PATHNAME', 'smsr_pace'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.pace(bytea, int, timestamptz, int, interval)
	IS 'How many of the messages that are wanted may leave now, or up to ahead later by who spaces them himself, so that no half-open second holds more than per_second (NULL: no limit), and the state for the next call; state NULL: nothing was granted yet. now is clock_timestamp() behind the lock on the state';

-- ---- share: whose messages leave, where more wait than may ----

CREATE FUNCTION smsr.priority_weights() RETURNS TABLE (priority int, weight int)
	AS 'MODULE_PATHNAME', 'smsr_priority_weights'
	LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 4;
COMMENT ON FUNCTION smsr.priority_weights() IS 'The weight of each priority, before that of the tenant multiplies it';

CREATE FUNCTION smsr.share(state bytea, lane_ids bigint[], tenants text[], priorities int[], weights int[], backlog int[], capacity int,
		OUT grants int[], OUT next bytea)
	AS 'MODULE_PATHNAME', 'smsr_share'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.share(bytea, bigint[], text[], int[], int[], int[], int)
	IS 'How many messages of each lane to take, of at most capacity in all, and the state for the next call: a tenant''s lanes of one priority share evenly what the weights of priority and tenant (1 to 1000) give them; state NULL: nobody is ahead. backlog need not count beyond the capacity';

CREATE FUNCTION smsr.share_settle(state bytea, lane_ids bigint[], tenants text[], priorities int[], weights int[], extra int[]) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_share_settle'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.share_settle(bytea, bigint[], text[], int[], int[], int[])
	IS 'The state after so many messages of each lane more (below 0: fewer) than smsr.share() granted; what is given back is made up for, within bounds';

-- ---- waves and brakes ----

CREATE FUNCTION smsr.waves(plan text, total bigint) RETURNS TABLE (wave int, kind text, size bigint, upto bigint)
	AS 'MODULE_PATHNAME', 'smsr_waves'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION smsr.waves(text, bigint)
	IS 'The waves of a cohort by a plan such as ''canary 100, then 10%, then rest'' or ''1%, 25% each'': kind is canary, step, each or rest, upto counts all up to its end';

CREATE FUNCTION smsr.waves_fault(plan text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_waves_fault'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.waves_fault(text) IS 'What is wrong with a plan of waves, and where; NULL if nothing is';

CREATE FUNCTION smsr.valid_waves(plan text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_valid_waves'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.valid_waves(text) IS 'Whether a plan of waves can be read; for CHECK';

CREATE FUNCTION smsr.failure_bounds(failed bigint, ended bigint, confidence float8, OUT lower float8, OUT upper float8)
	AS 'MODULE_PATHNAME', 'smsr_failure_bounds'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.failure_bounds(bigint, bigint, float8) IS 'Between what the probability of a failure is, each bound with this confidence (Wilson)';

CREATE FUNCTION smsr.brake(failed bigint, ended bigint, threshold float8, confidence float8, minimum int) RETURNS boolean
	AS 'MODULE_PATHNAME', 'smsr_brake'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.brake(bigint, bigint, float8, float8, int)
	IS 'Whether to halt: at least minimum have ended, and with this confidence more than the threshold fail';

CREATE FUNCTION smsr.brake_lately(failed bigint[], ended bigint[], total bigint, threshold float8, confidence float8, minimum int,
		OUT halt boolean, OUT of_failed bigint, OUT of_ended bigint)
	AS 'MODULE_PATHNAME', 'smsr_brake_lately'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.brake_lately(bigint[], bigint[], bigint, float8, float8, int)
	IS 'Whether to halt for what ended of late, of total ends that there will be: the last 100, 200, 400 and so on, in pieces of which the newest is last, fail more than the threshold; with a confidence that is one of all these looks together. And for which ends';

-- ---- forecast ----

CREATE FUNCTION smsr.forecast(messages bigint[], windows text[], local timestamp[], rates float8[],
		rate_seconds float8 DEFAULT 60, spread float8 DEFAULT 0, confidence float8 DEFAULT 0.9,
		OUT expected float8, OUT earliest float8, OUT latest float8)
	AS 'MODULE_PATHNAME', 'smsr_forecast'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.forecast(bigint[], text[], timestamp[], float8[], float8, float8, float8)
	IS 'Seconds until the last message has left, NULL if never, and between what with this confidence: messages of each part with its windows and local time, messages a second in past intervals of rate_seconds, the oldest first, relative deviation of the number of messages';
