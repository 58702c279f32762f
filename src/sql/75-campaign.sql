-- A campaign: one function for the rows of a SELECT, frozen when it is created,
-- sent in waves and watched.  What it is made of; who writes it: 76 creates it, 77
-- acts upon it, 78 runs it.

CREATE TYPE smsr.campaign_options AS (
	reason text,
	ticket text,
	waves text,
	soak interval,
	max_failure_rate float8,
	confidence float8,
	minimum int,
	priority smallint,
	windows text,
	time_zone text,
	attempts smallint,
	retry_after interval,
	validity interval,
	backlog int,
	most int,
	timeout interval
);
COMMENT ON TYPE smsr.campaign_options IS 'How a campaign is carried out';
COMMENT ON COLUMN smsr.campaign_options.reason IS 'Why; goes into the audit trail with every operation';
COMMENT ON COLUMN smsr.campaign_options.ticket IS 'What it is known by elsewhere; goes with the reason';
COMMENT ON COLUMN smsr.campaign_options.waves IS 'Plan of waves, as smsr.waves() reads it; not looked at where the cohort has a column wave';
COMMENT ON COLUMN smsr.campaign_options.soak IS 'How long to wait after a wave has ended before the next begins';
COMMENT ON COLUMN smsr.campaign_options.max_failure_rate IS 'The campaign halts if more than this part fails; 1: never';
COMMENT ON COLUMN smsr.campaign_options.confidence IS 'How sure of that it must be while a wave is under way';
COMMENT ON COLUMN smsr.campaign_options.minimum IS 'How many must have ended before it can be sure';
COMMENT ON COLUMN smsr.campaign_options.priority IS '1 most urgent to 3';
COMMENT ON COLUMN smsr.campaign_options.windows IS 'Maintenance windows in the device''s time zone, outside which nothing new is sent; NULL: always';
COMMENT ON COLUMN smsr.campaign_options.time_zone IS 'Time zone of the devices whose row in the cohort has none';
COMMENT ON COLUMN smsr.campaign_options.attempts IS 'How often a member is tried while its failure is of a kind that passes';
COMMENT ON COLUMN smsr.campaign_options.retry_after IS 'How long after the first failure it is tried again; then twice as long, and so on';
COMMENT ON COLUMN smsr.campaign_options.validity IS 'Validity period of each operation; NULL: smsr.default_validity';
COMMENT ON COLUMN smsr.campaign_options.backlog IS 'How many packets may wait to be sent; NULL: all, queued at once';
COMMENT ON COLUMN smsr.campaign_options.most IS 'How many rows the cohort may have';
COMMENT ON COLUMN smsr.campaign_options.timeout IS 'How long the cohort''s query may take';

CREATE TABLE smsr.campaign (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
	function text NOT NULL,
	party_id text NOT NULL,
	created_by name NOT NULL DEFAULT smsr.caller(),
	session_by name NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT now(),
	cohort text NOT NULL,
	search_path text,
	plan text,
	cohort_digest bytea NOT NULL CHECK (length(cohort_digest) = 32),
	rerun_of bigint,
	undo_of bigint,
	options smsr.campaign_options NOT NULL,
	members int NOT NULL DEFAULT 0,
	members_digest bytea CHECK (length(members_digest) = 32),
	state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'approval', 'running', 'paused', 'halted',
		'cancelling', 'cancelled', 'finished')),
	because text,
	approval_id bigint,
	started_at timestamptz,
	ended_at timestamptz,
	wave smallint,
	braked_ended int NOT NULL DEFAULT 0,
	braked_failed int NOT NULL DEFAULT 0,
	looked_at timestamptz,
	next_at timestamptz NOT NULL DEFAULT now(),
	forecast_at timestamptz,
	forecast_expected timestamptz,
	forecast_earliest timestamptz,
	forecast_latest timestamptz,
	UNIQUE (party_id, name)
) WITH (fillfactor = 30);
CREATE INDEX campaign_under_way ON smsr.campaign (id) WHERE state IN ('running', 'cancelling', 'halted', 'paused');
COMMENT ON TABLE smsr.campaign IS 'Campaigns: what is done, to whom by which query, how far it is';
COMMENT ON COLUMN smsr.campaign.function IS 'One of smsr.card_functions()';
COMMENT ON COLUMN smsr.campaign.party_id IS 'Party that owns it, whose authority each operation needs when it is released';
COMMENT ON COLUMN smsr.campaign.created_by IS 'Role that created it, in whose name its operations are requested';
COMMENT ON COLUMN smsr.campaign.session_by IS 'Who was logged in';
COMMENT ON COLUMN smsr.campaign.cohort IS 'The SELECT; of a rerun or an undo what it is made from, in words';
COMMENT ON COLUMN smsr.campaign.search_path IS 'Where the SELECT looked names up';
COMMENT ON COLUMN smsr.campaign.plan IS 'Its plan as EXPLAIN shows it; tells of rows that policies hide, so tenants do not read it';
COMMENT ON COLUMN smsr.campaign.cohort_digest IS 'SHA-256 of cohort';
COMMENT ON COLUMN smsr.campaign.rerun_of IS 'Campaign whose failed members it tries again';
COMMENT ON COLUMN smsr.campaign.undo_of IS 'Campaign whose effect it takes back';
COMMENT ON COLUMN smsr.campaign.members_digest IS 'smsr.members_digest() of the members when they were frozen';
COMMENT ON COLUMN smsr.campaign.because IS 'Why it is in this state, where it did not get there as planned';
COMMENT ON COLUMN smsr.campaign.wave IS 'The wave that is under way, or ended last';
COMMENT ON COLUMN smsr.campaign.braked_ended IS 'How many had ended when it was last resumed: the brake counts from there';
COMMENT ON COLUMN smsr.campaign.braked_failed IS 'How many of those had failed';
COMMENT ON COLUMN smsr.campaign.looked_at IS 'When smsr.tick() last carried it on';
COMMENT ON COLUMN smsr.campaign.next_at IS 'When smsr.tick() looks at it again';
COMMENT ON COLUMN smsr.campaign.forecast_expected IS 'When its last message will have left; between earliest and latest with a confidence of 0.9';

