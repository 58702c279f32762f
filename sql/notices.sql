-- Notices: who is told of what, and how a party fetches and acknowledges.
\set ECHO none
\i sql/card.psql
INSERT INTO smsr.party (oid, kind, name) VALUES
	('1.3.6.1.4.1.99999.2', 'SM-DP', 'maker of the profiles'),
	('1.3.6.1.4.1.99999.4', 'MNO', 'other operator'),
	('1.3.6.1.4.1.99999.5', 'M2M-SP', 'fleet manager'),
	('1.3.6.1.4.1.99999.6', 'M2M-SP', 'insurer');
CREATE FUNCTION card.oid(last text) RETURNS text LANGUAGE sql AS $$ SELECT '1.3.6.1.4.1.99999.' || last $$;
CREATE FUNCTION card.plma(m2m_sp text, notifications text[], mno text DEFAULT '3', type text DEFAULT 'sample') RETURNS void LANGUAGE sql AS $$
	INSERT INTO smsr.plma (mno_id, m2m_sp_id, profile_type, authorised, notifications)
		VALUES (card.oid(mno), card.oid(m2m_sp), type, '{}', notifications::smsr.notice_kind[])
$$;
CREATE FUNCTION card.onc(discarded text[], mno text DEFAULT '3', type text DEFAULT 'sample') RETURNS void LANGUAGE sql AS $$
	INSERT INTO smsr.onc (mno_id, profile_type, discarded) VALUES (card.oid(mno), type, discarded::smsr.notice_kind[])
$$;
CREATE FUNCTION card.pin(party text, first text DEFAULT '89049032001000000100000090000151', last text DEFAULT '89049032001000000100000090000151')
	RETURNS void LANGUAGE sql AS $$
		INSERT INTO smsr.eid_range (first, last, party_id) VALUES (first::smsr.eid, last::smsr.eid, card.oid(party))
	$$;
CREATE FUNCTION card.unconnect(party text DEFAULT '3') RETURNS void LANGUAGE sql AS $$
	DELETE FROM smsr.party_role WHERE party_id = card.oid(party)
$$;
CREATE FUNCTION card.unregister(who text) RETURNS void LANGUAGE sql AS $$ DELETE FROM smsr.party WHERE oid = card.oid(who) $$;
-- who is told that profile 2 was enabled, if things are so; they are as before when it returns
CREATE FUNCTION card.told(so text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	op bigint;
	p smsr.profile;
	act text;
	asked text[];
BEGIN
	FOREACH act IN ARRAY string_to_array(so, '; ')
	LOOP
		asked := regexp_match(act, '^(\S+) by (\d+)$');
		IF asked IS NULL THEN
			EXECUTE 'SELECT card.' || act;
		ELSE
			INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at)
				VALUES (card.eid(), asked[1], card.oid(asked[2]), 'sending', now()) RETURNING id INTO op;
		END IF;
	END LOOP;
	SELECT * INTO p FROM smsr.profile WHERE eid = card.eid() AND iccid = card.iccid(2);
	PERFORM smsr.tell(p.eid, 'HandleProfileEnabled', p, op);
	SELECT coalesce(string_agg(right(party_id, 1), ' ' ORDER BY party_id), 'nobody') INTO result FROM smsr.notice
		WHERE eid = card.eid() AND iccid = card.iccid(2) AND mno_id = p.mno_id AND operation_id IS NOT DISTINCT FROM op;
	RAISE EXCEPTION USING ERRCODE = 'P0099', MESSAGE = result;
EXCEPTION WHEN SQLSTATE 'P0099' THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION card.nobodys() RETURNS void LANGUAGE sql AS $$ UPDATE smsr.profile SET mno_id = NULL $$;
CREATE FUNCTION card.untyped() RETURNS void LANGUAGE sql AS $$ UPDATE smsr.profile SET profile_type = NULL $$;
CREATE VIEW card.news AS
	SELECT right(n.party_id, 1) AS party, n.kind, right(n.iccid::text, 4) AS iccid, n.mno_id, n.operation_id IS NOT NULL AS asked, n.details
	FROM smsr.notice n ORDER BY n.id, n.party_id;
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES ('regress_card_other', card.oid('4'), current_user);
SELECT count(*) AS cards FROM card.reset() \gset
\set ECHO all

-- ---- who is told ----

