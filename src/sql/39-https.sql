-- Sessions that cards open over HTTPS (SGP.02 clause 2.4.4, GlobalPlatform
-- Amendment B): which are open, which cards open them by themselves, and what is
-- known of kinds of devices.

CREATE TABLE smsr.https_session (
	eid smsr.eid PRIMARY KEY REFERENCES smsr.euicc ON DELETE CASCADE,
	session text NOT NULL,
	gateway text,
	kvn smallint NOT NULL CHECK (kvn BETWEEN 1 AND 127),
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
	began_at timestamptz NOT NULL DEFAULT now(),
	last_at timestamptz NOT NULL DEFAULT now(),
	requests int NOT NULL DEFAULT 0,
	request_at timestamptz NOT NULL DEFAULT now(),
	request_uri text NOT NULL,
	uri text NOT NULL,
	script_id bigint,
	script_request int,
	script_uri text,
	hold timestamptz,
	because text,
	former text[] NOT NULL DEFAULT '{}',
	CHECK ((script_id IS NULL) = (script_request IS NULL) AND (script_id IS NULL) = (script_uri IS NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX https_session_open ON smsr.https_session (last_at) WHERE state = 'open';
CREATE INDEX https_session_closed ON smsr.https_session (last_at) WHERE state = 'closed';
COMMENT ON TABLE smsr.https_session IS 'The session that a card has open, or had last: at most one a card, the newest';
COMMENT ON COLUMN smsr.https_session.session IS 'What the gateway calls the connection';
COMMENT ON COLUMN smsr.https_session.kvn IS 'Version of the SCP81 key set that it was opened under';
COMMENT ON COLUMN smsr.https_session.last_at IS 'When the card was last heard in it, or the gateway last asked for it';
COMMENT ON COLUMN smsr.https_session.requests IS 'How many requests have come in it';
COMMENT ON COLUMN smsr.https_session.request_at IS 'When the last of them came';
COMMENT ON COLUMN smsr.https_session.request_uri IS 'What it was sent to';
COMMENT ON COLUMN smsr.https_session.uri IS 'Path of the card''s first request: what it is told to go on with';
COMMENT ON COLUMN smsr.https_session.script_id IS 'The script (smsr.outbound.id) that the card was given last and has not answered, in this session or one before it; whether it arrived is not known';
COMMENT ON COLUMN smsr.https_session.script_request IS 'In which request of the session it was given';
COMMENT ON COLUMN smsr.https_session.script_uri IS 'URI of that request: a card that repeats it has not had the answer, and so not the script';
COMMENT ON COLUMN smsr.https_session.hold IS 'Until when the session is kept open though nothing waits: somebody has said that more is to come';
COMMENT ON COLUMN smsr.https_session.because IS 'Why it is closed';
COMMENT ON COLUMN smsr.https_session.former IS 'The last sessions that this one has taken the place of: what still comes in them is refused';

CREATE TABLE smsr.https_polls (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	eum_id text,
	platform_type text,
	platform_version text,
	first smsr.eid,
	last smsr.eid,
	CHECK ((first IS NULL) = (last IS NULL) AND first <= last)
);
COMMENT ON TABLE smsr.https_polls IS 'eUICCs that call in by themselves: no short message is sent to have them open a session, what waits for them waits until they do. A row names an EUM, a platform, a range of EIDs or some of these; what is NULL is any';

-- Each connection counts in one of a few rows: sessions of one kind do not wait for each other.
CREATE TABLE smsr.bearer_record (
	eum_id text NOT NULL,
	platform_type text NOT NULL,
	platform_version text NOT NULL,
	part smallint NOT NULL,
	triggers bigint NOT NULL DEFAULT 0,
	opened bigint NOT NULL DEFAULT 0,
	packets bigint NOT NULL DEFAULT 0,
	answered bigint NOT NULL DEFAULT 0,
	last_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (eum_id, platform_type, platform_version, part)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE smsr.bearer_record IS 'What worked with each kind of device';
COMMENT ON COLUMN smsr.bearer_record.part IS 'Which connections count here; -1: what smsr.weigh_bearers() found';
COMMENT ON COLUMN smsr.bearer_record.triggers IS 'Short messages that were to have a card open a session';
COMMENT ON COLUMN smsr.bearer_record.opened IS 'Sessions that were opened upon them';
COMMENT ON COLUMN smsr.bearer_record.packets IS 'Commands that went by short message, of those looked at';
COMMENT ON COLUMN smsr.bearer_record.answered IS 'Those of them that the card answered';
