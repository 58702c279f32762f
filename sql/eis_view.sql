-- What a party sees of an EIS, now, after an audit, and of a time that is over.
\set ECHO none
\i sql/card.psql
\set SHOW_CONTEXT never
SELECT card.reset();
-- one eUICC with profiles of two operators, made by two SM-DPs
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4', smdp_id = '1.3.6.1.4.1.99999.6', profile_type = 'metering', imsi = '234150009000011',
		msisdn = '44000009000011' WHERE iccid = card.iccid(2);
UPDATE smsr.euicc SET additional_properties = '{"vendor": "sample & sons"}', last_audit_at = '2026-03-01 12:00:00.25+00' WHERE eid = card.eid();

CREATE TABLE card.party (name text PRIMARY KEY, oid text, kind text);
INSERT INTO card.party VALUES ('north', '1.3.6.1.4.1.99999.3', 'MNO'), ('south', '1.3.6.1.4.1.99999.4', 'MNO'), ('third', '1.3.6.1.4.1.99999.5', 'MNO'),
	('north_dp', '1.3.6.1.4.1.99999.2', 'SM-DP'), ('south_dp', '1.3.6.1.4.1.99999.6', 'SM-DP'), ('other_dp', '1.3.6.1.4.1.99999.7', 'SM-DP'),
	('provider', '1.3.6.1.4.1.99999.8', 'M2M-SP'), ('eum', '1.3.6.1.4.1.99999.1', 'EUM'), ('peer', '1.3.6.1.4.1.99999.10', 'SM-SR');
INSERT INTO smsr.party (oid, kind, name) SELECT oid, kind, name FROM card.party ON CONFLICT DO NOTHING;
CREATE ROLE regress_eis_view;
GRANT USAGE ON SCHEMA smsr TO regress_eis_view;
GRANT EXECUTE ON FUNCTION smsr.get_eis(smsr.eid), smsr.audited_eis(bigint), smsr.operation_response(bigint), smsr.eis_at(smsr.eid, timestamptz)
	TO regress_eis_view;
DO $$
DECLARE
	p text;
BEGIN
	FOREACH p IN ARRAY (SELECT array_agg(name) || 'nobody'::text FROM card.party) LOOP
		EXECUTE format('CREATE ROLE regress_%s IN ROLE regress_eis_view', p);
	END LOOP;
END $$;
INSERT INTO smsr.party_role (role_name, party_id, bound_by) SELECT 'regress_' || name, oid, 'postgres' FROM card.party;

