-- Changes of SM-SR that are under way, what came of those that are over, and what
-- this SM-SR and its peers say to each other (ES7 of SGP.02).

CREATE TABLE smsr.own_certificate (
	fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
	certificate bytea NOT NULL,
	curve text NOT NULL,
	valid_until date NOT NULL,
	sealed bytea NOT NULL,
	imported_at timestamptz NOT NULL DEFAULT now(),
	imported_by name NOT NULL
);
COMMENT ON TABLE smsr.own_certificate IS 'Certificates of this SM-SR (CERT.SR.ECDSA), which cards check before they agree on keys with it; the one imported last is used';
COMMENT ON COLUMN smsr.own_certificate.fingerprint IS 'SHA-256 of the certificate';
COMMENT ON COLUMN smsr.own_certificate.sealed IS 'The private key; opens with its own certificate alone';

CREATE TABLE smsr.handover (
	eid smsr.eid PRIMARY KEY,
	id bigint NOT NULL DEFAULT smsr.next_id(),
	side text NOT NULL CHECK (side IN ('gives', 'takes')),
	stage text NOT NULL,
	warned boolean NOT NULL DEFAULT false,
	peer_id text NOT NULL,
	requester_id text NOT NULL,
	operation_id bigint,
	offer_id bigint,
	question_id bigint,
	card_operation_id bigint,
	began_at timestamptz NOT NULL DEFAULT now(),
	stage_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	document text,
	certificate bytea,
	ecasd bytea,
	kvn smallint CHECK (kvn BETWEEN 1 AND 15),
	crt bytea,
	ephemeral_public_key bytea,
	sealed bytea
) WITH (fillfactor = 70);
CREATE INDEX handover_expires ON smsr.handover (expires_at);
COMMENT ON TABLE smsr.handover IS 'Changes of SM-SR under way, one at a time an eUICC: a row that gives keeps everybody else from it';
COMMENT ON COLUMN smsr.handover.side IS 'gives: the eUICC is ours and another SM-SR''s to be; takes: the other way';
COMMENT ON COLUMN smsr.handover.stage IS 'How far it has come (src/core/handover.h)';
COMMENT ON COLUMN smsr.handover.warned IS 'It is taken over, and something after that went wrong';
COMMENT ON COLUMN smsr.handover.offer_id IS 'HandoverEUICC: id of the message that is not answered yet';
COMMENT ON COLUMN smsr.handover.question_id IS 'The other message at hand: gives: the peer''s, takes: ours';
COMMENT ON COLUMN smsr.handover.card_operation_id IS 'What the card is asked for it at present';
COMMENT ON COLUMN smsr.handover.document IS 'takes: the EIS as it was offered; it becomes ours with the receipt';
COMMENT ON COLUMN smsr.handover.certificate IS 'gives: the certificate that the peer showed';
COMMENT ON COLUMN smsr.handover.ecasd IS 'Certificate of the card''s ECASD, whose key takes part in the agreement';
COMMENT ON COLUMN smsr.handover.kvn IS 'takes: version of the new key set, one that the ISD-R does not have';
COMMENT ON COLUMN smsr.handover.sealed IS 'takes: the ephemeral private key, from the question to its answer';

CREATE TABLE smsr.handover_past (
	eid smsr.eid NOT NULL,
	id bigint NOT NULL,
	side text NOT NULL CHECK (side IN ('gives', 'takes')),
	peer_id text NOT NULL,
	requester_id text NOT NULL,
	operation_id bigint,
	status text NOT NULL CHECK (status IN ('EXECUTED_SUCCESS', 'EXECUTED_WITHWARNING', 'FAILED', 'EXPIRED')),
	subject_code text,
	reason_code text,
	because text,
	moved boolean NOT NULL,
	began_at timestamptz NOT NULL,
	ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (eid, id)
);
COMMENT ON TABLE smsr.handover_past IS 'Changes of SM-SR that are over: to whom an eUICC went, from whom it came, or why not; rows outlive the eUICC';
COMMENT ON COLUMN smsr.handover_past.moved IS 'Whether the eUICC has another SM-SR since';

CREATE TABLE smsr.handover_step (
	eid smsr.eid NOT NULL,
	id bigint NOT NULL DEFAULT smsr.next_id(),
	handover_id bigint,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	side text NOT NULL,
	peer_id text,
	event text NOT NULL,
	stage_before text,
	stage_after text,
	effects text[] NOT NULL,
	status text,
	subject_code text,
	reason_code text,
	because text,
	said_by name DEFAULT smsr.caller(),
	PRIMARY KEY (eid, id)
);
COMMENT ON TABLE smsr.handover_step IS 'Every step of every change of SM-SR: what happened, what it led to, and under which role it was told; only ever inserted into';
COMMENT ON COLUMN smsr.handover_step.stage_before IS 'NULL: none was under way';
COMMENT ON COLUMN smsr.handover_step.stage_after IS 'NULL: it is over';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.handover_step
	FOR EACH ROW EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.handover_step ENABLE ALWAYS TRIGGER append_only;
COMMENT ON TRIGGER append_only ON smsr.handover_step IS 'No step is changed or deleted';
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.handover_step
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.handover_step ENABLE ALWAYS TRIGGER append_only_truncate;
COMMENT ON TRIGGER append_only_truncate ON smsr.handover_step IS 'No step is deleted';

-- One row an exchange: a question and its answer.  Whoever asks asks again until
-- the answer is there; whoever is asked twice answers the same twice.
CREATE TABLE smsr.peer_message (
	eid smsr.eid NOT NULL,
	peer_id text NOT NULL,
	direction text NOT NULL CHECK (direction IN ('in', 'out')),
	id bigint NOT NULL DEFAULT smsr.next_id(),
	function text NOT NULL CHECK (function IN ('handover_euicc', 'authenticate_smsr', 'create_additional_key_set')),
	arguments jsonb NOT NULL,
	answer jsonb,
	asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	answered_at timestamptz,
	closed boolean NOT NULL DEFAULT false,
	due_at timestamptz,
	attempts int NOT NULL DEFAULT 0,
	carrier text,
	PRIMARY KEY (eid, peer_id, direction, id),
	CHECK ((answer IS NULL) = (answered_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX peer_message_due ON smsr.peer_message (due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE smsr.peer_message IS 'What this SM-SR and its peers ask each other (ES7), and the answers; shipped by a carrier';
COMMENT ON COLUMN smsr.peer_message.direction IS 'out: we ask, in: we are asked';
COMMENT ON COLUMN smsr.peer_message.id IS 'Of who asks; a question that comes again under its id is the same one';
COMMENT ON COLUMN smsr.peer_message.closed IS 'Nobody waits for the answer any more';
COMMENT ON COLUMN smsr.peer_message.due_at IS 'When the question (out) or the answer (in) is to be sent next; NULL: there is nothing to send';
COMMENT ON COLUMN smsr.peer_message.carrier IS 'Who was given it last';