-- 2 is the SM-DP that made the profile, 3 its operator, 4 another one, 5 and 6 are M2M SPs
\pset format unaligned
SELECT so, card.told(so) FROM (VALUES
	-- the operator, or whoever speaks with it
	($$$$),
	($$unconnect()$$),
	($$unregister('3')$$),
	($$unregister('3'); unregister('2')$$),
	($$nobodys()$$),
	-- those whom it has authorised, profile by type of profile and kind by kind
	($$plma('5', '{HandleProfileEnabled}')$$),
	($$plma('5', '{HandleProfileDisabled,HandleProfileEnabled}'); plma('6', '{HandleProfileEnabled}')$$),
	($$plma('5', '{HandleProfileDisabled}')$$),
	($$plma('5', '{}')$$),
	($$plma('5', '{HandleProfileEnabled}', type => 'other')$$),
	($$plma('5', '{HandleProfileEnabled}', mno => '4')$$),
	($$plma('5', '{HandleProfileEnabled}'); unconnect()$$),
	($$plma('5', '{HandleProfileEnabled}'); unregister('5')$$),
	($$plma('5', '{HandleProfileEnabled}'); untyped()$$),
	($$plma('4', '{HandleProfileEnabled}')$$),
	-- nobody twice
	($$plma('2', '{HandleProfileEnabled}'); unconnect()$$),
	($$plma('3', '{HandleProfileEnabled}')$$),
	-- what the operator does not want
	($$onc('{HandleProfileEnabled}')$$),
	($$onc('{HandleProfileDisabled,HandleProfileEnabled}'); unconnect()$$),
	($$onc('{HandleProfileDisabled}')$$),
	($$onc('{HandleProfileEnabled}', type => 'other')$$),
	($$onc('{HandleProfileEnabled}', mno => '4')$$),
	($$onc('{HandleProfileEnabled}'); plma('5', '{HandleProfileEnabled}')$$),
	($$onc('{HandleProfileEnabled}'); untyped()$$),
	-- not who asked for it: that one has an answer
	($$enable_profile by 3$$),
	($$enable_profile by 3; plma('5', '{HandleProfileEnabled}')$$),
	($$enable_profile by 5; plma('5', '{HandleProfileEnabled}')$$),
	($$enable_profile by 2; unconnect()$$),
	($$enable_profile by 2$$),
	($$disable_profile by 4$$),
	($$enable_profile by 9$$),
	-- an audit asks for no change
	($$audit_eis by 3$$),
	-- who may not know of the eUICC
	($$pin('4')$$),
	($$pin('4'); plma('5', '{HandleProfileEnabled}')$$),
	($$pin('4'); unconnect()$$),
	($$pin('4'); pin('3'); plma('5', '{HandleProfileEnabled}')$$),
	($$pin('3'); unconnect()$$),
	($$pin('4', '89049032001000000100000090000248', '89049032001000000100000090000248')$$),
	($$pin('4', '89001012012341234012345678901224', '89001012012341234012345678901224')$$),
	($$pin('4', '89001012012341234012345678901224', '89049032001000000100000090000248')$$)
	) v (so);
\pset format aligned
SELECT card.try($$SELECT smsr.tell(p.eid, 'HandleProfileLost', p, NULL) FROM smsr.profile p LIMIT 1$$);
-- of no eUICC
SELECT smsr.tell_party(card.oid('5'), 'HandlePLMASetting', '{"profile_type": "sample"}', card.oid('3'));
SELECT smsr.tell_party(card.oid('9'), 'HandlePLMASetting');
SELECT party_id, eid, kind, iccid, mno_id, operation_id, details, position FROM smsr.notice;

-- ---- of what: two operators, each connected ----

-- fall-back and back again
SELECT card.reset();
UPDATE smsr.profile SET mno_id = card.oid('4') WHERE iccid = card.iccid(1);
SELECT card.enabled(2, 1);
SELECT * FROM card.news;
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT card.notify(5, 2, '10', '49000009000010');
SELECT * FROM card.news OFFSET 2;