-- what the role of a party is given
CREATE FUNCTION card.seen_by(party text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('role', 'regress_' || party, true) WHERE party <> 'own';
	EXECUTE statement INTO result;
	PERFORM set_config('role', 'none', true);
	RETURN result;
END $$;
CREATE FUNCTION card.eis_for(party text, card int DEFAULT 1) RETURNS text LANGUAGE sql AS $$
	SELECT card.seen_by(party, format('SELECT smsr.get_eis(%L)', card.eid(card)))
$$;
-- what must stay with whom
CREATE TABLE card.secret (what text, of text[], octets text);
INSERT INTO card.secret
	SELECT s.what, CASE p.mno_id WHEN '1.3.6.1.4.1.99999.3' THEN '{own,north,north_dp}' ELSE '{own,south,south_dp,provider}' END::text[], s.octets
	FROM smsr.profile p, LATERAL (VALUES ('ICCID', p.iccid::text), ('AID', upper(encode(p.isdp_aid::bytea, 'hex'))), ('MSISDN', p.msisdn),
		('IMSI', p.imsi), ('type', p.profile_type || '</'), ('operator', p.mno_id || '</Mno'), ('SM-DP', p.smdp_id || '</Smdp')) s (what, octets)
	WHERE p.eid = card.eid() AND NOT (s.what = 'type' AND p.profile_type = 'sample')
	UNION ALL VALUES
	('ECASD', '{own,north_dp,south_dp,other_dp}'::text[], 'A0000005591010FFFFFFFF8900000200'), ('certificate', '{own,north_dp,south_dp,other_dp}', '7F2181BE9301'),
	('ISD-R', '{own,north_dp,south_dp,other_dp}', 'A0000005591010FFFFFFFF8900000100'), ('load file', '{own,north_dp,south_dp,other_dp}', '0D00</'),
	('module', '{own,north_dp,south_dp,other_dp}', '0E00</'), ('signature', '{own,north_dp,south_dp,other_dp}', 'SignatureValue'),
	('check value', '{own}', '1233DD'), ('counter', '{own}', '<Cntr>'),
	('key', '{}', 'AAB78636'), ('audit trail', '{}', 'AuditTrail'), ('date of audit', '{}', 'LastAuditDate');
-- who is given what is not theirs, and who is not given what is
CREATE FUNCTION card.faults_of(party text, document text) RETURNS TABLE (fault text, what text) LANGUAGE sql AS $$
	SELECT CASE WHEN faults_of.party = ANY (s.of) THEN 'missing' ELSE 'leaked' END, s.what FROM card.secret s
	WHERE (position(s.octets IN document) > 0) IS DISTINCT FROM (faults_of.party = ANY (s.of)) ORDER BY 1, 2
$$;
SELECT card.eid() AS eid, card.eid(2) AS other \gset
\pset format unaligned
\set ECHO all

-- ---- GetEIS ----

-- of a number of secrets, who is shown which: never another's
SELECT name, length(d) > 1000 AS document, (SELECT count(*) FROM card.secret s WHERE position(s.octets IN d) > 0) AS secrets,
	(SELECT string_agg(fault || ' ' || what, ', ') FROM card.faults_of(name, d)) AS faults
	FROM (VALUES ('own'), ('north'), ('south'), ('north_dp'), ('south_dp'), ('other_dp')) v (name), card.eis_for(name) d;
-- an operator's: a part of what the EUM signed, so without signature
SET ROLE regress_north;
SELECT smsr.get_eis(:'eid');
RESET ROLE;
-- whatever the time zone
SET timezone = 'Asia/Kolkata';
SELECT (xpath('//*[local-name() = "ProductionDate"]/text()', card.eis_for('north')::xml))[1];
RESET timezone;
-- an SM-DP's: what was signed is verifiable, and the ISD-R has no keys
SELECT unnest(xpath('/*/*[local-name() != "EumSignedInfo" and local-name() != "EumSignature"]', card.eis_for('south_dp')::xml));
SELECT position(s.signed_info IN d) > 0 AS signed, position(s.signature IN d) > 0 AS signature
	FROM smsr.euicc_signed s, card.eis_for('other_dp') d WHERE s.eid = :'eid';
-- with the date of an audit only the audit's result
SELECT last_audit_at IS NOT NULL AS audited, position('Audit' IN card.eis_for('own')) > 0 AS shown FROM smsr.euicc WHERE eid = :'eid';

-- refused, and what is foreign looks like what is not there
SELECT card.eis_for('third');
SELECT card.seen_by('third', $$SELECT smsr.get_eis('89001012012341234012345678901224')$$);
SELECT card.eis_for('provider');
SELECT card.eis_for('eum');
SELECT card.eis_for('peer');
SELECT card.try($$SELECT card.eis_for('nobody')$$);
SELECT smsr.get_eis('89001012012341234012345678901224');
-- who sees nothing of a table
SELECT card.try($$SELECT card.seen_by('south', 'SELECT count(*) FROM smsr.profile_history')$$);
SELECT card.try($$SELECT card.seen_by('south', 'SELECT smsr.profiles_at(''89049032001000000100000090000151'', now())')$$);

-- an M2M service provider needs the operator's authorisation for this very function
INSERT INTO smsr.plma (mno_id, m2m_sp_id, profile_type, authorised, notifications) VALUES
	('1.3.6.1.4.1.99999.4', '1.3.6.1.4.1.99999.8', 'metering', '{enable_profile}', '{}');
SELECT card.eis_for('provider');
UPDATE smsr.plma SET authorised = '{get_eis}';
SELECT (SELECT count(*) FROM card.secret s WHERE position(s.octets IN d) > 0) AS secrets,
	(SELECT string_agg(fault || ' ' || what, ', ') FROM card.faults_of('provider', d)) AS faults FROM card.eis_for('provider') d;
-- another type, another operator
BEGIN;
UPDATE smsr.plma SET profile_type = 'sample';
SELECT card.eis_for('provider');
ROLLBACK;
-- a PLMA makes no operator see the other's
BEGIN;
UPDATE smsr.plma SET m2m_sp_id = '1.3.6.1.4.1.99999.3';
SELECT * FROM card.faults_of('north', card.eis_for('north'));
ROLLBACK;
-- an ISD-P that nobody has claimed is nobody's
BEGIN;
UPDATE smsr.profile SET iccid = NULL, mno_id = NULL, smdp_id = NULL WHERE iccid = card.iccid(2);
SELECT card.eis_for('south');
SELECT * FROM card.faults_of('north', card.eis_for('north'));
ROLLBACK;

-- an EID that is pinned to one operator is not there for the other, nor for whom that one has authorised
BEGIN;
INSERT INTO smsr.eid_range (first, last, party_id) VALUES (:'eid', :'eid', '1.3.6.1.4.1.99999.4'), (:'eid', :'eid', '1.3.6.1.4.1.99999.6');
INSERT INTO smsr.plma (mno_id, m2m_sp_id, profile_type, authorised, notifications) VALUES
	('1.3.6.1.4.1.99999.3', '1.3.6.1.4.1.99999.8', 'sample', '{get_eis}', '{}');
SELECT card.eis_for('north');
SELECT card.eis_for('other_dp');
SELECT card.seen_by('north', format('SELECT smsr.eis_at(%L, now())', card.eid()));
SELECT name, f.* FROM (VALUES ('south'), ('provider')) v (name), card.eis_for(name) d, card.faults_of(name, d) f;
DELETE FROM smsr.plma WHERE mno_id = '1.3.6.1.4.1.99999.4';
SELECT card.eis_for('provider');
ROLLBACK;

-- ---- the result of an audit ----

SELECT smsr.audit_eis(:'eid') AS audit \gset
SELECT smsr.audited_eis(:audit);
SELECT card.take() IS NOT NULL AS taken;
SELECT card.audit(ARRAY[card.isdp('10', '3F', true), card.isdp('11', '1F')]);
UPDATE smsr.euicc SET last_audit_at = '2026-03-01 12:00:00.25+00' WHERE eid = :'eid';
-- more history: an own request, requests of others about own and foreign profiles
CREATE FUNCTION card.record(date timestamptz, type bytea, party text, iccid smsr.iccid, aid smsr.aid, status text DEFAULT 'EXECUTED_SUCCESS') RETURNS void
	LANGUAGE plpgsql AS $$
DECLARE
	r smsr.audit_trail := smsr.audit_entry(card.eid(), NULL, p_requester => (SELECT oid FROM card.party p WHERE p.name = party), p_status => status,
		p_subject => CASE status WHEN 'FAILED' THEN '8.2.1' END, p_reason_code => CASE status WHEN 'FAILED' THEN '3.9' END, p_isdp_aid => aid, p_iccid => iccid,
		p_operation_type => type);
BEGIN
	r.operation_date := date;
	PERFORM smsr.record_audit(ARRAY[r]);
END $$;
SELECT card.record(now(), '\x0200', 'south', card.iccid(2), 'A0000005591010FFFFFFFF8900001100');
SELECT card.record(now(), '\x0300', 'provider', card.iccid(2), 'A0000005591010FFFFFFFF8900001100', 'FAILED');
SELECT card.record(now(), '\x0200', 'north', card.iccid(2), 'A0000005591010FFFFFFFF8900001100', 'FAILED');
SELECT card.record(now(), '\x0002', NULL, NULL, 'A0000005591010FFFFFFFF8900001000');
-- that ISD-P had another owner before there was this profile
SELECT card.record('2026-02-01 00:00:00+00', '\x0002', NULL, NULL, 'A0000005591010FFFFFFFF8900001000');
CREATE FUNCTION card.records(document text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (xpath('/Record/OperationType/text()', r))[1], (xpath('/Record/RequesterId/text()', r))[1],
		(xpath('/Record/OperationExecutionStatus/Status/text()', r))[1], (xpath('/Record/Iccid/text()', r))[1],
		substr((xpath('/Record/Isd-p-aid/text()', r))[1]::text, 29, 2))
	FROM unnest(xpath('//*[local-name() = "Record"]', regexp_replace(document, ' xmlns="[^"]*"', '', 'g')::xml)) r
$$;
-- each party's audit is this one in turn
CREATE FUNCTION card.audited_by(party text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE smsr.operation SET requester_id = (SELECT oid FROM card.party p WHERE p.name = party) WHERE function = 'audit_eis' AND party <> 'own';
	RETURN card.seen_by(party, format('SELECT smsr.audited_eis(%s)', (SELECT max(id) FROM smsr.operation WHERE function = 'audit_eis')));
END $$;
SELECT card.records(card.audited_by('own'));
SELECT card.records(card.audited_by('north'));
SELECT card.records(card.audited_by('south'));
SELECT card.records(card.audited_by('south_dp'));
-- north has named another's ICCID itself, and is not told more of it
SELECT name, what FROM (VALUES ('north'), ('north_dp'), ('south_dp')) v (name), card.audited_by(name) d, card.faults_of(name, d) WHERE what NOT LIKE '%audit%';
SELECT (xpath('//*[local-name() = "LastAuditDate"]/text()', card.audited_by('north')::xml))[1];
-- whose audit was asked for some profiles
BEGIN;
UPDATE smsr.operation SET arguments = '{"iccids": ["8949000000090000118"]}' WHERE id = :audit;
SELECT position('ProfileInfo' IN card.audited_by('north')) > 0 AS north, position('ProfileInfo' IN card.audited_by('south')) > 0 AS south;
ROLLBACK;
-- others' audits, and what is none
SELECT card.audited_by('south') IS NOT NULL AS south;
SELECT card.seen_by('north', 'SELECT smsr.audited_eis(' || :audit || ')');
SELECT card.seen_by('north', 'SELECT smsr.audited_eis(1)');
SELECT card.seen_by('north', 'SELECT smsr.operation_response(1)');
-- an audit names everybody's ISD-Ps: what the card said is for nobody else
SELECT card.seen_by('south', 'SELECT smsr.operation_response(' || :audit || ')');
SELECT length(smsr.operation_response(:audit)) > 50 AS own;
-- failed, or its party has lost its profile
BEGIN;
UPDATE smsr.operation SET status = 'FAILED', subject_code = '8.1', reason_code = '5.1' WHERE id = :audit;
SELECT card.audited_by('south');
ROLLBACK;
BEGIN;
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.5' WHERE iccid = card.iccid(2);
SELECT card.audited_by('south');
ROLLBACK;

-- an enable whose answer is lost asks by an audit: that is not its response, nor the answer to a confirmation
SELECT smsr.enable_profile(:'eid', card.iccid(2)) AS enable \gset
SELECT card.take() IS NOT NULL AS taken;
SELECT card.answer('9000');
SELECT smsr.operation_response(:enable);
SELECT card.notify(2, 1, '11', '44000009000011');
SELECT card.take() IS NOT NULL AS taken;
SELECT card.answer('9000', card.aid('10'));
SELECT smsr.operation_response(:enable), (SELECT status FROM smsr.operation WHERE id = :enable);
UPDATE smsr.operation SET requester_id = '1.3.6.1.4.1.99999.4' WHERE id = :enable;
SELECT card.seen_by('south', 'SELECT smsr.operation_response(' || :enable || ')');
SELECT card.seen_by('north', 'SELECT smsr.operation_response(' || :enable || ')');

-- every refusal has its record
SELECT eid, operation_type, requester_id, status, subject_code, reason_code, count(*) FROM smsr.audit_trail WHERE operation_type >= '\xff' AND status = 'FAILED'
	GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6;

-- ---- at an instant ----

CREATE TABLE card.instant (n int GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now(), what text);
CREATE FUNCTION card.mark(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO card.instant (what) VALUES (what) $$;
DELETE FROM smsr.euicc;
SELECT card.mark('not registered');
SELECT smsr.register_eis(document) IS NOT NULL AS registered FROM card.euicc WHERE n = 1;
SELECT card.mark('registered');
UPDATE smsr.profile SET mno_id = '1.3.6.1.4.1.99999.4', smdp_id = '1.3.6.1.4.1.99999.6', msisdn = '44000009000011' WHERE iccid = card.iccid(2);
SELECT card.mark('the second sold to south');
BEGIN;
UPDATE smsr.profile SET msisdn = '44000009000012' WHERE iccid = card.iccid(2);
SELECT card.mark('within a transaction: as it is after it');
UPDATE smsr.profile SET msisdn = '44000009000013' WHERE iccid = card.iccid(2);
SAVEPOINT s;
UPDATE smsr.profile SET msisdn = '44000009000014' WHERE iccid = card.iccid(2);
ROLLBACK TO s;
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed}', changed_at = '2000-01-01' WHERE iccid = card.iccid(2);
COMMIT;
SELECT card.mark('renumbered in three steps of one transaction');
UPDATE smsr.profile SET msisdn = msisdn, changed_at = now();
UPDATE smsr.euicc SET last_seen_at = now(), notification_sequence = 7, changed_at = now();
SELECT count(*) AS versions FROM smsr.profile_history h, card.instant i WHERE i.what = 'registered' AND until > i.at;
SELECT card.enabled(2, 1);
SELECT card.mark('the second enabled');
UPDATE smsr.euicc SET remaining_memory = 123456;
UPDATE smsr.euicc SET additional_properties = '{"a": "b"}';
SELECT card.mark('less memory');
BEGIN;
UPDATE smsr.profile SET state = 'Disabled' WHERE state = 'Enabled';
DELETE FROM smsr.profile WHERE iccid = card.iccid(2);
COMMIT;
SELECT card.mark('the second deleted');
-- the AID is given again, to another operator
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, state)
	VALUES (:'eid', 'A0000005591010FFFFFFFF8900001100', '89490000000090000305', '1.3.6.1.4.1.99999.5', '1.3.6.1.4.1.99999.2', 'Created');
SELECT card.mark('its AID given to third');
BEGIN;
UPDATE smsr.euicc SET remaining_memory = 1;
DELETE FROM smsr.euicc;
COMMIT;
SELECT card.mark('gone');
SELECT smsr.register_eis(document) IS NOT NULL AS registered FROM card.euicc WHERE n = 1;
SELECT card.mark('registered anew');
TRUNCATE smsr.euicc CASCADE;
SELECT card.mark('truncated');

CREATE FUNCTION card.summary(document text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN document IS NULL THEN '-' ELSE concat_ws(' ', CASE WHEN document ~ 'SignatureValue' THEN 'signed' END, CASE WHEN document ~ '<Isd-r>' THEN 'ISD-R' END,
		(xpath('//RemainingMemory/text()', x))[1],
		(SELECT string_agg(concat_ws(':', right((xpath('/ProfileInfo/Iccid/text()', p))[1]::text, 4), (xpath('/ProfileInfo/State/text()', p))[1],
			right((xpath('/ProfileInfo/SubscriptionAddress/Msisdn/text()', p))[1]::text, 3)), ' ')
			FROM unnest(xpath('//ProfileInfo', x)) p)) END
	FROM (SELECT regexp_replace(document, ' xmlns="[^"]*"', '', 'g')::xml) v (x)
$$;
CREATE FUNCTION card.then_for(party text, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT card.seen_by(party, format('SELECT smsr.eis_at(%L, %L)', card.eid(), at))
$$;
SET client_min_messages = error;
\pset format aligned
SELECT i.what, card.summary(card.then_for('own', i.at)) AS own FROM card.instant i ORDER BY i.n;
SELECT i.what, card.summary(card.then_for('north', i.at)) AS north, card.summary(card.then_for('south', i.at)) AS south,
	card.summary(card.then_for('third', i.at)) AS third FROM card.instant i ORDER BY i.n;
SELECT i.what, card.summary(card.then_for('south_dp', i.at)) AS south_dp, card.summary(card.then_for('provider', i.at)) AS provider,
	card.summary(card.then_for('eum', i.at)) AS eum FROM card.instant i ORDER BY i.n;
\pset format unaligned
SET client_min_messages = warning;
-- the provider's authorisation is for another type of profile
UPDATE smsr.plma SET profile_type = 'sample';
SELECT card.summary(card.then_for('provider', at)) FROM card.instant WHERE what = 'less memory';
-- all of it, word for word
SELECT card.then_for('own', at) = (SELECT card.then_for('own', at) FROM card.instant WHERE what = 'registered anew') AS the_same FROM card.instant WHERE what = 'registered';
SELECT unnest(xpath('/*/*[local-name() != "EumSignedInfo" and local-name() != "EumSignature"]', card.then_for('own', at)::xml))
	FROM card.instant WHERE what = 'less memory';
SELECT i.what, f.* FROM card.instant i, (VALUES ('south'), ('south_dp')) v (name), card.then_for(name, i.at) d, card.faults_of(name, d) f
	WHERE i.what IN ('less memory', 'the second enabled') AND fault = 'leaked';
-- refused, with a warning
SELECT card.then_for('own', at) FROM card.instant WHERE what = 'not registered';
SELECT card.then_for('south', at) FROM card.instant WHERE what = 'registered';
SELECT card.try(format('SELECT card.then_for(''nobody'', %L)', at)) FROM card.instant WHERE what = 'less memory';
SELECT card.then_for('own', 'infinity');
SELECT smsr.eis_at(NULL, now()), smsr.eis_at(:'eid', NULL);
-- what has been is not changed any more
UPDATE smsr.profile_history SET until = now();
DELETE FROM smsr.profile_history;
TRUNCATE smsr.profile_history;
TRUNCATE smsr.profile_history_default;
UPDATE smsr.euicc_history_default SET gone = false;
DELETE FROM smsr.euicc_history;
TRUNCATE smsr.euicc_history_default;

-- ---- many at once: all or none ----

TRUNCATE smsr.euicc CASCADE;
SELECT r FROM smsr.register_many(ARRAY(SELECT document FROM card.euicc ORDER BY n) || NULL::xml) r;
SELECT card.try('SELECT count(*) FROM smsr.register_many(ARRAY(SELECT document FROM card.euicc ORDER BY n))');
TRUNCATE smsr.euicc CASCADE;
SELECT card.try('SELECT count(*) FROM smsr.register_many(ARRAY(SELECT document FROM card.euicc, generate_series(1, 2)))');
SELECT count(*) FROM smsr.euicc;
SELECT count(*) FROM smsr.register_many('{}');

-- ---- no trace ----

\set ECHO none
DELETE FROM smsr.plma;
DELETE FROM smsr.party WHERE oid IN (SELECT oid FROM card.party);
REVOKE ALL ON FUNCTION smsr.get_eis(smsr.eid), smsr.audited_eis(bigint), smsr.operation_response(bigint), smsr.eis_at(smsr.eid, timestamptz)
	FROM regress_eis_view;
REVOKE ALL ON SCHEMA smsr FROM regress_eis_view;
DROP ROLE regress_eis_view, regress_nobody, regress_north, regress_south, regress_third, regress_north_dp, regress_south_dp, regress_other_dp,
	regress_provider, regress_eum, regress_peer;
\i sql/card_end.psql
