-- The inventory and what is under way.  Every big table's key begins with eid;
-- nothing refers to an eUICC by a foreign key that would take history along
-- when the eUICC leaves.
--
-- Of a table of ten million rows, autovacuum's default would let two million be dead
-- before it looks: those that every packet changes are vacuumed at a fiftieth.

CREATE TABLE smsr.euicc (
	eid smsr.eid PRIMARY KEY,
	eum_id text NOT NULL,
	smsr_id text NOT NULL,
	production_date timestamptz NOT NULL,
	platform_type text NOT NULL,
	platform_version text NOT NULL,
	isdp_loadfile_aid smsr.aid NOT NULL,
	isdp_module_aid smsr.aid NOT NULL,
	isdr_aid smsr.aid NOT NULL,
	cattp_support boolean NOT NULL,
	cattp_version text,
	http_support boolean NOT NULL,
	http_version text,
	secure_packet_version text NOT NULL,
	remote_provisioning_version text NOT NULL,
	remaining_memory bigint NOT NULL CHECK (remaining_memory >= 0),
	available_memory bigint NOT NULL CHECK (available_memory >= 0),
	last_audit_at timestamptz,
	registered_at timestamptz NOT NULL DEFAULT now(),
	last_seen_at timestamptz,
	notification_type smallint,
	notification_sequence int CHECK (notification_sequence BETWEEN 0 AND 65535),
	notification_confirmed boolean,
	notification_at timestamptz,
	imei text,
	meid text,
	additional_properties jsonb,
	changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
COMMENT ON TABLE smsr.euicc IS 'The EIS of each eUICC under management: one row an eUICC (SGP.02 Annex E)';
COMMENT ON COLUMN smsr.euicc.remaining_memory IS 'Octets free for profiles, as last computed or audited';
COMMENT ON COLUMN smsr.euicc.changed_at IS 'Since when the EIS in this row is as it is; a trigger keeps it, whatever an UPDATE writes';
COMMENT ON COLUMN smsr.euicc.last_seen_at IS 'When something authentic was last received from the eUICC';
COMMENT ON COLUMN smsr.euicc.notification_sequence IS 'Sequence number of the last notification that was processed';
COMMENT ON COLUMN smsr.euicc.notification_confirmed IS 'Whether that notification was to be confirmed; false: it reported the success of an operation that had expired';

CREATE TABLE smsr.euicc_signed (
	eid smsr.eid PRIMARY KEY REFERENCES smsr.euicc ON DELETE CASCADE,
	signed_info text NOT NULL,
	signature text,
	namespaces text NOT NULL DEFAULT '',
	verified_at timestamptz,
	verified_by text,
	eum_certificate bytea CHECK (length(eum_certificate) = 32),
	CHECK ((verified_at IS NULL) = (verified_by IS NULL)),
	CHECK ((verified_at IS NULL) = (eum_certificate IS NULL))
) WITH (toast_tuple_target = 2712);	-- three to a page of 8 kB: out of line they take a fifth more
COMMENT ON TABLE smsr.euicc_signed IS 'The part of the EIS that the EUM signed, in the very octets that were received (SGP.02 Annex E)';
COMMENT ON COLUMN smsr.euicc_signed.namespaces IS 'Namespace declarations of the document''s root element, which both parts inherit';
COMMENT ON COLUMN smsr.euicc_signed.verified_at IS 'When signature, chain and ECASD certificate were verified; NULL: they were not (smsr.eum_signature)';
COMMENT ON COLUMN smsr.euicc_signed.verified_by IS 'Subject and serial number of the CI that the chain ended at';
COMMENT ON COLUMN smsr.euicc_signed.eum_certificate IS 'SHA-256 of the EUM''s certificate whose key the signature is by';

CREATE TABLE smsr.euicc_security_domain (
	eid smsr.eid NOT NULL REFERENCES smsr.euicc ON DELETE CASCADE,
	role text NOT NULL CHECK (role IN ('ISD-R', 'ECASD')),
	aid smsr.aid NOT NULL,
	tars bytea[] NOT NULL DEFAULT '{}',
	sin bytea,
	sdin bytea,
	PRIMARY KEY (eid, role)
);
COMMENT ON TABLE smsr.euicc_security_domain IS 'ISD-R and ECASD of an eUICC, without their keys';

CREATE TABLE smsr.profile (
	eid smsr.eid NOT NULL REFERENCES smsr.euicc ON DELETE CASCADE,
	isdp_aid smsr.aid NOT NULL,
	iccid smsr.iccid,
	mno_id text,
	smdp_id text,
	state text NOT NULL CHECK (state IN ('Created', 'Disabled', 'Enabled')),
	fallback_attribute boolean NOT NULL DEFAULT false,
	emergency_attribute boolean NOT NULL DEFAULT false,
	msisdn text CHECK (msisdn ~ '^[0-9]{1,20}$'),
	imsi text CHECK (imsi ~ '^[0-9]{5,15}$'),
	profile_type text,
	allocated_memory bigint CHECK (allocated_memory >= 0),
	free_memory bigint CHECK (free_memory >= 0),
	pol2 smsr.pol2 NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (eid, isdp_aid),
	UNIQUE (eid, iccid)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE UNIQUE INDEX profile_one_enabled ON smsr.profile (eid) WHERE state = 'Enabled';
CREATE UNIQUE INDEX profile_one_fallback ON smsr.profile (eid) WHERE fallback_attribute;
CREATE INDEX profile_msisdn ON smsr.profile (msisdn);
CREATE INDEX profile_iccid ON smsr.profile (iccid);
-- the policy of tenants finds their profiles by these
CREATE INDEX profile_mno ON smsr.profile (mno_id);
CREATE INDEX profile_smdp ON smsr.profile (smdp_id);
COMMENT ON TABLE smsr.profile IS 'One row an ISD-P; state follows what the card says, never what was asked';
COMMENT ON COLUMN smsr.profile.iccid IS 'NULL for an ISD-P that an audit found on the card and nobody has claimed';
COMMENT ON COLUMN smsr.profile.mno_id IS 'Operator that owns the profile; NULL only where iccid is';
COMMENT ON COLUMN smsr.profile.msisdn IS 'E.164 digits without +; where the eUICC is reached while this profile is enabled';
COMMENT ON COLUMN smsr.profile.created_at IS 'Since when the EIS has this ISD-P';
COMMENT ON COLUMN smsr.profile.changed_at IS 'Since when the row is as it is; a trigger keeps it, whatever an UPDATE writes';
COMMENT ON COLUMN smsr.profile.pol2 IS 'Rules of POL2 (SGP.02 clause 3.3), as Action/Qualification; empty: no restriction';

CREATE TABLE smsr.route (
	mno_id text NOT NULL,
	gateway text NOT NULL,
	PRIMARY KEY (mno_id, gateway)
);
COMMENT ON TABLE smsr.route IS 'Which gateway binds may carry messages to eUICCs whose enabled profile is of this operator; without a row any may';

CREATE TABLE smsr.operation (
	id bigint NOT NULL DEFAULT smsr.next_id(),
	eid smsr.eid NOT NULL,
	function text NOT NULL,
	requester_id text NOT NULL,
	requested_by name DEFAULT smsr.caller(),
	reason text DEFAULT nullif(smsr.setting('reason'), '') CHECK (length(reason) BETWEEN 1 AND 255),
	call_id text,
	iccid smsr.iccid,
	isdp_aid smsr.aid,
	arguments jsonb,
	approval_id bigint,
	lane_id bigint,
	campaign_id bigint,
	step text,
	stage text NOT NULL CHECK (stage IN ('held', 'waiting', 'sending', 'notification', 'peer', 'finished')),
	doubt text,
	failed boolean NOT NULL DEFAULT false,
	warned boolean NOT NULL DEFAULT false,
	exclusive boolean NOT NULL DEFAULT true,
	left_aid smsr.aid,
	kvn smallint,
	sequence int,
	status text CHECK (status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING', 'FAILED', 'EXPIRED')),
	subject_code text,
	reason_code text,
	message text,
	response_data bytea,
	requested_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	stage_at timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz,
	PRIMARY KEY (eid, id),
	CHECK ((status IS NULL) = (stage <> 'finished')),
	CHECK ((status IS NULL) = (finished_at IS NULL)),
	CHECK (subject_code IS NOT NULL OR status IS NULL OR status = 'EXECUTED_SUCCESS')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
	autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
CREATE UNIQUE INDEX operation_one_running ON smsr.operation (eid)
	WHERE status IS NULL AND exclusive AND stage <> 'waiting';
CREATE UNIQUE INDEX operation_call_id ON smsr.operation (eid, requester_id, call_id) WHERE call_id IS NOT NULL;
-- not "status IS NULL": whoever looks for what an eUICC has open must never be given this
-- one, which all open operations stand in, because the table was empty when it was analysed
CREATE INDEX operation_open ON smsr.operation (expires_at) WHERE finished_at IS NULL;
CREATE INDEX operation_waiting ON smsr.operation (eid, id) WHERE stage = 'waiting';
-- what may go to the history
CREATE INDEX operation_finished ON smsr.operation (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX operation_notified ON smsr.operation (stage_at) WHERE stage = 'notification';
CREATE INDEX operation_id ON smsr.operation (id);
CREATE INDEX operation_approval ON smsr.operation (approval_id) WHERE approval_id IS NOT NULL;
CREATE INDEX operation_campaign ON smsr.operation (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX operation_requester ON smsr.operation (requester_id, id);
COMMENT ON TABLE smsr.operation IS 'Functions that were called, from request to their one terminal status, and until smsr.recent_operations after it: then they are in smsr.operation_history; rows outlive the eUICC';
COMMENT ON COLUMN smsr.operation.requested_by IS 'Database role that called; NULL for what the server began by itself';
COMMENT ON COLUMN smsr.operation.reason IS 'Reason or ticket that was given with the call (smsr.reason)';
COMMENT ON COLUMN smsr.operation.approval_id IS 'The approval (smsr.approval) that it waits or waited for';
COMMENT ON COLUMN smsr.operation.lane_id IS 'Lane (smsr.lane) in which its first command waits to be sent; NULL: that of answers';
COMMENT ON COLUMN smsr.operation.campaign_id IS 'The campaign that it is part of';
COMMENT ON COLUMN smsr.operation.stage IS 'held for a second person''s approval, waiting behind another operation, sending a command to the card, awaiting its notification, awaiting another SM-SR (peer), finished';
COMMENT ON COLUMN smsr.operation.step IS 'Which card command is at hand within the operation';
COMMENT ON COLUMN smsr.operation.stage_at IS 'Since when it is at this stage and step';
COMMENT ON COLUMN smsr.operation.doubt IS 'The step whose outcome an audit is asking the card about';
COMMENT ON COLUMN smsr.operation.failed IS 'The card has said that it failed; the confirmation is still to be sent';
COMMENT ON COLUMN smsr.operation.warned IS 'Something on the way calls for EXECUTED_WITHWARNING';
COMMENT ON COLUMN smsr.operation.left_aid IS 'The ISD-P that was enabled before this operation changed it';
COMMENT ON COLUMN smsr.operation.kvn IS 'Version of the key set that a rotation brings to the card';
COMMENT ON COLUMN smsr.operation.sequence IS 'Sequence number of the notification that is to be confirmed';
COMMENT ON COLUMN smsr.operation.status IS 'NULL while it runs, then one of SGP.02''s four execution statuses';

CREATE TABLE smsr.outbound (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	eid smsr.eid NOT NULL,
	operation_id bigint NOT NULL,
	step text NOT NULL,
	destination text,
	mno_id text,
	lane_id bigint NOT NULL DEFAULT 1,
	due_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	gateway text,
	attempts smallint NOT NULL DEFAULT 0,
	resyncs smallint NOT NULL DEFAULT 0,
	accepted int NOT NULL DEFAULT 0,
	segments smallint NOT NULL DEFAULT 0,
	smsc_id text,
	sent_at timestamptz,
	sd_aid smsr.aid NOT NULL,
	target_aid smsr.aid,
	kvn smallint,
	cntr bigint,
	script bytea NOT NULL,
	packet bytea,
	bearer text NOT NULL DEFAULT 'sms' CHECK (bearer IN ('sms', 'https')),
	trigger bytea,
	session text,
	-- what is for a session never leaves in a short message
	CHECK (bearer = 'sms' AND trigger IS NULL AND session IS NULL OR bearer = 'https' AND (trigger IS NOT NULL OR mno_id IS NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbound_due ON smsr.outbound (mno_id, lane_id, due_at);
CREATE INDEX outbound_eid ON smsr.outbound (eid);
CREATE INDEX outbound_smsc_id ON smsr.outbound (smsc_id) WHERE smsc_id IS NOT NULL;
COMMENT ON TABLE smsr.outbound IS 'Command packets under way, one row a packet; deleted when answered, its story then stands in smsr.message';
COMMENT ON COLUMN smsr.outbound.lane_id IS 'Lane (smsr.lane) that it waits in: its operation''s until it is claimed, then that of repeats; of later steps that of answers';
COMMENT ON COLUMN smsr.outbound.mno_id IS 'Operator whose gateways may carry it; NULL: none may, it waits for a session or for somebody to know where the card is';
COMMENT ON COLUMN smsr.outbound.due_at IS 'When it may next be handed to a gateway: also the end of a lease and the time of a re-transmission';
COMMENT ON COLUMN smsr.outbound.gateway IS 'Who has it, or had it last; NULL if it was refused or handed back';
COMMENT ON COLUMN smsr.outbound.accepted IS 'Bit n: the SMSC has accepted segment n';
COMMENT ON COLUMN smsr.outbound.sd_aid IS 'Whose keys and counter secure it';
COMMENT ON COLUMN smsr.outbound.target_aid IS 'Whose TAR it carries, and its answer; NULL: that of sd_aid';
COMMENT ON COLUMN smsr.outbound.script IS 'The secured data: what the packet asks of the card; of PUT KEY without the keys, which stand in the packet alone';
COMMENT ON COLUMN smsr.outbound.cntr IS 'Counter the packet was sealed with; NULL until it is first claimed';
COMMENT ON COLUMN smsr.outbound.packet IS 'The sealed packet: a re-transmission is these octets again';
COMMENT ON COLUMN smsr.outbound.bearer IS 'sms: the script leaves in the packet; https: in a session that the card opens';
COMMENT ON COLUMN smsr.outbound.trigger IS 'https: what the packet asks of the card, to open a session; NULL: it has one, or calls in by itself';
COMMENT ON COLUMN smsr.outbound.session IS 'The session that the script was last delivered in; NULL: in none';

CREATE TABLE smsr.inbound_part (
	originator text NOT NULL,
	reference int NOT NULL,
	total smallint NOT NULL,
	sequence smallint NOT NULL,
	tp_ud bytea NOT NULL,
	received_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (originator, reference, total, sequence)
);
COMMENT ON TABLE smsr.inbound_part IS 'Segments of concatenated messages whose other parts have not come yet';

CREATE TABLE smsr.inbound_held (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	originator text NOT NULL,
	tp_ud bytea NOT NULL,
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	eids smsr.eid[] NOT NULL,
	because text NOT NULL
);
CREATE INDEX inbound_held_originator ON smsr.inbound_held (originator, id);
CREATE INDEX inbound_held_eids ON smsr.inbound_held USING gin (eids);
COMMENT ON TABLE smsr.inbound_held IS 'Messages received whose eUICC was in use by another transaction; smsr.tick() processes them, in order of id, when it is free, and what became of them then stands in smsr.message';
COMMENT ON COLUMN smsr.inbound_held.eids IS 'eUICCs that it may be of: later messages of these and of the originator go behind it';
COMMENT ON COLUMN smsr.inbound_held.because IS 'Why it is not processed yet';

CREATE TABLE smsr.message (
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	direction text NOT NULL CHECK (direction IN ('in', 'out')),
	eid smsr.eid,
	operation_id bigint,
	step text,
	address text,
	gateway text,
	attempts smallint,
	cntr bigint,
	outcome text NOT NULL,
	detail text,
	sent_at timestamptz,
	octets bytea,
	script bytea
) PARTITION BY RANGE (at);
CREATE TABLE smsr.message_default PARTITION OF smsr.message DEFAULT;
-- Indexes are each partition's own: one on the parent would be there before a
-- restore creates that of the partition.
CREATE INDEX message_default_eid ON smsr.message_default (eid, at);
CREATE INDEX message_default_at ON smsr.message_default USING brin (at);
COMMENT ON TABLE smsr.message IS 'Every short message, packet and part of a session, sent or received, with what became of it; only ever inserted into';
COMMENT ON TABLE smsr.message_default IS 'Messages of a time for which no partition was made';
COMMENT ON COLUMN smsr.message.address IS 'Number, or https: a session';
COMMENT ON COLUMN smsr.message.script IS 'The secured data in the clear: what was asked of the card, or what it answered; of PUT KEY without the keys';
COMMENT ON COLUMN smsr.message.octets IS 'The packet or message; NULL for PUT KEY, which whoever had the old keys could open, and where a session brought the script as it is';

CREATE TABLE smsr.discrepancy (
	eid smsr.eid NOT NULL,
	id bigint NOT NULL DEFAULT smsr.next_id(),
	isdp_aid smsr.aid NOT NULL,
	found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	operation_id bigint,
	what text NOT NULL CHECK (what IN ('state', 'fall-back attribute', 'not in the EIS', 'not on the card', 'notifications missed')),
	eis_said text,
	card_said text,
	PRIMARY KEY (eid, id)
);
COMMENT ON TABLE smsr.discrepancy IS 'What audits found to be otherwise than the EIS had it, and gaps in the numbers of notifications; the EIS has followed the card since';