-- the attributes
SELECT card.reset();
UPDATE smsr.profile SET mno_id = card.oid('4') WHERE iccid = card.iccid(1);
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
SELECT count(*) FROM smsr.notice;
SELECT card.answer();
SELECT * FROM card.news;
-- that it keeps it is no news
SELECT smsr.set_fallback_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT count(*) FROM smsr.notice;
SELECT card.reset();
UPDATE smsr.profile SET mno_id = card.oid('4') WHERE iccid = card.iccid(1);
UPDATE smsr.euicc SET remote_provisioning_version = '4.2.0';
UPDATE smsr.profile SET emergency_attribute = true, fallback_attribute = false WHERE iccid = card.iccid(1);
SELECT smsr.set_emergency_profile_attribute(card.eid(), card.iccid(2)) AS op \gset
SELECT card.take();
SELECT card.answer();
SELECT card.operation(:op);
SELECT * FROM card.news;
-- nobody has it any more
SELECT smsr.give_emergency(card.eid(), NULL, NULL);
SELECT * FROM card.news OFFSET 2;

-- what an audit finds to be otherwise
SELECT card.reset();
UPDATE smsr.profile SET mno_id = card.oid('4') WHERE iccid = card.iccid(1);
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F', true), card.isdp('11', '3F')]);
SELECT * FROM card.news;
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('10', '1F'), card.isdp('11', '3F', true)]);
SELECT * FROM card.news OFFSET 2;
-- one is gone
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('11', '3F', true)]);
SELECT * FROM card.news OFFSET 4;
-- as the EIS has it: nothing
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('11', '3F', true)]);
SELECT * FROM card.news OFFSET 5;
-- the card is silent about the attribute, and none is enabled
SELECT smsr.audit_eis(card.eid()) AS op \gset
SELECT card.take();
SELECT card.audit(ARRAY[card.isdp('11', '1F')]);
SELECT * FROM card.news OFFSET 5;
SELECT * FROM card.profiles WHERE card = 1;

-- a refusal is none
SELECT card.reset();
SELECT card.operation(smsr.update_policy_rules(card.eid(), '89490000000090000305', '{}'));
SELECT count(*) FROM smsr.notice;

-- an authorisation is told to whom it is given, and taken from, and counts from then on
SELECT card.reset();
SELECT smsr.set_plma(card.oid('5'), 'sample', '{}', '{HandleProfileEnabled}', card.oid('3'));
SELECT card.enabled(2, 1);
SELECT smsr.set_plma(card.oid('5'), 'sample', '{}', '{}', card.oid('3'));
SELECT card.enabled(1, 2);
SELECT party, kind, iccid, mno_id, details - 'm2m_sp_id' AS details FROM card.news;

-- ---- fetching ----

CREATE ROLE regress_card_operator;
CREATE ROLE regress_card_other;
CREATE ROLE regress_card_stranger;
GRANT USAGE ON SCHEMA smsr, card TO regress_card_operator, regress_card_other, regress_card_stranger;
GRANT EXECUTE ON FUNCTION smsr.fetch_notices(int, bigint), smsr.ack_notices(bigint), smsr.notice_channel(), card.try(text)
	TO regress_card_operator, regress_card_other, regress_card_stranger;
SELECT card.reset();
UPDATE smsr.profile SET mno_id = card.oid('4') WHERE iccid IN (card.iccid(1), card.iccid(1, 2));
CREATE FUNCTION card.happen(n int, card int DEFAULT 1, profile int DEFAULT 2) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p smsr.profile;
BEGIN
	SELECT * INTO p FROM smsr.profile WHERE eid = card.eid(happen.card) AND iccid = card.iccid(happen.profile, happen.card);
	FOR i IN 1 .. n
	LOOP
		PERFORM smsr.tell(p.eid, 'HandleProfileEnabled', p, NULL, jsonb_build_object('i', i));
	END LOOP;
END $$;
SELECT card.happen(2), card.happen(3, 2), card.happen(1, 1, 1);

