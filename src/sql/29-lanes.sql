-- Lanes: what the queue of outgoing packets is scheduled by.  A packet waits in
-- one; a claim looks at the heads of those that are open and shares out what a
-- gateway may take.  To close a lane is one UPDATE, however many packets wait in
-- it, and stops all that has not left.

CREATE TABLE smsr.lane (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	tenant text NOT NULL,
	priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
	campaign_id bigint,
	time_zone text,
	windows text CHECK (smsr.valid_windows(windows)),
	open boolean NOT NULL DEFAULT true,
	CHECK ((time_zone IS NULL) = (windows IS NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX lane_of_calls ON smsr.lane (tenant, priority) WHERE campaign_id IS NULL;
CREATE UNIQUE INDEX lane_of_campaign ON smsr.lane (campaign_id, time_zone) NULLS NOT DISTINCT WHERE campaign_id IS NOT NULL;
COMMENT ON TABLE smsr.lane IS 'What waits to be sent, by whose it is, how urgent and of which campaign: the unit of scheduling';
COMMENT ON COLUMN smsr.lane.id IS '1: answers, 2: repeats, which are nobody''s alone; else from smsr.next_id()';
COMMENT ON COLUMN smsr.lane.tenant IS 'Party whose share of the messages it is counted to';
COMMENT ON COLUMN smsr.lane.priority IS '0 most urgent to 3; a class gets its weight, none gets all';
COMMENT ON COLUMN smsr.lane.campaign_id IS 'NULL: single calls of the tenant';
COMMENT ON COLUMN smsr.lane.time_zone IS 'Time zone that windows are in';
COMMENT ON COLUMN smsr.lane.windows IS 'Maintenance windows, outside which nothing is claimed from it; NULL: always open';
COMMENT ON COLUMN smsr.lane.open IS 'Whether anything may be claimed from it at all';

-- What continues a thing that a card has begun waits for no window and no tenant's
-- share: the card has a clock running.  What has left once may be sent again
-- whatever is closed since: nobody knows its fate.
INSERT INTO smsr.lane (id, tenant, priority) VALUES (1, 'answers', 0), (2, 'repeats', 1);

CREATE FUNCTION smsr.lane_of(p_tenant text, p_priority int DEFAULT 2) RETURNS bigint
	LANGUAGE plpgsql VOLATILE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		known bigint;
	BEGIN
		LOOP
			SELECT l.id INTO known FROM smsr.lane l
				WHERE l.tenant = p_tenant AND l.priority = p_priority AND l.campaign_id IS NULL;
			IF FOUND THEN
				RETURN known;
			END IF;
			INSERT INTO smsr.lane (tenant, priority) VALUES (p_tenant, p_priority)
				ON CONFLICT (tenant, priority) WHERE campaign_id IS NULL DO NOTHING;
		END LOOP;
	END $$;
COMMENT ON FUNCTION smsr.lane_of(text, int) IS 'The lane of a tenant''s single calls of a priority, made if there is none';

CREATE TABLE smsr.campaign_end (
	campaign_id bigint NOT NULL,
	eid smsr.eid NOT NULL,
	operation_id bigint NOT NULL,
	status text NOT NULL,
	subject_code text,
	reason_code text,
	message text,
	ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (campaign_id, operation_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.campaign_end IS 'Ends of operations of campaigns that their campaign has not taken note of yet; smsr.tick() empties it';

-- ---- how fast, and in which proportion ----

CREATE TABLE smsr.gateway_limit (
	gateway text PRIMARY KEY CHECK (gateway <> ''),
	per_second int NOT NULL CHECK (per_second > 0),
	ahead interval NOT NULL DEFAULT '0' CHECK (ahead BETWEEN interval '0' AND interval '10 s'),
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by name
);
COMMENT ON TABLE smsr.gateway_limit IS 'Binds that may take only so many short messages in a second; of others there is no limit';
COMMENT ON COLUMN smsr.gateway_limit.per_second IS 'Most short messages in any second, whoever claims under this name';
COMMENT ON COLUMN smsr.gateway_limit.ahead IS 'For how long it is given messages beforehand; the one gateway that claims under this name spaces them itself';

CREATE TABLE smsr.tenant_share (
	tenant text PRIMARY KEY,
	weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
	per_second int CHECK (per_second > 0),
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by name
);
COMMENT ON TABLE smsr.tenant_share IS 'Tenants that have another share than one, or may take only so many short messages in a second';
COMMENT ON COLUMN smsr.tenant_share.weight IS 'Its part within each priority, as a multiple of that of a tenant that is not here';
COMMENT ON COLUMN smsr.tenant_share.per_second IS 'Most short messages in any second from its lanes, over all binds; NULL: no limit';

-- A row is held for as long as a claim takes, by gateways alone.  What a bind
-- without a limit has had is kept, too: else who comes first at each claim of one
-- message would always be the same.
CREATE TABLE smsr.gateway_pace (
	gateway text PRIMARY KEY,
	pace bytea,
	share bytea
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.gateway_pace IS 'What binds have been given of late, a row each';
COMMENT ON COLUMN smsr.gateway_pace.pace IS 'State of smsr.pace(): the last second''s messages';
COMMENT ON COLUMN smsr.gateway_pace.share IS 'State of smsr.share(): who is ahead of whom';

CREATE TABLE smsr.tenant_pace (
	tenant text PRIMARY KEY REFERENCES smsr.tenant_share ON DELETE CASCADE,
	pace bytea,
	share bytea
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.tenant_pace IS 'What tenants with a limit have been given of late, by all binds; a row each';
COMMENT ON COLUMN smsr.tenant_pace.share IS 'State of smsr.share() between the tenant''s own lanes';

-- Each connection counts in a row of its own: nobody waits for another.
CREATE TABLE smsr.bind_count (
	slot timestamptz NOT NULL,
	gateway text NOT NULL,
	connection int NOT NULL,
	messages int NOT NULL,
	PRIMARY KEY (slot, gateway, connection)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.bind_count IS 'Short messages that SMSCs have accepted, by bind and ten seconds; of the last six hours, for forecasts';
COMMENT ON COLUMN smsr.bind_count.slot IS 'When its ten seconds began';
COMMENT ON COLUMN smsr.bind_count.connection IS 'Process of the server that counted';

CREATE FUNCTION smsr.local_time(at timestamptz, time_zone text) RETURNS timestamp
	AS 'MODULE_PATHNAME', 'smsr_local_time'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.local_time(timestamptz, text) IS 'What AT TIME ZONE says, but NULL for a time zone that this server does not know: one lane''s must not stop the others';

CREATE FUNCTION smsr.lane_open(open boolean, windows text, time_zone text, at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN open AND (windows IS NULL OR coalesce(smsr.window_open(windows, smsr.local_time(at, time_zone)), false));
COMMENT ON FUNCTION smsr.lane_open(boolean, text, text, timestamptz) IS 'Whether messages may leave a lane of these properties at a time: it is open, and so is one of its windows. Inlined';