-- Frozen: what becomes of a member stands elsewhere.
CREATE TABLE smsr.campaign_member (
	campaign_id bigint NOT NULL,
	n int NOT NULL,
	line int NOT NULL,
	eid smsr.eid NOT NULL,
	iccid smsr.iccid,
	arguments jsonb,
	time_zone text,
	wave smallint NOT NULL,
	PRIMARY KEY (campaign_id, n),
	CONSTRAINT campaign_member_once UNIQUE NULLS NOT DISTINCT (eid, campaign_id, iccid)
);
COMMENT ON TABLE smsr.campaign_member IS 'The cohorts of campaigns, in the order in which they are released; only ever inserted into';
COMMENT ON COLUMN smsr.campaign_member.line IS 'Row of the query';
COMMENT ON COLUMN smsr.campaign_member.n IS 'Place in its campaign: waves in order, in a wave time zones, in a time zone the rows of the query';

CREATE TABLE smsr.campaign_wave (
	campaign_id bigint NOT NULL,
	wave smallint NOT NULL,
	members int NOT NULL,
	released int NOT NULL DEFAULT 0,
	succeeded int NOT NULL DEFAULT 0,
	warned int NOT NULL DEFAULT 0,
	failed int NOT NULL DEFAULT 0,
	expired int NOT NULL DEFAULT 0,
	cancelled int NOT NULL DEFAULT 0,
	again int NOT NULL DEFAULT 0,
	retries int NOT NULL DEFAULT 0,
	started_at timestamptz,
	ended_at timestamptz,
	PRIMARY KEY (campaign_id, wave)
) WITH (fillfactor = 30);
COMMENT ON TABLE smsr.campaign_wave IS 'Waves of campaigns, and how many of each have come how far; counted by smsr.tick() as it goes';
COMMENT ON COLUMN smsr.campaign_wave.released IS 'Members that have been released, whatever became of them';
COMMENT ON COLUMN smsr.campaign_wave.succeeded IS 'Without a warning';
COMMENT ON COLUMN smsr.campaign_wave.expired IS 'Failed because their time was over, and tried often enough';
COMMENT ON COLUMN smsr.campaign_wave.cancelled IS 'Released and not sent when the campaign was cancelled';
COMMENT ON COLUMN smsr.campaign_wave.again IS 'Released, and waiting for their next attempt';
COMMENT ON COLUMN smsr.campaign_wave.retries IS 'Attempts beyond the first';

CREATE TABLE smsr.campaign_stretch (
	campaign_id bigint NOT NULL,
	first int NOT NULL,
	last int NOT NULL,
	next int NOT NULL,
	wave smallint NOT NULL,
	lane_id bigint NOT NULL,
	PRIMARY KEY (campaign_id, first)
) WITH (fillfactor = 30);
COMMENT ON TABLE smsr.campaign_stretch IS 'Members of one wave that wait in one lane, and how far their release has come';
COMMENT ON COLUMN smsr.campaign_stretch.first IS 'Place of the first member (smsr.campaign_member.n)';
COMMENT ON COLUMN smsr.campaign_stretch.next IS 'Place of the member that is released next; beyond last: all are';