SET ROLE regress_card_operator;
SELECT position, right(eid::text, 3) AS eid, kind, right(iccid::text, 4) AS iccid, mno_id, completed_at <= clock_timestamp() AS completed, details FROM smsr.fetch_notices();
-- what is not acknowledged comes again
SELECT array_agg(position) FROM smsr.fetch_notices(2);
SELECT smsr.ack_notices(2);
SELECT smsr.ack_notices(2);
SELECT array_agg(position) FROM smsr.fetch_notices(2);
SELECT array_agg(position) FROM smsr.fetch_notices();
-- replay, and reading ahead
SELECT array_agg(position) FROM smsr.fetch_notices(after => 0);
SELECT array_agg(position) FROM smsr.fetch_notices(2, 1);
SELECT array_agg(position) FROM smsr.fetch_notices(after => 4);
SELECT array_agg(position) FROM smsr.fetch_notices(after => 5);
-- and neither moves the cursor
SELECT array_agg(position) FROM smsr.fetch_notices();
SELECT smsr.ack_notices(1);
SELECT smsr.ack_notices(6);
SELECT smsr.ack_notices(-1);
SELECT smsr.ack_notices(NULL);
SELECT * FROM smsr.fetch_notices(after => 6);
SELECT * FROM smsr.fetch_notices(after => -1);
SELECT * FROM smsr.fetch_notices(0);
SELECT * FROM smsr.fetch_notices(10001);
SELECT * FROM smsr.fetch_notices(NULL);
-- new ones follow, and a fetch that was rolled back was none
RESET ROLE;
SELECT card.happen(2);
SET ROLE regress_card_operator;
BEGIN;
SELECT array_agg(position) FROM smsr.fetch_notices();
SELECT smsr.ack_notices(7);
ROLLBACK;
SELECT smsr.ack_notices(7);
SELECT array_agg(position) FROM smsr.fetch_notices(4);
SELECT smsr.ack_notices(6);
-- positions go in order of what happened, for replay too
SELECT position, details FROM smsr.fetch_notices(after => 4);

-- each its own: the other operator has its one notice, and its own counting
SET ROLE regress_card_other;
SELECT position, right(iccid::text, 4) AS iccid, mno_id FROM smsr.fetch_notices();
SELECT smsr.ack_notices(2);
SELECT smsr.ack_notices(1);
SELECT count(*) FROM smsr.fetch_notices();
-- a role of no party is nobody, and this SM-SR is told nothing
SET ROLE regress_card_stranger;
SELECT card.try(format('SELECT %s', f)) FROM unnest('{smsr.fetch_notices(),smsr.ack_notices(0),smsr.notice_channel()}'::text[]) f;
SELECT smsr.fetch_notices();
RESET ROLE;
SELECT card.try(format('SELECT %s', f)) FROM unnest('{smsr.fetch_notices(),smsr.ack_notices(0),smsr.notice_channel()}'::text[]) f;
SELECT smsr.fetch_notices();
-- nothing but the functions
SET ROLE regress_card_operator;
SELECT card.try(s) FROM unnest('{SELECT id FROM smsr.notice,SELECT channel FROM smsr.notice_cursor,SELECT waiting FROM smsr.notice_lag,
	SELECT smsr.lock_notice_cursor(),SELECT smsr.prune_notices(),"SELECT smsr.tell_party(''1.3.6.1.4.1.99999.3'', ''HandlePLMASetting'')"}'::text[]) s;
-- a table of its own is not taken for ours
CREATE TEMP TABLE notice_cursor (party_id text, last_position bigint, acked_position bigint, fetched_at timestamptz, acked_at timestamptz, channel text);
INSERT INTO notice_cursor VALUES ('1.3.6.1.4.1.99999.4', 99, 0);
SET search_path = pg_temp, smsr, pg_catalog;
SELECT array_agg(n.position) FROM smsr.fetch_notices() n;
RESET search_path;
-- fetched, kept and acknowledged in one statement
CREATE TEMP TABLE my_notices (id bigint PRIMARY KEY, position bigint, eid text, kind text);
BEGIN;
WITH new AS (
	INSERT INTO my_notices (id, position, eid, kind)
	SELECT id, position, eid, kind FROM smsr.fetch_notices(1000)
	RETURNING position
)
SELECT smsr.ack_notices(max(position)) FROM new HAVING count(*) > 0;
SELECT count(*) FROM smsr.fetch_notices();
SELECT position, kind FROM my_notices;
ROLLBACK;

-- ---- the doorbell ----

SELECT smsr.notice_channel() AS channel \gset
SELECT :'channel' ~ '^smsr_notice_[0-9a-f]{32}$' AS well_formed, smsr.notice_channel() = :'channel' AS same;
SET ROLE regress_card_other;
SELECT smsr.notice_channel() = :'channel' AS same;
RESET ROLE;

-- ---- lag ----

SELECT right(party_id, 1) AS party, name, connected, waiting, fetched, oldest IS NOT NULL AS oldest, fetched_at IS NOT NULL AS fetches, acked_at IS NOT NULL AS acks
	FROM smsr.notice_lag ORDER BY party_id;
