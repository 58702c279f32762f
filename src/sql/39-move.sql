-- An eUICC that goes to another shard.  Whoever drives it, a router or anything that
-- calls SQL on both sides, may die at any point and call again, from the beginning:
-- each step is a transaction of one shard, answers the same when it is repeated, and
-- none can be taken before the one that must come before it.
--
--   old shard  smsr.move_out       closed: nothing begins with its card; what it is, packed
--   new shard  smsr.move_in        arrived: the package is kept, and has been tried
--   old shard  smsr.move_gone      gone, if the package is still what it is: the receipt
--   new shard  smsr.move_open      done, for the receipt: the eUICC is here
--   old shard  smsr.move_confirmed confirmed
--
-- So its row of smsr.euicc is on one shard at most.  A call that changes the eUICC
-- between the first step and the third makes another package of it; one for its card
-- waits, and goes along.

CREATE TABLE smsr.move (
	eid smsr.eid NOT NULL,
	id text NOT NULL CHECK (length(id) BETWEEN 1 AND 255),
	side text NOT NULL CHECK (side IN ('out', 'in')),
	stage text NOT NULL,
	peer int NOT NULL CHECK (peer BETWEEN 0 AND 1023),
	parties text[] NOT NULL,
	receipt text,
	package jsonb,
	began_at timestamptz NOT NULL DEFAULT now(),
	stage_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (eid, id, side),
	CHECK (stage IN ('closed', 'gone', 'confirmed', 'cancelled') AND side = 'out' OR stage IN ('arrived', 'done', 'dropped') AND side = 'in'),
	CHECK ((package IS NOT NULL) = (stage = 'arrived')),
	CHECK ((receipt IS NOT NULL) = (stage IN ('closed', 'gone', 'confirmed')))
);
CREATE UNIQUE INDEX move_open ON smsr.move (eid) WHERE stage IN ('closed', 'arrived');
CREATE INDEX move_unfinished ON smsr.move (stage) WHERE stage IN ('closed', 'gone', 'arrived');
COMMENT ON TABLE smsr.move IS 'eUICCs that went to another shard or came from one: how far each move has come, on its own side';
COMMENT ON COLUMN smsr.move.id IS 'Of the move, the same on both sides; whoever drives it gives it';
COMMENT ON COLUMN smsr.move.peer IS 'Number of the other shard (smsr.shard there)';
COMMENT ON COLUMN smsr.move.parties IS 'Whose business the eUICC is: they are told that it is elsewhere, others that it is not here';
COMMENT ON COLUMN smsr.move.receipt IS 'out: what the new shard opens the package with; it leaves when the eUICC has left. The package has its SHA-256';
COMMENT ON COLUMN smsr.move.package IS 'in: what the eUICC is, until it is opened';

CREATE TABLE smsr.moved_number (
	msisdn text PRIMARY KEY,
	eid smsr.eid NOT NULL,
	shard int NOT NULL
);
CREATE INDEX moved_number_eid ON smsr.moved_number (eid);
COMMENT ON TABLE smsr.moved_number IS 'Numbers of eUICCs that went to another shard: what their cards still send here goes after them';

CREATE TABLE smsr.astray (
	id bigint NOT NULL DEFAULT smsr.next_id() PRIMARY KEY,
	originator text NOT NULL,
	tp_ud bytea NOT NULL,
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	shard int,
	due_at timestamptz NOT NULL DEFAULT now(),
	attempts int NOT NULL DEFAULT 0
);
CREATE INDEX astray_due ON smsr.astray (due_at, id);
COMMENT ON TABLE smsr.astray IS 'Messages received here that are for another shard, until they are there';
COMMENT ON COLUMN smsr.astray.shard IS 'Which; NULL: it is to be asked around (smsr.forward_unknown)';

CREATE TABLE smsr.astray_seen (
	id bigint PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX astray_seen_at ON smsr.astray_seen (at);
COMMENT ON TABLE smsr.astray_seen IS 'Messages that other shards sent here, by their ids there, for a day: one that is sent again is processed once';

-- What of an eUICC goes where.
CREATE FUNCTION smsr.move_rules(OUT table_name name, OUT rule text) RETURNS SETOF record
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN QUERY
		SELECT t::name, r.rule
		FROM (VALUES
			-- in the order of foreign keys
			('moves', '{euicc,euicc_signed,euicc_security_domain,profile,keyset,keyset_listed,operation,send_data_piece,platform_result,message,discrepancy,handover_past,peer_message}'),
			-- what nobody can delete is in both places; the new one goes on with it
			('is copied', '{audit_trail,audit_start,euicc_history,profile_history,operation_history,handover_step}'),
			-- made again from what is copied
			('follows', '{audit_head}'),
			-- while there is one nothing moves
			('holds', '{outbound,handover,establishment,https_session}'),
			-- told to parties from where it happened
			('stays', '{notice,campaign_end,campaign_member,campaign_running,eid_range,https_polls,move,moved_number,eis_reject,key_inbox,key_reject,inbound_held,tick_fault}')) AS r (rule, tables),
			unnest(r.tables::text[]) t;
	END $$;
COMMENT ON FUNCTION smsr.move_rules() IS 'What becomes of the rows of an eUICC when it moves, table by table: moves, is copied, follows, holds (it does not move while there is one), stays';