CREATE TABLE smsr.campaign_running (
	campaign_id bigint NOT NULL,
	operation_id bigint NOT NULL,
	eid smsr.eid NOT NULL,
	n int NOT NULL,
	attempt smallint NOT NULL,
	PRIMARY KEY (campaign_id, operation_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.campaign_running IS 'Operations of campaigns whose end their campaign has not taken note of';

CREATE TABLE smsr.campaign_retry (
	campaign_id bigint NOT NULL,
	n int NOT NULL,
	wave smallint NOT NULL,
	attempt smallint NOT NULL,
	at timestamptz NOT NULL,
	operation_id bigint,
	status text,
	subject_code text,
	reason_code text,
	message text,
	PRIMARY KEY (campaign_id, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX campaign_retry_at ON smsr.campaign_retry (campaign_id, at);
COMMENT ON TABLE smsr.campaign_retry IS 'Members that are released again later, or for the first time when nobody has their eUICC';
COMMENT ON COLUMN smsr.campaign_retry.attempt IS 'How often it was tried: 0 if its eUICC was in use when it was to be released';

CREATE TABLE smsr.campaign_outcome (
	campaign_id bigint NOT NULL,
	n int NOT NULL,
	operation_id bigint,
	attempts smallint NOT NULL,
	status text NOT NULL CHECK (status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING', 'FAILED', 'EXPIRED', 'CANCELLED')),
	subject_code text,
	reason_code text,
	message text,
	ended_at timestamptz NOT NULL,
	PRIMARY KEY (campaign_id, n)
);
COMMENT ON TABLE smsr.campaign_outcome IS 'What became of members that have ended';
COMMENT ON COLUMN smsr.campaign_outcome.operation_id IS 'The last operation for it; NULL: there was none';
COMMENT ON COLUMN smsr.campaign_outcome.status IS 'That of the operation; CANCELLED: it was released, and nothing was sent';

CREATE TABLE smsr.campaign_reason (
	campaign_id bigint NOT NULL,
	status text NOT NULL,
	subject_code text,
	reason_code text,
	message text,
	members int NOT NULL,
	UNIQUE NULLS NOT DISTINCT (campaign_id, status, subject_code, reason_code, message)
) WITH (fillfactor = 50);
COMMENT ON TABLE smsr.campaign_reason IS 'How many members of a campaign have ended why; counted by smsr.tick()';

CREATE TABLE smsr.campaign_pace (
	campaign_id bigint NOT NULL,
	at timestamptz NOT NULL,
	released int NOT NULL,
	succeeded int NOT NULL,
	failed int NOT NULL,
	PRIMARY KEY (campaign_id, at)
) WITH (fillfactor = 70);
COMMENT ON TABLE smsr.campaign_pace IS 'How many members of a campaign were released and ended in ten seconds each: its course, and its rate';
COMMENT ON COLUMN smsr.campaign_pace.at IS 'Beginning of the ten seconds; those in which it did not run or no window was open have no row';

-- It goes with its campaign (smsr.forget_campaign()), and not before.
CREATE FUNCTION smsr.keep_frozen() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM smsr.campaign c WHERE c.id = OLD.campaign_id) THEN
			RETURN OLD;
		END IF;
		RAISE EXCEPTION '"%" is only ever added to', TG_TABLE_NAME
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'What it holds can not be changed, or removed before its campaign.';
	END $$;
COMMENT ON FUNCTION smsr.keep_frozen() IS 'Refuses to change rows, and to remove those of a campaign that there is';
CREATE TRIGGER keep_frozen BEFORE UPDATE OR DELETE ON smsr.campaign_member
	FOR EACH ROW EXECUTE FUNCTION smsr.keep_frozen();
COMMENT ON TRIGGER keep_frozen ON smsr.campaign_member IS 'A cohort is frozen';
CREATE TRIGGER keep_frozen BEFORE UPDATE OR DELETE ON smsr.campaign_outcome
	FOR EACH ROW EXECUTE FUNCTION smsr.keep_frozen();
COMMENT ON TRIGGER keep_frozen ON smsr.campaign_outcome IS 'What has ended has ended';

-- ---- what is frozen, as one number ----

CREATE FUNCTION smsr.add_member_digest(state bytea, n int, line int, eid smsr.eid, iccid smsr.iccid, arguments jsonb, time_zone text, wave smallint)
	RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_add_member_digest'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.add_member_digest(bytea, int, int, smsr.eid, smsr.iccid, jsonb, text, smallint) IS 'SHA-256 over the digest of the members before it and this one';

CREATE AGGREGATE smsr.member_digest(int, int, smsr.eid, smsr.iccid, jsonb, text, smallint) (
	SFUNC = smsr.add_member_digest,
	STYPE = bytea
);
COMMENT ON AGGREGATE smsr.member_digest(int, int, smsr.eid, smsr.iccid, jsonb, text, smallint) IS 'Digest of members of a cohort, in the order in which they come';

CREATE FUNCTION smsr.members_digest(campaign bigint) RETURNS bytea
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, smsr, pg_temp
	SET work_mem = '128MB'
	AS $$
	BEGIN
		RETURN (SELECT smsr.member_digest(m.n, m.line, m.eid, m.iccid, m.arguments, m.time_zone, m.wave)
			FROM (SELECT * FROM smsr.campaign_member x WHERE x.campaign_id = members_digest.campaign ORDER BY x.n) m);
	END $$;
COMMENT ON FUNCTION smsr.members_digest(bigint) IS 'The digest of a campaign''s members, as they stand there now: what smsr.campaign.members_digest says they were';

-- ---- whose it is ----

-- To whoever has nothing to do with it, a campaign is not there, and is not held.
CREATE FUNCTION smsr.see_campaign(p_id bigint) RETURNS smsr.campaign
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign;
		me text;
	BEGIN
		SELECT * INTO c FROM smsr.campaign x WHERE x.id = p_id;
		me := smsr.require_caller(coalesce(c.function, 'enable_profile'));
		-- this SM-SR can stop anybody's
		IF c.id IS NULL OR c.party_id IS DISTINCT FROM me AND me IS DISTINCT FROM smsr.setting('smsr_id') THEN
			RAISE EXCEPTION 'there is no campaign %', p_id USING ERRCODE = 'no_data_found';
		END IF;
		RETURN c;
	END $$;
COMMENT ON FUNCTION smsr.see_campaign(bigint) IS 'A campaign that is the caller''s, or any if the caller acts for this SM-SR; an error if there is none';

CREATE FUNCTION smsr.campaign_of(p_id bigint, p_state text[]) RETURNS smsr.campaign
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.see_campaign(p_id);
	BEGIN
		SELECT * INTO c FROM smsr.campaign x WHERE x.id = c.id FOR UPDATE;
		IF c.state <> ALL (p_state) THEN
			RAISE EXCEPTION 'campaign "%" is %', c.name, CASE c.state WHEN 'approval' THEN 'waiting for approval' ELSE c.state END
				USING ERRCODE = 'object_not_in_prerequisite_state',
					DETAIL = format('It would have to be %s.', array_to_string(p_state, ' or '));
		END IF;
		RETURN c;
	END $$;
COMMENT ON FUNCTION smsr.campaign_of(bigint, text[]) IS 'A campaign that the caller may act upon, locked; an error if there is none, or it is in none of these states';

CREATE FUNCTION smsr.own_campaign(p_id bigint, p_state text[]) RETURNS smsr.campaign
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		c smsr.campaign := smsr.campaign_of(p_id, p_state);
	BEGIN
		-- whom somebody else's are shown because he may stop them, may not begin any for them
		IF c.party_id <> smsr.require_caller(c.function) THEN
			RAISE EXCEPTION 'campaign "%" is another party''s', c.name USING ERRCODE = 'insufficient_privilege';
		END IF;
		RETURN c;
	END $$;
COMMENT ON FUNCTION smsr.own_campaign(bigint, text[]) IS 'smsr.campaign_of(), for what its owner alone may do';

CREATE FUNCTION smsr.record_campaign(p_act text, c smsr.campaign, p_details jsonb DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		PERFORM smsr.record_audit(NULL, p_act, p_operation_id => c.id, p_requester => c.party_id, p_status => 'EXECUTED_SUCCESS',
			p_details => jsonb_strip_nulls(jsonb_build_object('campaign', c.name, 'function', c.function, 'members', c.members,
				'digest', encode(c.members_digest, 'hex'), 'reason', (c.options).reason, 'ticket', (c.options).ticket)
				|| coalesce(p_details, '{}')));
	END $$;
COMMENT ON FUNCTION smsr.record_campaign(text, smsr.campaign, jsonb) IS 'Record in the audit trail what was done with a campaign';