SELECT card.happen(3);
SELECT oldest = (SELECT min(created_at) FROM smsr.notice n WHERE n.position = 7) AS oldest, waiting, fetched FROM smsr.notice_lag WHERE party_id = card.oid('3');

-- ---- pruning ----

-- nothing is old
SELECT smsr.prune_notices();
UPDATE smsr.notice SET created_at = created_at - interval '29 days';
SELECT smsr.prune_notices();
-- what was not acknowledged stays, however old
UPDATE smsr.notice SET created_at = created_at - interval '2 days';
-- and so does what is behind one that is not old: a replay finds no hole
UPDATE smsr.notice SET created_at = now() WHERE party_id = card.oid('3') AND position = 4;
SELECT smsr.prune_notices();
SELECT right(party_id, 1) AS party, position FROM smsr.notice ORDER BY party_id, id;
SET ROLE regress_card_operator;
SELECT array_agg(position) FROM smsr.fetch_notices(after => 0);
SELECT array_agg(position) FROM smsr.fetch_notices(after => 3);
SET ROLE regress_card_other;
SELECT array_agg(position) FROM smsr.fetch_notices(after => 0);
SELECT array_agg(position) FROM smsr.fetch_notices(after => 1);
SELECT array_agg(position) FROM smsr.fetch_notices();
RESET ROLE;
-- the parameter
SET smsr.notice_retention = 0;
SELECT smsr.prune_notices();
SELECT right(party_id, 1) AS party, position FROM smsr.notice ORDER BY party_id, id;
RESET smsr.notice_retention;
-- new ones behind them are no reason to remove old ones that nobody has acknowledged
UPDATE smsr.notice SET created_at = now() WHERE position = 10;
SELECT smsr.prune_notices();
-- unless it is said how long they have time
SET smsr.unread_notice_retention = '60 d';
CREATE VIEW card.waits AS SELECT right(n.party_id, 1) AS party, n.position, n.kind, n.created_at < now() - interval '60 d' AS old, n.details - 'last_at' AS details
	FROM smsr.notice n JOIN smsr.notice_cursor c USING (party_id) WHERE n.position IS NULL OR n.position > c.acked_position ORDER BY n.party_id, n.position NULLS LAST, n.id;
CREATE VIEW card.lag AS SELECT right(party_id, 1) AS party, waiting, fetched, removed, removed_at IS NOT NULL AS at FROM smsr.notice_lag WHERE waiting + removed > 0 ORDER BY party_id;
SELECT card.happen(2);
UPDATE smsr.notice SET created_at = '2020-01-01Z' WHERE position = 8 OR position IS NULL;
SELECT * FROM card.waits;
-- not what is behind one that still has time
SELECT smsr.prune_notices();
UPDATE smsr.notice SET created_at = '2020-01-02Z' WHERE position < 10;
SELECT smsr.prune_notices();
SELECT * FROM card.waits;
SELECT * FROM card.lag;
UPDATE smsr.notice SET created_at = '2020-01-03Z' WHERE position = 10;
SELECT smsr.prune_notices();
SELECT * FROM card.waits;
-- it is told once, however often
SELECT card.happen(2);
UPDATE smsr.notice SET created_at = '2020-01-04Z' WHERE kind <> 'NoticesRemoved';
SELECT smsr.prune_notices();
SELECT smsr.prune_notices();
SELECT * FROM card.waits;
SELECT * FROM card.lag;
SELECT function, status, details - 'before' AS details FROM smsr.audit_trail WHERE function = 'prune_notices' ORDER BY position;
-- the party goes on with what there is
SET ROLE regress_card_operator;
SELECT position, kind, details ->> 'removed' AS removed FROM smsr.fetch_notices();
SELECT smsr.ack_notices(max(position)) > 0 AS acknowledged FROM smsr.fetch_notices();
RESET ROLE;
SELECT smsr.prune_notices();
RESET smsr.unread_notice_retention;
-- for whom nobody will ever come, once it is old
DELETE FROM smsr.party WHERE oid = card.oid('3');
SELECT smsr.maintain(0);
SELECT count(*) FROM smsr.notice;

SELECT card.faults();
\set ECHO none
DROP OWNED BY regress_card_operator, regress_card_other, regress_card_stranger;
DROP ROLE regress_card_operator, regress_card_other, regress_card_stranger;
DELETE FROM smsr.plma;
DELETE FROM smsr.onc;
\i sql/card_end.psql
