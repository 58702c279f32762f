-- The audit trail: chains of records, what is filled in, and that nobody can
-- change them.
SET smsr.reason = 'ticket 4711';
CREATE FUNCTION pg_temp.eid(n int) RETURNS smsr.eid LANGUAGE sql AS $$
	SELECT (d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'))::smsr.eid
	FROM (SELECT '890010120123412340' || lpad(n::text, 12, '0')) AS v(d)
$$;
CREATE VIEW pg_temp.trail AS
	SELECT right(eid::text, 4) AS eid, number, function, operation_type, status, requested_by = current_user AS by_me, reason
	FROM smsr.audit_trail ORDER BY position;

-- one at a time
SELECT smsr.record_audit(pg_temp.eid(1), 'enable_profile', 17, '1.3.6.1.4.1.3', 'EXECUTED_SUCCESS');
SELECT smsr.record_audit(pg_temp.eid(1), 'disable_profile', 18, p_reason => 'another', p_requested_by => 'somebody');
SELECT smsr.record_audit(NULL, 'register_party', p_details => '{"b": [1.50, "ü"], "a": null}');
SELECT smsr.record_audit(NULL, NULL, p_operation_type => '\x0102');
-- whose chain it is without an eUICC: of the party that calls, else of the one that it
-- is done for; an administrator's is the SM-SR's own, whomever it is about
CREATE ROLE regress_smsr_party;
CREATE ROLE regress_smsr_nobody;
INSERT INTO smsr.party (oid, kind, name) VALUES ('1.3.6.1.4.1.99999.30', 'MNO', 'North Mobile');
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES ('regress_smsr_party', '1.3.6.1.4.1.99999.30', current_user);
GRANT USAGE ON SCHEMA smsr TO regress_smsr_party, regress_smsr_nobody;
CREATE FUNCTION public.recorded(p_by name, p_eid smsr.eid, p_requester text, p_batch boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	entry smsr.audit_trail := smsr.audit_entry(p_eid, 'set_plma', p_requester => p_requester);
	chain record;
BEGIN
	-- whatever the record itself says
	entry.chain_party := '1.2.3';
	PERFORM set_config('role', p_by, true);
	PERFORM public.as_owner(entry, p_batch);
	PERFORM set_config('role', 'none', true);
	SELECT t.eid, t.chain_party, t.number, h.number = t.number AND h.hash = t.hash AS is_head INTO chain
		FROM smsr.audit_trail t JOIN smsr.audit_head h ON h.eid IS NOT DISTINCT FROM t.eid AND h.chain_party IS NOT DISTINCT FROM t.chain_party
		ORDER BY t.position DESC LIMIT 1;
	RETURN format('%s %s%s', CASE WHEN chain.eid IS NOT NULL THEN 'eUICC''s' ELSE coalesce(right(chain.chain_party, 2), 'own') END, chain.number, CASE WHEN NOT chain.is_head THEN ' no head' END);
END $$;
CREATE FUNCTION public.as_owner(entry smsr.audit_trail, batch boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF batch THEN
		PERFORM smsr.record_audit(ARRAY[entry]);
	ELSE
		PERFORM smsr.record_audit(entry.eid, entry.function, p_requester => entry.requester_id);
	END IF;
END $$;
BEGIN;
SELECT c.by, c.requester, recorded(c.by, NULL, c.requester, false) AS one, recorded(c.by, NULL, c.requester, true) AS several,
	recorded(c.by, pg_temp.eid(1), c.requester, false) AS "of an eUICC", recorded(c.by, pg_temp.eid(1), c.requester, true) AS several
FROM (VALUES (1, 'regress_smsr_party', '1.3.6.1.4.1.99999.30'), (2, 'regress_smsr_party', '1.3.6.1.4.1.99999.31'), (3, 'regress_smsr_party', NULL),
	(4, 'none', '1.3.6.1.4.1.99999.30'), (5, 'none', smsr.setting('smsr_id')), (6, 'none', NULL),
	(7, 'regress_smsr_nobody', '1.3.6.1.4.1.99999.30'), (8, 'regress_smsr_nobody', smsr.setting('smsr_id')), (9, 'regress_smsr_nobody', NULL)) c (n, by, requester)
ORDER BY c.n;
-- of several chains in one call, in any order: each chain for itself
CREATE FUNCTION public.many() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	SELECT smsr.record_audit(array_agg(smsr.audit_entry(CASE n % 3 WHEN 0 THEN '89001012012341234012345678901224'::smsr.eid END, 'get_eis', n,
		CASE n % 3 WHEN 1 THEN '1.3.6.1.4.1.99999.3' || n % 2 END) ORDER BY n)) FROM generate_series(1, 12) n
$$;
SET LOCAL ROLE regress_smsr_nobody;
SELECT public.many();
RESET ROLE;
SELECT t.eid, t.chain_party, array_agg(t.operation_id ORDER BY t.number) AS ids FROM smsr.audit_trail t WHERE t.function = 'get_eis' GROUP BY 1, 2 ORDER BY min(t.position);
SELECT * FROM smsr.audit_verify();
-- no chain is an eUICC's and a party's
\set VERBOSITY terse
INSERT INTO smsr.audit_head VALUES (pg_temp.eid(1), '1.3.6.1.4.1.99999.30', 1, sha256(''), now());
\set VERBOSITY default
ROLLBACK;
-- heads stay in their chains
BEGIN;
SELECT recorded('regress_smsr_party', NULL, NULL, false);
UPDATE smsr.audit_head SET number = number + 1, chain_party = '1.3.6.1.4.1.99999.31' WHERE chain_party = '1.3.6.1.4.1.99999.30';
ROLLBACK;
DROP FUNCTION public.recorded, public.as_owner;
DELETE FROM smsr.party WHERE oid = '1.3.6.1.4.1.99999.30';
DROP OWNED BY regress_smsr_party, regress_smsr_nobody;
DROP ROLE regress_smsr_party, regress_smsr_nobody;
-- several: each eUICC's in the order given
SELECT smsr.record_audit(array_agg(smsr.audit_entry(CASE WHEN n % 4 > 0 THEN pg_temp.eid(n % 4) END, 'audit_eis', n) ORDER BY n))
FROM generate_series(1, 8) n;
SELECT smsr.record_audit('{}'::smsr.audit_trail[]), smsr.record_audit(NULL::smsr.audit_trail[]);
SELECT * FROM pg_temp.trail;
SELECT right(eid::text, 4) AS eid, array_agg(operation_id ORDER BY number) FROM smsr.audit_trail GROUP BY 1 ORDER BY 1;
SELECT right(h.eid::text, 4) AS eid, h.number, t.hash = h.hash AS same
FROM smsr.audit_head h JOIN smsr.audit_trail t ON t.eid IS NOT DISTINCT FROM h.eid AND t.number = h.number ORDER BY h.eid;
-- the chain, computed otherwise
SELECT count(*) AS records, count(*) FILTER (WHERE hash = CASE number WHEN 1 THEN digest
	ELSE sha256(before || int4send(number) || digest) END) AS linked
FROM (SELECT number, hash, smsr.audit_digest(t) AS digest, lag(hash) OVER (PARTITION BY eid ORDER BY number) AS before
	FROM smsr.audit_trail t) r;
-- a record's digest, octet by octet
WITH field (n, name, value) AS (
	SELECT f.* FROM smsr.audit_trail t, LATERAL (VALUES
		(1, 'eid', decode(t.eid::text, 'hex')),
		(2, 'recorded_at', int8send((extract(epoch FROM t.recorded_at) * 1000000)::bigint)),
		(3, 'smsr_id', convert_to(t.smsr_id, 'UTF8')),
		(4, 'operation_date', int8send((extract(epoch FROM t.operation_date) * 1000000)::bigint)),
		(5, 'operation_type', t.operation_type),
		(6, 'function', convert_to(t.function, 'UTF8')),
		(7, 'operation_id', int8send(t.operation_id)),
		(8, 'requester_id', convert_to(t.requester_id, 'UTF8')),
		(9, 'requested_by', convert_to(t.requested_by, 'UTF8')),
		(10, 'reason', convert_to(t.reason, 'UTF8')),
		(11, 'status', convert_to(t.status, 'UTF8'))) f
	WHERE t.eid = pg_temp.eid(1) AND t.number = 1
)
SELECT hash = sha256('smsr audit record 1'::bytea || (SELECT string_agg(set_byte('\x00', 0, length(name)) ||
	name::bytea || int4send(length(value)) || value, '' ORDER BY n) FROM field)) AS same
FROM smsr.audit_trail WHERE eid = pg_temp.eid(1) AND number = 1;
-- every column but the record's place counts
CREATE TEMP TABLE field AS SELECT attname::text AS name FROM pg_attribute
	WHERE attrelid = 'smsr.audit_trail'::regclass AND attnum > 0 ORDER BY attnum;
SELECT f.name AS not_in_the_digest FROM field f, (SELECT * FROM smsr.audit_trail WHERE number = 1 AND eid = pg_temp.eid(1)) t
WHERE smsr.audit_digest(jsonb_populate_record(NULL::smsr.audit_trail, to_jsonb(t) || jsonb_build_object(f.name,
	CASE f.name WHEN 'eid' THEN to_jsonb(pg_temp.eid(9)) WHEN 'isdp_aid' THEN to_jsonb('A0000005591010FFFFFFFF8900001000'::text)
		WHEN 'iccid' THEN to_jsonb('8944000000000000016'::text) WHEN 'details' THEN '{"a": 1}'
		WHEN 'operation_type' THEN to_jsonb('\x0900'::text) WHEN 'operation_id' THEN '99' WHEN 'number' THEN '99' WHEN 'position' THEN '99'
		WHEN 'recorded_at' THEN to_jsonb(t.recorded_at + interval '1 us') WHEN 'operation_date' THEN to_jsonb(t.operation_date + interval '1 us')
		ELSE to_jsonb('x'::text) END))) = smsr.audit_digest(t);
-- and no setting
SELECT smsr.audit_digest(t) AS before FROM smsr.audit_trail t WHERE eid IS NULL AND number = 1 \gset
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'German';
SET extra_float_digits = -5;
SELECT smsr.audit_digest(t) = :'before'::bytea AS same FROM smsr.audit_trail t WHERE eid IS NULL AND number = 1;
RESET timezone;
RESET datestyle;
RESET extra_float_digits;
RESET smsr.reason;

-- nobody changes it, not even with triggers set aside as a replica does
SET session_replication_role = replica;
UPDATE smsr.audit_trail SET status = 'FAILED';
UPDATE smsr.audit_trail_default SET recorded_at = recorded_at + interval '1 day';
DELETE FROM smsr.audit_trail WHERE number = 1;
TRUNCATE smsr.audit_trail;
TRUNCATE smsr.audit_trail_default;
DELETE FROM smsr.audit_head;
TRUNCATE smsr.audit_head;
UPDATE smsr.audit_head SET hash = sha256('');
UPDATE smsr.audit_head SET number = number - 1;
UPDATE smsr.audit_head SET number = number + 1, eid = pg_temp.eid(9) WHERE eid = pg_temp.eid(1);
RESET session_replication_role;
SELECT count(*) FROM smsr.audit_trail;
-- a head that is there twice
INSERT INTO smsr.audit_head VALUES (NULL, NULL, 1, sha256(''), now());
-- what no record can be
\set VERBOSITY terse
SELECT smsr.record_audit(ARRAY[NULL]::smsr.audit_trail[]);
SELECT smsr.record_audit(ARRAY[smsr.audit_entry(pg_temp.eid(1), 'audit_eis'), smsr.audit_entry(pg_temp.eid(2), NULL, p_operation_type => '\x01')]);

DO $$
DECLARE
	t regclass;
BEGIN
	FOREACH t IN ARRAY ARRAY['smsr.audit_trail', 'smsr.audit_trail_default', 'smsr.audit_head']::regclass[]
	LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER append_only_truncate', t);
	END LOOP;
	TRUNCATE smsr.audit_trail, smsr.audit_head;
	FOREACH t IN ARRAY ARRAY['smsr.audit_trail', 'smsr.audit_trail_default', 'smsr.audit_head']::regclass[]
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_truncate', t);
	END LOOP;
END $$;
